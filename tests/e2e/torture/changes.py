"""The account's owner: creates, updates and deletes at random, and the API tells of it as it does."""

import time
from typing import Any

from .layout import OF_CUSTOMER, POLLED, SWEPT, TOLD
from .world import Actor, World
from .writers import BY

WEIGHTS = {"create": 2.0, "update": 6.0, "delete": 1.0}


class Owner(Actor):
    """All changes but those of the writers come from one thread, so that each is of something that exists."""

    def __init__(self, world: World, far_back: bool) -> None:
        """`far_back`: whether events turn up far behind others to the last, which takes long to be seen."""
        super().__init__(world, "owner", world.over)
        self._far_back = far_back
        self._upstream = world.upstream
        self._deleted: list[tuple[str, dict[str, Any]]] = []

    def act(self) -> None:
        kinds = (self._told, self._of_customer, self._polled, self._swept, self._comes_back)
        self.rng.choices(kinds, (10, 3, 1, 4, 1))[0]()
        self.pause(0.22)

    def _event(self) -> bool | dict[str, float]:
        """How a change is told of."""
        back = 120.0 if self._far_back or not self.world.calm.is_set() else 5.0
        late, backdate = 0.2 + self.rng.random() * 2, 1 + self.rng.random() * back
        return self.rng.choices(
            (True, {"late": late}, {"backdate": backdate}, {"late": late, "backdate": backdate}),
            (12, 1, 1, 1),
        )[0]

    def _told(self) -> None:
        collections = self.rng.sample(TOLD, 3)
        event, n = self._event(), self.rng.randrange(1, 5)
        self._upstream.mutate_random(n, self.rng.getrandbits(30), collections, WEIGHTS, event)
        self.world.note("change", f"{n} of {collections}, event {event}")

    def _of_customer(self) -> None:
        """What lies below a customer changes silently, and then so does the customer."""
        collection, customers = self.rng.choice(OF_CUSTOMER), list(self._own("customer"))
        if not customers:
            return
        customer = self.rng.choice(customers)
        below = [
            key
            for key, each in self._upstream.objects(collection).items()
            if each.get("customer") == customer
        ]
        kind = self.rng.choices(("create", "update", "delete"), (3, 2, 2))[0]
        if collection != "customer_source" and kind == "delete":
            kind = "create"
        if kind == "create" or not below:
            self._upstream.create(collection, parent=customer, event=False)
        elif kind == "update":
            self._upstream.update(collection, self.rng.choice(below), event=False, metadata=self._mark())
        else:
            self._upstream.delete(collection, self.rng.choice(below), event=False)
        event = self._event()
        self._upstream.update("customer", customer, event=event, metadata=self._mark())
        self.world.note("change below", f"{kind} {collection} of {customer}, event {event}")

    def _polled(self) -> None:
        collection, count = self.rng.choice(POLLED), self.rng.randrange(1, 4)
        # Some turn up behind others.
        created = int(time.time()) - self.rng.choice((0, 0, 0, 300))
        self._upstream.create(collection, count=count, created=created, event=False)
        self.world.note("change to be polled", f"create {count} {collection}")

    def _swept(self) -> None:
        collection = self.rng.choice(SWEPT)
        kind = self.rng.choices(("create", "update", "delete"), (2, 3, 2))[0]
        ids = self._upstream.ids(collection)
        if collection not in SWEPT[:3] and kind == "delete":
            kind = "update"
        if kind == "create" or not ids:
            self._upstream.create(collection, event=False)
        elif kind == "update":
            self._upstream.update(collection, self.rng.choice(ids), event=False, metadata=self._mark())
        else:
            self._upstream.delete(collection, self.rng.choice(ids), event=False)
        self.world.note("change to be swept", f"{kind} {collection}")

    def _comes_back(self) -> None:
        """Something is deleted, and something that was deleted exists again, under its old id."""
        collection = self.rng.choice(("coupon", "product"))
        objects = self._own(collection)
        if self._deleted and self.rng.random() < 0.6:
            old, data = self._deleted.pop(self.rng.randrange(len(self._deleted)))
            self._upstream.create(old, event=self._event(), **data)
            self.world.note("change back", f"{old} {data['id']}")
        elif len(objects) > 3:
            gone = self.rng.choice(list(objects))
            self._deleted.append((collection, objects[gone]))
            self._upstream.delete(collection, gone, event=self._event())
            self.world.note("change away", f"{collection} {gone}")

    def _own(self, collection: str) -> dict[str, dict[str, Any]]:
        """The objects that nobody else deletes."""
        objects = self._upstream.objects(collection)
        return {key: each for key, each in objects.items() if BY not in (each["metadata"] or {})}

    def _mark(self) -> dict[str, str]:
        return {"mutation": f"{self.rng.getrandbits(40):010x}"}
