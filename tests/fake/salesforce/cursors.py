"""Answers in batches: `nextRecordsUrl` leads from one to the next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..core.http import Page
from ..core.store import dump
from . import ids
from .errors import ApiError
from .org import Org
from .query import Listing

LARGEST, SMALLEST = 2000, 200
WIDE = 1_000_000
"""A batch ends before it has so many bytes, whatever its size in records: wide rows come in small batches."""
LOCATOR = re.compile(r"(\w{18})-(\d+)")


@dataclass(slots=True)
class Cursor:
    """user: whose it is. opened: epoch seconds. size: of a batch. done: whether its end has been seen."""

    id: str
    user: str
    listing: Listing
    opened: float
    size: int
    done: bool = False


class Cursors:
    """All cursors that are open.

    life: for how many seconds a cursor is good. most: how many a user can have open: one more, and the oldest
    is gone. child_size: how many records of a subquery come with their parent. snapshot: whether a batch has
    its records as they were when the query was made, and not, which is assumed, as they are by now.
    """

    def __init__(self, org: Org) -> None:
        self._org = org
        self._cursors: dict[str, Cursor] = {}
        self._number = 0
        self.life = 172_800.0
        self.most = 10
        self.child_size = 200
        self.snapshot = False

    def first(self, listing: Listing, size: int) -> Page:
        return self._page(self._open(listing, size), 0)

    def more(self, user: str, locator: str) -> Page:
        """Raises ApiError for a cursor that is somebody else's, or gone."""
        found = LOCATOR.fullmatch(locator)
        cursor = self._cursors.get(found[1]) if found else None
        if found is None or cursor is None or cursor.user != user or self._expired(cursor):
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(cursor, min(int(found[2]), len(cursor.listing.rows)))

    def _open(self, listing: Listing, size: int) -> Cursor:
        """Only a query with more than one batch leaves anything open."""
        self._number += 1
        user = listing.selection.view.user
        return Cursor(ids.make("01g", self._number), user, listing, self._org.clock.now(), size)

    def _keep(self, cursor: Cursor) -> None:
        if cursor.id in self._cursors:
            return
        for each in [each for each in self._cursors.values() if self._expired(each)]:
            del self._cursors[each.id]
        for done in (False, True):
            own = [each for each in self._cursors.values() if each.user == cursor.user and each.done == done]
            for each in own[: max(0, len(own) + 1 - self.most)]:
                del self._cursors[each.id]
        self._cursors[cursor.id] = cursor

    def _expired(self, cursor: Cursor) -> bool:
        return cursor.opened + self.life < self._org.clock.now()

    def _page(self, cursor: Cursor, begin: int) -> Page:
        listing = cursor.listing
        shown, end = self._batch(cursor, begin)
        own = set(shown)
        total = len(listing.rows)

        def wrap(items: list[bytes], more: bool) -> bytes:
            # Faults have put other records among them, or taken some out: those come next.
            came = sum(each in own for each in items)
            following = end if came == len(shown) else begin + came
            head: dict[str, Any] = {"totalSize": total, "done": following >= total}
            cursor.done = head["done"]
            if not cursor.done:
                self._keep(cursor)
                head["nextRecordsUrl"] = self._url(cursor, following)
            return dump(head)[:-1] + b',"records":[' + b",".join(items) + b"]}"

        return Page(200, items=shown, has_more=end < total, wrap=wrap, renew=listing.renew, id="Id")

    def _batch(self, cursor: Cursor, begin: int) -> tuple[list[bytes], int]:
        """The records of a batch, and where the next one begins."""
        listing = cursor.listing
        size = min(cursor.size, SMALLEST) if listing.selection.children else cursor.size
        end = min(begin + size, len(listing.rows))
        # What is gone by now is missing in the batch, which the total does not know.
        places = [
            (place, row if self.snapshot else now)
            for place, row in enumerate(listing.rows[begin:end], begin)
            if (now := listing.current(row)) is not None or self.snapshot
        ]
        shown = listing.show([row for _, row in places if row is not None], self._nested)
        bytes_so_far = 0
        for at, each in enumerate(shown):
            bytes_so_far += len(each)
            if bytes_so_far > WIDE and at > 0:
                return shown[:at], places[at][0]
        return shown, end

    def _nested(self, listing: Listing) -> dict[str, Any]:
        """The children of one record; where they are many, the first of them and a cursor."""
        total, size = len(listing.rows), self.child_size
        found: dict[str, Any] = {"totalSize": total, "done": total <= size}
        if total > size:
            cursor = self._open(listing, size)
            self._keep(cursor)
            found["nextRecordsUrl"] = self._url(cursor, size)
        return {**found, "records": listing.documents(listing.rows[:size], self._nested)}

    def _url(self, cursor: Cursor, begin: int) -> str:
        """Below `query`, also after a queryAll, and it still finds what is in the recycle bin."""
        return f"{cursor.listing.selection.view.root}/query/{cursor.id}-{begin}"
