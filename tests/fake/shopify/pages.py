"""An answer with one list at its root, in the form in which faults and odd objects can change it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core import http, odd
from ..core.store import Item, dump
from .listing import Page

PLACE = "\0list\0"


def the_list(pages: dict[str, Page], data: dict[str, Any] | None) -> str | None:
    """The one list at the root, if it shows its objects under their own names."""
    if len(pages) != 1:
        return None
    [(key, page)] = pages.items()
    shown = (data or {}).get(key)
    return key if isinstance(shown, dict) and len(_objects(shown)) == len(page.entries) else None


@dataclass(slots=True)
class Listed:
    """body: the whole answer; key: where the list is in its data; again: the list with these objects only."""

    body: dict[str, Any]
    key: str
    page: Page
    again: Callable[[list[str]], dict[str, Any]]

    def response(self) -> http.Page:
        objects = [dump(each) for each in _objects(self._shown)]
        items = [
            odd.make(entry.odd, each) if isinstance(entry, Item) and entry.odd else each
            for entry, each in zip(self.page.entries, objects, strict=True)
        ]
        cursors = dict(zip(items, self.page.cursors, strict=True))
        return http.Page(
            200,
            items=items,
            has_more=self.page.has_next,
            wrap=lambda items, has_more: self._wrapped(items, has_more, cursors),
            renew=lambda previous: [dump(each) for each in _objects(self.again(_ids(previous)))],
        )

    @property
    def _shown(self) -> dict[str, Any]:
        return self.body["data"][self.key]

    def _wrapped(self, items: list[bytes], has_more: bool, cursors: dict[bytes, str]) -> bytes:
        members: dict[str, bytes] = {name: dump(value) for name, value in self._shown.items()}
        if "nodes" in members:
            members["nodes"] = b"[" + b",".join(items) + b"]"
        if "edges" in members:
            members["edges"] = b"[" + b",".join(self._edge(each, cursors) for each in items) + b"]"
        info = self._shown.get("pageInfo")
        if info is not None:
            # The client goes on behind the last object that it was shown.
            last = next((cursors[each] for each in reversed(items) if each in cursors), None)
            changed = {"hasNextPage": has_more, "endCursor": last}
            members["pageInfo"] = dump({name: changed.get(name, value) for name, value in info.items()})
        shown = b",".join(dump(name) + b":" + value for name, value in members.items())
        data = {**self.body["data"], self.key: PLACE}
        head, tail = dump({**self.body, "data": data}).split(dump(PLACE))
        return head + b"{" + shown + b"}" + tail

    def _edge(self, item: bytes, cursors: dict[bytes, str]) -> bytes:
        """An object that a fault has brought along is in front of all others, and has their first cursor."""
        members = {name: dump(value) for name, value in self._shown["edges"][0].items()} | {"node": item}
        if "cursor" in members:
            members["cursor"] = dump(cursors.get(item, self.page.cursors[0]))
        return b"{" + b",".join(dump(name) + b":" + value for name, value in members.items()) + b"}"


def _objects(shown: dict[str, Any]) -> list[Any]:
    if isinstance(shown.get("nodes"), list):
        return shown["nodes"]
    return [each["node"] for each in shown.get("edges") or () if "node" in each]


def _ids(items: list[bytes]) -> list[str]:
    """Of those that show theirs: nobody can tell what has become of the others."""
    found = (json.loads(each) for each in items)
    return [each["id"] for each in found if isinstance(each, dict) and isinstance(each.get("id"), str)]
