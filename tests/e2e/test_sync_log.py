"""A sync explains itself: its history, its health and since when, what comes next, and who is told."""

import json
import time
from typing import Any

import pytest
from harness import Database, Upstream, eventually
from harness.consumers import Connection
from harness.sync import start_sync
from psycopg.types.json import Jsonb

CUSTOMERS = r"/v1/customers\?"


def log(database: Database, sync: str = "main") -> list[Any]:
    return database.sql(
        "SELECT collection_id, event, detail, at FROM sequin.sync_log WHERE sync = %s ORDER BY id", sync
    )


def events(database: Database, sync: str = "main") -> list[str]:
    return [row.event for row in log(database, sync)]


def collection(database: Database, name: str) -> Any:
    return database.sql("SELECT * FROM sequin.sync_collections WHERE collection_id = %s", f"stripe:{name}")[0]


def listen(database: Database) -> Connection:
    connection = database.connect()
    connection.execute("LISTEN sequin_health")
    return connection


def heard(connection: Connection, count: int, timeout: float = 20.0) -> list[dict[str, Any]]:
    """What comes until there are `count`, or the time is over."""
    return [json.loads(each.payload) for each in connection.notifies(timeout=timeout, stop_after=count)]


def test_a_backfill_is_written_down(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=250)
    start_sync(database, stripe, ["customer"]).wait(30)
    started, completed = log(database)
    assert (started.event, completed.event) == ("backfill_started", "backfill_completed")
    assert {started.collection_id, completed.collection_id} == {"stripe:customer"}
    assert started.detail["kind"] == "initial"
    assert completed.detail.pop("pages") >= 3
    counts = {"records": 250, "changes": 250, "rejected": 0, "deletions": 0}
    assert completed.detail == {"id": started.detail["id"], "kind": "initial", **counts}


def test_pauses_and_changes_are_written_down(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3)
    start_sync(database, stripe, ["customer"]).wait(20)
    database.sql("SELECT sequin.pause_sync('main')")
    assert collection(database, "customer").next_run_at is None
    paused_at = database.value("SELECT state_since FROM sequin.status")
    database.sql("SELECT sequin.resume_sync('main')")
    assert database.value("SELECT state_since FROM sequin.status") > paused_at
    database.sql("SELECT sequin.update_sync('main', frequency => '1h')")
    assert events(database) == ["backfill_started", "backfill_completed", "paused", "resumed", "changed"]
    assert log(database)[-1].detail == {"frequency": "1h"}
    # The next look is an hour after the last one.
    assert database.value(
        """SELECT next_run_at BETWEEN now() + interval '50 min' AND now() + interval '61 min'
           FROM sequin.status"""
    )


def test_a_failure_is_written_down_and_told_once(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=30, product=3)
    sync = start_sync(database, stripe, ["customer", "product"]).wait(20)
    healthy_since = collection(database, "customer").health_since
    before = len(log(database))
    listener = listen(database)
    stripe.fault("garbage", kind="html", match={"path": CUSTOMERS})
    asked = len(stripe.requests(CUSTOMERS))
    database.sql("SELECT sequin.start_backfill('main', 'customer')")
    [told] = heard(listener, 1)
    assert told["hint"]
    assert {key: told[key] for key in ("sync", "collection_id", "health", "former", "class")} == {
        "sync": "main",
        "collection_id": "stripe:customer",
        "health": "failing",
        "former": "healthy",
        "class": "bad_data",
    }
    eventually(lambda: len(stripe.requests(CUSTOMERS)) >= asked + 3, 20, what=database.status)
    eventually(lambda: database.value("SELECT failures FROM sequin._sync_collections ORDER BY 1 DESC") >= 3)
    # A backfill starts with its first page: so far there is nothing but the failure.
    [row] = log(database)[before:]
    assert (row.event, row.collection_id, row.detail["class"]) == ("failing", "stripe:customer", "bad_data")
    assert row.detail["error"] == told["error"]
    failing = collection(database, "customer")
    assert failing.health_since > healthy_since
    assert failing.last_error == failing.error
    assert failing.last_error_at > failing.failing_since
    assert collection(database, "product").health == "healthy"

    stripe.clear_faults()
    eventually(lambda: sync.health("customer") == "healthy", 20, what=database.status)
    [told] = heard(listener, 1)
    assert (told["health"], told["former"]) == ("healthy", "failing")
    recovered = [row for row in log(database)[before:] if row.event == "recovered"]
    assert [row.detail["class"] for row in recovered] == ["bad_data"]
    row = collection(database, "customer")
    assert (row.error, row.failing_since) == (None, None)
    assert row.last_error == failing.last_error
    assert row.health_since > failing.health_since
    assert heard(listener, 1, 0.5) == []
    listener.close()


def test_a_feed_that_fails_is_one_event(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3, product=3)
    start_sync(database, stripe, ["customer", "product"]).wait(20)
    before = len(log(database))
    listener = listen(database)
    stripe.fault("garbage", kind="html", match={"path": "/v1/events"})
    told = heard(listener, 2)
    assert {each["collection_id"] for each in told} == {"stripe:customer", "stripe:product"}
    assert {each["health"] for each in told} == {"failing"}
    assert database.value("SELECT state FROM sequin.status") == "failing"
    [row] = log(database)[before:]
    assert (row.event, row.collection_id, row.detail["feed"]) == ("failing", None, "events")
    stripe.clear_faults()
    assert {each["health"] for each in heard(listener, 2)} == {"healthy"}
    assert events(database)[before:] == ["failing", "recovered"]
    assert database.value("SELECT state FROM sequin.status") == "syncing"
    failing_at = next(row.at for row in log(database) if row.event == "failing")
    assert database.value("SELECT state_since FROM sequin.status") > failing_at
    listener.close()


def test_a_failure_that_passes_is_no_event(database: Database, stripe: Upstream) -> None:
    """Two 500s in a row are told as degraded, and are nothing to remember."""
    stripe.seed(customer=3)
    start_sync(database, stripe, ["customer"]).wait(20)
    before = len(log(database))
    listener = listen(database)
    stripe.fault("status", status=500, match={"path": "/v1/events", "times": 2})
    assert [each["health"] for each in heard(listener, 2)] == ["degraded", "healthy"]
    assert len(log(database)) == before
    listener.close()


def test_a_gap_of_the_feed_is_written_down(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=30)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    database.sql("SELECT sequin.pause_sync('main')")
    gone = stripe.any_id("customer")
    stripe.delete("customer", gone)
    stripe.forget_events()
    database.sql("UPDATE sequin._feeds SET cursor = cursor - interval '31 days', polled_at = NULL")
    stripe.create("customer", count=1)
    database.sql("SELECT sequin.resume_sync('main')")
    sync.converge(60)
    eventually(lambda: "sweep_completed" in events(database), 20, what=database.status)
    rows = {row.event: row for row in log(database)}
    assert rows["feed_gap"].detail["feed"] == "events"
    assert rows["feed_gap"].detail["read_until"]
    assert rows["sweep_completed"].detail["deletions"] == 1
    assert rows["sweep_completed"].collection_id == "stripe:customer"


def test_sweeps_that_find_nothing_are_no_events(database: Database, stripe: Upstream) -> None:
    stripe.seed(webhook_endpoint=5)
    start_sync(database, stripe, ["webhook_endpoint"]).wait(20)
    database.sql("SELECT sequin.pause_sync('main')")
    database.sql("UPDATE sequin._sync_collections SET swept_at = swept_at - interval '1 week'")
    database.sql("SELECT sequin.resume_sync('main')")
    swept = "SELECT count(*) FROM sequin.backfills WHERE kind = 'sweep' AND state = 'completed'"
    eventually(lambda: database.value(swept) == 1, 20, what=database.status)
    assert events(database) == ["backfill_started", "backfill_completed", "paused", "resumed"]


@pytest.mark.cluster_settings(**{"sequin.sync_log_limit": "10"})
def test_a_history_is_as_long_as_the_setting_says(database: Database, stripe: Upstream) -> None:
    start_sync(database, stripe, ["customer"]).wait(20)
    for number in range(30):
        database.sql("SELECT sequin.update_sync('main', external_id => %s)", str(number))
    assert [row.detail for row in log(database)] == [{"external_id": str(n)} for n in range(20, 30)]


# Credentials


def test_a_refused_credential_stops_all_that_depends_on_it_until_it_is_changed(
    database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=20, product=5)
    first = start_sync(database, stripe, ["customer"], name="first").wait(20)
    second = start_sync(database, stripe, ["product"], name="second", frequency="1d").wait(20)
    stripe.configure(keys=["sk_test_fake_new"])

    def statuses() -> list[Any]:
        return database.sql("SELECT * FROM sequin.status ORDER BY sync")

    # The second one has nothing to ask for a day, and says nevertheless that it could not.
    eventually(lambda: [row.health for row in statuses()] == ["failing"] * 2, 20, what=database.status)
    for row in statuses():
        assert (row.state, row.failure_class) == ("failing", "credential")
        assert row.waiting_for.startswith("the credential upstream to be accepted")
        assert "sequin.update_credential" in row.hint
    for sync in ("first", "second"):
        refused = [row for row in log(database, sync) if row.event == "credential_refused"]
        assert [row.detail["credential"] for row in refused] == ["upstream"]
        assert "failing" not in events(database, sync)

    # Nothing is asked with it until the next try, which is 15 seconds away at least.
    asked = len(stripe.requests())
    database.sql("SELECT sequin.start_backfill('second', 'product')")
    time.sleep(1.5)
    assert len(stripe.requests()) == asked
    assert database.value("SELECT bool_and(next_run_at > now() + interval '5 s') FROM sequin.status")

    database.sql(
        "SELECT sequin.update_credential('upstream', %s)",
        Jsonb({"api_key": "sk_test_fake_new", "base_url": stripe.url}),
    )
    eventually(lambda: [row.health for row in statuses()] == ["healthy"] * 2, 10, what=database.status)
    for sync in ("first", "second"):
        told = [event for event in events(database, sync) if event.startswith("credential")]
        assert told == ["credential_refused", "credential_accepted"]
    stripe.update("customer", stripe.any_id("customer"), name="changed")
    first.converge()
    second.converge()


def test_a_collection_that_only_events_concern_recovers_after_a_restart(
    database: Database, stripe: Upstream
) -> None:
    """Its failure was one of a fetch, which the new worker knows nothing of."""
    stripe.seed(customer=5)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    changed = stripe.any_id("customer")
    stripe.fault("garbage", kind="html", match={"path": f"/v1/customers/{changed}"})
    stripe.update("customer", changed, name="changed")
    eventually(lambda: sync.health("customer") == "failing", 20, what=database.status)
    database.sql(
        """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
           WHERE datname = current_database() AND backend_type = 'sequin worker'"""
    )
    stripe.clear_faults()
    eventually(lambda: sync.health("customer") == "healthy", 20, what=database.status)
    sync.converge()
