"""The account's objects and what happens to them; events are written here, whoever makes the change."""

from __future__ import annotations

import json
import random
from typing import Any

from ..core.clock import Clock
from ..core.data import Announcement, Refused
from ..core.store import Item, Store, dump
from . import versions
from .catalog import BY_NAME, CHILDREN, COLLECTIONS
from .collection import Collection, event_of
from .events import Cause, Events
from .objects import maker_of
from .objects.catalogue import plan_of
from .objects.maker import Maker, token
from .objects.platform import COUNTRIES, MONEY

EMBEDDED_SHOWN = 10
ID_LENGTHS = {"customer": 14, "product": 14, "coupon": 8, "plan": 14}
FIXED_IDS = {
    "country_spec": COUNTRIES,
    "exchange_rate": MONEY,
}
OWNER = Cause(None, None)
EMBEDDERS = {child.parent for child in COLLECTIONS if child.embedded}
"""Collections whose objects show some of the objects below them."""
BY_PREFIX: dict[str, list[str]] = {}
for _each in COLLECTIONS:
    BY_PREFIX.setdefault(_each.prefix, []).append(_each.name)


class Account:
    """All objects of one Stripe account."""

    def __init__(self, clock: Clock, seed: int, api_version: str) -> None:
        self.clock = clock
        self.stores = {collection.name: Store() for collection in COLLECTIONS}
        self.events = Events(clock, random.Random(f"{seed}:events"))
        self.api_version = api_version
        """The account's default version: of requests without Stripe-Version, and of events."""
        self.rng = random.Random(f"{seed}:live")

    # -- looking ------------------------------------------------------------------------------------------

    def get(self, collection: str, id: str) -> Item | None:
        return self.stores[collection].by_id.get(id)

    def locate(self, id: str) -> Item | None:
        """The object with this id, whatever it is."""
        prefix = id[: id.rfind("_") + 1]
        for name in BY_PREFIX.get(prefix, BY_PREFIX[""]):
            item = self.stores[name].by_id.get(id)
            if item:
                return item
        return None

    # -- making -------------------------------------------------------------------------------------------

    def make(
        self,
        collection: Collection,
        rng: random.Random,
        created: int,
        parent: str | None,
        data: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A new object's document; what `data` says stands, the rest is made up. Stores nothing."""
        data = data or {}
        id = data.get("id") or self._new_id(collection, rng)
        document = maker_of(collection.name)(Maker(self, rng, id, created, parent, data))
        document.update(data)
        if collection.name in EMBEDDERS:
            self._embed(collection, document)
        return document

    def _new_id(self, collection: Collection, rng: random.Random) -> str:
        if collection.name in FIXED_IDS:
            taken = self.stores[collection.name].by_id
            for id in FIXED_IDS[collection.name]:
                if id not in taken:
                    return id
            raise Refused(f"there are no more of {collection.name}: its ids are fixed")
        return collection.prefix + token(rng, ID_LENGTHS.get(collection.name, 24))

    def insert(
        self, collection: Collection, document: dict[str, Any], created: int, parent: str | None
    ) -> Item:
        """Stores a made document; says nothing to anybody. Raises Refused when the id is taken."""
        try:
            return self.stores[collection.name].insert(document["id"], created, dump(document), parent)
        except KeyError as error:
            raise Refused(str(error.args[0])) from None

    # -- changing -----------------------------------------------------------------------------------------

    def create(
        self,
        collection: Collection,
        data: dict[str, Any],
        announcement: Announcement,
        cause: Cause = OWNER,
        *,
        parent: str | None = None,
        created: int | None = None,
    ) -> Item:
        if collection.parent:
            parent = parent or data.get(collection.by or collection.parent)
            if parent is None:
                above = self.stores[collection.parent].items
                if not above:
                    raise Refused(f"a {collection.name} needs a {collection.parent}, and there is none")
                parent = above[int(self.rng.random() * len(above))].id
            elif self.get(collection.parent, parent) is None:
                raise Refused(f"there is no {collection.parent} {parent!r}")
        moment = int(self.clock.now()) if created is None else created
        document = self.make(collection, self.rng, moment, parent, data)
        item = self.insert(collection, document, moment, parent)
        self._announce(collection, "created", document, None, announcement, cause)
        self._changed_below(collection, item, announcement, cause)
        if collection.name == "price":
            self._mirror_price(document, announcement, cause)
        return item

    def update(
        self,
        collection: Collection,
        id: str,
        data: dict[str, Any],
        announcement: Announcement,
        cause: Cause = OWNER,
    ) -> Item:
        item = self._existing(collection, id)
        before = item.document()
        document = json.loads(item.raw)
        merge(document, data)
        if "updated" in before and "updated" not in data:
            document["updated"] = int(self.clock.now())
        if document == before:
            return item
        self.stores[collection.name].replace(item, dump(document))
        self._announce(collection, "updated", document, before, announcement, cause)
        self._changed_below(collection, item, announcement, cause)
        if collection.name == "price":
            self._mirror_price(document, announcement, cause)
        return item

    def delete(
        self, collection: Collection, id: str, announcement: Announcement, cause: Cause = OWNER
    ) -> Item:
        if not collection.deletable:
            raise Refused(f"the API never deletes a {collection.name}")
        item = self._existing(collection, id)
        if collection.name == "subscription":
            return self._cancel(collection, item, announcement, cause)
        document = item.document()
        if collection.name == "customer":
            self._leave(id, announcement, cause)
        for child in CHILDREN.get(collection.name, ()):
            # What hangs on an object goes with it, and no event says so.
            for below in list(self.stores[child.name].children(id)):
                self.delete(child, below.id, Announcement(silent=True)) if child.deletable else self.stores[
                    child.name
                ].remove(below.id)
        if id in self.stores[collection.name].by_id:
            self.stores[collection.name].remove(id)
        self._announce(collection, "deleted", document, None, announcement, cause)
        self._changed_below(collection, item, announcement, cause)
        if collection.name == "price" and self.get("plan", id):
            self.delete(BY_NAME["plan"], id, announcement, cause)
        return item

    def _existing(self, collection: Collection, id: str) -> Item:
        item = self.get(collection.name, id)
        if item is None:
            raise Refused(f"there is no {collection.name} {id!r}")
        return item

    def _cancel(self, collection: Collection, item: Item, announcement: Announcement, cause: Cause) -> Item:
        """`customer.subscription.deleted` means canceled: the object stays, and `status=all` lists it."""
        before = item.document()
        if before["status"] == "canceled":
            return item
        now = int(self.clock.now())
        document = {**before, "status": "canceled", "canceled_at": now, "ended_at": now}
        self.stores[collection.name].replace(item, dump(document))
        self._announce(collection, "deleted", document, None, announcement, cause)
        return item

    def _leave(self, customer: str, announcement: Announcement, cause: Cause) -> None:
        """A customer who is deleted loses subscriptions and payment methods first."""
        for item in list(self._of_customer("subscription", customer)):
            self._cancel(BY_NAME["subscription"], item, announcement, cause)
        methods = BY_NAME["payment_method"]
        for item in list(self._of_customer("payment_method", customer)):
            before = item.document()
            document = {**before, "customer": None}
            self.stores["payment_method"].replace(item, dump(document))
            self.announce(methods.events["detached"], document, {"customer": customer}, announcement, cause)

    def _of_customer(self, collection: str, customer: str) -> list[Item]:
        return self.stores[collection].where(
            "customer", customer, lambda item: item.document().get("customer")
        )

    # -- consequences -------------------------------------------------------------------------------------

    def refresh(self, collection: Collection, item: Item) -> None:
        """Renders an object again after the objects below it have changed."""
        document = item.document()
        self._embed(collection, document)
        self.stores[collection.name].replace(item, dump(document))

    def _embed(self, collection: Collection, document: dict[str, Any]) -> None:
        for child in CHILDREN[collection.name]:
            if child.embedded:
                below = self.stores[child.name].children(document["id"])
                document[child.embedded] = {
                    "object": "list",
                    "data": [item.document() for item in below[: -EMBEDDED_SHOWN - 1 : -1]],
                    "has_more": len(below) > EMBEDDED_SHOWN,
                    "url": self._list_url(child, document["id"]),
                }

    def _list_url(self, child: Collection, parent: str) -> str:
        if child.by is None:
            return "/v1/" + child.path.replace(f"{{{child.parent}}}", parent)
        return f"/v1/{child.path}?{child.by}={parent}"

    def _changed_below(
        self, collection: Collection, item: Item, announcement: Announcement, cause: Cause
    ) -> None:
        """A change of an embedded object is a change of the object that shows it."""
        if not (collection.embedded and collection.parent and item.parent):
            return
        above = BY_NAME[collection.parent]
        parent = self.get(above.name, item.parent)
        if parent is None:
            return
        before = parent.document()
        self.refresh(above, parent)
        self._announce(above, "updated", parent.document(), before, announcement, cause)

    def _mirror_price(self, price: dict[str, Any], announcement: Announcement, cause: Cause) -> None:
        plans = BY_NAME["plan"]
        view = plan_of(price)
        known = self.get("plan", price["id"])
        if view and known:
            self.update(plans, price["id"], view, announcement, cause)
        elif view:
            self.insert(plans, view, price["created"], None)
            self._announce(plans, "created", view, None, announcement, cause)

    # -- telling ------------------------------------------------------------------------------------------

    def _announce(
        self,
        collection: Collection,
        change: str,
        document: dict[str, Any],
        before: dict[str, Any] | None,
        announcement: Announcement,
        cause: Cause,
    ) -> None:
        if announcement.silent:
            return
        status = document.get("status")
        types = []
        if before is not None and before.get("status") != status:
            types.append(event_of(collection, "status", status))
        types.append(event_of(collection, change, status))
        previous = None if before is None else difference(before, document)
        for type in dict.fromkeys(types):
            if type:
                self.announce(type, document, previous, announcement, cause)

    def announce(
        self,
        type: str,
        document: dict[str, Any],
        previous: dict[str, Any] | None,
        announcement: Announcement,
        cause: Cause,
        created: int | None = None,
    ) -> None:
        rendered = versions.render(document, self.api_version)
        self.events.write(type, rendered, previous, self.api_version, announcement, cause, created)


def merge(document: dict[str, Any], data: dict[str, Any]) -> None:
    """Sets what `data` says; hashes merge, others replace; null removes a key of `metadata`, or all."""
    for name, value in data.items():
        if name == "metadata":
            kept = {**(document.get(name) or {}), **value} if value else {}
            document[name] = {key: text for key, text in kept.items() if text is not None}
        elif isinstance(value, dict) and isinstance(document.get(name), dict):
            merge(document[name], value)
        else:
            document[name] = value


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """`previous_attributes`: the old values of what changed; null for what was not there."""
    changed: dict[str, Any] = {}
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new and (name in before) == (name in after):
            continue
        changed[name] = difference(old, new) if isinstance(old, dict) and isinstance(new, dict) else old
    return changed
