"""Which endpoint a path is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..core.http import Request
from .catalog import ObjectType
from .errors import invalid

ROOTS = ("account-info", "crm", "crm-object-schemas", "oauth")
DATED = "2026-03"
ALONE = {
    "oauth/authorize": "authorize",
    "oauth/v1/token": "token",
    f"oauth/{DATED}/token": "token",
    "account-info/v3/details": "details",
    "account-info/v3/api-usage/daily": "usage",
    "account-info/v3/api-usage/daily/private-apps": "usage",
}
BATCHES = ("read", "create", "update", "upsert", "archive")
WITHOUT_ID = ("search", "merge", "gdpr-delete")


@dataclass(frozen=True, slots=True)
class Route:
    """kind: what it is, template: how limits, faults and the log name it, with the type by its plural.

    type, other: of the records; id: of what is asked for; unknown: the name of a type that there is not.
    """

    kind: str
    template: str
    type: ObjectType | None = None
    other: ObjectType | None = None
    id: str = ""
    unknown: str | None = None

    def typed(self) -> ObjectType:
        """The type of a path that has one. Raises ApiError for an unknown one."""
        if self.type is None or self.unknown is not None:
            raise invalid(f"Unable to infer object type from: {self.unknown}")
        return self.type


def resolve(request: Request, find: Callable[[str], ObjectType | None]) -> Route | None:
    """The route of a request; `find` knows the types by all of their names."""
    segments = request.segments
    path = "/".join(segments)
    if path in ALONE:
        return Route(ALONE[path], f"/{path}")
    match segments:
        case ["crm", "v3", "objects", name, *rest] | ["crm", "objects", "2026-03", name, *rest]:
            prefix = "/" + "/".join(segments[:3])
            return _records(prefix, name, rest, find)
        case ["crm", "v3", ("pipelines" | "properties" as what), name, *rest] if len(rest) < 2:
            type = find(name)
            kind = {"pipelines": "pipeline", "properties": "property"}[what]
            below = "/{id}" if rest else ""
            template = f"/crm/v3/{what}/{type.plural if type else name}{below}"
            return Route(kind, template, type, id="".join(rest), unknown=None if type else name)
        case ["crm", "v3", "owners", *rest] if len(rest) < 2:
            return Route("owner", "/crm/v3/owners" + "/{id}" * len(rest), id="".join(rest))
        case ["crm", "v3", "schemas", *rest] | ["crm-object-schemas", "v3", "schemas", *rest] if (
            len(rest) < 2
        ):
            return Route("schema", "/crm/v3/schemas" + "/{id}" * len(rest), id="".join(rest))
        case ["crm", "v4", "objects", one, id, "associations", other]:
            return _pair("associations", "/crm/v4/objects/{}/{{id}}/associations/{}", one, other, find, id)
        case ["crm", "v4", "associations", one, other, "batch", "read"]:
            return _pair("batch associations", "/crm/v4/associations/{}/{}/batch/read", one, other, find)
    return None


def _records(
    prefix: str, name: str, rest: list[str], find: Callable[[str], ObjectType | None]
) -> Route | None:
    type = find(name)
    template, unknown = f"{prefix}/{type.plural if type else name}", None if type else name
    match rest:
        case []:
            return Route("records", template, type, unknown=unknown)
        case [only] if only in WITHOUT_ID:
            return Route(only, f"{template}/{only}", type, unknown=unknown)
        case [id]:
            return Route("record", template + "/{id}", type, id=id, unknown=unknown)
        case ["batch", verb] if verb in BATCHES:
            return Route(f"batch {verb}", f"{template}/batch/{verb}", type, unknown=unknown)
    return None


def _pair(
    kind: str,
    template: str,
    one: str,
    other: str,
    find: Callable[[str], ObjectType | None],
    id: str = "",
) -> Route:
    types = find(one), find(other)
    unknown = next((name for name, type in zip((one, other), types, strict=True) if type is None), None)
    names = [type.plural if type else name for name, type in zip((one, other), types, strict=True)]
    return Route(kind, template.format(*names), *types, id=id, unknown=unknown)
