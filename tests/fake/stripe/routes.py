"""Which endpoint a path is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from .catalog import ALIASES, BY_NAME, COLLECTIONS
from .collection import Collection
from .writes_table import ACTIONS

SINGLETONS = {"account", "balance"}


@dataclass(frozen=True, slots=True)
class Route:
    """kind: list, object, action, alias (a list of another collection's objects), events, event, singleton.

    template: the path with `{id}` for what varies: rate limits count by it.
    """

    kind: str
    template: str
    collection: Collection | None = None
    id: str | None = None
    parent: str | None = None
    action: str | None = None


@lru_cache(maxsize=1 << 16)
def resolve(path: str) -> Route | None:
    """The route of a raw path, or None."""
    if not path.startswith("/v1/") or path.endswith("/"):
        return None
    parts = [unquote(part) for part in path[4:].split("/")]
    if parts[0] == "events" and len(parts) <= 2:
        return (
            Route("events", "/v1/events")
            if len(parts) == 1
            else Route("event", "/v1/events/{id}", id=parts[1])
        )
    if len(parts) == 1 and parts[0] in SINGLETONS:
        return Route("singleton", f"/v1/{parts[0]}", id=parts[0])
    if parts[0] == "tax_ids" and len(parts) == 2:
        return Route("object", "/v1/tax_ids/{id}", BY_NAME["tax_id"], parts[1])
    for pattern, (name, _, _) in ALIASES.items():
        matched, held = _match(pattern.split("/"), parts)
        if matched:
            return Route("alias", "/v1/" + pattern, BY_NAME[name], parent=held, action=pattern)
    # The most literal path wins: checkout/sessions before anything that could take `sessions` for an id.
    for collection in COLLECTIONS:
        matched, held = _match(collection.parts, parts)
        if matched:
            return Route("list", f"/v1/{collection.path}", collection, parent=held)
    for collection in COLLECTIONS:
        size = len(collection.parts)
        matched, held = _match(collection.parts, parts[:size])
        if not matched:
            continue
        if len(parts) == size + 1:
            return Route("object", f"/v1/{collection.path}/{{id}}", collection, parts[size], held)
        if len(parts) == size + 2 and (collection.name, parts[-1]) in ACTIONS:
            return Route(
                "action",
                f"/v1/{collection.path}/{{id}}/{parts[-1]}",
                collection,
                parts[size],
                held,
                parts[-1],
            )
    return None


def _match(pattern: list[str], parts: list[str]) -> tuple[bool, str | None]:
    if len(pattern) != len(parts):
        return False, None
    held = None
    for expected, part in zip(pattern, parts, strict=True):
        if expected.startswith("{"):
            held = part
        elif expected != part:
            return False, None
    return True, held
