"""The bookkeeper: changes that come from elsewhere than the API, and the truth about all objects."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core import odd as odd_records
from ..core.data import Announcement, Refused, check_weights
from ..core.store import Item
from .books import Books, find
from .catalog import COLLECTIONS, Collection

if TYPE_CHECKING:
    from . import Ledger

YEAR = 365 * 86_400_000
KINDS = ("create", "update", "delete", "restore")


class Bookkeeper:
    """core.data.Upstream for the ledger. It has no events: a change is known by its time, or not at all."""

    def __init__(self, books: Books, provider: Ledger) -> None:
        self._books = books
        self._provider = provider

    def collections(self) -> list[dict[str, Any]]:
        return [
            {
                "name": each.name,
                "path": each.path,
                "events": bool(each.told),
                "count": len(self._books.shelves[each.name].store),
                "deleted": len(self._books.shelves[each.name].store.deleted),
            }
            for each in COLLECTIONS
        ]

    def create(
        self,
        collection: str,
        data: dict[str, Any],
        announcement: Announcement,
        *,
        parent: str | None,
        created: int | None,
        odd: str | None,
    ) -> str:
        known = find(collection)
        if odd is not None:
            odd_records.make(odd, b'{"id": "x"}')
        if parent is not None and known.parent is None:
            raise Refused(f"a {known.name} has no parent")
        item = self._create(known, data, self._stamp(announcement), parent, created)
        item.odd = odd
        return item.id

    def _create(
        self,
        collection: Collection,
        data: dict[str, Any],
        stamp: int | None,
        parent: str | None = None,
        created: int | None = None,
    ) -> Item:
        """What comes without a trace is imported, with times of the system that it comes from."""
        born = stamp if stamp is not None else self._books.now() - YEAR
        if created is not None:
            born = created * 1000
        changed = born if stamp is None else max(born, stamp)
        return self._books.create(collection, data, born, changed, parent)

    def update(self, collection: str, id: str, data: dict[str, Any], announcement: Announcement) -> None:
        self._books.update(find(collection), id, data, self._stamp(announcement))

    def delete(self, collection: str, id: str, announcement: Announcement) -> None:
        self._books.delete(find(collection), id, self._stamp(announcement))

    def restore(self, collection: str, id: str, announcement: Announcement) -> None:
        self._books.restore(find(collection), id, self._stamp(announcement))

    def mutate_random(
        self,
        n: int,
        seed: int,
        collections: list[str] | None,
        weights: dict[str, float],
        announcement: Announcement,
    ) -> dict[str, int]:
        """By itself only what the API tells of; in collections that are named, everything."""
        rng = random.Random(f"{seed}:mutations")
        check_weights(weights, KINDS)
        chosen = [find(name) for name in collections or ()] or [each for each in COLLECTIONS if each.told]
        done = dict.fromkeys(KINDS, 0)
        for number in range(n):
            collection = rng.choice(chosen)
            [kind] = rng.choices(list(weights), list(weights.values()))
            allowed = set(KINDS) if collections else collection.told
            kind = kind if kind in allowed else "create"
            done[self._mutate(collection, kind, rng, number, self._stamp(announcement))] += 1
        return done

    def _mutate(
        self, collection: Collection, kind: str, rng: random.Random, number: int, stamp: int | None
    ) -> str:
        """Does something of the kind, or creates an object where there is nothing to do it with."""
        store = self._books.shelves[collection.name].store
        if kind == "restore" and collection.name == "invoice" and store.deleted:
            self._books.restore(collection, rng.choice(list(store.deleted)), stamp)
        elif kind == "update" and store.items:
            change = {"mutation": f"{number}-{rng.getrandbits(32):08x}"}
            self._books.update(collection, rng.choice(store.items).id, change, stamp)
        elif kind == "delete" and store.items:
            self._books.delete(collection, rng.choice(store.items).id, stamp)
        else:
            data = {"code": f"X{rng.getrandbits(32):08X}"} if collection.name == "currency" else {}
            self._create(collection, data, stamp)
            return "create"
        return kind

    def truth(self, collection: str) -> tuple[Iterable[Item], list[str]]:
        store = self._books.shelves[find(collection).name].store
        return iter(store), list(store.deleted)

    def purge_events(self) -> int:
        """Forgets all deletions."""
        return self._books.forget_deletions()

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        return self._provider.configure(settings)

    def _stamp(self, announcement: Announcement) -> int | None:
        """The time that a change gets, in milliseconds; None for one that leaves no trace."""
        if announcement.late:
            raise Refused('a change of the ledger is seen at once; {"backdate": s} makes one turn up late')
        if announcement.silent:
            return None
        return self._books.now() - int(announcement.backdate * 1000)
