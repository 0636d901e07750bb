"""Lists as connections show them: filtered, sorted, and cut into pages by cursors.

A cursor says what it stands behind, the value that is sorted by and the id, and not how far down the list
that is: an object that changes in the middle of a walk is met again behind it, or in front of it no more.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .catalog import Collection, of_gid
from .errors import bad_request
from .shop import Record, Shop

MOST = 250
SORTED_BY = {"ORDER_NUMBER": "number", "INVENTORY_TOTAL": "totalInventory", "SINCE_DATE": "customerSince"}
"""Sort keys that are not called as the member is."""
Key = tuple[bool, Any, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants of a list. identity: what its cursors are good for."""

    arguments: dict[str, Any]
    identity: str

    @classmethod
    def of(cls, path: str, arguments: dict[str, Any]) -> Wanted:
        """Raises GraphQLError for arguments that no list takes."""
        first, last = arguments.get("first"), arguments.get("last")
        if (first is None) == (last is None):
            raise bad_request(
                "you must provide one of first or last"
                if first is None
                else "providing both first and last is not supported"
            )
        for name, value in (("first", first), ("last", last)):
            if value is not None and not 0 <= value <= MOST:
                raise bad_request(f"{name} must be between 0 and {MOST}, and is {value}")
        same = {
            name: value
            for name, value in sorted(arguments.items())
            if name not in ("first", "last", "after", "before")
        }
        text = json.dumps([path, same], default=str)
        return cls(arguments, hashlib.blake2s(text.encode(), digest_size=8).hexdigest())

    @property
    def size(self) -> int:
        first = self.arguments.get("first")
        return first if first is not None else self.arguments["last"]


@dataclass(slots=True)
class Page:
    """Part of a list. `cursors` are those of `entries`."""

    entries: list[Any]
    cursors: list[str]
    has_next: bool = False
    has_previous: bool = False


@dataclass(slots=True)
class Sorted:
    """A list in its ascending order."""

    keys: list[Key]
    entries: list[Any]

    @classmethod
    def by(cls, entries: list[Any], key: Callable[[Any], Key]) -> Sorted:
        keyed = sorted(((key(each), each) for each in entries), key=lambda pair: pair[0])
        return cls([each for each, _ in keyed], [each for _, each in keyed])

    def page(self, wanted: Wanted, cap: int | None) -> Page:
        """cap: the list ends behind so many objects, whatever there is."""
        reverse, count = bool(wanted.arguments.get("reverse")), len(self.keys)

        def place(cursor: str, behind: bool) -> int:
            """How many entries are in front of this cursor; behind: with the one that it stands for."""
            key = _key(cursor, wanted.identity)
            low, high = bisect_left(self.keys, key), bisect_right(self.keys, key)
            if reverse:
                return count - (low if behind else high)
            return high if behind else low

        after, before = wanted.arguments.get("after"), wanted.arguments.get("before")
        low = place(after, True) if after is not None else 0
        high = place(before, False) if before is not None else count
        high = max(low, high if cap is None else min(high, cap))
        start, end = low, high
        if wanted.arguments.get("first") is not None:
            end = min(end, start + wanted.size)
        else:
            start = max(start, end - wanted.size)
        places = [count - 1 - each if reverse else each for each in range(start, end)]
        return Page(
            [self.entries[each] for each in places],
            [_cursor(self.keys[each], wanted.identity) for each in places],
            end < high,
            start > 0,
        )


class Lists:
    """Sorted and filtered lists of whole collections, kept while nothing changes."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._kept: dict[tuple[str, str, str], tuple[int, Sorted]] = {}

    def sorted(
        self, collection: Collection, sort_key: str | None, query: str, keep: Callable[[Record], bool] | None
    ) -> Sorted:
        """query: what tells `keep` from other tests of the same collection."""
        name = collection.name
        changes = self._shop.changes[name]
        key = (name, sort_key or "ID", query)
        kept = self._kept.get(key)
        if kept is None or kept[0] != changes:
            if len(self._kept) > 64:
                self._kept.clear()
            kept = self._kept[key] = (changes, self.of(self._shop.stores[name].items, sort_key, keep))
        return kept[1]

    def of(
        self, items: list[Any], sort_key: str | None, keep: Callable[[Record], bool] | None = None
    ) -> Sorted:
        if keep is not None:
            items = [each for each in items if keep(self._shop.record(each))]
        return Sorted.by(items, self._key_of(sort_key))

    def _key_of(self, sort_key: str | None) -> Callable[[Any], Key]:
        """By ID where the fake has no such value: relevance is anybody's guess."""
        if sort_key == "CREATED_AT":
            return lambda item: (True, item.created, of_gid(item.id)[1])
        if sort_key and sort_key.upper() == "UPDATED_AT":
            return lambda item: (True, self._shop.touched[item.id], of_gid(item.id)[1])
        if sort_key in (None, "ID", "id", "RELEVANCE"):
            return lambda item: (True, 0, of_gid(item.id)[1])
        member = SORTED_BY.get(sort_key) or re.sub(r"_(\w)", lambda m: m[1].upper(), sort_key.lower())

        def key(item: Any) -> Key:
            fields = self._shop.record(item).fields
            value = fields.get("discount", fields).get(member)
            if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
                value = float(value)
            # Where there is no value, it comes first.
            has = isinstance(value, str | int | float)
            return (has, value if has else 0, of_gid(item.id)[1])

        return key


def _cursor(key: Key, identity: str) -> str:
    text = json.dumps({"last_id": key[2], "last_value": [key[0], key[1]], "of": identity})
    return base64.b64encode(text.encode()).decode()


def _key(cursor: str, identity: str) -> Key:
    """Raises GraphQLError for a cursor of another list, or of none."""
    try:
        said = json.loads(base64.b64decode(cursor, validate=True))
        (has, value), number, of = said["last_value"], said["last_id"], said["of"]
    except (ValueError, KeyError, TypeError):
        raise bad_request("Invalid cursor for current pagination sort.") from None
    if of != identity:
        raise bad_request("Invalid cursor for current pagination sort.")
    return (has, value, number)
