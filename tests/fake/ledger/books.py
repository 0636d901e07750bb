"""The objects, and what happens to them."""

from __future__ import annotations

import json
import random
from bisect import bisect_left, insort
from collections import Counter
from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from ..core.store import Item, Store, dump
from .catalog import BY_NAME, COLLECTIONS, Collection
from .objects import CURRENCIES, Draw

KEPT = 30 * 86_400_000
"""For how long, in milliseconds, a deletion is listed."""


class Shelf:
    """The objects of one collection in the order of its list, and when each was changed (milliseconds)."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.store = Store()
        self.changed: dict[str, int] = {}
        self.places: list[tuple[Any, ...]] = []

    def place(self, item: Item) -> tuple[Any, ...]:
        return self.collection.place(item, self.changed[item.id])

    def items(self, low: int = 0, high: int | None = None) -> list[Item]:
        """Those from one position of the list to another."""
        return [self.store.by_id[place[-1]] for place in self.places[low:high]]

    def insert(self, document: dict[str, Any], created: int, changed: int, parent: str | None) -> Item:
        """`created` in seconds. Raises Refused when the id is taken."""
        id = str(document[self.collection.id])
        document.update(self.collection.changed(id, changed))
        try:
            item = self.store.insert(id, created, dump(document), parent)
        except KeyError as error:
            raise Refused(str(error.args[0])) from None
        self.changed[id] = changed
        insort(self.places, self.place(item))
        return item

    def replace(self, item: Item, document: dict[str, Any], changed: int) -> None:
        self._take_out(item)
        self.changed[item.id] = changed
        document.update(self.collection.changed(item.id, changed))
        self.store.replace(item, dump(document))
        insort(self.places, self.place(item))

    def remove(self, item: Item) -> None:
        self._take_out(item)
        del self.changed[item.id]
        self.store.remove(item.id)

    def _take_out(self, item: Item) -> None:
        del self.places[bisect_left(self.places, self.place(item))]


class Books:
    """All objects, and the list of the invoices that were deleted: (milliseconds, id), oldest first."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.shelves = {collection.name: Shelf(collection) for collection in COLLECTIONS}
        self.rng = random.Random(f"{seed}:ledger")
        self._deletions: list[tuple[int, str]] = []
        self._numbers: Counter[str] = Counter()

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self.clock.now() * 1000)

    def deletions(self) -> list[tuple[int, str]]:
        """Those that are still listed."""
        expired = bisect_left(self._deletions, (self.now() - KEPT, ""))
        del self._deletions[:expired]
        return self._deletions

    def forget_deletions(self) -> int:
        count = len(self._deletions)
        self._deletions.clear()
        return count

    # -- changing -----------------------------------------------------------------------------------------

    def create(
        self,
        collection: Collection,
        data: dict[str, Any],
        created: int,
        changed: int,
        parent: str | None = None,
    ) -> Item:
        """A new object, made up but for `data`. `created` and `changed` in milliseconds."""
        if collection.parent and parent is None:
            parent = self._some_account()
        if collection.parent and parent not in self.shelves[collection.parent].store.by_id:
            raise Refused(f"there is no {collection.parent} {parent!r} for a {collection.name}")
        if collection.name == "currency" and "code" not in data:
            data["code"] = self._free_code()
        self._numbers[collection.name] += 1
        draw = Draw(self.rng, self._numbers[collection.name], parent or self._some_account())
        document = {**collection.make(draw), **data}
        document.update(collection.created(str(document[collection.id]), created))
        return self.shelves[collection.name].insert(document, created // 1000, changed, parent)

    def update(self, collection: Collection, id: str, data: dict[str, Any], changed: int | None) -> None:
        """Without `changed` (milliseconds), the object does not say that it has changed."""
        shelf = self.shelves[collection.name]
        item = self.existing(collection, id)
        before = item.document()
        document = merged(before, data)
        if document != before:
            stamp = shelf.changed[id]
            shelf.replace(item, document, stamp if changed is None else max(changed, stamp))

    def delete(self, collection: Collection, id: str, deleted: int | None) -> None:
        """Without `deleted` (milliseconds), no list says so."""
        item = self.existing(collection, id)
        if collection.name == "account":
            notes = self.shelves["note"]
            for note in list(notes.store.children(id)):
                notes.remove(note)
        self.shelves[collection.name].remove(item)
        if collection.name == "invoice" and deleted is not None:
            insort(self._deletions, (deleted, id))

    def restore(self, collection: Collection, id: str, changed: int | None) -> None:
        """An invoice is there again, and its deletion remains on the list."""
        shelf = self.shelves[collection.name]
        if collection.name != "invoice" or id not in shelf.store.deleted:
            raise Refused(f"there is no deleted {collection.name} {id!r} that could come back")
        item = shelf.store.deleted[id]
        document = item.document()
        stamp = document["modified"] if changed is None else max(changed, document["modified"])
        shelf.insert(document, item.created, stamp, None)

    def existing(self, collection: Collection, id: str) -> Item:
        item = self.shelves[collection.name].store.by_id.get(id)
        if item is None:
            raise Refused(f"there is no {collection.name} {id!r}")
        return item

    def _some_account(self) -> str | None:
        places = self.shelves["account"].places
        return places[self.rng.randrange(len(places))][-1] if places else None

    def _free_code(self) -> str:
        taken = self.shelves["currency"].store.by_id
        free = next((code for code in CURRENCIES if code not in taken), None)
        if free is None:
            raise Refused("there are no more currencies: say which code")
        return free


def merged(document: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """The document with what `data` says: hashes merge, others replace."""
    result = json.loads(json.dumps(document))
    for name, value in data.items():
        old = result.get(name)
        result[name] = merged(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return result


def find(name: str) -> Collection:
    """The collection of this name. Raises Refused for an unknown one."""
    if name not in BY_NAME:
        raise Refused(f"there is no collection {name!r}; there are {', '.join(BY_NAME)}")
    return BY_NAME[name]
