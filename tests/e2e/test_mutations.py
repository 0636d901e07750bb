"""What a transaction asks for in SQL is done at the API once, in order, and the stream has the answer."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.mutations import all_done, at_once, describe, mutate, mutation, named, reached, record_at
from harness.sync import Sync, start_sync
from psycopg.types.json import Jsonb

CUSTOMERS, EVENTS = r"^/v1/customers\?", r"^/v1/events"
INSERT = """INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id, data)
            VALUES ('main', %s, %s, %s, %s) RETURNING id"""
Ask = Callable[..., UUID]


def by_insert(
    database: Database, collection: str, action: str, upstream_id: str | None = None, data: Any = None
) -> UUID:
    return database.value(INSERT, collection, action, upstream_id, data and Jsonb(data))


def numbered_updates(database: Database, upstream_id: str, count: int) -> None:
    """So many updates of one customer, in one statement."""
    database.sql(
        """INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id, data)
           SELECT 'main', 'customer', 'update', %s, jsonb_build_object('metadata', jsonb_build_object('n', n))
           FROM generate_series(1, %s) AS n ORDER BY n""",
        upstream_id,
        count,
    )


# By INSERT and by function


@pytest.mark.parametrize("ask", [mutate, by_insert])
def test_a_customer_is_created_changed_and_deleted(synced: Sync, ask: Ask) -> None:
    database, stripe = synced.database, synced.upstream
    asked = ask(database, "customer", "create", data={"name": "Ada", "metadata": {"k": "v"}})
    made = reached(database, asked)
    created = record_at(database, made.updated_idx)
    key = created.upstream_id
    assert made.upstream_id == key
    assert named(stripe, "Ada") == [key]
    assert created.data == stripe.objects("customer")[key]
    assert (made.collection_id, made.attempts, made.error) == ("stripe:customer", 1, None)
    assert made.created_at <= made.sent_at <= made.finished_at

    changed = reached(database, ask(database, "stripe:customer", "update", key, {"name": "Ada L."}))
    after = record_at(database, changed.updated_idx)
    assert (after.id, after.data["name"]) == (created.id, "Ada L.")
    assert after.data["metadata"] == {"k": "v"}, "what was not given was changed"

    gone = reached(database, ask(database, "customer", "delete", key))
    deleted = record_at(database, gone.updated_idx)
    assert (deleted.id, deleted.deleted, deleted.data) == (created.id, True, after.data)
    assert key not in stripe.objects("customer")

    writes = stripe.writes()
    assert [(each.method, each.path) for each in writes] == [
        ("POST", "/v1/customers"),
        ("POST", f"/v1/customers/{key}"),
        ("DELETE", f"/v1/customers/{key}"),
    ]
    assert [each.key for each in writes[:2]] == [str(made.id), str(changed.id)]
    synced.converge()


def test_many_in_one_statement(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    database.sql(
        """INSERT INTO sequin.mutations (sync, collection_id, action, data)
           SELECT 'main', 'customer', 'create', jsonb_build_object('name', 'customer ' || n)
           FROM generate_series(1, 250) AS n"""
    )
    all_done(database, 250)
    names = [each["name"] for each in stripe.objects("customer").values()]
    assert all(names.count(f"customer {number}") == 1 for number in range(1, 251))
    assert len({each.key for each in stripe.writes()}) == len(stripe.writes()) == 250
    positions = {row.updated_idx for row in database.sql("SELECT updated_idx FROM sequin.mutations")}
    assert len(positions) == 250
    synced.converge()


def test_a_commit_wakes_the_worker(database: Database, stripe: Upstream) -> None:
    """Nothing else would: there is no look for changes for hours."""
    stripe.seed(customer=1)
    start_sync(database, stripe, ["customer"], frequency="4h").wait(20)
    asked = mutate(database, "customer", "create", data={"name": "Ada"})
    eventually(stripe.writes, 1.0, what=lambda: describe(database))
    reached(database, asked)


def test_a_rollback_leaves_no_trace(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    function = "SELECT sequin.mutate('main', 'customer', 'create', data => '{\"name\": \"never\"}')"
    given = Jsonb({"name": "never"})
    with database.connect() as connection:
        with connection.transaction(force_rollback=True):
            connection.execute(function)
            connection.execute(INSERT, ("customer", "create", None, given))
        with connection.transaction():
            connection.execute(INSERT, ("customer", "create", None, Jsonb({"name": "Ada"})))
            with connection.transaction(force_rollback=True):
                connection.execute(function)
    all_done(database, 1)
    assert [each.form["name"] for each in stripe.writes()] == ["Ada"]


def test_an_id_of_ones_own_makes_it_once(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    insert = """INSERT INTO sequin.mutations (id, sync, collection_id, action, data)
                VALUES (%s, 'main', 'customer', 'create', '{"name": "once"}')"""
    own = uuid4()
    for _ in range(3):
        database.sql(f"{insert} ON CONFLICT DO NOTHING", own)
    reached(database, own)
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.sql(insert, own)
    assert len(named(stripe, "once")) == len(stripe.writes()) == 1


def test_an_answer_that_comes_together_with_a_call_is_received(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    """The worker is woken once for both: for the answer, and to look for mutations that have been taken
    already, as when somebody's commit is seen before it has said so."""
    stripe.seed(customer=1)
    # Nothing else is due, that would wake it again.
    start_sync(database, stripe, ["customer"], frequency="4h").wait(60)
    stripe.fault("delay", ms=2000, match={"method": "POST", "times": 1})
    asked = mutate(database, "customer", "create", data={"name": "Ada"})
    eventually(stripe.writes, what=lambda: describe(database))
    call = "SELECT sequin._announce_mutations()"
    blocked = """SELECT 1 FROM pg_stat_activity
                 WHERE backend_type = 'sequin worker' AND datname = %s AND wait_event_type = 'Lock'"""
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE sequin.mutations IN ACCESS EXCLUSIVE MODE")
        database.sql(call)
        eventually(lambda: cluster.sql(blocked, database.name))
        assert stripe.writes()[0].answered is None, "the answer came before the worker was busy"
        eventually(lambda: stripe.writes()[0].answered)
        database.sql(call)
    reached(database, asked, timeout=10)


# As the API gets it


FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "nested": (
        '{"address": {"city": "Köln", "line1": "a&b=c"}, "invoice_settings": {"footer": "f"}}',
        {"address[city]": "Köln", "address[line1]": "a&b=c", "invoice_settings[footer]": "f"},
    ),
    "array": (
        '{"preferred_locales": ["de", "en"]}',
        {"preferred_locales[0]": "de", "preferred_locales[1]": "en"},
    ),
    "array of hashes": (
        '{"tax_id_data": [{"type": "eu_vat", "value": "DE1"}, {"type": "eu_vat", "value": "DE2"}]}',
        {
            "tax_id_data[0][type]": "eu_vat",
            "tax_id_data[0][value]": "DE1",
            "tax_id_data[1][type]": "eu_vat",
            "tax_id_data[1][value]": "DE2",
        },
    ),
    "null and nothing": ('{"description": null, "phone": ""}', {"description": "", "phone": ""}),
    "unicode": ('{"name": "Ä + ☃ 😀 100% a;b\\n\\u0001"}', {"name": "Ä + ☃ 😀 100% a;b\n\x01"}),
    "numbers as they were written": (
        '{"balance": 900719925474099, "metadata": {"long": 123456789012345678901234567890, "tenth": 0.10}}',
        {
            "balance": "900719925474099",
            "metadata[long]": "123456789012345678901234567890",
            "metadata[tenth]": "0.10",
        },
    ),
    "booleans": (
        '{"metadata": {"yes": true, "no": false}}',
        {"metadata[yes]": "true", "metadata[no]": "false"},
    ),
    "no data": ("{}", {}),
}


@pytest.mark.parametrize("kind", FORMS)
def test_data_are_sent_as_a_form(synced: Sync, kind: str) -> None:
    database, stripe = synced.database, synced.upstream
    given, expected = FORMS[kind]
    asked = database.value("SELECT sequin.mutate('main', 'customer', 'create', data => %s::jsonb)", given)
    reached(database, asked)
    [write] = stripe.writes()
    assert write.form == expected
    assert write.headers["stripe-version"] == "2024-04-10"
    if expected:
        assert write.headers["content-type"].startswith("application/x-www-form-urlencoded")
    synced.converge()


def test_an_empty_hash_unsets_nothing(synced: Sync) -> None:
    """Only what is given is changed, and nothing is given within it."""
    database, stripe = synced.database, synced.upstream
    [key] = stripe.create("customer", metadata={"k": "v"})
    reached(database, mutate(database, "customer", "update", key, {"name": "new", "metadata": {}}))
    assert stripe.objects("customer")[key]["metadata"] == {"k": "v"}
    reached(database, mutate(database, "customer", "update", key, {"metadata": None}))
    assert stripe.objects("customer")[key]["metadata"] == {}
    synced.converge()


def test_an_id_with_odd_characters_stays_within_its_segment(database: Database, stripe: Upstream) -> None:
    start_sync(database, stripe, ["coupon"]).wait(20)
    odd = "10% off/§ ?#.."
    reached(database, mutate(database, "coupon", "create", data={"id": odd, "percent_off": 10}))
    reached(database, mutate(database, "coupon", "update", odd, {"name": "tenth"}))
    assert stripe.objects("coupon")[odd]["name"] == "tenth"
    reached(database, mutate(database, "coupon", "delete", odd))
    assert not stripe.objects("coupon")


# Order


def test_changes_of_one_record_are_made_in_order_and_never_two_at_once(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    key = stripe.any_id("customer")
    stripe.fake.set_latency(5, 10)
    # One that has to be repeated holds up those behind it.
    stripe.fault("drop", match={"method": "POST", "nth": 40})
    numbered_updates(database, key, 100)
    all_done(database, 100)
    writes = stripe.writes(f"/v1/customers/{key}")
    expected = [*range(1, 41), *range(40, 101)]
    assert [int(each.form["metadata[n]"]) for each in writes] == expected
    for earlier, later in pairwise(writes):
        assert earlier.answered is not None and earlier.answered <= later.received
    synced.converge()


def test_changes_of_different_records_are_made_side_by_side(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    keys = stripe.create("customer", count=12, event=False)
    stripe.fake.set_latency(200)
    with database.connect() as connection, connection.transaction():
        for number in range(3):
            for key in keys:
                given = Jsonb({"metadata": {"n": number}})
                connection.execute(INSERT, ("customer", "update", key, given))
        for _ in range(12):
            connection.execute(INSERT, ("customer", "create", None, Jsonb({"name": "new"})))
    all_done(database, 48)
    assert at_once(stripe.writes()) >= 5
    for key in keys:
        own = stripe.writes(f"/v1/customers/{key}")
        assert at_once(own) == 1
        assert [each.form["metadata[n]"] for each in own] == ["0", "1", "2"]


def test_a_change_does_not_wait_for_a_backfill(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=6000, product=3)
    sync = start_sync(
        database, stripe, ["product", "customer"],
        rate_limit={"allowed_requests": 4, "interval": 1, "max_concurrent_requests": 2},
    )  # fmt: skip
    eventually(lambda: len(sync.live("product")) == 3 and sync.count() > 300, 30, what=database.status)
    key = stripe.any_id("product")
    asked = time.time()
    changed = reached(database, mutate(database, "product", "update", key, {"name": "changed"}), timeout=10)
    assert sync.count() < 6000, "the backfill was over: nothing was shown"
    [write] = stripe.writes()
    before = [each for each in stripe.requests() if asked < each.received < write.received]
    assert len(before) <= 3, f"{len(before)} requests were let go first"
    assert record_at(database, changed.updated_idx).data["name"] == "changed"


# The answer is the record


def test_the_echo_of_a_change_is_no_second_change(synced: Sync) -> None:
    """The API tells of it by an event, and consumers hear of it once."""
    database, stripe = synced.database, synced.upstream
    database.sql("SELECT sequin.create_consumer('reader', 'main', deliver_policy => 'new')")
    made = reached(database, mutate(database, "customer", "create", data={"name": "Ada"}))
    key = record_at(database, made.updated_idx).upstream_id
    changed = reached(database, mutate(database, "customer", "update", key, {"name": "Bo"}))
    gone = reached(database, mutate(database, "customer", "delete", key))
    assert made.updated_idx < changed.updated_idx < gone.updated_idx
    assert len(stripe.events()) == 3
    polls = len(stripe.requests(EVENTS))
    eventually(lambda: len(stripe.requests(EVENTS)) >= polls + 5, 20, what=database.status)
    synced.converge()
    assert database.value("SELECT max(updated_idx) FROM sequin.records") == gone.updated_idx
    rows = database.sql("SELECT record, updated_idx FROM sequin.consume('reader', 100)")
    assert [(row.record["upstream_id"], row.updated_idx) for row in rows] == [(key, gone.updated_idx)]


def test_an_answer_that_changes_nothing_is_no_change(synced: Sync) -> None:
    database = synced.database
    key, record = next(iter(synced.records("customer").items()))
    name = record.data["name"]
    done = reached(database, mutate(database, "customer", "update", key, {"name": name}))
    assert done.updated_idx is None
    assert synced.records("customer")[key].row_version == record.row_version


@pytest.fixture
def stale_list(synced: Sync) -> Callable[[], None]:
    """Has a list worked out now that arrives more than two seconds later."""
    database, stripe = synced.database, synced.upstream

    def read() -> None:
        asked = len(stripe.requests(CUSTOMERS))
        stripe.fault("delay", ms=2500, when="after", match={"path": CUSTOMERS, "method": "GET", "times": 1})
        database.sql("SELECT sequin.start_backfill('main', 'customer')")
        eventually(lambda: len(stripe.requests(CUSTOMERS)) > asked, 10, what=database.status)

    return read


def assert_outlives_the_list(sync: Sync, position: int) -> None:
    """The list arrives after the change was stored, and changes nothing about it."""
    database = sync.database
    lists = [each for each in sync.upstream.requests(CUSTOMERS) if each.method == "GET"]
    assert lists[-1].answered is None, "the list arrived before the change was stored: too slow"
    left = "SELECT count(*) FROM sequin.backfills WHERE state <> 'completed'"
    eventually(lambda: database.value(left) == 0, 20, what=database.status)
    assert record_at(database, position)
    sync.converge(10)
    assert record_at(database, position)


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_a_list_that_was_read_before_undoes_nothing(
    synced: Sync, stale_list: Callable[[], None], action: str
) -> None:
    database = synced.database
    key = None if action == "create" else synced.upstream.any_id("customer")
    stale_list()
    data = None if action == "delete" else {"name": "newer"}
    done = reached(database, mutate(database, "customer", action, key, data), timeout=2.3)
    assert_outlives_the_list(synced, done.updated_idx)


def test_a_list_that_was_read_while_the_change_was_under_way_undoes_nothing(
    synced: Sync, stale_list: Callable[[], None]
) -> None:
    """It was asked for after the change was sent, and shows what was before the API made it."""
    database, stripe = synced.database, synced.upstream
    key = stripe.any_id("customer")
    stripe.fault("delay", ms=800, when="before", match={"method": "POST", "times": 1})
    asked = mutate(database, "customer", "update", key, {"name": "newer"})
    eventually(stripe.writes, 5, what=lambda: describe(database))
    stale_list()
    assert stripe.writes()[0].answered is None, "the change was made before the list was read: too slow"
    done = reached(database, asked, timeout=2.3)
    assert_outlives_the_list(synced, done.updated_idx)


def test_an_object_that_was_fetched_before_undoes_nothing(synced: Sync) -> None:
    """What an event before has had fetched arrives after the answer to the change."""
    database, stripe = synced.database, synced.upstream
    key = stripe.any_id("customer")
    alone = rf"^/v1/customers/{key}\?"
    stripe.fault("delay", ms=2500, when="after", match={"path": alone, "method": "GET", "times": 1})
    stripe.update("customer", key, name="older")
    eventually(lambda: stripe.requests(alone), 10, what=database.status)
    asked = mutate(database, "customer", "update", key, {"name": "newer"})
    done = reached(database, asked, timeout=2.3)
    fetched = stripe.requests(alone)[0]
    assert fetched.answered is None, "the object arrived before the change was stored: too slow"
    eventually(lambda: stripe.requests(alone)[0].answered is not None, 10)
    synced.converge()
    assert record_at(database, done.updated_idx).data["name"] == "newer"


# Syncs and databases


def test_a_paused_sync_sends_nothing_until_it_is_resumed(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    start_sync(database, stripe, ["product"], name="other").wait(20)
    database.sql("SELECT sequin.pause_sync('main')")
    waiting = mutate(database, "customer", "create", data={"name": "later"})
    reached(database, mutate(database, "product", "create", data={"name": "now"}, sync="other"))
    assert mutation(database, waiting).state == "pending"
    assert not named(stripe, "later")
    database.sql("SELECT sequin.resume_sync('main')")
    reached(database, waiting)
    assert len(named(stripe, "later")) == 1


def test_a_sync_that_is_deleted_takes_its_mutations_along(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    start_sync(database, stripe, ["product"], name="other").wait(20)
    stripe.fault("hang", apply=False, match={"path": "^/v1/customers", "method": "POST"})
    for name in ("under way", "behind it"):
        mutate(database, "customer", "update", stripe.any_id("customer"), {"name": name})
    eventually(stripe.writes, 10, what=lambda: describe(database))
    database.sql("SELECT sequin.delete_sync('main')")
    assert database.value("SELECT count(*) FROM sequin.mutations") == 0
    reached(database, mutate(database, "product", "create", data={"name": "now"}, sync="other"))
    assert [each.form["name"] for each in stripe.writes()] == ["under way", "now"]


def test_two_databases_mind_their_own(cluster: Cluster, synced: Sync) -> None:
    stripe = synced.upstream
    other = cluster.database("second_writer")
    try:
        start_sync(other, stripe, ["customer"]).wait(20)
        asked = [
            (each, mutate(each, "customer", "create", data={"name": each.name}))
            for each in (synced.database, other)
        ]
        for each, id in asked:
            reached(each, id)
            assert len(named(stripe, each.name)) == 1
        assert {each.key for each in stripe.writes()} == {str(id) for _, id in asked}
        assert len(stripe.writes()) == 2
    finally:
        other.drop()


def test_a_dump_takes_what_is_pending_along(cluster: Cluster, synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    key = stripe.any_id("customer")
    done = reached(database, mutate(database, "customer", "update", key, {"metadata": {"n": 1}}))
    database.sql("SELECT sequin.pause_sync('main')")
    mutate(database, "customer", "update", key, {"metadata": {"n": 2}})
    dump = ["-h", str(cluster.directory), "-U", "postgres"]
    cluster.run("pg_dump", *dump, "-Fc", "-f", "mutations.dump", database.name)
    # As when a server is lost: the original is gone before the copy comes to life.
    database.drop()
    restored = cluster.database("restored_writer", extension=False)
    try:
        cluster.run("pg_restore", *dump, "--exit-on-error", "-d", restored.name, "mutations.dump")
        assert mutation(restored, done.id) == done
        # It is younger than the one that was restored, and stays behind it.
        mutate(restored, "customer", "update", key, {"metadata": {"n": 3}})
        restored.sql("SELECT sequin.resume_sync('main')")
        all_done(restored, 3)
        assert [each.form["metadata[n]"] for each in stripe.writes()] == ["1", "2", "3"]
    finally:
        restored.drop()
