"""Accounts of the fake that are larger than it makes at its start, or other than those."""

import time
from typing import Any

from harness import Upstream

# The fake makes its objects in batches, each of a moment of its own.
BATCH = 2_000


def add_objects(
    upstream: Upstream, collection: str, count: int, *, batch: int = BATCH, **options: Any
) -> None:
    """So many objects, of an hour of the past each `batch`; no event tells of them.

    `options` are those of `Upstream.create`: a parent, or what all objects have in common.
    """
    now = int(time.time())
    batches = -(-count // batch)
    for number in range(batches):
        created = now - 3600 * (batches - number)
        share = min(batch, count - number * batch)
        upstream.create(collection, count=share, created=created, event=False, **options)
