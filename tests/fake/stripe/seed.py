"""The data that the account starts with."""

from __future__ import annotations

import gc
import math
import random

from ..core.data import Announcement
from ..core.store import dump
from .account import EMBEDDERS, FIXED_IDS, OWNER, Account
from .catalog import COLLECTIONS
from .collection import Collection, event_of
from .events import KEPT
from .objects.catalogue import plan_of

SPAN_DAYS = 730
YOUNGEST = 120


def populate(account: Account, counts: dict[str, int], seed: int, events: bool = True) -> None:
    """Fills every collection: `counts` by name, the catalog's otherwise (nested ones: the most a parent).

    Objects of the last 30 days have their `created` events unless `events` is False.
    """
    gc.disable()  # Millions of objects that all stay: looking for cycles among them doubles the time.
    try:
        for collection in COLLECTIONS:
            _fill(account, collection, counts.get(collection.name, collection.count), seed)
        _finish_parents(account)
        if events:
            _remember_creations(account)
    finally:
        gc.freeze()
        gc.enable()


def _fill(account: Account, collection: Collection, count: int, seed: int) -> None:
    rng = random.Random(f"{seed}:{collection.name}")
    now = int(account.clock.now())
    store = account.stores[collection.name]
    if collection.name in FIXED_IDS:
        count = min(count, len(FIXED_IDS[collection.name]))
    if collection.name == "plan":
        for item in account.stores["price"].items:
            view = plan_of(item.document())
            if view:
                account.insert(collection, view, item.created, None)
    if collection.parent and count:
        for above in list(account.stores[collection.parent].items):
            for _ in range(_few(rng, count)):
                document = account.make(collection, rng, above.created, above.id)
                store.insert(document["id"], above.created, dump(document), above.id)
        return
    for moment in moments(rng, count, now - SPAN_DAYS * 86_400, now - YOUNGEST):
        document = account.make(collection, rng, moment, None)
        store.insert(document["id"], moment, dump(document))


def _few(rng: random.Random, most: int) -> int:
    """Mostly one or two; now and then as many as there may be, so that embedded lists overflow."""
    return min(most, rng.choices((0, 1, 2, 4, most), (5, 50, 30, 8, 7))[0])


def moments(rng: random.Random, count: int, first: int, last: int) -> list[int]:
    """`count` epoch seconds, ascending, in bursts: up to 140 share a second, more than a page holds."""
    found: list[int] = []
    dense = [rng.uniform(first, last) for _ in range(8)]
    largest = max(1, min(140, count // 3))
    while len(found) < count:
        # A third of the bursts lie near a busy moment: ranges of equal length are not equally full.
        moment = rng.gauss(rng.choice(dense), 40_000) if rng.random() < 0.33 else rng.uniform(first, last)
        size = min(
            rng.choices((1, 2, 3, 7, 40, 140), (600, 150, 100, 60, 8, 2))[0], largest, count - len(found)
        )
        found.extend([min(max(int(moment), first), last)] * max(1, size))
    found.sort()
    return found


def _finish_parents(account: Account) -> None:
    for collection in COLLECTIONS:
        if collection.name in EMBEDDERS:
            for item in list(account.stores[collection.name].items):
                account.refresh(collection, item)


def _remember_creations(account: Account) -> None:
    oldest = math.ceil(account.clock.now()) - KEPT
    recent = []
    for order, collection in enumerate(COLLECTIONS):
        if not collection.events:
            continue
        for item in reversed(account.stores[collection.name].items):
            if item.created < oldest:
                break
            recent.append((item.created, order, item.key, collection, item))
    recent.sort(key=lambda each: each[:3])
    for created, _, _, collection, item in recent:
        document = item.document()
        type = event_of(collection, "created", document.get("status"))
        if type:
            account.announce(type, document, None, Announcement(), OWNER, created)
