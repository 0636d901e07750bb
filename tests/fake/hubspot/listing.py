"""Lists: of records, by id; and of what is not a record."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from typing import Any
from urllib.parse import quote

from ..core.http import Page, Request, Response
from ..core.opaque import Cursors
from ..core.store import dump
from .catalog import ObjectType
from .errors import invalid_parameter, not_found
from .parameters import flag, names, size
from .portal import Portal
from .records import associated_types, render, shown_properties

API = "https://api.hubapi.com"


class Lists:
    """empty_pages: how likely it is that a page is short or empty, or the last one not marked as such."""

    def __init__(self, portal: Portal, seed: int) -> None:
        self._portal = portal
        self._cursors = Cursors(seed)
        self._rng = random.Random(f"{seed}:hubspot pages")
        self.empty_pages = 0.05

    def records(self, request: Request, type: ObjectType) -> Response:
        portal, shelf = self._portal, self._portal.shelves[type.name]
        archived, limit = flag(request, "archived"), size(request, 100, 10)
        properties = shown_properties(portal, type, names(request, "properties"))
        targets = associated_types(portal, type, names(request, "associations"))
        shelf.expire(portal.now())
        numbers = shelf.archive if archived else shelf.numbers
        kind = f"{type.name} {archived}"
        after, rested = self._cursor(request, kind, [0, False])
        low = bisect_right(numbers, after)
        count, unfinished = self._cut(min(limit, len(numbers) - low), rested)
        ids = [str(each) for each in numbers[low : low + count]]

        def show(id: str) -> bytes:
            return render(portal, type, shelf.documents[id], properties, targets)

        whole = [show(id) for id in ids]

        def wrap(shown: list[bytes], more: bool) -> bytes:
            last = reached(whole, shown)
            # Behind an empty page there is another place, which is the same: it is not empty again.
            at = int(ids[last - 1]) if last else after
            return self._wrapped(request, kind, shown, [at, not last] if more else None)

        def renew(shown: list[bytes]) -> list[bytes]:
            def there(id: str) -> bool:
                return (shelf.archived(id, portal.now()) if archived else shelf.live(id)) is not None

            return [show(each) for each in map(id_in, shown) if there(each)]

        more = unfinished or low + count < len(numbers)
        return Page(200, items=whole, has_more=more, wrap=wrap, renew=renew)

    def _cut(self, count: int, rested: bool) -> tuple[int, bool]:
        """How many of `count` objects the page has, and whether it says that there are more in any case."""
        if rested or count == 0 or self._rng.random() >= self.empty_pages:
            return count, False
        return self._rng.choice((0, self._rng.randrange(count), count)), True

    def owners(self, request: Request) -> Response:
        archived, limit = flag(request, "archived"), size(request, 500, 100)
        kind = f"owner {archived}"
        email = request.query_dict().get("email")
        found = self._portal.directory.listed("owner", None, archived)
        found = sorted(
            (each for each in found if email in (None, each["email"])), key=lambda each: int(each["id"])
        )
        after, _ = self._cursor(request, kind, [0, False])
        low = bisect_right(found, after, key=lambda each: int(each["id"]))
        shown = found[low : low + limit]
        whole = [dump(each) for each in shown]

        def wrap(items: list[bytes], more: bool) -> bytes:
            last = reached(whole, items)
            return self._wrapped(
                request, kind, items, [int(shown[last - 1]["id"]), False] if more and last else None
            )

        return Page(200, items=whole, has_more=low + limit < len(found), wrap=wrap)

    def owner(self, request: Request, id: str) -> Response:
        """By id, or by the id of the user when `idProperty` says so."""
        member = "userIdIncludingInactive" if request.query_dict().get("idProperty") == "userId" else "id"
        found = self._portal.directory.listed("owner", None, flag(request, "archived"))
        return _one(each for each in found if str(each[member]) == id)

    def whole(self, request: Request, name: str, type: ObjectType | None, id: str) -> Response:
        """Pipelines, properties and schemas come all at once, or one by its name."""
        archived = flag(request, "archived") and name != "pipeline"
        found = self._portal.directory.listed(name, type.name if type else None, archived)
        if not id:
            return Response.of_json(200, {"results": found})
        if name == "schema":
            called = self._portal.type_called(id)
            return _one(each for each in found if called and each["objectTypeId"] == called.id)
        member = "name" if name == "property" else "id"
        return _one(each for each in found if each[member] == id)

    def _cursor(self, request: Request, kind: str, first: list[Any]) -> list[Any]:
        text = request.query_dict().get("after")
        if text is None:
            return first
        content = self._cursors.read(kind, text)
        if content is None:
            raise invalid_parameter("after", f"{text!r} is no position in this list")
        return content

    def _wrapped(self, request: Request, kind: str, items: list[bytes], cursor: list[Any] | None) -> bytes:
        paging = b""
        if cursor is not None:
            after = self._cursors.write(kind, cursor)
            kept = [(name, value) for name, value in request.query_pairs() if name != "after"]
            query = "&".join(f"{quote(name)}={quote(value)}" for name, value in [*kept, ("after", after)])
            following = {"next": {"after": after, "link": f"{API}{request.path}?{query}"}}
            paging = b',"paging":%b' % json.dumps(following).encode()
        return b'{"results":[%b]%b}' % (b",".join(items), paging)


def reached(whole: list[bytes], shown: list[bytes]) -> int:
    """How many of the page's own objects have come, whatever a fault has made of the page."""
    there = set(shown)
    return next((at for at in range(len(whole), 0, -1) if whole[at - 1] in there), 0)


def id_in(shown: bytes) -> str:
    """The id in what was shown of an object, which may be an odd one."""
    try:
        return str(json.loads(shown)["id"])
    except (ValueError, TypeError, KeyError):
        return ""


def _one(found: Any) -> Response:
    document = next(iter(found), None)
    if document is None:
        raise not_found()
    return Response.of_json(200, document)
