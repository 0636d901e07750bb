"""The data that the hub starts with."""

from __future__ import annotations

import gc
import random

from ..core.moments import moments
from .catalog import COLLECTIONS, Collection
from .hub import Hub

SPAN, YOUNGEST = 730 * 86_400, 120


def populate(hub: Hub, counts: dict[str, int], seed: int) -> None:
    """Fills every collection: `counts` by name; of a nested one, the most under one parent."""
    gc.disable()  # Objects that all stay: looking for cycles among them doubles the time.
    try:
        for collection in COLLECTIONS:
            _fill(hub, collection, counts.get(collection.name, 0), random.Random(f"{seed}:{collection.name}"))
    finally:
        gc.freeze()
        gc.enable()


def _fill(hub: Hub, collection: Collection, count: int, rng: random.Random) -> None:
    now = int(hub.clock.now())
    if collection.parent is None or collection.name == "repository":
        for moment in moments(rng, count, now - SPAN, now - YOUNGEST):
            hub.create(collection.name, {}, created=moment, rng=rng)
        return
    if not count:
        return
    for number, above in enumerate(list(hub.stores[collection.parent].items)):
        # The first parent has as many as there may be, the last one little.
        most = count if number == 0 else int(count * rng.random())
        if collection.name == "issue_comment" and not hub.stores["issue"].children(above.id):
            continue
        if collection.name == "review_comment" and not hub.stores["pull_request"].children(above.id):
            continue
        for at, moment in enumerate(moments(rng, most, above.created, now - YOUNGEST)):
            data = {"name": "main"} if collection.name == "branch" and at == 0 else {}
            hub.create(collection.name, data, parent=above.id, created=moment, rng=rng)
