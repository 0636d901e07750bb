"""The data that the org starts with: two years of it, and an import that has touched many records at once."""

from __future__ import annotations

import gc
import random

from .catalog import OBJECTS
from .org import Org

SPAN, YOUNGEST = 730 * 86_400, 120
IMPORTED = 0.9
"""So many of the older contacts were changed in one second: more than a batch has."""


def populate(org: Org, counts: dict[str, int], seed: int) -> None:
    """`counts` by the object's name; what is not named has none."""
    gc.disable()  # Objects that all stay: looking for cycles among them doubles the time.
    try:
        now = org.now()
        for sobject in OBJECTS:
            rng = random.Random(f"{seed}:{sobject.name}")
            imported = now - SPAN // 30
            first, last = now - SPAN, now - YOUNGEST
            for created in sorted(rng.randrange(first, last) for _ in range(counts.get(sobject.name, 0))):
                stamp = rng.randrange(created, last)
                if sobject.name == "Contact" and created < imported and rng.random() < IMPORTED:
                    stamp = imported
                org.create(sobject.name, {}, created, stamp)
    finally:
        gc.freeze()
        gc.enable()
