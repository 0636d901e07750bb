"""The account's owner: changes that come from elsewhere than the API, and the truth about all objects."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core import odd as odd_records
from ..core.data import Announcement, Refused
from ..core.store import Item
from .account import Account
from .catalog import ALIASES, CHILDREN, COLLECTIONS, find
from .collection import Collection

if TYPE_CHECKING:
    from . import Stripe


class Owner:
    """core.data.Upstream for Stripe."""

    def __init__(self, account: Account, provider: Stripe) -> None:
        self._account = account
        self._provider = provider

    def collections(self) -> list[dict[str, Any]]:
        return [
            {
                "name": each.name,
                "path": each.path,
                "object": each.object,
                "events": bool(each.events),
                "count": len(self._account.stores[each.name]),
                "deleted": len(self._account.stores[each.name].deleted),
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
        known = self._find(collection)
        if parent is not None and known.parent is None:
            # Listed under another object without being nested: customers/{id}/payment_methods.
            field = next((field for name, field, _ in ALIASES.values() if name == known.name), None)
            if field is None:
                raise Refused(f"a {known.name} has no parent")
            data.setdefault(field, parent)
        if odd is not None:
            odd_records.make(odd, b'{"id": "x"}')
            # Silent: an event is written with a JSON library, which can't carry what is odd.
            item = self._account.create(
                known, data, Announcement(silent=True), parent=parent, created=created
            )
            item.odd = odd
            return item.id
        return self._account.create(known, data, announcement, parent=parent, created=created).id

    def update(self, collection: str, id: str, data: dict[str, Any], announcement: Announcement) -> None:
        self._account.update(self._find(collection), id, data, announcement)

    def delete(self, collection: str, id: str, announcement: Announcement) -> None:
        self._account.delete(self._find(collection), id, announcement)

    def restore(self, collection: str, id: str, announcement: Announcement) -> None:
        raise Refused(f"a deleted {self._find(collection).name} does not come back")

    def mutate_random(
        self,
        n: int,
        seed: int,
        collections: list[str] | None,
        weights: dict[str, float],
        announcement: Announcement,
    ) -> dict[str, int]:
        """Only changes that an event tells of, of the object itself or of the one that shows it."""
        rng = random.Random(f"{seed}:mutations")
        chosen = (
            [self._find(name) for name in collections]
            if collections
            else [
                each
                for each in COLLECTIONS
                if {"created", "updated"} <= set(each.events) and each.name != "plan"
            ]
        )
        done: dict[str, int] = {"create": 0, "update": 0, "delete": 0}
        kinds, weight = list(weights), list(weights.values())
        if set(kinds) - set(done):
            raise Refused(f"weights are of create, update and delete, not {sorted(set(kinds) - set(done))}")
        for number in range(n):
            collection = rng.choice(chosen)
            items = self._account.stores[collection.name].items
            kind = rng.choices(kinds, weight)[0]
            if (kind == "delete" and not collection.deletable) or (
                kind == "update" and not _told(collection)
            ):
                kind = "create"
            if kind != "create" and not items:
                kind = "create"
            if kind == "create":
                if collection.parent and not self._account.stores[collection.parent].items:
                    continue
                self._account.create(collection, {}, announcement)
            else:
                item = rng.choice(items)
                if kind == "delete":
                    self._account.delete(collection, item.id, announcement)
                else:
                    self._account.update(collection, item.id, _change(item, rng, number), announcement)
            done[kind] += 1
        return done

    def truth(self, collection: str) -> tuple[Iterable[Item], list[str]]:
        if collection == "event":
            return iter(self._account.events.visible()), []
        known = self._find(collection)
        store = self._account.stores[known.name]
        return iter(store), list(store.deleted)

    def purge_events(self) -> int:
        return self._account.events.purge()

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        return self._provider.configure(settings)

    def _find(self, name: str) -> Collection:
        try:
            return find(name)
        except KeyError as error:
            raise Refused(error.args[0]) from None


def _told(collection: Collection) -> bool:
    if "updated" in collection.events:
        return True
    return bool(collection.embedded) and any(collection in below for below in CHILDREN.values())


def _change(item: Item, rng: random.Random, number: int) -> dict[str, Any]:
    """A new value for something that every object of its kind has."""
    document = item.document()
    mark = f"{number}-{rng.getrandbits(32):08x}"
    if "metadata" in document:
        data: dict[str, Any] = {"metadata": {"mutation": mark}}
        if isinstance(document.get("description"), str) and rng.random() < 0.5:
            data["description"] = f"changed {mark} 😀"
        return data
    for name in ("description", "name", "memo", "value"):
        if name in document:
            return {name: f"changed {mark}"}
    return {"mutation": mark}
