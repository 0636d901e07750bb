"""Objects of one collection: rendered once, kept in the order in which an API lists them."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from . import odd

SEQUENCE_BITS = 28
KEY = attrgetter("key")


def dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class Item:
    """One object: its identity, its place (created, then order of insertion) and its bytes.

    odd: the kind of odd record (core.odd) that the API shows in its place, None for a normal one.
    """

    __slots__ = ("id", "key", "odd", "parent", "raw")

    def __init__(self, id: str, key: int, raw: bytes, parent: str | None) -> None:
        self.id = id
        self.key = key
        self.raw = raw
        self.parent = parent
        self.odd: str | None = None

    @property
    def shown(self) -> bytes:
        """What the API answers."""
        return self.raw if self.odd is None else odd.make(self.odd, self.raw)

    @property
    def created(self) -> int:
        """Epoch seconds."""
        return self.key >> SEQUENCE_BITS

    def document(self) -> dict[str, Any]:
        return json.loads(self.raw)


class Store:
    """A collection. Lists are kept ascending by (created, insertion) and read backwards."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.by_id: dict[str, Item] = {}
        self.deleted: dict[str, Item] = {}
        self._sequence = 0
        self._indexes: dict[str, tuple[Callable[[Item], Any], dict[Any, list[Item]]]] = {}

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def insert(self, id: str, created: int, raw: bytes, parent: str | None = None) -> Item:
        if id in self.by_id:
            raise KeyError(f"{id} exists already")
        self._sequence += 1
        item = Item(id, (created << SEQUENCE_BITS) + self._sequence, raw, parent)
        self.by_id[id] = item
        self.deleted.pop(id, None)
        _place(self.items, item)
        for key_of, lists in self._indexes.values():
            _place(lists.setdefault(key_of(item), []), item)
        return item

    def replace(self, item: Item, raw: bytes) -> None:
        before = [(key_of(item), lists) for key_of, lists in self._indexes.values()]
        item.raw = raw
        for (old, lists), (key_of, _) in zip(before, self._indexes.values(), strict=True):
            new = key_of(item)
            if new != old:
                _remove(lists[old], item)
                _place(lists.setdefault(new, []), item)

    def remove(self, id: str) -> Item:
        item = self.by_id.pop(id)
        _remove(self.items, item)
        for key_of, lists in self._indexes.values():
            _remove(lists[key_of(item)], item)
        self.deleted[id] = item
        return item

    def children(self, parent: str) -> list[Item]:
        """Objects of a nested collection under `parent`, ascending."""
        return self.where("parent", parent, lambda item: item.parent)

    def where(self, name: str, value: Any, key_of: Callable[[Item], Any]) -> list[Item]:
        """Objects for which key_of gives `value`, ascending; the index `name` is built at its first use."""
        if name not in self._indexes:
            lists: dict[Any, list[Item]] = {}
            for item in self.items:
                lists.setdefault(key_of(item), []).append(item)
            self._indexes[name] = (key_of, lists)
        return self._indexes[name][1].get(value, [])


def bounds(items: list[Item], after_created: int | None, before_created: int | None) -> tuple[int, int]:
    """Positions [low, high) of the objects with after_created <= created < before_created."""
    low = 0 if after_created is None else bisect_left(items, after_created << SEQUENCE_BITS, key=KEY)
    high = (
        len(items) if before_created is None else bisect_left(items, before_created << SEQUENCE_BITS, key=KEY)
    )
    return low, max(low, high)


def position(items: list[Item], item: Item) -> int:
    """Where `item` is, or would be."""
    return bisect_left(items, item.key, key=KEY)


def position_after(items: list[Item], item: Item) -> int:
    return bisect_right(items, item.key, key=KEY)


def _place(items: list[Item], item: Item) -> None:
    if not items or items[-1].key < item.key:
        items.append(item)
    else:
        insort(items, item, key=KEY)


def _remove(items: list[Item], item: Item) -> None:
    at = position(items, item)
    if at < len(items) and items[at] is item:
        del items[at]
