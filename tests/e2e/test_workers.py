"""Background workers as guests of a server: they begin, stop, die and come back without anyone noticing.

The list is the one on which other extensions with HTTP workers have failed.
"""

import time

import psycopg
import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.mutations import mutate, reached
from harness.sync import Sync, start_sync

# A backfill of 30 pages that takes about three seconds, two requests at a time: there is a middle to hit.
OBJECTS = 3000
PAGE = 100
SLOW = {"allowed_requests": 10, "interval": 1, "max_concurrent_requests": 2}
# Pages that may be asked for again after a crash: those in flight, and those applied but not yet committed.
ASKED_AGAIN = 6

CUSTOMERS, PRODUCTS = r"/v1/customers\?", r"/v1/products\?"
WORKERS = (
    "SELECT pid, backend_type FROM pg_stat_activity WHERE datname = %s AND backend_type ILIKE '%%sequin%%'"
)


@pytest.fixture
def half_done(database: Database, stripe: Upstream) -> Sync:
    """A sync in the middle of its backfill: about half of the pages have been committed."""
    stripe.seed(customer=OBJECTS)
    sync = start_sync(database, stripe, ["customer"], rate_limit=SLOW)
    eventually(lambda: sync.count() >= OBJECTS // 2, 30, what=database.status)
    assert sync.count() < OBJECTS, "the backfill was over before anything could be done to it"
    return sync


def customer_requests(stripe: Upstream) -> int:
    return len(stripe.requests(CUSTOMERS))


def worker_pids(cluster: Cluster, database: Database) -> list[int]:
    return [row[0] for row in cluster.sql(WORKERS, database.name)]


def assert_goes_on(sync: Sync, before: int, stored: int) -> None:
    """The backfill ends complete, having asked only for the pages that were not stored yet."""
    sync.wait(60)
    sync.converge()
    needed = -(-(OBJECTS - stored) // PAGE)
    asked = customer_requests(sync.upstream) - before
    assert asked <= needed + ASKED_AGAIN, (
        f"{asked} list requests after the interruption, where {needed} pages were missing: it began anew"
    )


# Beginning


def test_work_begins_within_a_second_of_create_extension(cluster: Cluster, stripe: Upstream) -> None:
    stripe.seed(customer=1)
    database = cluster.database("just_created")
    try:
        start_sync(database, stripe, ["customer"])
        eventually(stripe.requests, timeout=1.0, what=database.status)
    finally:
        database.drop()


def test_work_begins_within_a_second_of_create_sync(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=1, product=1)
    start_sync(database, stripe, ["customer"], name="first").wait(10).converge()
    assert not stripe.requests(PRODUCTS)
    start_sync(database, stripe, ["product"], name="second")
    eventually(lambda: stripe.requests(PRODUCTS), timeout=1.0, what=database.status)


def test_a_sync_that_is_rolled_back_starts_nothing(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=1, product=1)
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT sequin.create_stream('gone')")
    start_sync(database, stripe, ["customer"]).wait(10).converge()
    assert not database.sql("SELECT 1 FROM sequin.streams WHERE name = 'gone'")


# Stopping


def test_fast_stop_in_the_middle_of_a_backfill(cluster: Cluster, half_done: Sync) -> None:
    stored, before = half_done.count(), customer_requests(half_done.upstream)
    took = cluster.stop("fast")
    cluster.start()
    assert took < 2.0, f"pg_ctl stop -m fast took {took:.1f} s"
    assert_goes_on(half_done, before, stored)


def test_fast_stop_while_the_api_hangs(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=10)
    stripe.fault("hang")
    sync = start_sync(database, stripe, ["customer"])
    eventually(stripe.requests, 5, what=database.status)
    took = cluster.stop("fast")
    cluster.start()
    assert took < 2.0, f"pg_ctl stop -m fast took {took:.1f} s"
    stripe.clear_faults()
    sync.wait(30).converge()


@pytest.mark.parametrize("extension", [False, True], ids=["without extension", "with extension"])
def test_another_database_is_dropped_at_once(cluster: Cluster, half_done: Sync, extension: bool) -> None:
    other = cluster.database("other", extension)
    if extension:
        eventually(lambda: worker_pids(cluster, other), 5)
    other.close()
    began = time.monotonic()
    cluster.sql("DROP DATABASE other")
    took = time.monotonic() - began
    assert took < 1.0, f"DROP DATABASE of another database took {took:.1f} s"
    half_done.wait(60).converge()


@pytest.mark.parametrize("force", ["", "WITH (FORCE)"])
def test_a_database_is_dropped_in_the_middle_of_its_backfill(
    cluster: Cluster, half_done: Sync, force: str
) -> None:
    database = half_done.database
    database.close()
    began = time.monotonic()
    cluster.sql(f"DROP DATABASE {database.name} {force}")
    took = time.monotonic() - began
    assert took < 2.0, f"DROP DATABASE took {took:.1f} s"
    eventually(lambda: not worker_pids(cluster, database), 5)


def test_a_database_serves_as_template(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=20)
    start_sync(database, stripe, ["customer"]).wait(20)
    database.close()
    cluster.sql(f"CREATE DATABASE template_copy TEMPLATE {database.name}")
    copy = Database(cluster, "template_copy")
    try:
        assert copy.value("SELECT count(*) FROM sequin.records") == 20
        # The copy's own worker and the original's both go on.
        stripe.update("customer", stripe.any_id("customer"), name="after the copy")
        for each in (copy, database):
            Sync(each, stripe, "main", "main", ["customer"]).converge(15)
    finally:
        copy.drop()


def test_extension_is_dropped_in_the_middle_and_created_again(cluster: Cluster, half_done: Sync) -> None:
    database, stripe = half_done.database, half_done.upstream
    began = time.monotonic()
    database.sql("DROP EXTENSION sequin CASCADE")
    took = time.monotonic() - began
    assert took < 2.0, f"DROP EXTENSION took {took:.1f} s"
    # PostgreSQL leaves the schema that CREATE EXTENSION made, and nothing in it.
    assert not database.sql("SELECT 1 FROM pg_depend WHERE refobjid = 'sequin'::regnamespace")
    eventually(lambda: not worker_pids(cluster, database), 5)

    database.sql("CREATE EXTENSION sequin")
    assert database.value("SELECT count(*) FROM sequin.records") == 0
    # The account's budget is what it was.
    start_sync(database, stripe, ["customer"], rate_limit=SLOW).wait(60).converge()


# Dying


def test_worker_is_terminated_in_the_middle_of_a_backfill(cluster: Cluster, half_done: Sync) -> None:
    stored, before = half_done.count(), customer_requests(half_done.upstream)
    pids = worker_pids(cluster, half_done.database)
    assert pids, cluster.sql("SELECT backend_type, datname FROM pg_stat_activity")
    for pid in pids:
        assert cluster.sql("SELECT pg_terminate_backend(%s, 2000)", pid)[0][0], "did not end within 2 s"
    assert_goes_on(half_done, before, stored)
    assert not set(pids) & set(worker_pids(cluster, half_done.database))


@pytest.mark.crashes
def test_backend_is_killed_in_the_middle_of_a_backfill(cluster: Cluster, half_done: Sync) -> None:
    stored, before = half_done.count(), customer_requests(half_done.upstream)
    victim = cluster.connect()
    cluster.crash(victim.info.backend_pid)
    assert_goes_on(half_done, before, stored)


@pytest.mark.crashes
def test_worker_is_killed_in_the_middle_of_a_backfill(cluster: Cluster, half_done: Sync) -> None:
    stored, before = half_done.count(), customer_requests(half_done.upstream)
    cluster.crash(worker_pids(cluster, half_done.database)[0])
    assert_goes_on(half_done, before, stored)


def test_immediate_stop_in_the_middle_of_a_backfill(cluster: Cluster, half_done: Sync) -> None:
    stored, before = half_done.count(), customer_requests(half_done.upstream)
    cluster.stop("immediate")
    cluster.start()
    assert_goes_on(half_done, before, stored)


# Keeping out of the way


def test_a_database_without_the_extension_gets_no_worker(cluster: Cluster, database: Database) -> None:
    plain = cluster.database("plain", extension=False)
    try:
        # A worker may look in; it has to leave, although the other database keeps its own.
        eventually(lambda: worker_pids(cluster, database), 5)
        eventually(lambda: not worker_pids(cluster, plain), 5)
    finally:
        plain.drop()


def test_a_foreign_schema_of_our_name_disturbs_nothing(cluster: Cluster, stripe: Upstream) -> None:
    since = cluster.log_size()
    foreign = cluster.database("foreign_schema", extension=False)
    foreign.sql("CREATE SCHEMA sequin CREATE TABLE syncs (name int) CREATE TABLE streams (id text)")
    own = cluster.database("own_schema")
    try:
        cluster.restart()  # so that the launcher meets the foreign schema at its start, too
        stripe.seed(customer=200)
        start_sync(own, stripe, ["customer"]).wait(20).converge()
        eventually(lambda: not worker_pids(cluster, foreign), 5)
        log = cluster.log_text(since)
        assert "ERROR" not in log, log
        # After the restart: the workers that it stopped have ended so, too.
        assert "exited with exit code 1" not in log[log.rindex("ready to accept connections") :], log
    finally:
        foreign.drop()
        own.drop()


def test_dump_and_restore_keep_everything(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=150, product=20)
    start_sync(database, stripe, ["customer", "product"]).wait(30).converge()
    stripe.delete("customer", stripe.any_id("customer"))
    eventually(lambda: database.value("SELECT count(*) FROM sequin.records WHERE deleted") == 1)
    database.sql("SELECT sequin.create_consumer('reader', 'main')")
    taken = database.sql("SELECT ack_token FROM sequin.consume('reader', 10)")
    database.sql("SELECT sequin.ack('reader', %s)", [row[0] for row in taken])

    kept = {
        "streams": "SELECT id, name, metadata FROM sequin.streams ORDER BY 1",
        "syncs": "SELECT id, name, frequency FROM sequin.syncs ORDER BY 1",
        "sync_collections": "SELECT sync_id, collection_id FROM sequin.sync_collections ORDER BY 1, 2",
        "credentials": "SELECT id, name, provider FROM sequin.credentials ORDER BY 1",
        "consumers": "SELECT id, name, filter, ack_wait FROM sequin.consumers ORDER BY 1",
        "sync_log": "SELECT id, sync_id, collection_id, at, event, detail FROM sequin.sync_log ORDER BY 1",
        "records": """SELECT id, stream_id, sync_id, collection_id, upstream_id, data, deleted, updated_idx
                      FROM sequin.records ORDER BY updated_idx""",
    }
    expected = {table: database.sql(query) for table, query in kept.items()}
    assert len(expected["records"]) == 170

    cluster.run(
        "pg_dump", "-h", str(cluster.directory), "-U", "postgres", "-Fc", "-f", "kept.dump", database.name
    )
    # As when a server is lost: the original is gone before the copy comes to life.
    database.drop()
    restored = cluster.database("restored", extension=False)
    try:
        cluster.run(
            "pg_restore", "-h", str(cluster.directory), "-U", "postgres", "--exit-on-error", "-d", "restored",
            "kept.dump",
        )  # fmt: skip
        for table, query in kept.items():
            assert restored.sql(query) == expected[table], table
        # The sync goes on where it was, positions grow on, and the consumer still knows what it has had.
        highest = expected["records"][-1].updated_idx
        changed = stripe.any_id("customer")
        stripe.update("customer", changed, name="after the restore")
        sync = Sync(restored, stripe, "main", "main", ["customer", "product"])
        sync.converge(20)
        assert sync.records("customer")[changed].updated_idx > highest
        rest = restored.sql("SELECT record ->> 'upstream_id' FROM sequin.consume('reader', 1000)")
        assert len(rest) in (160, 161), "ten were acknowledged before the dump; one of those may have changed"
    finally:
        restored.drop()


# Idle, and settings


@pytest.mark.cluster_settings(wal_level="minimal", max_wal_senders="0", autovacuum="off")
def test_idle_uses_no_xid_and_writes_no_wal(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=50, product=50)
    for number in range(10):
        start_sync(database, stripe, ["customer", "product"], name=f"sync {number}", frequency="4h")
    for number in range(10):
        Sync(database, stripe, f"sync {number}", "main", []).wait(30)
    reached(database, mutate(database, "customer", "create", data={"name": "Ada"}, sync="sync 0"))

    def marks() -> tuple[str, str]:
        return database.sql(
            "SELECT pg_current_wal_insert_lsn()::text, pg_snapshot_xmax(pg_current_snapshot())::text"
        )[0]

    def unchanged_for(seconds: float) -> bool:
        before, requests = marks(), len(stripe.requests())
        time.sleep(seconds)
        return (marks(), len(stripe.requests())) == (before, requests)

    # What is left of the backfills (their last states) may still be written; then there is silence.
    eventually(lambda: unchanged_for(1.0), 20, what=database.status)
    assert unchanged_for(6.0), "an idle extension wrote WAL, used an XID or sent a request"


@pytest.mark.cluster_settings(**{"sequin.poll_interval": "1h"})
def test_a_reload_changes_the_poll_interval(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=5)
    sync = start_sync(database, stripe, ["customer"])
    sync.wait(20).converge()
    changed = stripe.any_id("customer")
    stripe.update("customer", changed, name="changed")
    time.sleep(1.5)  # seven times the interval that the other tests run with
    assert sync.live("customer")[changed]["name"] != "changed", "polled although the interval is an hour"

    cluster.sql("ALTER SYSTEM SET sequin.poll_interval = '200ms'")
    cluster.reload()
    sync.converge(10)


@pytest.mark.cluster_settings(max_worker_processes="3")
def test_too_few_worker_slots_delay_the_work_and_break_nothing(cluster: Cluster, stripe: Upstream) -> None:
    stripe.seed(customer=5)
    # The servers' own launchers leave one slot: a worker that has it keeps it until its database goes.
    syncs = [start_sync(cluster.database(f"slot_{number}"), stripe, ["customer"]) for number in range(3)]
    while syncs:
        done = eventually(lambda: [sync for sync in syncs if sync.count() == 5], 15)
        for sync in done:
            sync.database.drop()
            syncs.remove(sync)


def test_who_may_not_drop_a_database_does_not_end_its_worker(cluster: Cluster, database: Database) -> None:
    [worker] = eventually(lambda: worker_pids(cluster, database), 5)
    cluster.sql("CREATE ROLE nobody LOGIN")
    try:
        with cluster.connect() as connection:
            connection.execute("SET ROLE nobody")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f'DROP DATABASE "{database.name}"')
        assert worker_pids(cluster, database) == [worker]
    finally:
        cluster.sql("DROP ROLE nobody")


def test_a_new_launcher_knows_the_workers_of_the_one_before(cluster: Cluster, database: Database) -> None:
    launcher = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'sequin launcher'"
    [worker] = eventually(lambda: worker_pids(cluster, database), 5)
    [(before,)] = cluster.sql(launcher)
    assert cluster.sql("SELECT pg_terminate_backend(%s, 2000)", before)[0][0]
    eventually(lambda: [row for row in cluster.sql(launcher) if row[0] != before], 10)
    # It goes through the databases one by one: when it has come to a new one, it has seen this one too.
    other = cluster.database("new_to_both")
    try:
        eventually(lambda: worker_pids(cluster, other), 10)
        assert worker_pids(cluster, database) == [worker]
    finally:
        other.drop()
    # And when that one ends, there is another.
    assert cluster.sql("SELECT pg_terminate_backend(%s, 2000)", worker)[0][0]
    eventually(lambda: len(set(worker_pids(cluster, database)) - {worker}) == 1, 10)
