"""The batch mode: a consumer that is a position, which moves when a transaction commits."""

import threading
import time
from collections.abc import Callable

import pytest
from harness.consumers import CHARGE, Connection, ack, consume, create, one, put, status, until
from psycopg import errors


def fetch(conn: Connection, batch: int = 1000, wait: str = "0") -> list[str]:
    """The upstream ids of one call of sequin.fetch."""
    rows = conn.execute("SELECT * FROM sequin.fetch('c', %s, %s::interval)", [batch, wait]).fetchall()
    assert [record["updated_idx"] for _, record in rows] == [position for position, _ in rows]
    assert rows == sorted(rows, key=lambda row: row[0])
    return [record["upstream_id"] for _, record in rows]


def test_gives_each_version_once_and_in_order(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, mode="batch")
    assert fetch(conn) == []
    put(conn, *"abcde")
    assert fetch(conn, 2) == ["a", "b"]
    assert status(conn, "pending") == 3
    put(conn, "d", "a", value=1)
    assert fetch(conn, 2) == ["c", "e"]
    assert fetch(conn, 10) == ["d", "a"]
    assert fetch(conn) == []
    assert status(conn, "pending") == 0


def test_records_are_those_of_record_json(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, mode="batch")
    put(conn, "a", deleted=True)
    record = one(conn, "SELECT record FROM sequin.fetch('c')")
    assert record == one(conn, "SELECT sequin.record_json(r) FROM sequin.records AS r")


def test_a_rollback_leaves_it_where_it_was(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, mode="batch")
    put(conn, *"abc")
    with conn.transaction(force_rollback=True):
        assert fetch(conn, 2) == ["a", "b"]
        assert fetch(conn, 2) == ["c"]
    with conn.transaction():
        assert fetch(conn, 1) == ["a"]
        with conn.transaction(force_rollback=True):
            assert fetch(conn, 1) == ["b"]
        assert fetch(conn, 1) == ["b"]
    assert fetch(conn) == ["c"]


def test_a_second_session_waits_for_the_first(db: Callable[[], Connection]) -> None:
    first, second, watcher = db(), db(), db()
    create(first, mode="batch")
    put(first, *"abcd")
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.extend(fetch(second, 2)))
    with first.transaction():
        assert fetch(first, 2) == ["a", "b"]
        thread.start()
        until(
            lambda: one(
                watcher,
                "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s",
                second.info.backend_pid,
            ),
            "the second session's wait",
        )
    thread.join()
    assert got == ["c", "d"]


def test_many_sessions_get_each_record_once(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, mode="batch")
    wanted = [f"k{n}" for n in range(500)]
    put(conn, *wanted)
    got: list[str] = []

    def work(mine: Connection) -> None:
        while batch := fetch(mine, 7):
            got.extend(batch)

    threads = [threading.Thread(target=work, args=[db()]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(wanted)


def test_a_filter_leaves_out_and_passes_over(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, mode="batch", filter={"collection_id": CHARGE})
    put(conn, *(f"k{n}" for n in range(5000)))
    put(conn, *"ab", collection=CHARGE)
    put(conn, "z")
    put(conn, "c", collection=CHARGE)
    assert fetch(conn, 2) == ["a", "b"]
    assert fetch(conn, 2) == ["c"]
    put(conn, "y")
    assert fetch(conn) == []
    assert status(conn, "position") == one(conn, "SELECT max(updated_idx) FROM sequin.records")


@pytest.mark.parametrize(("policy", "expected"), [("all", ["a", "b"]), ("new", []), ("last", ["b"])])
def test_starts_where_the_deliver_policy_says(
    db: Callable[[], Connection], policy: str, expected: list[str]
) -> None:
    conn = db()
    put(conn, *"ab")
    create(conn, mode="batch", deliver_policy=policy)
    put(conn, "c")
    assert fetch(conn) == [*expected, "c"]


def test_replay_pause_and_delete(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, mode="batch")
    put(conn, *"abc")
    fetch(conn, 2)
    second = one(conn, "SELECT updated_idx FROM sequin.records WHERE upstream_id = 'b'")
    conn.execute("SELECT sequin.replay('c', %s)", [second])
    assert fetch(conn, 1) == ["b"]
    conn.execute("SELECT sequin.replay('c')")
    assert fetch(conn) == ["a", "b", "c"]
    conn.execute("SELECT sequin.replay('c')")
    conn.execute("SELECT sequin.pause_consumer('c')")
    assert fetch(conn, wait="50 ms") == []
    conn.execute("SELECT sequin.resume_consumer('c')")
    assert fetch(conn) == ["a", "b", "c"]
    conn.execute("SELECT sequin.delete_consumer('c')")
    assert one(conn, "SELECT count(*) FROM sequin._consumer_cursors") == 0


def test_waits_until_something_commits(db: Callable[[], Connection]) -> None:
    conn, writer = db(), db()
    create(conn, mode="batch", filter={"collection_id": CHARGE})
    began = time.monotonic()
    assert fetch(conn, wait="100 ms") == []
    assert time.monotonic() - began >= 0.1
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.extend(fetch(conn, wait="30 s")))
    thread.start()
    until(
        lambda: one(
            writer,
            "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = %s",
            conn.info.backend_pid,
        ),
        "the wait",
    )
    assert not one(
        writer,
        "SELECT count(*) FROM pg_locks"
        " WHERE pid = %s AND mode LIKE '%%Exclusive%%' AND locktype <> 'virtualxid'",
        conn.info.backend_pid,
    )
    put(writer, "no")
    put(writer, "a", collection=CHARGE)
    thread.join(20)
    assert got == ["a"]


def test_an_old_snapshot_costs_nothing(db: Callable[[], Connection]) -> None:
    """Each commit leaves a dead row of the cursor; those that can't be vacuumed are not looked at."""
    conn, old = db(), db()
    create(conn, mode="batch")
    put(conn, *(f"k{n}" for n in range(3000)))
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    old.execute("SELECT 1 FROM sequin.streams")

    def pages() -> int:
        conn.execute("SELECT pg_stat_force_next_flush()")
        return one(
            conn,
            "SELECT heap_blks_hit + heap_blks_read FROM pg_statio_user_tables"
            " WHERE relname = '_consumer_cursors'",
        )

    for _ in range(1500):
        conn.execute("SELECT 1 FROM sequin.fetch('c', 1)")
    before = pages()
    for _ in range(50):
        conn.execute("SELECT 1 FROM sequin.fetch('c', 1)")
    assert (pages() - before) / 50 < 20


def test_the_modes_are_not_mixed(db: Callable[[], Connection]) -> None:
    conn = db()
    create(conn, mode="batch")
    create(conn, name="q")
    for call, word in (("consume('c')", "sequin.fetch"), ("fetch('q')", "sequin.consume")):
        with pytest.raises(errors.ObjectNotInPrerequisiteState) as refused:
            conn.execute(f"SELECT * FROM sequin.{call}")
        assert word in (refused.value.diag.message_detail or "")
        assert refused.value.diag.message_hint
    put(conn, "a")
    (delivery,) = consume(conn, consumer="q")
    assert ack(conn, [delivery], consumer="c") == 0


@pytest.mark.parametrize("batch", [None, 0, -1, 10_001, 10_000_000])
def test_bad_sizes_are_refused(db: Callable[[], Connection], batch: int | None) -> None:
    conn = db()
    create(conn, mode="batch")
    with pytest.raises(errors.InvalidParameterValue) as refused:
        conn.execute("SELECT * FROM sequin.fetch('c', %s)", [batch])
    assert str(batch or "") in (refused.value.diag.message_detail or "")


@pytest.mark.parametrize("settings", [{"mode": "x"}, {"mode": None}, {"mode": "batch", "max_deliver": 3}])
def test_bad_settings_are_refused(db: Callable[[], Connection], settings: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidParameterValue) as refused:
        create(db(), **settings)
    assert refused.value.diag.message_hint


def test_an_old_snapshot_of_its_own_is_a_serialization_failure(db: Callable[[], Connection]) -> None:
    conn, other = db(), db()
    create(conn, mode="batch")
    put(conn, *"ab")
    conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    conn.execute("SELECT 1 FROM sequin.streams")
    assert fetch(other, 1) == ["a"]
    with pytest.raises(errors.SerializationFailure):
        fetch(conn, 1)
    conn.execute("ROLLBACK")
    assert fetch(conn) == ["b"]
