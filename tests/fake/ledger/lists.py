"""The lists, each in the habit of its own."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from ..core.http import Page, Request, Response
from ..core.opaque import Cursors
from ..core.store import Item
from .books import Books, Shelf
from .errors import expired_cursor, invalid, not_found
from .moments import whole_seconds
from .parameters import Parameters

ENDLESS = float("inf")


class Lists:
    """cursor_life: for how many seconds the accounts' cursors are good.

    payment_links: `relative`, `absolute`, or the URL of a server to which the next page is said to be.
    """

    def __init__(self, books: Books, seed: int) -> None:
        self._books = books
        self._cursors = Cursors(seed)
        self.cursor_life = 3600.0
        self.payment_links = "relative"
        self.by_path: dict[str, Callable[..., Response]] = {
            "/accounts": self._accounts,
            "/accounts/{id}/notes": self._notes,
            "/entries": self._entries,
            "/e": self._more_entries,
            "/invoices": self._invoices,
            "/deleted": self._deleted,
            "/contacts": self._contacts,
            "/payments": self._payments,
            "/currencies": self._currencies,
        }

    # -- by a cursor --------------------------------------------------------------------------------------

    def _accounts(self, request: Request) -> Response:
        """Oldest change first; a cursor stands for a place, and grows old."""
        shelf = self._books.shelves["account"]
        given = Parameters(request, "updated_since", "limit", "cursor")
        size = given.size("limit", 20, 50)
        since = given.instant("updated_since")
        low = 0 if since is None else bisect_left(shelf.places, (since, ""))
        cursor = given.text("cursor")
        if cursor is not None:
            found = self._cursors.read("accounts", cursor)
            if found is None or self._books.clock.now() > found["issued"] + self.cursor_life:
                raise expired_cursor()
            if found["since"] != since:
                raise invalid("cursor", "it is of a list with another updated_since")
            low = max(low, bisect_right(shelf.places, tuple(found["after"])))
        items = shelf.items(low, low + size)
        places = [shelf.place(item) for item in items]

        def wrap(shown: list[bytes], more: bool) -> bytes:
            paging: dict[str, Any] = {}
            if more and (last := reached(items, shown)):
                content = {"after": places[last - 1], "since": since, "issued": self._books.clock.now()}
                paging = {"next": self._cursors.write("accounts", content)}
            return b'{"results":[%b],"paging":%b}' % (b",".join(shown), json.dumps(paging).encode())

        def wants(item: Item) -> bool:
            # Who has changed is no longer among those who come before.
            return (since is None or shelf.changed[item.id] >= since) and (
                not places or shelf.place(item) <= places[0]
            )

        return page(shelf, items, low + size < len(shelf.places), wrap, wants)

    def reports(self, request: Request, cost: dict[str, float]) -> Response:
        """There is a cursor behind the last page, too; `has_more` says that it leads nowhere."""
        shelf = self._books.shelves["report"]
        given = Parameters(request, "after", "limit")
        size = given.size("limit", 10, 25)
        low, cursor = 0, given.text("after")
        if cursor is not None:
            after = self._cursors.read("reports", cursor)
            if after is None:
                raise expired_cursor()
            low = bisect_right(shelf.places, tuple(after))
        items = shelf.items(low, low + size)
        places = [shelf.place(item) for item in items]

        def wrap(shown: list[bytes], more: bool) -> bytes:
            last = reached(items, shown)
            rest = {
                "has_more": more,
                "after": self._cursors.write("reports", places[last - 1]) if last else cursor,
                "cost": cost,
            }
            return b'{"reports":[%b],%b' % (b",".join(shown), json.dumps(rest).encode()[1:])

        return page(shelf, items, low + size < len(shelf.places), wrap)

    def _deleted(self, request: Request) -> Response:
        """Deletions, oldest first; what was restored is still among them."""
        given = Parameters(request, "resource", "since", "cursor")
        if given.text("resource") != "invoices":
            raise invalid("resource", "deletions are kept of invoices")
        since = given.instant("since")
        deletions = self._books.deletions()
        low = 0 if since is None else bisect_left(deletions, (since // 1000 * 1000, ""))
        cursor = given.text("cursor")
        if cursor is not None:
            after = self._cursors.read("deleted", cursor)
            if after is None:
                raise expired_cursor()
            low = max(low, bisect_right(deletions, tuple(after)))
        shown = deletions[low : low + 50]
        more = low + 50 < len(deletions)
        return Response.of_json(
            200,
            {
                "deleted": [{"id": id, "deleted_at": whole_seconds(moment)} for moment, id in shown],
                "next": self._cursors.write("deleted", shown[-1]) if more else None,
            },
        )

    # -- by a URL -----------------------------------------------------------------------------------------

    def _entries(self, request: Request) -> Response:
        """Newest change first, by numbered pages behind URLs that are to be taken as they are."""
        given = Parameters(request, "since", "per_page")
        return self._entries_from(request, given.integer("since"), given.size("per_page", 30, 100), 0)

    def _more_entries(self, request: Request) -> Response:
        given = Parameters(request, "k", "page")
        found = self._cursors.read("entries", given.text("k") or "")
        if found is None:
            raise invalid("k", "it is not from a link of this API")
        return self._entries_from(request, *found)

    def _entries_from(self, request: Request, since: int | None, size: int, low: int) -> Response:
        shelf = self._books.shelves["entry"]
        high = len(shelf.places)
        if since is not None:
            high = bisect_right(shelf.places, (-since * 1000, ENDLESS))
        items = shelf.items(low, min(low + size, high))
        found = page(
            shelf,
            items,
            low + size < high,
            lambda shown, _: b"[%b]" % b",".join(shown),
            lambda item: since is None or shelf.changed[item.id] >= since * 1000,
        )

        def link(offset: int, relation: str) -> str:
            query = urlencode(
                {"k": self._cursors.write("entries", [since, size, offset]), "page": 1 + -(-offset // size)}
            )
            return f'<{_origin(request)}/ledger/e?{query}>; rel="{relation}"'

        def links(shown: list[bytes], more: bool) -> str:
            found = [link(0, "first"), link(max(0, (high - 1) // size * size), "last")]
            if low:
                found.append(link(max(0, low - size), "prev"))
            if more:
                found.append(link(low + reached(items, shown), "next"))
            return ", ".join(found)

        wrap = found.wrap
        assert wrap is not None

        def wrap_with_links(shown: list[bytes], more: bool) -> bytes:
            found.headers["Link"] = links(shown, more)
            return wrap(shown, more)

        found.wrap = wrap_with_links
        return found

    def _payments(self, request: Request) -> Response:
        """Newest first; the URL of the next page stands in the body."""
        shelf = self._books.shelves["payment"]
        given = Parameters(request, "created_from", "limit", "after")
        size = given.size("limit", 25, 100)
        created = given.instant("created_from")
        low, cursor = 0, given.text("after")
        if cursor is not None:
            after = self._cursors.read("payments", cursor)
            if after is None:
                raise invalid("after", "it is not from a link of this API")
            low = bisect_right(shelf.places, tuple(after))

        def wants(item: Item) -> bool:
            return created is None or item.created * 1000 >= created

        listed = [item for item in shelf.items(low, low + size + 1) if wants(item)]
        items = listed[:size]
        places = [shelf.place(item) for item in items]

        def wrap(shown: list[bytes], more: bool) -> bytes:
            url = None
            if more and (last := reached(items, shown)):
                query = {"after": self._cursors.write("payments", places[last - 1]), "limit": size}
                given_from = given.text("created_from")
                if given_from is not None:
                    query["created_from"] = given_from
                url = f"{self._payments_at(request)}?{urlencode(query)}"
            return b'{"payments":[%b],"next_page_url":%b}' % (b",".join(shown), json.dumps(url).encode())

        return page(shelf, items, len(listed) > size, wrap, wants)

    def _payments_at(self, request: Request) -> str:
        match self.payment_links:
            case "relative":
                return "payments"
            case "absolute":
                return f"{_origin(request)}/ledger/payments"
            case elsewhere:
                return f"{elsewhere}/ledger/payments"

    # -- by a number --------------------------------------------------------------------------------------

    def _invoices(self, request: Request) -> Response:
        """In an order that each change of an invoice changes."""
        shelf = self._books.shelves["invoice"]
        given = Parameters(request, "offset", "limit", "created_from", "created_before", "modified_from")
        size, low = given.size("limit", 20, 100), given.integer("offset", 0)
        assert low is not None
        created, before = given.integer("created_from"), given.integer("created_before")
        modified = given.integer("modified_from")

        def wants(item: Item) -> bool:
            return (
                (created is None or item.created >= created)
                and (before is None or item.created < before)
                and (modified is None or shelf.changed[item.id] >= modified)
            )

        listed = [item for item in shelf.items() if wants(item)]
        total = len(listed)

        def wrap(shown: list[bytes], more: bool) -> bytes:
            return b'{"invoices":[%b],"total":%d}' % (b",".join(shown), total)

        return page(shelf, listed[low : low + size], low + size < total, wrap, wants)

    def _contacts(self, request: Request) -> Response:
        """Oldest first; who is deleted moves all that follow."""
        shelf = self._books.shelves["contact"]
        given = Parameters(request, "page", "size")
        size, number = given.size("size", 25, 100), given.integer("page", 1, 1)
        assert number is not None
        low = (number - 1) * size

        def wrap(shown: list[bytes], more: bool) -> bytes:
            return b'{"page":%d,"items":[%b]}' % (number, b",".join(shown))

        return page(shelf, shelf.items(low, low + size), low + size < len(shelf.places), wrap)

    def _notes(self, request: Request, account: str) -> Response:
        """Of one account; here the pages are counted from 0."""
        if account not in self._books.shelves["account"].store.by_id:
            raise not_found(f"account {account}")
        shelf = self._books.shelves["note"]
        given = Parameters(request, "page")
        number = given.integer("page", 0)
        assert number is not None
        notes = shelf.store.children(account)
        low, high = number * 5, number * 5 + 5

        def wrap(shown: list[bytes], more: bool) -> bytes:
            return b'{"notes":[%b],"has_more":%b}' % (b",".join(shown), b"true" if more else b"false")

        return page(shelf, notes[low:high], high < len(notes), wrap, lambda item: item.parent == account)

    def _currencies(self, request: Request) -> Response:
        Parameters(request)
        shelf = self._books.shelves["currency"]
        return page(shelf, shelf.items(), False, lambda shown, _: b"[%b]" % b",".join(shown))


def page(
    shelf: Shelf,
    items: list[Item],
    has_more: bool,
    wrap: Callable[[list[bytes], bool], bytes],
    wants: Callable[[Item], bool] = lambda item: True,
) -> Page:
    """wants: whether an object that was shown before could be on this list, too."""

    def renew(shown: list[bytes]) -> list[bytes]:
        found = (shelf.store.by_id.get(_id_in(each, shelf)) for each in shown)
        return [item.shown for item in found if item is not None and wants(item)]

    return Page(200, items=[item.shown for item in items], has_more=has_more, wrap=wrap, renew=renew)


def reached(items: list[Item], shown: list[bytes]) -> int:
    """How many of the page's own objects have come, whatever a fault has made of the page."""
    there = set(shown)
    return next((at for at in range(len(items), 0, -1) if items[at - 1].shown in there), 0)


def _id_in(shown: bytes, shelf: Shelf) -> str:
    """The id in what was shown of an object, which may be an odd one."""
    try:
        return str(json.loads(shown)[shelf.collection.id])
    except (ValueError, TypeError, KeyError):
        return ""


def _origin(request: Request) -> str:
    """The server as the client has called it."""
    return f"http://{request.headers.get('host', 'localhost')}"
