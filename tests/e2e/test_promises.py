"""Order, atomicity, freshness, silence: each against the case that breaks a sync without its mechanism."""

import random
import threading
import time

import psycopg
import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.sync import Sync, start_sync

CUSTOMERS = r"/v1/customers\?"


def finished(database: Database, backfill: str) -> None:
    state = "SELECT state FROM sequin.backfills WHERE id = %s"
    eventually(lambda: database.value(state, backfill) == "completed", 30, what=database.status)


# 1: positions grow in commit order


class Reader(threading.Thread):
    """Follows a stream as a client would, and keeps the last position that it saw of each record."""

    def __init__(self, database: Database, stream: str) -> None:
        super().__init__(daemon=True)
        self._connection = database.connect()
        self._stream = stream
        self._enough = threading.Event()
        self.seen: dict[str, int] = {}
        self.error: BaseException | None = None

    def run(self) -> None:
        after = 0
        try:
            while True:
                last_round = self._enough.is_set()
                rows = self._connection.execute(
                    "SELECT updated_idx, record ->> 'id' FROM sequin.read_stream(%s, %s, 200)",
                    (self._stream, after),
                ).fetchall()
                for position, record in rows:
                    assert position > after, f"position {position} after {after}"
                    after = position
                    self.seen[record] = position
                if last_round and not rows:
                    return
        except BaseException as error:
            self.error = error

    def finish(self) -> dict[str, int]:
        self._enough.set()
        self.join(60)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.seen


def test_a_reader_misses_nothing_while_several_write_one_stream(database: Database, stripe: Upstream) -> None:
    """Sequence values are drawn before they are committed: a reader may pass one that is not visible yet."""
    stripe.seed(customer=4000, product=4000, charge=4000)
    database.sql("SELECT sequin.create_stream('main')")
    reader = Reader(database, "main")
    reader.start()
    collections = ("customer", "product", "charge")
    syncs = [start_sync(database, stripe, [each], name=each, credential=each) for each in collections]
    for collection in collections:
        stripe.update(collection, *list(stripe.objects(collection))[:200], description="again")
    for sync in syncs:
        sync.wait(90).converge()
    seen = reader.finish()
    final = dict(database.sql("SELECT id::text, updated_idx FROM sequin.records"))
    assert len(final) == 12_000
    missed = [key for key, position in final.items() if seen.get(key) != position]
    assert not missed, f"{len(missed)} records were never seen at their final position, such as {missed[:3]}"


def apply_page(connection: psycopg.Connection, stream: str, keys: list[str], round_: int) -> None:
    """Stores objects as a worker does; `round_` makes them differ from what is stored."""
    data = [f'{{"id": "{key}", "round": {round_}}}' for key in keys]
    connection.execute(
        """SELECT sequin._apply_page(
               (SELECT id FROM sequin.streams WHERE name = %s), (SELECT id FROM sequin.syncs),
               'stripe', 'stripe:customer', clock_timestamp(),
               ids => array_agg(gen_random_uuid()), upstream_ids => array_agg(key), datas => array_agg(datum),
               hashes => array_agg(md5(datum)::uuid), deletions => array_agg(false),
               created => array_agg(NULL::timestamptz), updated => array_agg(NULL::timestamptz),
               parents => array_agg(NULL::text))
           FROM unnest(%s::text[], %s::text[]) AS page (key, datum)""",
        (stream, keys, data),
    )


def create_writable(database: Database, *streams: str) -> None:
    """Streams that the test may write, with a sync that never asks anybody anything."""
    for stream in streams:
        database.sql("SELECT sequin.create_stream(%s)", stream)
    properties = '{"api_key": "sk_test_unused", "base_url": "http://127.0.0.1:9"}'
    database.sql("SELECT sequin.create_credential('unused', 'stripe', %s)", properties)
    connection = database.connect()
    with connection.transaction():
        connection.execute("SELECT sequin.create_sync('unused', %s, 'unused', '{customer}')", (streams[0],))
        connection.execute("SELECT sequin.pause_sync('unused')")
    connection.close()


def test_a_reader_misses_nothing_while_eight_sessions_write_one_stream(database: Database) -> None:
    """The same without the worker's own order: pages of eight sessions, of very different sizes, at once."""
    create_writable(database, "main")
    reader = Reader(database, "main")
    reader.start()
    failures: list[BaseException] = []

    def write(number: int) -> None:
        dice = random.Random(number)
        try:
            with database.connect() as connection:
                for round_ in range(40):
                    size = dice.choice((1, 3, 300))
                    apply_page(connection, "main", [f"{number}-{key}" for key in range(size)], round_)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert not failures
    seen = reader.finish()
    final = dict(database.sql("SELECT id::text, updated_idx FROM sequin.records"))
    assert len(final) == 8 * 300
    assert seen == final


def test_a_writer_waits_for_the_one_before_it_in_its_stream_alone(database: Database) -> None:
    create_writable(database, "main", "other")
    with database.connect() as first, database.connect() as second:
        second.execute("SET lock_timeout = '300ms'")
        with first.transaction():
            apply_page(first, "main", ["a"], 1)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                apply_page(second, "main", ["b"], 1)
            apply_page(second, "other", ["b"], 1)
        apply_page(second, "main", ["b"], 1)


# 2: cursor and records in one transaction


@pytest.mark.crashes
def test_crashes_at_any_moment_lose_and_repeat_nothing(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=3000)
    sync = start_sync(
        database, stripe, ["customer"],
        rate_limit={"allowed_requests": 20, "interval": 1, "max_concurrent_requests": 3},
    )  # fmt: skip
    for target in (500, 1100, 1700, 2300):
        eventually(lambda target=target: sync.count() >= target, 30, what=database.status)
        cluster.stop("immediate")
        cluster.start()
    sync.wait(60).converge()
    # Had a cursor been committed without its page, objects would be missing; the other way round, positions
    # would have been spent twice on the same objects.
    [(records, positions)] = database.sql(
        "SELECT count(*) AS records, count(DISTINCT updated_idx) AS positions FROM sequin.records"
    )
    assert records == positions == 3000


def test_a_page_that_can_not_be_committed_does_not_move_the_cursor(
    database: Database, stripe: Upstream
) -> None:
    """A trigger of the user's refuses one record: its page must come again until it is accepted."""
    stripe.seed(customer=450)
    refused = sorted(stripe.objects("customer"))[200]
    database.sql("CREATE TABLE refused AS SELECT %s::text AS upstream_id", refused)
    database.sql("GRANT SELECT ON refused TO sequin_worker")
    database.sql(
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN
               IF EXISTS (SELECT FROM public.refused r WHERE r.upstream_id = NEW.upstream_id) THEN
                   RAISE 'not this one';
               END IF;
               RETURN NEW;
           END $$"""
    )
    database.sql(
        "CREATE TRIGGER refuse BEFORE INSERT ON sequin.records FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    sync = start_sync(database, stripe, ["customer"])
    eventually(lambda: sync.health("customer") != "healthy", 20, what=database.status)
    assert refused not in sync.live("customer")
    database.sql("DELETE FROM refused")
    sync.wait(60).converge()


# 3: a stale read never overwrites a newer one


@pytest.fixture
def stale(database: Database, stripe: Upstream) -> Sync:
    """A sync with a page on its way that was worked out before what the test does next."""
    stripe.seed(customer=20)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    asked = len(stripe.requests(CUSTOMERS))
    # Worked out at once, sent three seconds later.
    stripe.fault("delay", ms=3000, when="after", match={"path": CUSTOMERS, "times": 1})
    database.sql("SELECT sequin.start_backfill('main', 'customer')")
    eventually(lambda: len(stripe.requests(CUSTOMERS)) > asked, 10, what=database.status)
    return sync


def assert_kept(sync: Sync, key: str, position: int) -> None:
    """The page arrives after the event was applied, and changes nothing about it."""
    assert sync.upstream.requests(CUSTOMERS)[-1].answered is None, (
        "the page arrived before the event: too slow"
    )
    progress = "SELECT count(*) FROM sequin.backfills WHERE state <> 'completed'"
    eventually(lambda: sync.database.value(progress) == 0, 20, what=sync.database.status)
    assert sync.records("customer")[key].updated_idx == position
    sync.converge(5)


def test_an_update_survives_a_page_that_was_read_before_it(stale: Sync) -> None:
    key = stale.upstream.any_id("customer")
    stale.upstream.update("customer", key, name="newer")
    eventually(lambda: stale.live("customer")[key]["name"] == "newer", 2.5, what=stale.database.status)
    assert_kept(stale, key, stale.records("customer")[key].updated_idx)


def test_a_deletion_survives_a_page_that_was_read_before_it(stale: Sync) -> None:
    key = stale.upstream.any_id("customer")
    stale.upstream.delete("customer", key)
    eventually(lambda: stale.records("customer")[key].deleted, 2.5, what=stale.database.status)
    assert_kept(stale, key, stale.records("customer")[key].updated_idx)


def test_a_new_object_survives_a_full_comparison_that_began_before_it(stale: Sync) -> None:
    """It is not on the page; that must not be taken for its deletion."""
    [key] = stale.upstream.create("customer", name="newer")
    eventually(lambda: key in stale.live("customer"), 2.5, what=stale.database.status)
    assert_kept(stale, key, stale.records("customer")[key].updated_idx)


# 4: an unchanged object is no change


def test_reading_the_same_again_writes_nothing(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=730)
    sync = start_sync(database, stripe, ["customer"]).wait(30)

    def versions() -> dict[str, tuple[str, int]]:
        return {key: (row.row_version, row.updated_idx) for key, row in sync.records("customer").items()}

    before, asked = versions(), len(stripe.requests(CUSTOMERS))
    assert len(before) == 730
    finished(database, database.value("SELECT sequin.start_backfill('main', 'customer')"))
    assert len(stripe.requests(CUSTOMERS)) >= asked + 8, "it was not read again"
    assert versions() == before


def test_only_what_changed_is_written(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=320)
    sync = start_sync(database, stripe, ["customer"]).wait(30)
    before = sync.records("customer")
    changed = sorted(before)[:7]
    # Without events, so that the full read has to find them.
    stripe.update("customer", *changed, event=False, name="changed")
    finished(database, database.value("SELECT sequin.start_backfill('main', 'customer')"))
    after = sync.records("customer")
    written = [key for key in before if before[key].row_version != after[key].row_version]
    assert sorted(written) == changed
    sync.converge(5)


def test_a_look_back_delivers_no_event_twice(database: Database, stripe: Upstream) -> None:
    """The same events are read again with every poll; a consumer hears of each change once."""
    stripe.seed(customer=5)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    stripe.update("customer", stripe.any_id("customer"), name="changed")
    sync.converge(10)
    highest = "SELECT max(updated_idx) FROM sequin.records"
    before, polls = database.value(highest), len(stripe.requests("/v1/events"))
    eventually(lambda: len(stripe.requests("/v1/events")) >= polls + 5, 20)
    assert database.value(highest) == before


def test_a_record_that_comes_back_keeps_its_id(database: Database, stripe: Upstream) -> None:
    """A deletion that was not one (an object missing from one read, there in the next)."""
    stripe.seed(product=3)
    sync = start_sync(database, stripe, ["product"]).wait(20)
    key = stripe.any_id("product")
    identity, data = sync.records("product")[key].id, stripe.objects("product")[key]
    stripe.delete("product", key)
    eventually(lambda: sync.records("product")[key].deleted, 10)
    # Event times are whole seconds: in the next one, the order of the two is beyond doubt.
    second = int(time.time())
    eventually(lambda: int(time.time()) > second, 2)
    stripe.create("product", **data)
    sync.converge(15)
    assert sync.records("product")[key].id == identity


def test_plans_made_for_a_tiny_table_serve_a_larger_one(database: Database) -> None:
    """A session keeps the plans that it made when there was next to nothing."""
    create_writable(database, "main")
    keys = [f"key {number}" for number in range(4000)]
    with database.connect() as connection:
        for setting in ("seqscan", "hashjoin", "mergejoin", "bitmapscan", "sort", "incremental_sort"):
            connection.execute(f"SET enable_{setting} = off")
        for round_ in range(20):
            apply_page(connection, "main", ["first"], round_)
        took = []
        for round_ in (1, 2):
            began = time.monotonic()
            apply_page(connection, "main", keys, round_)
            took.append(time.monotonic() - began)
    inserting, changing = took
    assert changing < 10 * inserting, f"inserting took {inserting:.2f} s and changing {changing:.2f} s"


def test_a_clock_that_was_set_back_hides_no_change(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    """Promise 3 is about the order of observations, whatever the clock said at each."""
    stripe.seed(customer=20)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    sync.converge()
    # As it looks when the clock is set back by an hour while no worker runs.
    database.sql("SELECT sequin.pause_sync('main')")
    for table, column in (("records", "observed_at"), ("_feeds", "polled_at"), ("backfills", "last_page_at")):
        database.sql(f"UPDATE sequin.{table} SET {column} = {column} + interval '1 hour'")
    [pid] = [row[0] for row in database.sql("SELECT pid FROM sequin.workers")]
    cluster.sql("SELECT pg_terminate_backend(%s, 2000)", pid)
    database.sql("SELECT sequin.resume_sync('main')")
    changed = stripe.any_id("customer")
    stripe.update("customer", changed, name="after the clock was set back")
    sync.converge(15)
    assert sync.live("customer")[changed]["name"] == "after the clock was set back"
