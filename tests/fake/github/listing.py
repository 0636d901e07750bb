"""One page of a list: which objects, the links to the others, and its ETag."""

from __future__ import annotations

import base64
import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from ..core.http import Page, Request, Response
from ..core.store import Item
from .errors import invalid_field

DEFAULT_SIZE, LARGEST_SIZE = 30, 100

Order = tuple[Any, int]


@dataclass(slots=True)
class Listing:
    """What there is to page through.

    items: all of them, ascending by `order`; descending: the page shows them from the end. home: where the
    links lead, which is not where the request went. total: what `total_count` says, with `wrap`.
    """

    items: list[Item]
    order: Callable[[Item], Order]
    descending: bool
    home: str
    render: Callable[[Item], bytes]
    find: Callable[[bytes], Item | None]
    by_cursor: bool = False
    wrap: str | None = None
    total: int = 0


def size_of(given: dict[str, str]) -> int:
    """What is too much is cut, and what is no number goes unnoticed: nobody is told."""
    text = given.get("per_page", "")
    return min(int(text), LARGEST_SIZE) if text.isdecimal() and int(text) > 0 else DEFAULT_SIZE


def page_of(given: dict[str, str]) -> int:
    text = given.get("page", "")
    return int(text) if text.isdecimal() and int(text) > 0 else 1


def page(request: Request, listing: Listing, reader: str | None) -> Response:
    """The page that the request asks for, by number or by cursor. reader: whom alone an ETag is good for."""
    given = request.query_dict()
    size, number, cursor = size_of(given), page_of(given), given.get("after")
    count = len(listing.items)
    start = _behind(listing, cursor) if cursor is not None else min((number - 1) * size, count)
    shown = _slice(listing, start, start + size)
    has_more = start + len(shown) < count
    whole = [listing.render(item) for item in shown]

    def links(items: list[bytes], more: bool) -> str:
        found: list[tuple[str, dict[str, str]]] = []
        first_page = start == 0
        # A fault may have made another page of this: only what was shown last says how to go on.
        altered = items is not whole and sorted(items) != sorted(whole)
        if not first_page and not listing.by_cursor and cursor is None:
            found.append(("prev", {"page": str(number - 1)}))
        if more:
            last = next((each for each in map(listing.find, reversed(items)) if each), None)
            if last is not None and (listing.by_cursor or cursor is not None or altered):
                found.append(("next", {"after": _cursor(listing.order(last)), "page": str(number + 1)}))
            else:
                found.append(("next", {"page": str(number + 1)}))
            if not listing.by_cursor:
                found.append(("last", {"page": str(-(-count // size))}))
        if not first_page:
            found.append(("first", {"page": "1"}))
        return ", ".join(f'<{_address(request, listing.home, query)}>; rel="{name}"' for name, query in found)

    response = Page(200, items=whole, has_more=has_more, content_type="application/json; charset=utf-8")

    def wrap(items: list[bytes], more: bool) -> bytes:
        body = b"[%b]" % b",".join(items)
        if listing.wrap:
            body = b'{"total_count":%d,"%b":%b}' % (listing.total, listing.wrap.encode(), body)
        link = links(items, more)
        if link:
            response.headers["Link"] = link
        response.headers["ETag"] = etag(reader, body, link)
        return body

    if "if-none-match" in request.headers:
        wrap(whole, has_more)
        if matches(request, response.headers["ETag"]):
            return unchanged(response.headers["ETag"])
        response.headers.clear()
    response.wrap = wrap
    response.renew = lambda before: [listing.render(item) for item in map(listing.find, before) if item]
    return response


def etag(reader: str | None, body: bytes, link: str = "") -> str:
    """A weak one, of the answer and of who gets it."""
    digest = hashlib.sha256(f"{reader}\n{link}\n".encode())
    digest.update(body)
    return f'W/"{digest.hexdigest()}"'


def matches(request: Request, tag: str) -> bool:
    given = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    return tag in given or tag.removeprefix("W/") in given


def unchanged(tag: str) -> Response:
    return Response(304, b"", {"ETag": tag})


def _slice(listing: Listing, start: int, end: int) -> list[Item]:
    """Positions as the list shows them."""
    if not listing.descending:
        return listing.items[start:end]
    count = len(listing.items)
    return listing.items[max(0, count - end) : max(0, count - start)][::-1]


def _cursor(order: Order) -> str:
    return base64.urlsafe_b64encode(json.dumps(order).encode()).decode().rstrip("=")


def _behind(listing: Listing, cursor: str) -> int:
    """The position behind what a cursor stands for, be that still in the list or not."""
    try:
        value, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at = (value, key)
        if listing.descending:
            return len(listing.items) - bisect_left(listing.items, at, key=listing.order)
        return bisect_right(listing.items, at, key=listing.order)
    except (ValueError, TypeError):
        raise invalid_field("Pagination", "after", cursor) from None


def _address(request: Request, home: str, query: dict[str, str]) -> str:
    """The request's own parameters, with those of the link behind them."""
    kept = [(name, value) for name, value in request.query_pairs() if name not in ("page", "after")]
    pairs = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in [*kept, *query.items()])
    return f"http://{request.headers.get('host', 'localhost')}{request.mount}{home}?{pairs}"
