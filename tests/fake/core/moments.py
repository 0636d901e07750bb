"""When objects have been created, as time has it: not evenly."""

from __future__ import annotations

import random


def moments(rng: random.Random, count: int, first: int, last: int) -> list[int]:
    """`count` epoch seconds, ascending, some of them shared: an import has made many objects at once."""
    found: list[int] = []
    while len(found) < count:
        size = min(rng.choices((1, 2, 5, 30), (70, 15, 10, 5))[0], count - len(found))
        found.extend([int(rng.uniform(first, max(first, last)))] * size)
    return sorted(found)
