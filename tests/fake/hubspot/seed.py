"""The records that an account starts with."""

from __future__ import annotations

import gc
import random

from .associations import kinds
from .catalog import STANDARD, TYPES
from .portal import Portal

SPAN, YOUNGEST = 730 * 86_400_000, 120_000
IMPORTED = 0.5
"""How much of a type came by imports: all of one have the same times, to the millisecond."""


def populate(portal: Portal, counts: dict[str, int], seed: int) -> None:
    """`counts` by collection."""
    gc.disable()  # Objects that all stay: looking for cycles among them doubles the time.
    try:
        rng = random.Random(f"{seed}:hubspot seed")
        now = portal.began
        for _ in range(counts.get("owner", 0)):
            portal.directory.create("owner", {}, None, now - SPAN)
        for type in TYPES:
            for created in _moments(rng, counts.get(type.name, 0), now - SPAN, now - YOUNGEST):
                changed = rng.choice((created, rng.randint(created, now - YOUNGEST)))
                portal.create(type.name, {}, created, changed, source="IMPORT")
        _associate(portal, rng)
    finally:
        gc.freeze()
        gc.enable()


def _moments(rng: random.Random, count: int, first: int, last: int) -> list[int]:
    """In the order in which the records were made, which is not that of their times."""
    found: list[int] = []
    while len(found) < count:
        size = rng.randint(2, 150) if rng.random() < IMPORTED / 20 else 1
        found += [rng.randint(first, last)] * min(size, count - len(found))
    return found


def _associate(portal: Portal, rng: random.Random) -> None:
    for at, type in enumerate(TYPES):
        for target in TYPES[:at]:
            ids = [item.id for item in portal.shelves[target.name].store]
            if (
                not ids
                or kinds(type, target, False) is None
                or (type not in STANDARD and target.name != "contact")
            ):
                continue
            for item in portal.shelves[type.name].store:
                for other in rng.sample(ids, min(len(ids), rng.choice((0, 1, 1, 2, 5)))):
                    portal.associate((type.name, item.id), (target.name, other), rng.random() < 0.5)
