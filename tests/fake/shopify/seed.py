"""The data that the shop starts with."""

from __future__ import annotations

import gc
import random

from ..core.moments import moments
from .catalog import ANY, COLLECTIONS, OWNERS, Collection
from .shop import Shop

SPAN, YOUNGEST = 730 * 86_400, 120


def populate(shop: Shop, counts: dict[str, int], seed: int) -> None:
    """Fills every collection: `counts` by name; of a nested one, the most under one parent."""
    gc.disable()  # Objects that all stay: looking for cycles among them doubles the time.
    try:
        for collection in COLLECTIONS:
            if not collection.own:
                rng = random.Random(f"{seed}:shopify:{collection.name}")
                _fill(shop, collection, counts.get(collection.name, 0), rng)
    finally:
        gc.freeze()
        gc.enable()


def _fill(shop: Shop, collection: Collection, count: int, rng: random.Random) -> None:
    now = int(shop.clock.now())
    if collection.parent is None:
        for moment in moments(rng, count, now - SPAN, now - YOUNGEST):
            shop.create(collection.name, {}, created=moment, told=None, rng=rng)
        return
    if not count:
        return
    owners = OWNERS if collection.parent == ANY else (collection.parent,)
    above = [item for name in owners for item in shop.stores[name].items]
    for number, item in enumerate(above):
        # The first parent has as many as there may be, the others mostly less.
        most = count if number == 0 else round(count * rng.random())
        for moment in moments(rng, most, item.created, now - YOUNGEST):
            shop.create(collection.name, {}, parent=item.id, created=moment, told=None, rng=rng)
