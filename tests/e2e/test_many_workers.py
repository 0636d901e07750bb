"""Several workers for a database: each credential is in one hand, and passes to another when that is gone."""

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.sync import Sync, create_credential, start_sync

WORKERS = 3
CREDENTIALS = 7
pytestmark = pytest.mark.cluster_settings(**{"sequin.workers": str(WORKERS)})


@pytest.fixture
def syncs(database: Database, stripe: Upstream) -> list[Sync]:
    """A sync for each of several credentials, all of them backfilled."""
    stripe.seed(customer=120)
    made = []
    for number in range(CREDENTIALS):
        create_credential(database, stripe, f"credential {number}")
        made.append(
            start_sync(database, stripe, ["customer"], name=f"{number}", credential=f"credential {number}")
        )
    for sync in made:
        sync.wait(30)
    return made


def held(database: Database) -> dict[int, list[str]]:
    """Which credentials each worker has, by its process."""
    return dict(database.sql("SELECT pid, credentials FROM sequin.workers"))


def is_shared(database: Database, workers: int) -> bool:
    """Whether so many workers have all credentials, each one of them and none more than its share."""
    by_worker = held(database)
    owned = sorted(name for names in by_worker.values() for name in names)
    share = -(-CREDENTIALS // workers)
    return (
        len(by_worker) == workers
        and owned == [f"credential {number}" for number in range(CREDENTIALS)]
        and max(len(names) for names in by_worker.values()) <= share
    )


def assert_all_follow(syncs: list[Sync], mark: str) -> None:
    stripe = syncs[0].upstream
    stripe.update("customer", stripe.any_id("customer"), name=mark)
    for sync in syncs:
        sync.converge(15)


def test_workers_share_the_credentials(database: Database, syncs: list[Sync]) -> None:
    eventually(lambda: is_shared(database, WORKERS), 10, what=lambda: str(held(database)))
    assert_all_follow(syncs, "shared")


def test_what_a_worker_had_passes_to_others_at_once(
    cluster: Cluster, database: Database, syncs: list[Sync]
) -> None:
    eventually(lambda: is_shared(database, WORKERS), 10, what=lambda: str(held(database)))
    for _ in range(WORKERS):
        victim, names = max(held(database).items(), key=lambda item: len(item[1]))
        assert cluster.sql("SELECT pg_terminate_backend(%s, 2000)", victim)[0][0]
        # The others need not wait until it is started again, half a second later.
        eventually(
            lambda names=names, victim=victim: (
                set(names) <= {name for pid, had in held(database).items() if pid != victim for name in had}
            ),
            2,
            what=lambda: str(held(database)),
        )
    assert_all_follow(syncs, "taken over")
    eventually(lambda: is_shared(database, WORKERS), 10, what=lambda: str(held(database)))


def test_a_reload_changes_the_number(cluster: Cluster, database: Database, syncs: list[Sync]) -> None:
    for workers in (1, 2, 3):
        cluster.configure(**{"sequin.workers": str(workers)})
        cluster.reload()
        eventually(lambda workers=workers: is_shared(database, workers), 15, what=lambda: str(held(database)))
        assert_all_follow(syncs, f"{workers} workers")


def test_a_budget_is_kept_while_its_credential_changes_hands(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=3000)
    limit = {"allowed_requests": 10, "interval": 1, "max_concurrent_requests": 4}
    sync = start_sync(database, stripe, ["customer"], rate_limit=limit)
    for part in range(1, 4):
        eventually(lambda part=part: sync.count() >= part * 600, 30, what=database.status)
        [owner] = [pid for pid, names in held(database).items() if names]
        cluster.sql("SELECT pg_terminate_backend(%s, 2000)", owner)
    sync.wait(60).converge()
    assert stripe.rates(1.0)["overall"] <= limit["allowed_requests"]


def test_a_database_with_many_workers_is_dropped_at_once(cluster: Cluster, stripe: Upstream) -> None:
    database = cluster.database("crowded")
    try:
        stripe.seed(customer=500)
        start_sync(database, stripe, ["customer"])
        eventually(lambda: len(held(database)) == WORKERS, 10)
    finally:
        database.drop()


def test_somebody_always_notifies(cluster: Cluster, database: Database, syncs: list[Sync]) -> None:
    database.sql("SELECT sequin.create_consumer('c', 'main', notify => '50 ms')")
    stripe = syncs[0].upstream
    with database.connect() as listening:
        listening.execute('LISTEN "sequin:c"')
        for pid in list(held(database)):
            cluster.sql("SELECT pg_terminate_backend(%s, 2000)", pid)
            stripe.update("customer", stripe.any_id("customer"), name=f"after {pid}")
            assert list(listening.notifies(timeout=10, stop_after=1)), "nobody notified"
            taken = database.sql("SELECT ack_token FROM sequin.consume('c', 10000)")
            database.sql("SELECT sequin.ack('c', %s)", [row.ack_token for row in taken])
