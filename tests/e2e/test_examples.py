"""The workers in `examples`: they lose nothing, repeat nothing, and stop when they are told to."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from harness import Cluster, Database
from harness.consumers import Connection, consume, create, keys, one, put, status, until

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "examples"


class Process:
    """A running example, and what it has written so far."""

    def __init__(self, command: list[str], database: Database, **environment: str) -> None:
        environment |= {
            "DATABASE_URL": f"postgresql:///{database.name}?user=postgres&host={database.cluster.directory}",
            "NODE_PATH": str(CHECKOUT / "tests" / "node_modules"),
        }
        self.handled: list[str] = []
        self.log: list[str] = []
        self._process = subprocess.Popen(
            [*command, "c"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self._readers = [
            threading.Thread(target=self._read, args=each, daemon=True)
            for each in (
                (self._process.stdout, lambda line: self.handled.append(json.loads(line)["id"])),
                (self._process.stderr, self.log.append),
            )
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: IO[str], take: Callable[[str], None]) -> None:
        for line in stream:
            take(line)

    def logged(self, text: str) -> bool:
        return any(text in line for line in self.log)

    def kill(self) -> None:
        self._process.kill()
        self.end()

    def end(self) -> int:
        """Its exit status, once it has ended by itself."""
        status = self._process.wait(timeout=30)
        for reader in self._readers:
            reader.join()
        return status

    def stop(self) -> int:
        """Tells it to; returns the exit status."""
        asked = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        status = self.end()
        assert time.monotonic() - asked < 5, "it took its time to stop"
        return status


@pytest.fixture(scope="module")
def rust_worker() -> str:
    target = CHECKOUT / "target"
    subprocess.run(
        ["cargo", "build", "--quiet", "--locked", "--manifest-path", str(EXAMPLES / "rust" / "Cargo.toml")],
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        check=True,
    )
    return str(target / "debug" / "sequin-example-worker")


@pytest.fixture
def start(database: Database) -> Iterator[Callable[..., Process]]:
    """Starts a command as a consumer of the database."""
    started: list[Process] = []

    def start(*command: str, **environment: str) -> Process:
        started.append(Process(list(command), database, **environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()


# A cold build of the Rust worker can take minutes beside other builds.
@pytest.fixture(params=["python", "node", pytest.param("rust", marks=pytest.mark.timeout(900))])
def worker(request: pytest.FixtureRequest, start: Callable[..., Process]) -> Callable[..., Process]:
    """Starts one of the workers."""
    match request.param:
        case "python":
            command = [sys.executable, str(EXAMPLES / "python" / "worker.py")]
        case "node":
            command = ["node", str(EXAMPLES / "node" / "worker.js")]
        case _:
            command = [request.getfixturevalue("rust_worker")]
    return lambda **environment: start(*command, **environment)


def put_contacts(conn: Connection, *ids: str, email: str | None = "Ada@example.com") -> None:
    data = json.dumps({"email": email})
    with conn.transaction():
        put(conn, *ids)
        conn.execute("UPDATE sequin.records SET data = %s WHERE upstream_id = ANY (%s)", [data, list(ids)])


def is_settled(conn: Connection) -> bool:
    return status(conn, "pending") == 0 and status(conn, "in_flight") == 0


def session_of_worker(conn: Connection) -> int | None:
    """Its server process, once it has consumed."""
    return one(
        conn,
        """SELECT pid FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%%sequin.consume(%%'
           ORDER BY random() LIMIT 1""",
    )


# The workers


def test_handles_what_is_there_and_what_comes(
    db: Callable[[], Connection], worker: Callable[..., Process]
) -> None:
    conn = db()
    create(conn)
    ids = [f"cus_{n:03}" for n in range(120)]
    put_contacts(conn, *ids)
    process = worker()
    until(lambda: len(process.handled) == 120, "handling of what is there")
    assert process.handled == ids
    put_contacts(conn, "cus_late")
    until(lambda: process.handled[120:] == ["cus_late"], "handling of what came later")
    assert process.stop() == 0
    assert is_settled(conn)
    assert not process.log


def test_what_fails_comes_again_later(db: Callable[[], Connection], worker: Callable[..., Process]) -> None:
    conn = db()
    create(conn, max_deliver=2)
    put_contacts(conn, "before")
    put_contacts(conn, "bad", email=None)
    put_contacts(conn, "after")
    process = worker()
    until(lambda: process.logged("bad failed, again in 1 s"), "the failure")
    failed = time.monotonic()
    until(lambda: status(conn, "dead") == 1, "giving up")
    assert time.monotonic() - failed > 0.8
    assert process.logged("bad failed, again in 2 s")
    assert process.handled == ["before", "after"]
    put_contacts(conn, "bad")
    until(lambda: process.handled[2:] == ["bad"], "handling of the version that is good")
    assert process.stop() == 0
    assert is_settled(conn)


def test_long_work_keeps_its_records(db: Callable[[], Connection], worker: Callable[..., Process]) -> None:
    conn = db()
    create(conn, ack_wait="1.5 s")
    put_contacts(conn, "first", "second")
    process = worker(WORK_SECONDS="1.6")
    until(lambda: status(conn, "in_flight") == 2, "the delivery")

    def rival_gets_nothing() -> bool:
        assert consume(conn) == []
        return is_settled(conn)

    until(rival_gets_nothing, "the acknowledgement")
    assert process.handled == ["first", "second"]
    assert process.stop() == 0


def test_stopping_gives_back_what_it_has_not_begun(
    db: Callable[[], Connection], worker: Callable[..., Process]
) -> None:
    conn = db()
    create(conn)
    ids = [f"cus_{n:02}" for n in range(40)]
    put_contacts(conn, *ids)
    process = worker(WORK_SECONDS="0.2")
    until(lambda: process.handled, "handling")
    assert process.stop() == 0
    rest = keys(consume(conn))
    assert rest
    assert process.handled + rest == ids


def test_the_server_may_go_away(
    cluster: Cluster, db: Callable[[], Connection], worker: Callable[..., Process]
) -> None:
    conn = db()
    create(conn)
    put_contacts(conn, "a", "b")
    process = worker(WORK_SECONDS="0.4")
    until(lambda: status(conn, "in_flight") == 2, "the delivery")
    conn.execute("SELECT pg_terminate_backend(%s, 10000)", [session_of_worker(conn)])
    until(lambda: is_settled(conn), "the acknowledgement over another connection")
    assert process.handled == ["a", "b"]

    cluster.restart()
    conn = db()
    put_contacts(conn, "c")
    until(lambda: process.handled[2:] == ["c"], "handling after the restart")
    until(lambda: is_settled(conn), "the acknowledgement after the restart")

    cluster.stop()
    until(lambda: process.log and "trying again" in process.log[-1], "an attempt to connect")
    assert process.stop() == 1


def test_a_mistake_ends_it(db: Callable[[], Connection], worker: Callable[..., Process]) -> None:
    process = worker()
    assert process.end() == 1
    assert process.logged("consumer 'c' does not exist")


# Exactly once

# Beside the table of the example, what notes each version that is applied and makes that take its time.
TABLES = """
    CREATE TABLE contacts (id text PRIMARY KEY, email text NOT NULL, deleted bool NOT NULL,
                           version bigint NOT NULL, changes int NOT NULL DEFAULT 1);
    CREATE TABLE applied (id text, version bigint);
    CREATE TABLE pace (seconds float);
    INSERT INTO pace VALUES (0);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO applied VALUES (new.id, new.version);
            PERFORM pg_sleep(seconds) FROM pace;
            RETURN NULL;
        END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION note()"""


@pytest.fixture
def exactly_once(start: Callable[..., Process]) -> Callable[[], Process]:
    """Starts the worker that applies each change exactly once."""
    return lambda: start(sys.executable, str(EXAMPLES / "python" / "exactly_once.py"))


def is_applied(conn: Connection) -> bool:
    """Whether the table has the latest version of each record."""
    return (
        is_settled(conn)
        and not conn.execute(
            """SELECT 1 FROM sequin.records AS r LEFT JOIN contacts AS c ON c.id = r.upstream_id
           WHERE c.version IS DISTINCT FROM r.updated_idx"""
        ).fetchall()
    )


def applied_twice(conn: Connection) -> list[tuple[str, int, int]]:
    """What was applied more than once, and what the table counts more often than it was applied."""
    return conn.execute(
        """SELECT id, c.changes, count(a) FROM contacts AS c FULL JOIN applied AS a USING (id) GROUP BY 1, 2
           HAVING c.changes IS DISTINCT FROM count(a) OR count(a) > count(DISTINCT a.version)"""
    ).fetchall()


def test_exactly_once_whatever_is_killed(
    db: Callable[[], Connection], exactly_once: Callable[[], Process]
) -> None:
    conn, writing = db(), db()
    # What were delivered outside of the transaction would come a second time before it changes again.
    create(conn, ack_wait="1 s")
    conn.execute(TABLES)
    conn.execute("UPDATE pace SET seconds = 0.005")
    chance = random.Random(3)
    done = threading.Event()

    def write() -> None:
        choice, ids = random.Random(4), [f"cus_{n:03}" for n in range(500)]
        while not done.wait(0.01):
            put_contacts(writing, *choice.sample(ids, 3))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        workers = [exactly_once(), exactly_once()]
        for _ in range(12):
            before = one(conn, "SELECT count(*) FROM applied")
            until(lambda before=before: one(conn, "SELECT count(*) FROM applied") > before, "progress")
            time.sleep(chance.uniform(0, 0.1))
            if chance.random() < 0.5:
                conn.execute("SELECT pg_terminate_backend(%s)", [session_of_worker(conn)])
            else:
                workers.pop(0).kill()
                workers.append(exactly_once())
    finally:
        done.set()
        writer.join()
    until(lambda: is_applied(conn), "the last versions")
    # One that is still starting has not said yet what it does when it is told to stop.
    until(lambda: all(process.logged("connected") for process in workers), "connections")
    assert [process.stop() for process in workers] == [0, 0]
    assert not applied_twice(conn)


def test_a_batch_that_takes_too_long_is_undone(
    db: Callable[[], Connection], exactly_once: Callable[[], Process]
) -> None:
    conn = db()
    create(conn, ack_wait="400 ms")
    conn.execute(TABLES)
    conn.execute("UPDATE pace SET seconds = 0.5")
    put_contacts(conn, "a")
    process = exactly_once()
    until(lambda: process.logged("took longer than the consumer's ack_wait"), "the time-out")
    conn.execute("UPDATE pace SET seconds = 0")
    until(lambda: is_applied(conn), "another try")
    assert process.stop() == 0
    assert not applied_twice(conn)


def test_what_cannot_be_applied_undoes_nothing_else(
    db: Callable[[], Connection], exactly_once: Callable[[], Process]
) -> None:
    conn = db()
    create(conn, max_deliver=1)
    conn.execute(TABLES)
    put_contacts(conn, "before")
    put_contacts(conn, "bad", email=None)
    put_contacts(conn, "after")
    process = exactly_once()
    until(lambda: status(conn, "dead") == 1, "giving up")
    assert conn.execute("SELECT id FROM contacts ORDER BY version").fetchall() == [("before",), ("after",)]
    put_contacts(conn, "bad")
    until(lambda: is_applied(conn), "the version that is good")
    assert process.stop() == 0
