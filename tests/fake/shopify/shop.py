"""All objects of the shop, and what a change of one does to the others."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from graphql import get_named_type, is_enum_type

from ..core.clock import Clock
from ..core.data import Refused
from ..core.store import Item, Store, dump
from . import objects
from .catalog import ANY, BY_NAME, COLLECTIONS, REFERRING, Collection, gid, of_gid
from .schema import Schema
from .times import iso, seconds
from .values import plain

FIRST_NUMBER = 7_300_000_000_000
"""Beyond 32 bits, and beyond what a float has digits for before long, as at Shopify."""
TOUCHES = {"product_variant", "line_item", "transaction", "fulfillment", "refund", "return"}
"""A change of these is a change of their parent. Others, metafields among them, leave it as it was."""
DEPENDENT: dict[str, tuple[str, ...]] = {}
for _each in COLLECTIONS:
    if _each.parent and _each.parent != ANY:
        DEPENDENT[_each.parent] = (*DEPENDENT.get(_each.parent, ()), _each.name)
FIXED = {member for _, member in REFERRING.values()} | {"inventoryItem"}
"""References that stay what they are as long as the object does."""


@dataclass(slots=True)
class Record:
    """An object as it is now: its scalar fields, and what of its other fields is known."""

    item: Item
    type: str
    fields: dict[str, Any]


class Shop:
    """The times of changes are passed in, where None means that nobody notes the change."""

    def __init__(self, clock: Clock, seed: int, schema: Schema) -> None:
        self.clock = clock
        self.schema = schema
        self.rng = random.Random(f"{seed}:shopify")
        self.stores = {each.name: Store() for each in COLLECTIONS}
        self.inner: dict[str, dict[str, Any]] = {}
        """Of each object the fields that are objects; one that is `{"id": …}` refers to another object."""
        self.touched: dict[str, int] = {}
        """Of each object, when it was last updated."""
        self.changes: Counter[str] = Counter()
        """How often each collection has changed: what was sorted before is good as long as it has not."""
        self._numbers: Counter[str] = Counter()
        self._last_number = FIRST_NUMBER

    # -- looking ------------------------------------------------------------------------------------------

    def kind(self, id: str) -> Collection:
        collection, _ = of_gid(id)
        if collection is None:
            raise Refused(f"{id!r} is no global id of anything that the shop has")
        return collection

    def item(self, id: Any) -> Item | None:
        collection, _ = of_gid(id) if isinstance(id, str) else (None, 0)
        return self.stores[collection.name].by_id.get(id) if collection else None

    def record(self, item: Item) -> Record:
        return Record(item, self.kind(item.id).type, {**self.inner[item.id], **item.document()})

    def existing(self, collection: str, id: str) -> Item:
        item = self.stores[collection].by_id.get(id)
        if item is None:
            raise Refused(f"there is no {collection} {id!r}")
        return item

    def referring(self, collection: str, member: str, id: str) -> list[Item]:
        """The objects of a collection that refer to this one."""
        return self.stores[collection].where(
            member, id, lambda item: (self.inner[item.id].get(member) or {}).get("id")
        )

    def events_of(self, id: str) -> list[Item]:
        return self.stores["event"].where("subject", id, lambda item: item.document()["subjectId"])

    def next_number(self, collection: str) -> int:
        self._numbers[collection] += 1
        return 1000 + self._numbers[collection]

    # -- changing -----------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        data: dict[str, Any],
        *,
        parent: str | None = None,
        created: int,
        told: int | None,
        rng: random.Random | None = None,
    ) -> Item:
        """A new object, created and updated at `created`; what `data` does not say is made up.

        told: when `events` tells of it; None: never.
        """
        collection, rng, data = BY_NAME[name], rng or self.rng, dict(data)
        above = self._above(collection, parent, rng)
        self._last_number += 1 + int(rng.random() * 40)
        number = of_gid(data["id"])[1] if "id" in data else self._last_number
        shown = self.record(above).fields if above else {}
        maker = objects.Maker(self, rng, number, created, shown, data)
        # `return` is a word of Python's own.
        make = getattr(objects, name, None) or getattr(objects, f"{name}_")
        made = {**make(maker), **data}
        id = gid(collection.type, number)
        if name == "inventory_level":
            id += f"?inventory_item_id={of_gid(shown['id'])[1]}"
        self._check(collection, made)
        document, inner = self._split(collection, id, number, created, made)
        self.inner[id] = inner
        self.touched[id] = seconds(document["updatedAt"]) if "updatedAt" in data else int(created)
        try:
            item = self.stores[name].insert(id, int(created), dump(document), above.id if above else None)
        except KeyError as error:
            raise Refused(str(error.args[0])) from None
        self.changes[name] += 1
        if name == "product_variant" and "inventoryItem" not in inner:
            self._stock(item, document, created, rng)
        if told is not None:
            self._tell(collection, id, "create", told)
            self._touch_parent(collection, item, told)
        return item

    def update(self, name: str, id: str, data: dict[str, Any], moment: float | None) -> Item:
        """Hashes merge, all else replaces. `moment` becomes the time of the change."""
        collection, item = BY_NAME[name], self.existing(name, id)
        fixed = sorted(FIXED & set(data))
        if fixed:
            raise Refused(f"what {', '.join(fixed)} of a {name} refers to stays the same")
        self._check(collection, data)
        leaves = self.schema.leaves(collection.type)
        document, inner = item.document(), self.inner[id]
        for member, value in data.items():
            into = document if member in leaves else inner
            old = into.get(member)
            merged = isinstance(old, dict) and isinstance(value, dict)
            into[member] = {**old, **value} if merged else value
        if name == "metaobject" and "displayName" in data:
            document["values"] = {"title": data["displayName"]}
            inner["fields"] = [{**inner["fields"][0], "value": data["displayName"],
                                "jsonValue": data["displayName"]}]  # fmt: skip
        if name == "metafield" and "value" in data:
            document |= {"jsonValue": data["value"], "sizeInBytes": len(str(data["value"]).encode())}
        if "updatedAt" in data:
            self.touched[id] = seconds(data["updatedAt"])
        elif moment is not None:
            self._stamp(name, id, document, moment)
        self.stores[name].replace(item, dump(document))
        self.changes[name] += 1
        self._touch_parent(collection, item, moment)
        return item

    def delete(self, name: str, id: str, told: float | None) -> None:
        """With what hangs on it. told: when the API tells of it, if it tells of such; None: never."""
        collection, item = BY_NAME[name], self.existing(name, id)
        for below in (*DEPENDENT.get(name, ()), "metafield"):
            for child in list(self.stores[below].children(id)):
                self.delete(below, child.id, told)
        if name == "product_variant":
            stock = self.inner[id]["inventoryItem"]["id"]
            if stock in self.stores["inventory_item"].by_id:
                self.delete("inventory_item", stock, told)
        self.stores[name].remove(id)
        self.changes[name] += 1
        if told is None:
            return
        self._tell(collection, id, "destroy", int(told))
        if collection.deletion:
            said = {"subjectId": id, "subjectType": collection.deletion}
            self.create("deletion_event", said, created=int(told), told=None)
        self._touch_parent(collection, item, told)

    def forget_events(self) -> int:
        forgotten = 0
        for name in ("event", "deletion_event"):
            for id in list(self.stores[name].by_id):
                self.stores[name].remove(id)
                self.changes[name] += 1
                forgotten += 1
        return forgotten

    # -- parts --------------------------------------------------------------------------------------------

    def _above(self, collection: Collection, parent: str | None, rng: random.Random) -> Item | None:
        if collection.parent is None:
            if parent is not None:
                raise Refused(f"a {collection.name} has no parent")
            return None
        if parent is not None:
            item = self.item(parent)
            if item is None or collection.parent not in (ANY, self.kind(parent).name):
                raise Refused(f"there is no {collection.parent} {parent!r}")
            return item
        items = self.stores["product" if collection.parent == ANY else collection.parent].items
        if not items:
            raise Refused(f"a {collection.name} needs a {collection.parent}, and there is none")
        return items[int(rng.random() * len(items))]

    def _check(self, collection: Collection, data: dict[str, Any]) -> None:
        """What the schema would not let the API show must not get in."""
        fields = self.schema.object(collection.type).fields
        unknown = sorted(set(data) - set(fields))
        if unknown:
            raise Refused(f"{collection.type} has no {', '.join(unknown)}")
        for member, value in data.items():
            named = get_named_type(fields[member].type)
            if is_enum_type(named) and isinstance(value, str) and value not in named.values:
                raise Refused(f"{member} is one of {', '.join(named.values)}, not {value!r}")

    def _split(
        self, collection: Collection, id: str, number: int, created: int, made: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The scalar fields, all of them, and the others, as far as something is known of them."""
        leaves = self.schema.leaves(collection.type)
        times = {"createdAt": iso(created), "updatedAt": iso(created)}
        own = {**times, "id": id, "legacyResourceId": str(number), "defaultCursor": f"cursor-{number}"}
        document = {
            field: made[field] if field in made else own[field] if field in own
            else plain(self.schema.graphql, type)
            for field, type in leaves.items()
        }  # fmt: skip
        return document | {"id": id} if "id" in leaves else document, {
            field: value for field, value in made.items() if field not in leaves
        }

    def _stock(self, variant: Item, document: dict[str, Any], created: int, rng: random.Random) -> None:
        """A variant has an inventory item, which has a level at each location."""
        data = {"sku": document["sku"], "variant": {"id": variant.id}}
        stock = self.create("inventory_item", data, created=created, told=None, rng=rng)
        self.inner[variant.id]["inventoryItem"] = {"id": stock.id}
        for place in self.stores["location"].items:
            level = {"location": {"id": place.id}}
            self.create("inventory_level", level, parent=stock.id, created=created, told=None, rng=rng)

    def _stamp(self, name: str, id: str, document: dict[str, Any], moment: float) -> None:
        self.touched[id] = int(moment)
        if "updatedAt" in document:
            document["updatedAt"] = iso(moment)
        if name == "discount":
            self.inner[id]["discount"]["updatedAt"] = iso(moment)
        if name == "segment":
            document["lastEditDate"] = iso(moment)

    def _touch_parent(self, collection: Collection, item: Item, moment: float | None) -> None:
        if moment is None or collection.name not in TOUCHES or item.parent is None:
            return
        above = self.item(item.parent)
        if above is not None and moment > self.touched.get(above.id, 0):
            name, document = self.kind(above.id).name, json.loads(above.raw)
            self._stamp(name, above.id, document, moment)
            self.stores[name].replace(above, dump(document))
            self.changes[name] += 1

    def _tell(self, collection: Collection, id: str, action: str, moment: int) -> None:
        if collection.subject:
            said = {"action": action, "subjectId": id, "subjectType": collection.subject}
            self.create("event", said, created=moment, told=None)
