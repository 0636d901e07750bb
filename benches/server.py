"""The clusters that the benchmarks run on, and who works in them."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness import Cluster

# All else is PostgreSQL's default, fsync and synchronous_commit among it.
SETTINGS = {
    "shared_preload_libraries": "sequin",
    "sequin.allow_private_networks": "on",  # the fake listens on 127.0.0.1, over plain HTTP
    "listen_addresses": "",
}
# Keeps the server's own background work out of what is measured.
QUIET = {"autovacuum": "off", "checkpoint_timeout": "1d", "max_wal_size": "32GB"}


@contextmanager
def bench_cluster(**settings: str) -> Iterator[Cluster]:
    cluster = Cluster(base=SETTINGS, settings=settings, fsync=True)
    try:
        yield cluster.create().start()
    finally:
        cluster.remove()


def pids(cluster: Cluster, *kinds: str) -> dict[str, int]:
    """Process ids by backend type; `kinds` are such as "sequin worker". Expects one process a kind."""
    rows = cluster.sql(
        "SELECT backend_type, pid FROM pg_stat_activity WHERE backend_type = ANY (%s)", list(kinds)
    )
    return dict(rows)


def wal_position(cluster: Cluster) -> int:
    """Bytes of WAL ever written."""
    return int(cluster.sql("SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0])


def next_xid(cluster: Cluster) -> int:
    """The transaction id that will be assigned next; looking at it assigns none."""
    return int(cluster.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])
