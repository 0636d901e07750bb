"""Consumers: what they deliver, when, and to how many sessions at a time."""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from harness.consumers import (
    CHARGE,
    CUSTOMER,
    DEADLINE,
    OTHER_SYNC,
    SYNC,
    Connection,
    Delivery,
    ack,
    consume,
    create,
    extend,
    keys,
    nack,
    one,
    put,
    status,
    until,
)
from psycopg import errors

# One session


def test_delivers_in_order_and_each_version_once(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    assert consume(conn) == []
    put(conn, *"abcde")
    first = consume(conn, 3)
    assert keys(first) == ["a", "b", "c"]
    assert [d.count for d in first] == [1, 1, 1]
    assert (
        [d.record["updated_idx"] for d in first]
        == [d.position for d in first]
        == sorted(d.position for d in first)
    )
    rest = consume(conn, 3)
    assert keys(rest) == ["d", "e"]
    assert len({d.token for d in first + rest}) == 5
    assert ack(conn, first + rest) == 5
    assert ack(conn, first) == 0
    assert consume(conn) == []
    put(conn, "b", value=1, deleted=True)
    (again,) = consume(conn)
    assert (again.key, again.value, again.count, again.record["deleted"]) == ("b", 1, 1, True)


def test_record_is_that_of_record_json(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    put(conn, "a")
    (delivery,) = consume(conn)
    assert delivery.record == one(conn, "SELECT sequin.record_json(r) FROM sequin.records AS r")
    assert delivery.record["sync"]["id"] == str(SYNC)
    assert delivery.record["inserted_at"][-1] == "Z" and len(delivery.record["inserted_at"]) == 27


def test_batches_are_full_across_ranges(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, max_ack_pending=100_000)
    names = [f"k{n:05}" for n in range(3000)]
    put(conn, *names)
    assert keys(consume(conn, 1)) == names[:1]  # cuts small ranges
    assert keys(consume(conn, 2000)) == names[1:2001]
    assert keys(consume(conn, 2000)) == names[2001:]


def test_partial_ack(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, ack_wait="300 ms")
    put(conn, *"abcd")
    batch = consume(conn)
    assert ack(conn, [batch[1], batch[1], batch[3]]) == 2
    assert ack(conn, batch[3:]) == 0
    assert status(conn, "in_flight") == 2
    again = until(lambda: consume(conn), "expiry")
    assert keys(again) == ["a", "c"]
    assert [d.count for d in again] == [2, 2]
    assert ack(conn, batch) == 0
    assert ack(conn, again) == 2
    assert status(conn, "in_flight") == 0


def test_foreign_tokens_count_nothing(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    create(conn, name="d")
    put(conn, *"ab")
    batch = consume(conn)
    assert ack(conn, batch, consumer="d") == 0
    assert nack(conn, batch, consumer="d") == 0
    assert extend(conn, batch, "1 h", consumer="d") == 0
    lease = batch[0].token.split("-")[0]
    odd = [f"{lease}-0", f"{lease}-3", "9" * 18 + "-1"]
    assert one(conn, "SELECT sequin.ack('c', %s)", odd) == 0
    assert one(conn, "SELECT sequin.nack('c', %s)", odd) == 0
    assert one(conn, "SELECT sequin.extend('c', %s, '1 h')", odd) == 0
    assert one(conn, "SELECT sequin.ack('c', '{}')") == 0
    assert ack(conn, batch) == 2


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "x",
        "1",
        "-",
        "1-",
        "-1",
        "1-1 ",
        "9" * 40 + "-1",
        "1-" + "9" * 40,
        "1-1-1",
        "'; DROP TABLE x; --",
        "٣-1",
    ],
)
def test_malformed_tokens_are_refused(db: Callable[[], Connection], odd: str) -> None:
    conn = db()
    create(conn)
    put(conn, "a")
    batch = consume(conn)
    for call in ("sequin.ack('c', %s)", "sequin.nack('c', %s)", "sequin.extend('c', %s, '1 h')"):
        with pytest.raises(errors.InvalidParameterValue) as refused:
            one(conn, f"SELECT {call}", [batch[0].token, odd])
        assert odd[:100] in (refused.value.diag.message_detail or "")
        assert refused.value.diag.message_hint
    assert ack(conn, batch) == 1, "the call that failed changed nothing"


def test_late_tokens_do_nothing(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, ack_wait="50 ms")
    put(conn, "a")
    first = consume(conn)
    until(lambda: one(conn, "SELECT deadline < clock_timestamp() FROM sequin._leases"), "expiry")
    assert ack(conn, first) == 0, "an expired token is dead before the record is delivered again, too"
    assert nack(conn, first) == 0
    assert extend(conn, first, "1 h") == 0
    (second,) = consume(conn)
    assert second.count == 2
    assert ack(conn, first) == 0


def test_nack_delivers_again_at_once_or_later(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    put(conn, *"abc")
    batch = consume(conn)
    assert nack(conn, batch[:1]) == 1
    assert nack(conn, batch[:1]) == 0
    started = time.monotonic()
    assert nack(conn, batch[1:2], "400 ms") == 1
    (again,) = consume(conn)
    assert (again.key, again.count) == ("a", 2)
    put(conn, "d")
    assert keys(consume(conn)) == ["d"], "what waits does not hold up what is behind it"
    (later,) = consume(conn, wait="10 s")
    assert (later.key, later.count) == ("b", 2)
    assert 0.4 <= time.monotonic() - started < 2


def test_extend_moves_the_deadline_of_these_tokens_only(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, ack_wait="300 ms")
    put(conn, *"abc")
    batch = consume(conn)
    assert extend(conn, batch[:2], "1 h") == 2
    expired = until(lambda: consume(conn), "expiry of the token that was not extended")
    assert keys(expired) == ["c"]
    assert extend(conn, batch, "1 h") == 2
    assert extend(conn, batch[1:2], "100 ms") == 1, "less time is possible, too"
    assert "b" in keys(until(lambda: [d for d in consume(conn) if d.key == "b"], "expiry"))
    assert ack(conn, batch) == 1


def test_change_in_flight_comes_after_the_delivery_has_ended(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, ack_wait="300 ms")
    put(conn, *"abc")
    batch = consume(conn)
    put(conn, *"abc", value=1)
    put(conn, "x")
    put(conn, *"abc", value=2)
    assert keys(consume(conn)) == ["x"], "no second version in flight, and no waiting behind the first"
    assert ack(conn, batch[:1]) == 1
    (a,) = consume(conn)
    assert (a.key, a.value, a.count) == ("a", 2, 1)
    assert nack(conn, batch[1:2]) == 1
    (b,) = consume(conn)
    assert (b.key, b.value, b.count) == ("b", 2, 1)
    (c,) = until(lambda: [d for d in consume(conn) if d.key == "c"], "expiry")
    assert (c.value, c.count) == (2, 1)


def test_max_ack_pending(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, max_ack_pending=5)
    put(conn, *"abcdefgh")
    batch = consume(conn, 3)
    batch += consume(conn, 3)
    assert keys(batch) == list("abcde")
    assert consume(conn) == []
    assert ack(conn, batch[1:3]) == 2
    more = consume(conn)
    assert keys(more) == ["f", "g"]
    assert nack(conn, batch[:1]) == 1
    assert keys(consume(conn)) == ["a"]


def test_max_deliver_and_dead_letters(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, max_deliver=2, ack_wait="200 ms")
    put(conn, *"ab")
    # "a" dies by nack, "b" by expiry.
    assert nack(conn, consume(conn)) == 2
    a, b = consume(conn)
    assert (a.key, a.count, b.key, b.count) == ("a", 2, "b", 2)
    assert nack(conn, [a]) == 1
    until(lambda: consume(conn) == [] and status(conn, "dead") == 2, "the death of b")
    dead = conn.execute(
        "SELECT record ->> 'upstream_id', deliver_count, record_id FROM sequin.dead_letters ORDER BY 1"
    ).fetchall()
    assert [row[:2] for row in dead] == [("a", 2), ("b", 2)]
    assert status(conn, "dead") == 2
    assert consume(conn) == []

    put(conn, "a", value=1)
    assert status(conn, "dead") == 1, "a change brings the record back"
    (a,) = consume(conn)
    assert (a.key, a.value, a.count) == ("a", 1, 1)
    assert ack(conn, [a]) == 1

    assert one(conn, "SELECT sequin.requeue('c', %s)", [uuid.uuid4()]) == 0
    assert one(conn, "SELECT sequin.requeue('c', %s)", [dead[1][2]]) == 1
    (b,) = consume(conn)
    assert (b.key, b.count) == ("b", 1)
    assert ack(conn, [b]) == 1
    assert one(conn, "SELECT sequin.requeue('c')") == 0
    assert status(conn, "dead") == 0


def test_filters(db: Callable[[], Connection]) -> None:
    conn = db()
    put(conn, "a")
    put(conn, "b", collection=CHARGE)
    put(conn, "c", sync=OTHER_SYNC)
    put(conn, "d", collection="github:issue", provider="github")
    wanted = {
        "all": ({}, "abcd"),
        "collection": ({"collection_id": CHARGE}, "b"),
        "collections": ({"collection_id": [CHARGE, "github:issue"]}, "bd"),
        "sync": ({"sync": "two"}, "c"),
        "syncs": ({"sync": ["one", "two"]}, "abcd"),
        "provider": ({"provider": "github"}, "d"),
        "both": ({"provider": ["stripe"], "collection_id": CUSTOMER}, "ac"),
        "none": ({"provider": "github", "collection_id": CUSTOMER}, ""),
    }
    for name, (filter_, expected) in wanted.items():
        create(conn, name=name, filter=filter_)
        assert "".join(keys(consume(conn, consumer=name))) == expected, name
        assert consume(conn, consumer=name) == [], name


def test_filter_passes_over_much_and_goes_on_from_there(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, filter={"collection_id": CHARGE})
    put(conn, *(f"k{n}" for n in range(20_000)))
    put(conn, "b", collection=CHARGE)
    assert keys(consume(conn, 1)) == ["b"]
    assert status(conn, "position") == one(conn, "SELECT max(updated_idx) FROM sequin.records")
    put(conn, *(f"l{n}" for n in range(20_000)))
    assert consume(conn) == []
    assert status(conn, "position") == one(conn, "SELECT max(updated_idx) FROM sequin.records"), (
        "progress is kept"
    )
    assert status(conn, "pending") == 0


@pytest.mark.parametrize(
    ("policy", "before", "after"),
    [
        ("all", "abc", "d"),
        ("new", "", "d"),
        ("last", "c", "d"),
        ("1h", "bc", "d"),
        ("00:30:00", "c", "d"),
        ("1 minute", "", "d"),
    ],
)
def test_deliver_policies(db: Callable[[], Connection], policy: str, before: str, after: str) -> None:
    conn = db()
    put(conn, "a", observed="2 h")
    put(conn, "b", observed="50 min")
    put(conn, "c", observed="20 min")
    create(conn, deliver_policy=policy)
    assert "".join(keys(consume(conn))) == before
    put(conn, "d")
    assert "".join(keys(consume(conn))) == after


def test_last_is_the_last_that_matches(db: Callable[[], Connection]) -> None:
    conn = db()
    put(conn, "a", "b", collection=CHARGE)
    put(conn, "c")
    create(conn, deliver_policy="last", filter={"collection_id": CHARGE})
    assert keys(consume(conn)) == ["b"]


def test_replay(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, max_deliver=1)
    put(conn, "a", observed="1 h")
    put(conn, *"bcd")
    batch = consume(conn)
    assert nack(conn, batch[:1]) == 1
    assert ack(conn, batch[1:3]) == 2
    assert status(conn, "dead") == 1
    conn.execute("SELECT sequin.replay('c')")
    assert status(conn, "dead") == 0
    again = consume(conn)
    assert keys(again) == ["a", "b", "c"], "d is in flight still"
    assert ack(conn, batch[3:] + again) == 4
    (d,) = consume(conn)
    assert d.key == "d", "what was in flight is delivered once more after it"
    assert ack(conn, [d]) == 1

    conn.execute("SELECT sequin.replay('c', %s)", [batch[2].position])
    assert keys(consume(conn, 1)) == ["c"]
    conn.execute("SELECT sequin.replay('c', since => now() - interval '1 min')")
    assert keys(consume(conn)) == ["b", "d"]
    conn.execute("SELECT sequin.replay('c', %s)", [1 << 60])
    put(conn, "e")
    assert keys(consume(conn)) == ["e"], "a replay never passes over anything"


def test_pause_update_delete(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    put(conn, "a", "b")
    put(conn, "x", collection=CHARGE)
    batch = consume(conn, 1)
    conn.execute("SELECT sequin.pause_consumer('c')")
    assert consume(conn) == []
    assert status(conn, "state") == "paused"
    assert ack(conn, batch) == 1
    conn.execute("SELECT sequin.resume_consumer('c')")
    conn.execute(
        "SELECT sequin.update_consumer('c', filter => '{\"collection_id\": \"stripe:charge\"}',"
        " max_ack_pending => 7, max_deliver => 3, ack_wait => '1 min', metadata => '{\"a\": 1}')"
    )
    assert keys(consume(conn)) == ["x"]
    assert conn.execute(
        "SELECT max_ack_pending, max_deliver, ack_wait = '1 min', metadata FROM sequin.consumers"
    ).fetchone() == (7, 3, True, {"a": 1})
    conn.execute("SELECT sequin.update_consumer('c', max_deliver => -1)")
    assert one(conn, "SELECT max_deliver FROM sequin.consumers") is None
    conn.execute("SELECT sequin.delete_consumer('c')")
    with pytest.raises(errors.UndefinedObject):
        consume(conn)
    for table in ("_consumer_tails", "_consumer_ranges", "_leases", "_retries", "_aside", "_dead_letters"):
        assert one(conn, f"SELECT count(*) FROM sequin.{table}") == 0, table


def test_status(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    put(conn, "a", observed="1 h")
    put(conn, *"bcd")
    assert (status(conn, "pending"), status(conn, "in_flight"), status(conn, "last_pull_at")) == (4, 0, None)
    assert status(conn, "oldest_pending_age > interval '59 min'")
    batch = consume(conn, 3)
    assert (status(conn, "pending"), status(conn, "in_flight"), status(conn, "redelivered")) == (1, 3, 0)
    assert status(conn, "last_pull_at") is not None
    nack(conn, batch[:1])
    assert (status(conn, "pending"), status(conn, "in_flight"), status(conn, "redelivered")) == (2, 2, 1)
    consume(conn)
    assert (status(conn, "pending"), status(conn, "in_flight"), status(conn, "redelivered")) == (0, 4, 1)


# Transactions


def test_rollback_leaves_everything_as_it_was(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    put(conn, *"abcd")
    with conn.transaction(force_rollback=True):
        batch = consume(conn, 2)
        assert keys(batch) == ["a", "b"]
        assert ack(conn, batch) == 2
    assert ack(conn, batch) == 0
    batch = consume(conn, 2)
    assert [(d.key, d.count) for d in batch] == [("a", 1), ("b", 1)]
    for call in (ack, nack):
        with conn.transaction(force_rollback=True):
            assert call(conn, batch) == 2
        assert status(conn, "in_flight") == 2
    assert keys(consume(conn)) == ["c", "d"]
    assert ack(conn, batch) == 2


def test_work_of_a_lost_session_comes_back(db: Callable[[], Connection]) -> None:
    conn, lost = db(), db()
    create(conn)
    put(conn, *"abc")
    lost.execute("BEGIN")
    assert keys(consume(lost, 2)) == ["a", "b"]
    one(conn, "SELECT pg_terminate_backend(%s)", lost.info.backend_pid)
    until(
        lambda: one(conn, "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", lost.info.backend_pid) == 0,
        "the end of the session",
    )
    assert [(d.key, d.count) for d in consume(conn)] == [("a", 1), ("b", 1), ("c", 1)]


def test_open_transaction_keeps_nobody_from_the_rest(db: Callable[[], Connection]) -> None:
    a, b, c, writer = db(), db(), db(), db()
    create(writer)
    names = [f"k{n:02}" for n in range(30)]
    put(writer, *names)
    a.execute("BEGIN")
    b.execute("BEGIN")
    got_a = consume(a, 3)
    got_b = consume(b, 4)
    got_c = consume(c, 5)
    assert keys(got_a + got_b + got_c) == names[:12]
    more_a = consume(a, 2)
    assert keys(more_a) == names[12:14]
    put(writer, "new")
    rest = consume(c, 100)
    assert keys(rest) == [*names[14:], "new"]
    a.execute("ROLLBACK")
    b.execute("COMMIT")
    assert sorted(keys(consume(c, 100))) == sorted(keys(got_a + more_a))
    assert consume(c) == []
    assert ack(c, got_b + got_c + rest) == 4 + 5 + 17
    assert status(c, "pending") == 0


def test_change_of_what_an_open_transaction_has_is_not_delivered_beside_it(
    db: Callable[[], Connection],
) -> None:
    a, b, writer = db(), db(), db()
    create(writer)
    put(writer, *"abc")
    a.execute("BEGIN")
    got = consume(a, 2)
    put(writer, *"abc", value=1)
    put(writer, "d")
    others = consume(b)
    assert sorted((d.key, d.value) for d in others) == [("c", 1), ("d", 0)]
    a.execute("COMMIT")
    assert consume(b) == []
    assert ack(a, got[:1]) == 1
    (again,) = until(lambda: consume(b), "the change of a")
    assert (again.key, again.value, again.count) == ("a", 1, 1)
    assert ack(b, got[1:]) == 1
    (again,) = until(lambda: consume(b), "the change of b")
    assert (again.key, again.value) == ("b", 1)


def test_change_of_what_an_open_transaction_had_comes_after_its_rollback(
    db: Callable[[], Connection],
) -> None:
    a, b, writer = db(), db(), db()
    create(writer)
    put(writer, *"ab")
    a.execute("BEGIN")
    assert keys(consume(a, 1)) == ["a"]
    put(writer, "a", value=1)
    assert keys(consume(b)) == ["b"]
    a.execute("ROLLBACK")
    (again,) = until(lambda: consume(b), "the change of a")
    assert (again.key, again.value, again.count) == ("a", 1, 1)


def test_consume_and_ack_with_the_callers_own_writes(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    put(conn, *"abc")
    conn.execute("CREATE TABLE mine (key text PRIMARY KEY)")

    def process(fails: bool) -> None:
        with conn.transaction(force_rollback=fails):
            for delivery in consume(conn):
                conn.execute("INSERT INTO mine VALUES (%s)", [delivery.key])
                assert ack(conn, [delivery]) == 1

    process(fails=True)
    assert one(conn, "SELECT count(*) FROM mine") == 0
    process(fails=False)
    assert one(conn, "SELECT string_agg(key, '' ORDER BY key) FROM mine") == "abc"
    assert consume(conn) == []


def test_thousands_of_calls_in_one_transaction(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, max_ack_pending=10_000)
    put(conn, *(f"k{n}" for n in range(4000)))
    with conn.transaction():
        assert (
            one(conn, "SELECT count(*) FROM generate_series(1, 4000) AS n, sequin.consume('c', 1 + n * 0)")
            == 4000
        )
    assert consume(conn) == []


def test_repeatable_read(db: Callable[[], Connection]) -> None:
    old, conn = db(), db()
    create(conn)
    put(conn, *"abc")
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    one(old, "SELECT count(*) FROM sequin.records")
    with pytest.raises(errors.FeatureNotSupported, match="READ COMMITTED"), old.transaction():
        consume(old, wait="1 s")
    assert keys(consume(old, 1)) == ["a"]
    old.execute("ROLLBACK")

    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    one(old, "SELECT count(*) FROM sequin.records")
    put(conn, "a", value=1)
    with pytest.raises(errors.SerializationFailure):
        consume(old, 1)
    old.execute("ROLLBACK")
    assert sorted(keys(consume(conn))) == ["a", "b", "c"]


# Many sessions


def in_threads(*jobs: Callable[[], None]) -> None:
    """Runs the jobs side by side; raises what the first of them raises."""
    failures: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=[job], daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * DEADLINE)
        assert not thread.is_alive(), "a session hangs"
    if failures:
        raise failures[0]


class Flights:
    """Who has which record in flight, as the sessions see it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.flying: dict[str, str] = {}
        self.done: dict[str, Any] = {}
        self.tokens: set[str] = set()

    def take(self, deliveries: list[Delivery]) -> None:
        """Notes deliveries; they must be of records that nobody else has."""
        with self.lock:
            for d in deliveries:
                assert d.key not in self.flying, f"{d} while {self.flying[d.key]} is in flight"
                assert d.token not in self.tokens
                self.flying[d.key] = d.token
                self.tokens.add(d.token)

    def land(self, deliveries: list[Delivery], done: bool) -> None:
        """Notes the end of deliveries, before it is made known to the database."""
        with self.lock:
            for d in deliveries:
                assert self.flying.pop(d.key) == d.token
                if done:
                    self.done[d.key] = d.value


@pytest.mark.parametrize("seed", [1, 2])
def test_sessions_share_a_consumer(db: Callable[[], Connection], seed: int) -> None:
    names = [f"k{n:03}" for n in range(120)]
    setup = db()
    create(setup, ack_wait="1 h", max_ack_pending=100_000)
    flights = Flights()
    finished = threading.Event()
    writers_left = [2]

    def write(number: int) -> Callable[[], None]:
        conn, chance = db(), random.Random(f"{seed} writer {number}")

        def job() -> None:
            for value in range(250):
                put(conn, *sorted(set(chance.choices(names, k=chance.randint(1, 8)))), value=[number, value])
            with flights.lock:
                writers_left[0] -= 1

        return job

    def work(number: int) -> Callable[[], None]:
        conn, chance = db(), random.Random(f"{seed} worker {number}")

        def job() -> None:
            while not finished.is_set():
                writing = writers_left[0] > 0
                how = (
                    chance.choice(["plain", "plain", "wait", "open", "once", "rollback"])
                    if writing
                    else "plain"
                )
                size = chance.choice([1, 3, 10, 40])
                if how in ("plain", "wait"):
                    got = consume(conn, size, "20 ms" if how == "wait" else "0")
                    flights.take(got)
                    cut = chance.randint(0, len(got)) if writing else len(got)
                    flights.land(got[:cut], True)
                    assert ack(conn, got[:cut]) == cut
                    flights.land(got[cut:], False)
                    assert nack(conn, got[cut:], chance.choice(["0", "5 ms"])) == len(got) - cut
                else:
                    conn.execute("BEGIN")
                    got = consume(conn, size)
                    got += consume(conn, 2)
                    flights.take(got)
                    conn.execute("SELECT pg_sleep(%s)", [chance.random() / 100])
                    if how == "rollback":
                        flights.land(got, False)
                        conn.execute("ROLLBACK")
                    elif how == "once":
                        assert ack(conn, got) == len(got)
                        flights.land(got, True)
                        conn.execute("COMMIT")
                    else:
                        conn.execute("COMMIT")
                        flights.land(got, True)
                        assert ack(conn, got) == len(got)

        return job

    def watch() -> None:
        conn = db()

        def complete() -> bool:
            if writers_left[0]:
                return False
            truth = dict(conn.execute("SELECT upstream_id, data -> 'value' FROM sequin.records").fetchall())
            with flights.lock:
                return not flights.flying and flights.done == truth

        try:
            until(complete, "the final version of each record done")
        finally:
            finished.set()

    in_threads(*(write(n) for n in range(2)), *(work(n) for n in range(8)), watch)
    assert one(setup, "SELECT count(*) FROM sequin._leases") == 0
    assert consume(setup) == []


def test_max_ack_pending_among_sessions(db: Callable[[], Connection]) -> None:
    setup = db()
    create(setup, max_ack_pending=50)
    put(setup, *(f"k{n}" for n in range(400)))
    barrier = threading.Barrier(8)

    def work() -> Callable[[], None]:
        conn = db()

        def job() -> None:
            for _ in range(5):
                barrier.wait(DEADLINE)
                consume(conn, 10)

        return job

    in_threads(*(work() for _ in range(8)))
    assert status(setup, "in_flight") == 50


def test_sessions_are_killed_and_nothing_is_processed_twice_or_lost(db: Callable[[], Connection]) -> None:
    setup = db()
    create(setup, max_ack_pending=100_000)
    setup.execute("CREATE TABLE processed (position bigint PRIMARY KEY, key text, value jsonb)")
    names = [f"k{n:03}" for n in range(100)]
    finished = threading.Event()

    def write() -> None:
        conn, chance = db(), random.Random("writer")
        for value in range(200):
            put(conn, *sorted(set(chance.choices(names, k=6))), value=value)

    def work(number: int) -> Callable[[], None]:
        chance = random.Random(number)

        def job() -> None:
            conn = None
            while not finished.is_set():
                try:
                    if conn is None:
                        conn = db()
                        conn.execute("SET application_name = 'victim'")
                    with conn.transaction():
                        batch = consume(conn, chance.choice([1, 5, 20]))
                        for d in batch:
                            conn.execute(
                                "INSERT INTO processed VALUES (%s, %s, %s)",
                                [d.position, d.key, json.dumps(d.value)],
                            )
                        assert ack(conn, batch) == len(batch)
                except psycopg.OperationalError:
                    conn = None

        return job

    def kill() -> None:
        conn, chance = db(), random.Random("killer")
        for _ in range(40):
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'victim'"
                " ORDER BY random() LIMIT 1"
            )
            conn.execute("SELECT pg_sleep(%s)", [chance.random() / 20])

    def watch() -> None:
        conn = db()
        try:
            in_threads(write, kill)
            until(
                lambda: one(
                    conn,
                    """
                SELECT count(*) = count(p) FROM sequin.records AS r
                LEFT JOIN processed AS p ON p.position = r.updated_idx AND p.value = r.data -> 'value'""",
                ),
                "the final version of each record processed",
            )
        finally:
            finished.set()

    in_threads(*(work(n) for n in range(6)), watch)
    assert consume(setup) == []


# Waiting


def test_wait_ends_with_the_change(db: Callable[[], Connection]) -> None:
    conn, writer = db(), db()
    create(conn)
    committed: dict[str, float] = {}
    delays: list[float] = []

    def write() -> None:
        for n in range(40):
            until(
                lambda: one(
                    writer,
                    "SELECT state = 'active' AND query LIKE '%%sequin.consume%%'"
                    " FROM pg_stat_activity WHERE pid = %s",
                    conn.info.backend_pid,
                ),
                "a wait",
            )
            time.sleep(0.01)
            put(writer, f"k{n}")
            committed[f"k{n}"] = time.monotonic()
            until(lambda n=n: len(delays) > n, "the delivery")

    def read() -> None:
        for _ in range(40):
            (delivery,) = consume(conn, wait="20 s")
            arrived = time.monotonic()
            until(lambda: delivery.key in committed, "the end of the commit")  # noqa: B023
            delays.append(max(arrived - committed[delivery.key], 0))
            ack(conn, [delivery])

    in_threads(write, read)
    assert statistics.median(delays) < 0.01


def test_wait_ends_in_time_and_holds_nothing(db: Callable[[], Connection]) -> None:
    conn, other = db(), db()
    create(conn, filter={"collection_id": CHARGE})
    put(conn, "a")
    started = time.monotonic()
    assert consume(conn, wait="300 ms") == []
    assert 0.3 <= time.monotonic() - started < 2

    put(conn, "b", collection=CHARGE)
    held = consume(conn)
    done = threading.Event()

    def wait() -> None:
        try:
            with pytest.raises(errors.QueryCanceled):
                consume(conn, wait="1 min")
        finally:
            done.set()

    def look() -> None:
        until(
            lambda: one(
                other, "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s", conn.info.backend_pid
            ),
            "a wait",
        )
        for n in range(20):
            put(other, f"noise{n}", f"noise{n + 1}")
            until(
                lambda: (
                    one(
                        other,
                        "SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype <> 'virtualxid'"
                        " AND (locktype <> 'relation' OR mode <> 'AccessShareLock')",
                        conn.info.backend_pid,
                    )
                    == 0
                ),
                "a wait without locks",
            )
        assert not done.is_set()
        one(other, "SELECT pg_cancel_backend(%s)", conn.info.backend_pid)

    in_threads(wait, look)
    assert ack(conn, held) == 1


def test_nack_and_ack_wake_who_waits(db: Callable[[], Connection]) -> None:
    conn, other = db(), db()
    create(conn)
    put(conn, "a", "b")
    held = consume(conn)
    put(conn, "b", value=1)
    assert consume(conn) == []
    got: list[Delivery] = []

    def wait() -> None:
        got.extend(consume(conn, 1, wait="20 s"))
        got.extend(consume(conn, 1, wait="20 s"))

    def settle() -> None:
        assert nack(other, held[:1]) == 1
        until(lambda: len(got) == 1, "the delivery after nack")
        assert ack(other, held[1:]) == 1

    started = time.monotonic()
    in_threads(wait, settle)
    assert [(d.key, d.value, d.count) for d in got] == [("a", 0, 2), ("b", 1, 1)]
    assert time.monotonic() - started < 5


# Bad input

BAD_CALLS = [
    ("SELECT sequin.consume('nobody')", errors.UndefinedObject),
    ("SELECT sequin.consume(NULL)", errors.UndefinedObject),
    ("SELECT sequin.consume('c', 0)", errors.InvalidParameterValue),
    ("SELECT sequin.consume('c', -1)", errors.InvalidParameterValue),
    ("SELECT sequin.consume('c', NULL)", errors.InvalidParameterValue),
    ("SELECT sequin.consume('c', 10000000)", errors.InvalidParameterValue),
    ("SELECT sequin.consume('c', 1, '-1 s')", errors.InvalidParameterValue),
    ("SELECT sequin.consume('c', 1, NULL)", errors.InvalidParameterValue),
    ("SELECT sequin.ack('nobody', '{}')", errors.UndefinedObject),
    ("SELECT sequin.ack('c', NULL)", errors.NullValueNotAllowed),
    ("SELECT sequin.ack('c', array_fill('1-1'::text, ARRAY[1000000]))", errors.InvalidParameterValue),
    ("SELECT sequin.nack('nobody', '{}')", errors.UndefinedObject),
    ("SELECT sequin.nack('c', NULL)", errors.NullValueNotAllowed),
    ("SELECT sequin.nack('c', '{}', '-1 s')", errors.InvalidParameterValue),
    ("SELECT sequin.nack('c', '{}', NULL)", errors.InvalidParameterValue),
    ("SELECT sequin.extend('nobody', '{}', '1 s')", errors.UndefinedObject),
    ("SELECT sequin.extend('c', NULL, '1 s')", errors.NullValueNotAllowed),
    ("SELECT sequin.extend('c', '{}', '0')", errors.InvalidParameterValue),
    ("SELECT sequin.extend('c', '{}', NULL)", errors.InvalidParameterValue),
    ("SELECT sequin.replay('nobody')", errors.UndefinedObject),
    ("SELECT sequin.replay('c', -1)", errors.InvalidParameterValue),
    ("SELECT sequin.replay('c', NULL)", errors.InvalidParameterValue),
    ("SELECT sequin.replay('c', 5, now())", errors.InvalidParameterValue),
    ("SELECT sequin.requeue('nobody')", errors.UndefinedObject),
    ("SELECT sequin.pause_consumer('nobody')", errors.UndefinedObject),
    ("SELECT sequin.resume_consumer('nobody')", errors.UndefinedObject),
    ("SELECT sequin.delete_consumer('nobody')", errors.UndefinedObject),
    ("SELECT sequin.update_consumer('nobody')", errors.UndefinedObject),
    ("SELECT sequin.update_consumer('c', ack_wait => '-1 s')", errors.InvalidParameterValue),
    ("SELECT sequin.update_consumer('c', max_deliver => 0)", errors.InvalidParameterValue),
    ("SELECT sequin.update_consumer('c', max_ack_pending => 0)", errors.InvalidParameterValue),
    ("SELECT sequin.update_consumer('c', filter => '[]')", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('c', 's')", errors.DuplicateObject),
    ("SELECT sequin.create_consumer('d', 'nothing')", errors.UndefinedObject),
    ("SELECT sequin.create_consumer('d', NULL)", errors.UndefinedObject),
    ("SELECT sequin.create_consumer(NULL, 's')", errors.NullValueNotAllowed),
    ("SELECT sequin.create_consumer('', 's')", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', NULL)", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', '\"x\"')", errors.InvalidParameterValue),
    (
        "SELECT sequin.create_consumer('d', 's', '{\"colection_id\": \"stripe:customer\"}')",
        errors.InvalidParameterValue,
    ),
    ("SELECT sequin.create_consumer('d', 's', '{\"collection_id\": []}')", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', '{\"collection_id\": [1]}')", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', '{\"collection_id\": null}')", errors.InvalidParameterValue),
    (
        "SELECT sequin.create_consumer('d', 's', '{\"collection_id\": \"customer\"}')",
        errors.InvalidParameterValue,
    ),
    ("SELECT sequin.create_consumer('d', 's', '{\"provider\": \"Not one\"}')", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', '{\"sync\": \"nobody\"}')", errors.UndefinedObject),
    ("SELECT sequin.create_consumer('d', 's', '{}', 'sometimes')", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', '{}', '-1 h')", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', '{}', NULL)", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', ack_wait => '0')", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', ack_wait => NULL)", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', max_deliver => 0)", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', max_ack_pending => 0)", errors.InvalidParameterValue),
    ("SELECT sequin.create_consumer('d', 's', metadata => NULL)", errors.NullValueNotAllowed),
]


@pytest.mark.parametrize(("call", "error"), BAD_CALLS, ids=[call for call, _ in BAD_CALLS])
def test_bad_input_is_refused_with_advice(
    db: Callable[[], Connection], call: str, error: type[psycopg.Error]
) -> None:
    conn = db()
    create(conn)
    with pytest.raises(error) as refusal:
        conn.execute(call)
    assert refusal.value.diag.message_detail
    assert refusal.value.diag.message_hint


def test_errors_name_what_there_is(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, name="invoices")
    with pytest.raises(errors.UndefinedObject) as refusal:
        consume(conn, consumer="invoicing")
    assert "'invoices'" in (refusal.value.diag.message_hint or "")
    with pytest.raises(errors.InvalidParameterValue) as refusal:
        create(conn, filter={"colection": "x"})
    for key in ("provider", "sync", "collection_id"):
        assert f'"{key}"' in (refusal.value.diag.message_hint or "")


def test_search_path_of_the_caller_does_not_matter(db: Callable[[], Connection]) -> None:
    conn = db()
    conn.execute("CREATE SCHEMA evil")
    conn.execute("CREATE FUNCTION evil.count(anyelement) RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0'")
    conn.execute(
        "CREATE FUNCTION evil.equal(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 1'"
    )
    conn.execute("CREATE OPERATOR evil.= (FUNCTION = evil.equal, LEFTARG = bigint, RIGHTARG = bigint)")
    conn.execute("SET search_path = evil, pg_catalog")
    create(conn)
    put(conn, *"abc")
    batch = consume(conn)
    assert ack(conn, batch[:1]) == nack(conn, batch[1:2]) == extend(conn, batch[2:], "1 s") == 1
    assert status(conn, "in_flight") == 1


def test_every_function_is_documented(db: Callable[[], Connection]) -> None:
    undocumented = (
        db()
        .execute(
            "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'sequin'::regnamespace"
            " AND proname ~ '^(consume|ack|nack|extend|replay|requeue|.*_consumer)$'"
            " AND obj_description(oid) IS NULL"
        )
        .fetchall()
    )
    assert undocumented == []


def test_what_could_not_be_taken_at_once_is_not_lost(db: Callable[[], Connection]) -> None:
    """A piece of the stream that a call cut for itself and had to leave ends before what is filtered out."""
    conn, other = db(), db()
    create(conn, filter={"collection_id": CHARGE})
    put(conn, "a", collection=CHARGE)
    put(conn, "z")
    with other.transaction(force_rollback=True):
        # As a call that has taken very many records and doesn't tell which.
        other.execute("SELECT sequin._enter(no, false) FROM sequin.consumers")
        assert consume(conn) == []
    assert keys(consume(conn)) == ["a"]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("SELECT sequin.ack('c', NULL)", "ack_tokens is NULL."),
        ("SELECT * FROM sequin.consume('c', 0)", "batch_size is 0."),
    ],
)
def test_errors_say_what_they_are_and_no_more(db: Callable[[], Connection], query: str, detail: str) -> None:
    conn = db()
    create(conn)
    with pytest.raises(psycopg.Error) as raised:
        conn.execute(query)
    assert raised.value.diag.message_detail == detail
    assert raised.value.diag.message_hint


def test_a_replay_waits_for_who_gives_back(db: Callable[[], Connection]) -> None:
    """Otherwise what is given back would be due again, and come by the replay as well: twice at a time."""
    conn, other, watching = db(), db(), db()
    create(conn)
    for key in "abc":
        put(conn, key)
    assert ack(conn, consume(conn, 1)) == 1
    taken = consume(conn, 1)
    replaying = threading.Thread(target=lambda: other.execute("SELECT sequin.replay('c')"))
    with conn.transaction():
        assert nack(conn, taken) == 1
        replaying.start()
        until(
            lambda: one(
                watching, "SELECT true FROM pg_locks WHERE NOT granted AND pid = %s", other.info.backend_pid
            ),
            "waiting",
        )
    replaying.join()
    assert sorted(keys(consume(conn))) == ["a", "b", "c"]
    assert consume(conn) == []


def test_an_open_transaction_leaves_everything_else_to_others(db: Callable[[], Connection]) -> None:
    conn, other = db(), db()
    create(conn)
    put(conn, *(f"k{number:02}" for number in range(30)))
    with conn.transaction():
        mine = consume(conn, 1)
        theirs = []
        while taken := consume(other, 2):
            theirs += keys(taken)
            ack(other, taken)
        assert len(mine) == 1
        assert len(theirs) == len(set(theirs)) == 29


@pytest.mark.parametrize(
    ("calls", "size", "max_ack_pending"),
    [
        pytest.param(10, 100, 1000, id="of max_ack_pending"),
        # A record that is locked costs shared memory; one that was only asked for doesn't.
        pytest.param(30, 200, 100_000, id="of the locks that it may have"),
    ],
)
def test_what_a_transaction_asked_for_and_did_not_get_is_left_to_others(
    db: Callable[[], Connection], calls: int, size: int, max_ack_pending: int
) -> None:
    conn, other = db(), db()
    create(conn, max_ack_pending=max_ack_pending)
    with conn.transaction():
        for number in range(calls):
            put(other, f"a{number}")
            assert len(consume(conn, size)) == 1
        put(other, *(f"b{number}" for number in range(50)))
        assert len(consume(other, 50)) == 50


def test_consume_acknowledges_what_it_is_given_first(db: Callable[[], Connection]) -> None:
    conn, other = db(), db()
    create(conn, max_ack_pending=2)
    put(conn, "a", "b", "c", "d", "e")
    first = consume(conn, 2)
    assert consume(conn, 2) == []
    taken = "SELECT ack_token, record ->> 'upstream_id' FROM sequin.consume('c', 2, ack => %s)"
    second = conn.execute(taken, ([delivery.token for delivery in first],)).fetchall()
    assert [row[1] for row in second] == ["c", "d"]
    # One of two, and one that is not live any more.
    third = conn.execute(taken, ([second[0][0], first[0].token],)).fetchall()
    assert [row[1] for row in third] == ["e"]
    with conn.transaction(force_rollback=True):
        assert conn.execute(taken, ([third[0][0]],)).fetchall() == []
    assert one(other, "SELECT in_flight FROM sequin.consumer_status WHERE consumer = 'c'") == 2


def test_consume_does_not_wait_with_an_acknowledgement_in_hand(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn)
    put(conn, "a")
    [taken] = consume(conn)
    began = time.monotonic()
    assert (
        conn.execute("SELECT * FROM sequin.consume('c', 1, '20 s', ack => %s)", ([taken.token],)).fetchall()
        == []
    )
    assert time.monotonic() - began < 10
    assert one(conn, "SELECT in_flight FROM sequin.consumer_status WHERE consumer = 'c'") == 0


@pytest.mark.parametrize("wait_for", ["-1 s", None])
def test_a_bad_wait_is_refused_with_an_acknowledgement_too(
    db: Callable[[], Connection], wait_for: str | None
) -> None:
    conn = db()
    create(conn)
    put(conn, "a")
    [taken] = consume(conn)
    with pytest.raises(errors.InvalidParameterValue, match="wait_for"):
        conn.execute(
            "SELECT * FROM sequin.consume('c', 1, %s::interval, ack => %s)", (wait_for, [taken.token])
        )
    assert ack(conn, [taken]) == 1, "what was refused has acknowledged nothing"
