"""The lists of associations. In them the other record's id is a number, as nowhere else."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from ..core.http import Page, Request, Response
from ..core.opaque import Cursors
from ..core.store import dump
from .associations import kinds
from .batches import answer
from .catalog import ObjectType
from .errors import invalid, invalid_parameter, not_found
from .listing import reached
from .parameters import body, inputs, size
from .portal import Portal

MOST = 500
"""Associations of a page."""


class Relations:
    def __init__(self, portal: Portal, seed: int) -> None:
        self._portal = portal
        self._cursors = Cursors(seed)

    def of(self, request: Request, type: ObjectType, id: str, target: ObjectType) -> Response:
        if self._portal.shelves[type.name].live(id) is None:
            raise not_found()
        kind = f"{type.name} {id} {target.name}"
        found, more = self._page(
            type, id, target, request.query_dict().get("after"), size(request, MOST, MOST)
        )
        whole = [dump(self._shown(type, target, each)) for each in found]

        def wrap(shown: list[bytes], more: bool) -> bytes:
            last = reached(whole, shown)
            paging = b""
            if more and last:
                after = self._cursors.write(kind, int(found[last - 1][0]))
                paging = b',"paging":%b' % dump({"next": {"after": after}})
            return b'{"results":[%b]%b}' % (b",".join(shown), paging)

        return Page(200, items=whole, has_more=more, wrap=wrap)

    def batch(self, request: Request, type: ObjectType, target: ObjectType) -> Response:
        """In an order of its own. A record without any, and one that is not there, are errors."""
        results, missing = [], []
        for each in sorted(inputs(body(request)), key=lambda each: crc32(str(each.get("id")).encode())):
            id = str(each.get("id"))
            found, more = self._page(type, id, target, each.get("after"), MOST)
            if not found or self._portal.shelves[type.name].live(id) is None:
                missing.append(id)
                continue
            shown = {"from": {"id": id}, "to": [self._shown(type, target, one) for one in found]}
            if more:
                after = self._cursors.write(f"{type.name} {id} {target.name}", int(found[-1][0]))
                shown["paging"] = {"next": {"after": after}}
            results.append(dump(shown))
        errors = [
            {
                "status": "error", "category": "OBJECT_NOT_FOUND",
                "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                "message": f"No {target.name} is associated with {type.name} {id}.",
                "context": {
                    "fromObjectId": [id], "fromObjectType": [type.name], "toObjectType": [target.name],
                },
            }
            for id in missing
        ]  # fmt: skip
        return answer(self._portal, 200, results, errors)

    def _page(
        self, type: ObjectType, id: str, target: ObjectType, after: Any, limit: int
    ) -> tuple[list[tuple[str, bool]], bool]:
        if kinds(type, target, False) is None:
            raise invalid(f"{type.plural} have no associations with {target.plural}")
        found = self._portal.associated(type.name, id, target.name)
        if after is not None:
            last = self._cursors.read(f"{type.name} {id} {target.name}", str(after))
            if last is None:
                raise invalid_parameter("after", f"{after!r} is no position in this list")
            found = [each for each in found if int(each[0]) > last]
        return found[:limit], limit < len(found)

    def _shown(self, type: ObjectType, target: ObjectType, one: tuple[str, bool]) -> dict[str, Any]:
        id, primary = one
        types = [
            {"category": kind.category, "typeId": kind.id, "label": kind.label}
            for kind in kinds(type, target, primary) or ()
        ]
        return {"toObjectId": int(id), "associationTypes": types}
