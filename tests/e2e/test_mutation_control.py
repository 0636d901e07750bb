"""Waiting for a mutation, calling it off, asking again, looking at what there is, and forgetting it."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from harness import Database, Upstream, eventually
from harness.consumers import ack, consume
from harness.mutations import describe, mutate, mutation, named, reached, register_keyless
from harness.sync import Sync, start_sync
from psycopg import errors

AWAIT = "SELECT * FROM sequin.await_mutation(%s, %s::interval, %s)"


def awaited(database: Database, id: UUID, timeout: str = "20 s", *consumers: str) -> Any:
    """One call of sequin.await_mutation."""
    return database.sql(AWAIT, id, timeout, list(consumers))[0]


def sending(database: Database, stripe: Upstream, name: str = "Ada") -> UUID:
    """A mutation that the API has been sent, and that it does not answer."""
    stripe.fault("hang", apply=False, match={"method": "POST", "times": 1})
    asked = mutate(database, "customer", "create", data={"name": name})
    eventually(stripe.writes, 10, what=lambda: describe(database))
    return reached(database, asked, "sending").id


# Waiting


def test_waiting_ends_when_it_is_done(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    stripe.fake.set_latency(300)
    done = awaited(database, mutate(database, "customer", "create", data={"name": "Ada"}))
    assert done.state == "done"
    assert len(named(stripe, "Ada")) == 1
    assert done == mutation(database, done.id)
    # And at once where it is done already.
    assert awaited(database, done.id, "0") == done


def test_waiting_ends_when_it_has_failed(synced: Sync) -> None:
    database = synced.database
    failed = awaited(database, mutate(database, "customer", "create", data={"nam": "x"}))
    assert (failed.state, failed.error_code) == ("failed", "parameter_unknown")


def test_a_timeout_says_that_it_goes_on(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    asked = sending(database, stripe)
    with pytest.raises(errors.QueryCanceled) as late:
        awaited(database, asked, "100 ms")
    assert "sending" in late.value.diag.message_detail
    assert "goes on" in late.value.diag.message_hint
    assert awaited(database, asked).state == "done"


def test_waiting_for_consumers_ends_when_they_have_acknowledged(synced: Sync) -> None:
    database = synced.database
    for name in ("first", "second"):
        database.sql("SELECT sequin.create_consumer(%s, 'main', deliver_policy => 'new')", name)
    asked = mutate(database, "customer", "create", data={"name": "Ada"})
    assert awaited(database, asked).state == "done"
    with database.connect() as connection:
        for name in ("first", "second"):
            with pytest.raises(errors.QueryCanceled) as late:
                awaited(database, asked, "200 ms", "first", "second")
            assert name in f"{late.value.diag.message_primary} {late.value.diag.message_detail}"
            taken = consume(connection, consumer=name)
            assert [each.position for each in taken] == [mutation(database, asked).updated_idx]
            with pytest.raises(errors.QueryCanceled):
                awaited(database, asked, "100 ms", name)  # taken is not acknowledged
            assert ack(connection, taken, consumer=name) == 1
    assert awaited(database, asked, "5 s", "first", "second").state == "done"


def test_an_acknowledgement_wakes_who_waits_for_it(synced: Sync) -> None:
    database = synced.database
    database.sql("SELECT sequin.create_consumer('c', 'main', deliver_policy => 'new')")
    asked = mutate(database, "customer", "create", data={"name": "Ada"})
    with ThreadPoolExecutor() as pool, database.connect() as waiting, database.connect() as connection:
        found: Future[Any] = pool.submit(lambda: waiting.execute(AWAIT, (asked, "60 s", ["c"])).fetchone())
        taken = consume(connection, wait="20 s")
        assert not found.done()
        ack(connection, taken)
        assert found.result(5)


@pytest.mark.parametrize("way", ["statement_timeout", "pg_cancel_backend", "pg_terminate_backend"])
def test_waiting_can_be_interrupted(synced: Sync, way: str) -> None:
    database, stripe = synced.database, synced.upstream
    asked = sending(database, stripe)
    with database.connect() as connection:
        if way == "statement_timeout":
            connection.execute("SET statement_timeout = '300ms'")
        else:
            pid = connection.info.backend_pid
            waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND query LIKE '%%await_mutation%%'"

            def interrupt() -> None:
                eventually(lambda: database.sql(f"{waits} AND state = 'active'", pid), 10)
                database.sql(f"SELECT {way}(%s)", pid)

            threading.Thread(target=interrupt, daemon=True).start()
        began = time.monotonic()
        with pytest.raises((errors.QueryCanceled, errors.AdminShutdown)):
            connection.execute(AWAIT, (asked, "60 s", []))
        assert time.monotonic() - began < 4.0


def test_who_waits_in_the_transaction_that_asks_waits_in_vain(synced: Sync) -> None:
    with synced.database.connect() as connection, connection.transaction(force_rollback=True):
        row = connection.execute(
            "SELECT sequin.mutate('main', 'customer', 'create', data => '{}')"
        ).fetchone()
        with pytest.raises(errors.ActiveSqlTransaction) as refusal, connection.transaction():
            connection.execute(AWAIT, (row[0], "5 s", []))
        assert "ommit" in refusal.value.diag.message_hint


def test_who_waits_with_an_old_snapshot_waits_in_vain(synced: Sync) -> None:
    database = synced.database
    done = awaited(database, mutate(database, "customer", "create", data={"name": "Ada"}))
    with database.connect() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(errors.ActiveSqlTransaction) as refusal:
            connection.execute(AWAIT, (done.id, "5 s", []))
        assert "READ COMMITTED" in refusal.value.diag.message_hint


@pytest.mark.parametrize(
    ("arguments", "detail", "state"),
    [
        (("00000000-0000-0000-0000-000000000000", "5 s", []), "00000000", "42704"),
        ((None, "5 s", []), "null", "22004"),
        (("$", None, []), "null", "22004"),
        (("$", "-1 s", []), "-", "22023"),
        (("$", "5 s", ["nobody"]), "nobody", "42704"),
        (("$", "5 s", [None]), "", "22004"),
    ],
)
def test_what_can_not_be_waited_for_is_refused(
    synced: Sync, arguments: tuple[Any, ...], detail: str, state: str
) -> None:
    database = synced.database
    asked = mutate(database, "customer", "create", data={"name": "Ada"})
    given = [asked if each == "$" else each for each in arguments]
    with pytest.raises(psycopg.Error) as refusal:
        database.sql(AWAIT, *given)
    diagnosis = refusal.value.diag
    assert diagnosis.sqlstate == state, refusal.value
    assert detail in f"{diagnosis.message_primary} {diagnosis.message_detail}"
    assert diagnosis.message_detail and diagnosis.message_hint


# Calling off, asking again


def test_what_is_pending_can_be_called_off(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    database.sql("SELECT sequin.pause_sync('main')")
    asked = mutate(database, "customer", "create", data={"name": "never"})
    assert database.value("SELECT sequin.cancel_mutation(%s)", asked) is True
    assert database.value("SELECT sequin.cancel_mutation(%s)", asked) is False
    assert mutation(database, asked).state == "cancelled"
    assert mutation(database, asked).finished_at is not None
    database.sql("SELECT sequin.resume_sync('main')")
    reached(database, mutate(database, "customer", "create", data={"name": "Ada"}))
    assert [each.form["name"] for each in stripe.writes()] == ["Ada"]
    assert awaited(database, asked, "5 s").state == "cancelled"


def test_what_was_called_off_holds_nothing_up(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    key = stripe.any_id("customer")
    database.sql("SELECT sequin.pause_sync('main')")
    first, second = (
        mutate(database, "customer", "update", key, {"name": name}) for name in ("first", "second")
    )
    database.sql("SELECT sequin.cancel_mutation(%s)", first)
    database.sql("SELECT sequin.resume_sync('main')")
    reached(database, second)
    assert [each.form["name"] for each in stripe.writes()] == ["second"]


def test_what_is_being_sent_can_not_be_called_off(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    asked = sending(database, stripe)
    assert database.value("SELECT sequin.cancel_mutation(%s)", asked) is False
    done = reached(database, asked)
    assert database.value("SELECT sequin.cancel_mutation(%s)", asked) is False
    assert mutation(database, asked) == done
    assert len(named(stripe, "Ada")) == 1


def test_what_has_failed_can_be_asked_for_again(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    key = "cus_not_yet"
    asked = mutate(database, "customer", "update", key, {"name": "Ada"})
    assert reached(database, asked, "failed").status == 404
    stripe.create("customer", id=key)
    database.sql("SELECT sequin.retry_mutation(%s)", asked)
    done = reached(database, asked)
    assert (done.error, done.error_class, done.error_code) == (None, None, None)
    assert stripe.objects("customer")[key]["name"] == "Ada"


def test_what_has_failed_can_be_dismissed_and_keeps_its_error(synced: Sync) -> None:
    database = synced.database
    failed = reached(database, mutate(database, "customer", "create", data={"nam": "x"}), "failed")
    database.sql("SELECT sequin.dismiss_mutation(%s)", failed.id)
    dismissed = mutation(database, failed.id)
    assert (dismissed.state, dismissed.error, dismissed.status) == ("cancelled", failed.error, 400)


@pytest.mark.parametrize("function", ["retry_mutation", "dismiss_mutation"])
def test_what_is_neither_failed_nor_uncertain_is_left_as_it_is(synced: Sync, function: str) -> None:
    database = synced.database
    done = reached(database, mutate(database, "customer", "create", data={"name": "Ada"}))
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as refusal:
        database.sql(f"SELECT sequin.{function}(%s)", done.id)
    assert "done" in refusal.value.diag.message_detail
    assert refusal.value.diag.message_hint
    assert mutation(database, done.id) == done


@pytest.mark.parametrize("function", ["cancel_mutation", "retry_mutation", "dismiss_mutation"])
def test_what_is_not_there_is_refused(synced: Sync, function: str) -> None:
    nobody = uuid4()
    with pytest.raises(errors.UndefinedObject) as refusal:
        synced.database.sql(f"SELECT sequin.{function}(%s)", nobody)
    diagnosis = refusal.value.diag
    assert str(nobody) in f"{diagnosis.message_primary} {diagnosis.message_detail}"
    assert diagnosis.message_hint


# Looking


def test_the_view_counts_what_is_there(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream

    def shown() -> dict[str, Any]:
        rows = database.sql("SELECT * FROM sequin.mutation_status WHERE sync = 'main'")
        return {row.collection_id: row for row in rows}

    reached(database, mutate(database, "customer", "create", data={"name": "Ada"}))
    failed = reached(database, mutate(database, "customer", "create", data={"nam": "x"}), "failed")
    reached(database, mutate(database, "product", "create", data={"name": "Ada"}))
    sending(database, stripe, "Bo")
    row = shown()["stripe:customer"]
    assert (row.pending, row.sending, row.uncertain, row.failed) == (0, 1, 0, 1)
    row = shown()["stripe:product"]
    assert (row.pending, row.sending, row.uncertain, row.failed) == (0, 0, 0, 0)
    database.sql("SELECT sequin.dismiss_mutation(%s)", failed.id)
    database.sql("SELECT sequin.pause_sync('main')")
    mutate(database, "product", "create", data={"name": "later"})
    assert shown()["stripe:product"].pending == 1
    assert shown()["stripe:customer"].failed == 0


# Forgetting


@pytest.mark.cluster_settings(**{"sequin.mutation_retention": "1d"})
def test_what_is_finished_is_kept_for_its_time(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3)
    start_sync(database, register_keyless(database, stripe), ["customer"]).wait(20)

    def put_into(state: str, count: int) -> list[UUID]:
        data = {"nam": "x"} if state == "failed" else {"name": state}
        return [
            reached(database, mutate(database, "customer", "create", data=data), state).id
            for _ in range(count)
        ]

    old = {state: put_into(state, 2) for state in ("done", "failed")}
    stripe.fault("drop", match={"method": "POST", "times": 1})
    old["uncertain"] = put_into("uncertain", 1)
    database.sql("SELECT sequin.pause_sync('main')")
    old["cancelled"] = [mutate(database, "customer", "create", data={"name": "never"})]
    database.sql("SELECT sequin.cancel_mutation(%s)", old["cancelled"][0])
    old["pending"] = [mutate(database, "customer", "create", data={"name": "later"})]
    with database.connect() as connection:
        # Nobody may write it; and nobody waits for two days.
        connection.execute("SET session_replication_role = replica")
        for column in ("created_at", "sent_at", "finished_at"):
            connection.execute(f"UPDATE sequin.mutations SET {column} = {column} - interval '2 days'")
    young = mutate(database, "customer", "create", data={"name": "young"})
    database.sql("SELECT sequin.cancel_mutation(%s)", young)
    # As long as it is paused, nothing is removed; what was pending is done now, and young.
    database.sql("SELECT sequin.resume_sync('main')")

    def kept() -> set[UUID]:
        return {row.id for row in database.sql("SELECT id FROM sequin.mutations")}

    eventually(
        lambda: kept() == {young, *old["uncertain"], *old["pending"]}, 30, what=lambda: describe(database)
    )
