"""Records as the API shows them: those of their properties that are asked for, and what they go with."""

from __future__ import annotations

from typing import Any

from ..core import odd
from ..core.store import dump
from .associations import kinds
from .catalog import ObjectType
from .errors import PORTAL, invalid
from .portal import Portal

MOST = 100
"""Associations of a record that are shown with it; the rest is behind `paging`."""


def shown_properties(portal: Portal, type: ObjectType, asked: list[str] | None) -> list[str]:
    """Those that an answer has: the ones that come by default, or the ones that are asked for and exist.

    Nothing says that others do not exist.
    """
    known = portal.directory.properties[type.name]
    always = {"hs_object_id", type.created, type.changed}
    if asked is None:
        return sorted(name for name, each in known.items() if each.default)
    return sorted(always | {name for name in asked if name in known})


def associated_types(portal: Portal, type: ObjectType, asked: list[str] | None) -> list[ObjectType]:
    """The types that `associations` names."""
    found = []
    for name in asked or ():
        target = portal.type_called(name)
        if target is None or kinds(type, target, False) is None:
            raise invalid(f"{name} is not a valid association of {type.plural}")
        found.append(target)
    return found


def render(
    portal: Portal,
    type: ObjectType,
    document: dict[str, Any],
    properties: list[str],
    targets: list[ObjectType] | None = None,
    **more: Any,
) -> bytes:
    """A property without a value is null."""
    values = document["properties"]
    id = document["id"]
    shown = {"id": id, "properties": {name: values.get(name) for name in properties}}
    shown |= {name: value for name, value in document.items() if name not in shown}
    shown |= {"url": f"https://app.hubspot.com/contacts/{PORTAL}/record/{type.id}/{id}", **more}
    associations = {
        target.key or target.plural: found
        for target in targets or ()
        if (found := _with(portal, type, id, target))
    }
    if associations:
        shown["associations"] = associations
    item = portal.shelves[type.name].store.by_id.get(id)
    raw = dump(shown)
    return raw if item is None or item.odd is None else odd.make(item.odd, raw)


def _with(portal: Portal, type: ObjectType, id: str, target: ObjectType) -> dict[str, Any] | None:
    """A primary association is there twice: under both of its types."""
    found = portal.associated(type.name, id, target.name)
    if not found:
        return None
    results = [
        {"id": other, "type": kind.name}
        for other, primary in found[:MOST]
        for kind in kinds(type, target, primary) or ()
    ]
    if len(found) <= MOST:
        return {"results": results}
    after = found[MOST - 1][0]
    path = f"/crm/v4/objects/{type.plural}/{id}/associations/{target.plural}?after={after}"
    return {
        "results": results,
        "paging": {"next": {"after": after, "link": f"https://api.hubapi.com{path}"}},
    }
