"""The merchant: changes that come from elsewhere than the API, and the truth."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core import odd as odd_records
from ..core.data import Announcement, Refused, check_weights
from ..core.store import Item
from .catalog import COLLECTIONS, Collection, find
from .shop import Shop

if TYPE_CHECKING:
    from .provider import Shopify

KINDS = ("create", "update", "delete")
MUTATED = (
    "order",
    "order",
    "customer",
    "product",
    "product_variant",
    "draft_order",
    "collection",
    "metafield",
)


class Merchant:
    """core.data.Upstream for Shopify.

    An announcement is what becomes of `updatedAt`, and of `events` and `deletionEvents`: silent leaves no
    trace, and backdate puts the time of the change behind a cursor that has passed.
    """

    def __init__(self, shop: Shop, provider: Shopify) -> None:
        self._shop = shop
        self._provider = provider

    def collections(self) -> list[dict[str, Any]]:
        return [
            {
                "name": each.name,
                "path": each.path,
                "object": each.type,
                "events": bool(each.subject),
                "count": len(self._shop.stores[each.name]),
                "deleted": len(self._shop.stores[each.name].deleted),
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
        known = _find(collection)
        if known.own:
            raise Refused(f"a {known.name} comes into being with something else")
        if odd is not None:
            odd_records.make(odd, b'{"id": "x"}')
        moment = self._moment(announcement)
        born = created if created is not None else int(self._shop.clock.now() if moment is None else moment)
        told = None if moment is None else born
        item = self._shop.create(known.name, data, parent=parent, created=born, told=told)
        item.odd = odd
        return item.id

    def update(self, collection: str, id: str, data: dict[str, Any], announcement: Announcement) -> None:
        self._shop.update(_find(collection).name, id, data, self._moment(announcement))

    def delete(self, collection: str, id: str, announcement: Announcement) -> None:
        self._shop.delete(_find(collection).name, id, self._moment(announcement))

    def restore(self, collection: str, id: str, announcement: Announcement) -> None:
        raise Refused("what is deleted at Shopify does not come back")

    def mutate_random(
        self,
        n: int,
        seed: int,
        collections: list[str] | None,
        weights: dict[str, float],
        announcement: Announcement,
    ) -> dict[str, int]:
        rng = random.Random(f"{seed}:mutations")
        check_weights(weights, KINDS)
        names = [_find(name).name for name in collections] if collections else list(MUTATED)
        done = dict.fromkeys(KINDS, 0)
        for number in range(n):
            collection = _find(rng.choice(names))
            [kind] = rng.choices(list(weights), list(weights.values()))
            if done_as := self._mutate(collection, kind, rng, number, announcement):
                done[done_as] += 1
        return done

    def _mutate(
        self, collection: Collection, kind: str, rng: random.Random, number: int, announcement: Announcement
    ) -> str | None:
        """Does something of the kind, or what can be done in its place."""
        moment, items = self._moment(announcement), self._shop.stores[collection.name].items
        if kind == "delete" and items and collection.deletable:
            self._shop.delete(collection.name, rng.choice(items).id, moment)
            return kind
        if items and (kind == "update" or collection.own):
            mark = f"changed {number}-{rng.getrandbits(32):08x} 😀"
            data: dict[str, Any] = {collection.label: mark}
            if collection.name == "discount":
                data = {"discount": {"title": mark}}
            elif collection.name == "publication":
                data = {"autoPublish": rng.random() < 0.5}
            elif collection.name == "fulfillment_order":
                data = {"fulfillBy": f"2030-01-01T00:00:{rng.randrange(60):02}Z"}
            self._shop.update(collection.name, rng.choice(items).id, data, moment)
            return "update"
        if collection.own or (collection.parent and not self._possible(collection)):
            return None
        born = int(self._shop.clock.now() if moment is None else moment)
        self._shop.create(collection.name, {}, created=born, told=None if moment is None else born, rng=rng)
        return "create"

    def _possible(self, collection: Collection) -> bool:
        above = "product" if collection.parent == "*" else collection.parent
        return bool(self._shop.stores[above or ""].items)

    def truth(self, collection: str) -> tuple[Iterable[Item], list[str]]:
        store = self._shop.stores[_find(collection).name]
        return iter(store), list(store.deleted)

    def purge_events(self) -> int:
        return self._shop.forget_events()

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        return self._provider.configure(settings)

    def _moment(self, announcement: Announcement) -> float | None:
        if announcement.late:
            raise Refused("Shopify shows a change at once: there is no event that could be late")
        return None if announcement.silent else self._shop.clock.now() - announcement.backdate


def _find(name: str) -> Collection:
    try:
        return find(name)
    except KeyError as error:
        raise Refused(error.args[0]) from None
