"""POST …/search: records by what the index knows of them.

A position in what was found is a number, and what is found is found anew for each page: what comes or goes in
between moves the rest.
"""

from __future__ import annotations

import json
import random
from collections import OrderedDict
from typing import Any

from ..core.http import Page, Request, Response
from .catalog import ObjectType
from .errors import invalid, invalid_body
from .filters import Filters, contains
from .listing import id_in, reached
from .parameters import body, texts
from .portal import Portal
from .records import render, shown_properties

CAP = 10_000
"""Results of a search that can be paged to."""
LONGEST_BODY = 3000
LARGEST_PAGE, DEFAULT_PAGE = 200, 10
KEPT_VIEWS = 64
HOLES = (1, 7, 250)

View = tuple[list[str | None], int]
"""Ids in order, None where the index has something that nobody gets to see; and how many were found."""


class Searches:
    """lexicographic_ids: `hs_object_id` is compared and sorted as a text.

    cap: so many results can be paged to. total_cap: `total` says no more than that; None: whatever there
    is. empty_pages: how likely it is, every few hundred results, that some are missing from their page, or
    all of it.
    """

    def __init__(self, portal: Portal, seed: int) -> None:
        self._portal = portal
        self._seed = seed
        self._views: OrderedDict[tuple[Any, ...], tuple[int, View]] = OrderedDict()
        self.lexicographic_ids = True
        self.cap = CAP
        self.total_cap: int | None = CAP
        self.empty_pages = 0.05

    def find(self, request: Request, type: ObjectType) -> Response:
        if len(request.body.decode("utf-8", "replace")) > LONGEST_BODY:
            raise invalid(f"The request body is longer than {LONGEST_BODY} characters")
        given = body(request)
        limit, offset = _number(given, "limit", DEFAULT_PAGE), _number(given, "after", 0)
        if not 1 <= limit <= LARGEST_PAGE:
            raise invalid(f"limit must be from 1 to {LARGEST_PAGE}, not {limit}")
        properties = shown_properties(self._portal, type, texts(given, "properties"))
        view, total = self._view(type, given)
        if offset + limit > self.cap:
            raise invalid(f"The search can't be paged beyond {self.cap} results; narrow it down")
        shelf, entries = self._portal.shelves[type.name], self._portal.index.entries(type.name)
        end = min(offset + limit, len(view))

        def show(id: str | None) -> bytes | None:
            """As the index has it, but for what is not there any more."""
            if id is None or shelf.live(id) is None:
                return None
            return render(self._portal, type, entries[id], properties)

        rendered = [(at, raw) for at in range(offset, end) if (raw := show(view[at])) is not None]
        whole = [raw for _, raw in rendered]
        total = total if self.total_cap is None else min(total, self.total_cap)

        def wrap(shown: list[bytes], more: bool) -> bytes:
            last = reached(whole, shown)
            after = end if last == len(whole) else rendered[last - 1][0] + 1 if last else end
            paging = b',"paging":{"next":{"after":"%d"}}' % after if more else b""
            return b'{"total":%d,"results":[%b]%b}' % (total, b",".join(shown), paging)

        def renew(shown: list[bytes]) -> list[bytes]:
            found = set(view)
            again = (show(each) for each in map(id_in, shown) if each in found)
            return [each for each in again if each is not None]

        return Page(200, items=whole, has_more=end < len(view), wrap=wrap, renew=renew)

    def _view(self, type: ObjectType, given: dict[str, Any]) -> View:
        """What the search finds; kept as long as the index says the same."""
        entries = self._portal.index.entries(type.name)
        version = self._portal.index.version(type.name)
        asked = {name: given.get(name) for name in ("filterGroups", "sorts", "query")}
        key = (type.name, json.dumps(asked, sort_keys=True), self.lexicographic_ids, self.empty_pages)
        kept = self._views.get(key)
        if kept is not None and kept[0] == version:
            return kept[1]
        filters = Filters(self._portal.directory.properties[type.name], self.lexicographic_ids)
        fits = filters.groups(given.get("filterGroups") or [])
        name, descending = filters.order(given.get("sorts"), type.created)
        words = str(given.get("query") or "").lower().split()
        found = []
        for id, document in entries.items():
            values = document["properties"]
            if fits(values) and (not words or contains(" ".join(values.values()), words)):
                found.append((id, values))
        ids = filters.sorted(found, name, descending)
        view = (self._with_holes(ids, str(key)), len(ids))
        self._views[key] = (version, view)
        self._views.move_to_end(key)
        if len(self._views) > KEPT_VIEWS:
            self._views.popitem(last=False)
        return view

    def _with_holes(self, ids: list[str], key: str) -> list[str | None]:
        """Always the same for the same search: only then can its pages be put together."""
        rng = random.Random(f"{self._seed}:{key}")
        view: list[str | None] = []
        low = 0
        while low <= len(ids):
            if rng.random() < self.empty_pages:
                view += [None] * rng.choice(HOLES)
            step = rng.randint(1, 400)
            view += ids[low : low + step]
            low += step
        # What can be paged to the end without holes can be with them.
        return list(ids) if len(ids) <= self.cap < len(view) else view


def _number(given: dict[str, Any], name: str, default: int) -> int:
    value = given.get(name, default)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).isdecimal():
        raise invalid_body(f"{name} must be a number, not {value!r}")
    return int(value)
