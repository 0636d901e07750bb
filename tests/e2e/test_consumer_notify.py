"""Notifications of consumers: opt-in, throttled, and never for nothing."""

import time
from collections.abc import Callable

import psycopg
import pytest
from harness.consumers import CHARGE, Connection, consume, create, nack, one, put
from psycopg import errors, sql


def listen(conn: Connection, name: str = "c") -> None:
    conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(f"sequin:{name}")))


def heard(conn: Connection, timeout: float = 20.0, count: int = 1) -> list[psycopg.Notify]:
    """What comes until there are `count`, or the time is over."""
    return list(conn.notifies(timeout=timeout, stop_after=count))


def test_tells_of_a_change_that_has_committed(db: Callable[[], Connection]) -> None:
    listener, writer = db(), db()
    create(writer, notify="10 ms")
    listen(listener)
    put(writer, "a")
    (notification,) = heard(listener)
    assert (notification.channel, notification.payload) == ("sequin:c", "")
    assert [delivery.key for delivery in consume(listener)] == ["a"]


def test_comes_at_most_once_in_its_time_and_after_the_last_change(db: Callable[[], Connection]) -> None:
    listener, writer = db(), db()
    create(writer, notify="1 s")
    listen(listener)
    end = time.monotonic() + 2.5
    n = 0
    while time.monotonic() < end:
        put(writer, f"k{n}")
        n += 1
    last = time.monotonic()
    came = heard(listener, 1.5, 1000)
    assert 2 <= len(came) <= 5, f"{len(came)} notifications of {n} changes"
    assert heard(listener, 0.2) == []
    assert time.monotonic() - last < 10


def test_what_the_filter_leaves_out_is_no_reason(db: Callable[[], Connection]) -> None:
    listener, writer = db(), db()
    create(writer, notify="10 ms", filter={"collection_id": CHARGE})
    create(writer, name="all", notify="10 ms")
    listen(listener)
    listen(listener, "all")
    put(writer, "a")
    # A change that commits while the worker begins to listen may be told twice.
    assert {each.channel for each in heard(listener, 0.5, 10)} == {"sequin:all"}
    put(writer, "b", collection=CHARGE)
    assert {each.channel for each in heard(listener, 1, 10)} == {"sequin:all", "sequin:c"}


@pytest.mark.parametrize("mode", ["queue", "batch"])
def test_a_replay_is_a_reason(db: Callable[[], Connection], mode: str) -> None:
    listener, writer = db(), db()
    create(writer, notify="10 ms", mode=mode)
    listen(listener)
    put(writer, "a")
    # A change that commits while the worker begins to listen may be told twice.
    assert heard(listener, 0.5, 10)
    take = "SELECT * FROM sequin.consume('c', 10)" if mode == "queue" else "SELECT * FROM sequin.fetch('c')"
    assert len(writer.execute(take).fetchall()) == 1
    assert heard(listener, 0.3) == []
    writer.execute("SELECT sequin.replay('c')")
    assert len(heard(listener)) == 1


def test_what_was_given_back_is_a_reason(db: Callable[[], Connection]) -> None:
    listener, writer = db(), db()
    create(writer, notify="10 ms")
    listen(listener)
    put(writer, "a")
    heard(listener)
    batch = consume(writer)
    heard(listener, 0.3)
    nack(writer, batch)
    assert len(heard(listener)) == 1


def test_can_be_turned_on_and_off(db: Callable[[], Connection]) -> None:
    listener, writer = db(), db()
    create(writer)
    listen(listener)
    put(writer, "a")
    assert heard(listener, 0.3) == []
    writer.execute("SELECT sequin.update_consumer('c', notify => '10 ms')")
    assert len(heard(listener)) == 1, "there is something to take"
    writer.execute("SELECT sequin.update_consumer('c', notify => '0')")
    assert one(writer, "SELECT notify IS NULL FROM sequin.consumers")
    heard(listener, 0.3)
    put(writer, "b")
    assert heard(listener, 0.5) == []


def test_nothing_to_tell_takes_no_transaction_id(db: Callable[[], Connection]) -> None:
    listener, writer = db(), db()
    create(writer, notify="10 ms", filter={"collection_id": CHARGE})
    put(writer, "a")
    heard(listener, 0.5)
    before = one(writer, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    writer.execute("SELECT sequin.resume_consumer('c')")
    heard(listener, 0.5)
    assert one(writer, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text") == before


@pytest.mark.parametrize(
    "settings", [{"notify": "0"}, {"notify": "-1 s"}, {"notify": "1 s", "name": "x" * 57}]
)
def test_bad_settings_are_refused(db: Callable[[], Connection], settings: dict[str, str]) -> None:
    with pytest.raises(errors.InvalidParameterValue) as refused:
        create(db(), **settings)
    assert refused.value.diag.message_detail and refused.value.diag.message_hint
