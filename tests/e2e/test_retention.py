"""What is older than a sync's max_age is not fetched, does not stay, and does not come back."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from harness import Database, Upstream, eventually
from harness.sync import GENEROUS, Sync, create_credential
from psycopg.types.json import Jsonb

DAY = 86_400
STATEMENTS = Path(__file__).resolve().parents[2] / "sql" / "store" / "worker"


def start_aged(database: Database, stripe: Upstream, collections: Sequence[str], max_age: str | None) -> Sync:
    database.sql("SELECT sequin.create_stream('main')")
    create_credential(database, stripe)
    database.sql(
        """SELECT sequin.create_sync('main', 'main', 'upstream', %s, rate_limit => %s,
                                     max_age => %s::interval)""",
        list(collections), Jsonb(GENEROUS), max_age,
    )  # fmt: skip
    return Sync(database, stripe, "main", "main", list(collections)).wait(30)


def keep(database: Database, max_age: str) -> None:
    database.sql("SELECT sequin.update_sync('main', max_age => %s::interval)", max_age)


def days_old(stripe: Upstream, collection: str, days: float, count: int = 1, parent: str = "") -> list[str]:
    created = int(time.time() - days * DAY)
    return stripe.create(collection, count=count, created=created, event=False, parent=parent or None)


def stored(sync: Sync, collection: str) -> set[str]:
    """The ids of all its records, the deleted ones among them."""
    return set(sync.records(collection))


def test_what_grows_too_old_goes(database: Database, stripe: Upstream) -> None:
    ageing = days_old(stripe, "customer", 30 - 10 / DAY, 3)
    young = days_old(stripe, "customer", 29, 5)
    old = days_old(stripe, "customer", 31, 4)
    sync = start_aged(database, stripe, ["customer"], "30 days")
    assert stored(sync, "customer") == {*ageing, *young}
    eventually(lambda: stored(sync, "customer") == set(young), 25, what=database.status)
    assert stripe.objects("customer").keys() == {*ageing, *young, *old}


def test_a_record_that_is_stored_later_goes_in_its_time(database: Database, stripe: Upstream) -> None:
    """The worker knows of nothing that will grow too old, and then there is something."""
    sync = start_aged(database, stripe, ["customer"], "30 days")
    [ageing] = stripe.create("customer", created=int(time.time()) - 30 * DAY + 8)
    eventually(lambda: stored(sync, "customer") == {ageing}, 5, what=database.status)
    eventually(lambda: not stored(sync, "customer"), 20, what=database.status)


def test_a_shorter_age_takes_effect_in_small_steps(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3000)
    sync = start_aged(database, stripe, ["customer"], None)
    assert len(stored(sync, "customer")) == 3000
    database.sql("CREATE TABLE steps (removed bigint)")
    database.sql("GRANT INSERT ON steps TO sequin_worker")
    database.sql(
        """CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN
               INSERT INTO public.steps SELECT count(*) FROM gone;
               RETURN NULL;
           END $$"""
    )
    database.sql(
        """CREATE TRIGGER note_step AFTER DELETE ON sequin.records REFERENCING OLD TABLE AS gone
           FOR EACH STATEMENT EXECUTE FUNCTION note_step()"""
    )
    limit = time.time() - 100 * DAY
    keep(database, "100 days")
    young = {key for key, data in stripe.objects("customer").items() if data["created"] > limit}
    assert 0 < len(young) < 1500
    eventually(lambda: stored(sync, "customer") == young, 20, what=database.status)
    steps = [row.removed for row in database.sql("SELECT removed FROM steps WHERE removed > 0")]
    assert sum(steps) == 3000 - len(young)
    assert max(steps) <= 1000


def test_what_went_does_not_come_back(database: Database, stripe: Upstream) -> None:
    [old] = days_old(stripe, "customer", 40)
    [young] = days_old(stripe, "customer", 10)
    sync = start_aged(database, stripe, ["customer"], None)
    keep(database, "30 days")
    eventually(lambda: stored(sync, "customer") == {young}, 20, what=database.status)

    # By an event: it is fetched, and not stored.
    stripe.update("customer", old, name="changed")
    eventually(lambda: stripe.requests(f"/v1/customers/{old}"), 10, what=database.status)
    stripe.update("customer", young, name="changed after it")
    eventually(lambda: sync.live("customer")[young]["name"] == "changed after it", 10, what=database.status)
    assert stored(sync, "customer") == {young}

    # By a backfill of everything.
    backfill = database.value("SELECT sequin.start_backfill('main', 'customer')")
    done = "SELECT state = 'completed' AND records = 2 AND changes = 0 FROM sequin.backfills WHERE id = %s"
    eventually(lambda: database.value(done, backfill), 20, what=database.status)
    assert stored(sync, "customer") == {young}

    # A longer age brings nothing back by itself; a backfill does.
    keep(database, "50 days")
    backfill = database.value("SELECT sequin.start_backfill('main', 'customer')")
    eventually(lambda: stored(sync, "customer") == {old, young}, 20, what=database.status)
    sync.converge()


def test_a_sweep_and_a_poll_do_not_bring_it_back(database: Database, stripe: Upstream) -> None:
    [old] = days_old(stripe, "shipping_rate", 40)
    [young] = days_old(stripe, "shipping_rate", 10)
    sync = start_aged(database, stripe, ["shipping_rate"], None)
    keep(database, "30 days")
    eventually(lambda: stored(sync, "shipping_rate") == {young}, 20, what=database.status)
    # As if the last sweep and the last poll were long ago.
    database.sql("SELECT sequin.pause_sync('main')")
    database.sql(
        """UPDATE sequin._sync_collections
           SET swept_at = swept_at - interval '1 week', polled_at = NULL,
               cursor = cursor - interval '90 days'"""
    )
    database.sql("SELECT sequin.resume_sync('main')")
    swept = "SELECT records FROM sequin.backfills WHERE kind = 'sweep' AND state = 'completed'"
    eventually(lambda: database.sql(swept) == [(2,)], 20, what=database.status)
    polled = "SELECT polled_at IS NOT NULL FROM sequin._sync_collections"
    eventually(lambda: database.value(polled), 20, what=database.status)
    assert stored(sync, "shipping_rate") == {young}
    assert old in stripe.objects("shipping_rate")


def test_children_have_an_age_of_their_own(database: Database, stripe: Upstream) -> None:
    [parent] = days_old(stripe, "customer", 50)
    children = days_old(stripe, "customer_balance_transaction", 5, 3, parent)
    days_old(stripe, "customer_balance_transaction", 45, 4, parent)
    sync = start_aged(database, stripe, ["customer", "customer_balance_transaction"], None)
    keep(database, "30 days")
    eventually(
        lambda: (
            (stored(sync, "customer"), stored(sync, "customer_balance_transaction")) == (set(), set(children))
        ),
        20,
        what=database.status,
    )


def test_what_has_no_age_stays(database: Database, stripe: Upstream) -> None:
    stripe.seed(entitlement_feature=5, customer=20)
    sync = start_aged(database, stripe, ["entitlement_feature", "customer"], None)
    keep(database, "1 hour")
    eventually(lambda: len(stored(sync, "customer")) < 20, 20, what=database.status)
    assert len(stored(sync, "entitlement_feature")) == 5


def test_a_consumer_that_was_late_does_not_get_it(database: Database, stripe: Upstream) -> None:
    old, young = days_old(stripe, "customer", 40, 6), days_old(stripe, "customer", 10, 6)
    sync = start_aged(database, stripe, ["customer"], None)
    database.sql("SELECT sequin.create_consumer('late', 'main')")
    first = database.sql("SELECT ack_token FROM sequin.consume('late', 2)")
    keep(database, "30 days")
    eventually(lambda: stored(sync, "customer") == set(young), 20, what=database.status)
    assert database.value("SELECT sequin.ack('late', %s)", [row.ack_token for row in first]) == 2
    rest = database.sql("SELECT record ->> 'upstream_id' AS id FROM sequin.consume('late', 100)")
    got = {row.id for row in rest}
    assert got <= set(young)
    assert len(got) >= 4
    assert not got & set(old)


def test_what_the_database_will_not_let_go_stops_nothing(database: Database, stripe: Upstream) -> None:
    [old] = days_old(stripe, "customer", 40)
    [young] = days_old(stripe, "customer", 10)
    sync = start_aged(database, stripe, ["customer"], None)
    database.sql(
        """CREATE TABLE notes (stream_id uuid, record_id uuid,
                               FOREIGN KEY (stream_id, record_id) REFERENCES sequin.records)"""
    )
    database.sql("INSERT INTO notes SELECT stream_id, id FROM sequin.records WHERE upstream_id = %s", old)
    since = database.cluster.log_size()
    keep(database, "30 days")
    eventually(lambda: "can't remove records" in database.cluster.log_text(since), 10, what=database.status)
    stripe.update("customer", young, name="changed")
    sync.converge(10)
    assert sync.health("customer") == "healthy"


def test_a_step_looks_at_nothing_but_its_index(database: Database) -> None:
    """In the worker's session, whatever the planner believes of a table that it has not analysed."""
    with database.connect() as connection:
        for setting in ("seqscan", "hashjoin", "mergejoin", "bitmapscan", "sort", "incremental_sort"):
            connection.execute(f"SET enable_{setting} = off")
        for name, types in (
            ("oldest", "uuid, uuid, timestamptz"),
            ("remove_old", "uuid, uuid, timestamptz, bigint"),
        ):
            statement = (STATEMENTS / f"{name}.sql").read_text()
            connection.execute(f"PREPARE {name} ({types}) AS {statement}")
            arguments = ", ".join("gen_random_uuid()" for _ in range(2)) + ", NULL"
            if name == "remove_old":
                arguments += ", 500"
            for mode in ("force_custom_plan", "force_generic_plan"):
                connection.execute(f"SET plan_cache_mode = {mode}")
                lines = connection.execute(f"EXPLAIN EXECUTE {name} ({arguments})")
                plan = "\n".join(line for (line,) in lines)
                assert "records_age" in plan, plan
                assert "Sort" not in plan, plan
                assert "Seq Scan on records" not in plan, plan


@pytest.mark.cluster_settings(wal_level="minimal", max_wal_senders="0", autovacuum="off")
def test_nothing_is_written_while_nothing_is_too_old(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=50)
    start_aged(database, stripe, ["customer"], "1000 days")
    database.sql("SELECT sequin.update_sync('main', frequency => '4h')")

    def marks() -> tuple[str, str]:
        return database.sql(
            "SELECT pg_current_wal_insert_lsn()::text, pg_snapshot_xmax(pg_current_snapshot())::text"
        )[0]

    def unchanged_for(seconds: float) -> bool:
        before = marks()
        time.sleep(seconds)
        return marks() == before

    eventually(lambda: unchanged_for(1.0), 20, what=database.status)
    assert unchanged_for(4.0), "WAL was written or an XID used"
