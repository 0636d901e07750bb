"""What there is to begin with: two years of it, and an import that has touched many accounts at once."""

from __future__ import annotations

import random

from .books import Books
from .catalog import COLLECTIONS

SPAN = 730 * 86_400
YOUNGEST = 120
IMPORTED = 0.9
"""So many of the accounts were changed in one instant: more than a page holds."""


def populate(books: Books, counts: dict[str, int], seed: int) -> None:
    """`counts` by the collection's name; what is not named has none."""
    now = int(books.clock.now())
    rng = random.Random(f"{seed}:ledger seed")
    imported = (now - SPAN // 4) * 1000 + 250
    for collection in COLLECTIONS:
        count = counts.get(collection.name, 0)
        if collection.parent:
            for account in list(books.shelves[collection.parent].store.by_id):
                for _ in range(rng.randrange(count + 1)):
                    then = (now - YOUNGEST) * 1000
                    books.create(collection, {}, then, then, account)
            continue
        first, last = (now - SPAN) * 1000, (now - YOUNGEST) * 1000
        for created in sorted(rng.randrange(first, last) for _ in range(count)):
            changed = rng.randrange(created, last)
            if collection.name == "account" and created < imported and rng.random() < IMPORTED:
                changed = imported
            books.create(collection, {}, created, changed)
