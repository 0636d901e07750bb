"""Accounts of the fake that are larger than it makes at its start."""

import time

from harness import Upstream

# The fake makes its objects in batches, each of a moment of its own.
BATCH = 2_000


def add_customers(upstream: Upstream, count: int) -> None:
    """So many customers, of an hour of the past each batch; no event tells of them."""
    now = int(time.time())
    batches = -(-count // BATCH)
    for number in range(batches):
        created = now - 3600 * (batches - number)
        upstream.create("customer", count=min(BATCH, count - number * BATCH), created=created, event=False)
