"""Many sessions consume while records change at full speed and sessions are terminated at random.

What the clients saw is judged afterwards. A delivery counts as live from when its call had returned until the
first thing was sent that may have ended it: two that overlap are a broken promise, not a matter of timing.
"""

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from harness import Database
from harness.consumers import CHARGE, CUSTOMER, Connection, one, put, until

SECONDS = float(os.environ.get("SEQUIN_STRESS_SECONDS", "12"))
SEED = int(os.environ.get("SEQUIN_STRESS_SEED", str(random.randrange(1_000_000))))
KEYS = 200
ACK_WAIT = 1.5
WRITERS = 2
# How many sessions consume for each, and its settings.
CONSUMERS = {
    "plain": (6, ""),
    "charges": (5, f""", filter => '{{"collection_id": "{CHARGE}"}}'"""),
    "narrow": (5, ", max_ack_pending => 25"),
}


@dataclass
class Delivery:
    consumer: str
    key: tuple[str, str]
    position: int
    token: str
    begun: float
    """When it was surely live."""
    ended: float
    """When it may have ended."""
    pid: int | None
    """Of the session whose end ends it too: its transaction is open."""
    acked: bool | None = False
    """None: nobody knows."""


@dataclass
class Log:
    """What all clients saw."""

    deliveries: list[Delivery] = field(default_factory=list)
    kills: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)


class Client:
    """A session that consumes, and is made anew whenever it is gone."""

    def __init__(self, database: Database, consumer: str, rng: random.Random, log: Log) -> None:
        self._database = database
        self._consumer = consumer
        self._rng = rng
        self._log = log

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                with self._session() as conn:
                    while not stop.is_set():
                        if self._rng.random() < 0.4:
                            self._in_a_transaction(conn)
                        else:
                            self._at_once(conn)
        except Exception as problem:
            self._log.problems.append(f"{self._consumer}: {problem!r}")
            raise

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        conn = self._database.connect()
        conn.execute("SET application_name = 'stress'")
        try:
            yield conn
        except psycopg.OperationalError:
            assert conn.closed, "the session failed, and was not terminated"
        finally:
            conn.close()

    def _at_once(self, conn: Connection) -> None:
        taken = self._consume(conn, pid=None)
        choice = self._rng.random()
        if choice < 0.05:
            return  # they expire
        share = len(taken) if choice < 0.7 else self._rng.randrange(len(taken) + 1)
        self._settle(conn, taken[:share], "ack")
        if self._rng.random() < 0.8:
            self._settle(conn, taken[share:], "nack")

    def _in_a_transaction(self, conn: Connection) -> None:
        conn.execute("BEGIN")
        taken: list[Delivery] = []
        for _ in range(self._rng.randrange(1, 3)):
            taken += self._consume(conn, pid=conn.info.backend_pid)
        share = self._rng.randrange(len(taken) + 1) if self._rng.random() < 0.3 else len(taken)
        # What has been acknowledged, but not committed, is still this transaction's.
        count = one(conn, "SELECT sequin.ack(%s, %s)", self._consumer, [each.token for each in taken[:share]])
        if count != share and all(each.ended > time.monotonic() for each in taken[:share]):
            self._log.problems.append(f"{self._consumer}: {count} of {share} tokens were live")
        commits = self._rng.random() < 0.7
        now = time.monotonic()
        for number, each in enumerate(taken):
            if number < share or not commits:
                each.ended = min(each.ended, now)
            if number < share and commits:
                each.acked = None
        conn.execute("COMMIT" if commits else "ROLLBACK")
        for number, each in enumerate(taken):
            # Left in flight, by a transaction that is over: from now on only time ends it.
            each.pid = each.pid if number < share or not commits else None
            if number < share and commits:
                each.acked = True if count == share else None

    def _consume(self, conn: Connection, pid: int | None) -> list[Delivery]:
        sent = time.monotonic()
        rows = conn.execute(
            "SELECT * FROM sequin.consume(%s, %s, %s::interval)",
            [self._consumer, self._rng.randrange(1, 30), self._rng.choice(["0", "20 ms"])],
        ).fetchall()
        returned = time.monotonic()
        taken = [
            Delivery(
                self._consumer,
                (record["collection_id"], record["upstream_id"]),
                position,
                token,
                begun=returned,
                ended=sent + ACK_WAIT,
                pid=pid,
            )
            for token, record, position, _ in rows
        ]
        self._log.deliveries += taken
        return taken

    def _settle(self, conn: Connection, deliveries: list[Delivery], function: str) -> None:
        now = time.monotonic()
        for each in deliveries:
            each.ended = min(each.ended, now)
            each.acked = None if function == "ack" else False
        tokens = [each.token for each in deliveries]
        count = one(conn, f"SELECT sequin.{function}(%s, %s)", self._consumer, tokens)
        if count == len(deliveries) and function == "ack":
            for each in deliveries:
                each.acked = True


def _write(conn: Callable[[], Connection], rng: random.Random, stop: threading.Event, log: Log) -> None:
    session = conn()
    session.execute("SET application_name = 'stress'")
    while not stop.is_set():
        keys = sorted({f"k{rng.randrange(KEYS)}" for _ in range(rng.randrange(1, 12))})
        collection = rng.choice([CHARGE, CUSTOMER])
        try:
            put(session, *keys, value=rng.random(), collection=collection, deleted=rng.random() < 0.1)
        except psycopg.OperationalError:
            session = conn()
            session.execute("SET application_name = 'stress'")
        except Exception as problem:
            log.problems.append(f"writer: {problem!r}")
            raise


def _kill(conn: Connection, rng: random.Random, stop: threading.Event, log: Log) -> None:
    while not stop.wait(rng.random() * 0.1):
        pids = [
            pid
            for (pid,) in conn.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'stress'")
        ]
        if pids:
            pid = rng.choice(pids)
            log.kills[pid].append(time.monotonic())
            conn.execute("SELECT pg_terminate_backend(%s)", [pid])


@pytest.mark.cluster_settings(max_connections="60")
def test_nothing_is_lost_and_nothing_is_in_flight_twice(
    database: Database, db: Callable[[], Connection]
) -> None:
    print(f"SEQUIN_STRESS_SEED={SEED}")
    conn = db()
    for name, (_, settings) in CONSUMERS.items():
        conn.execute(f"SELECT sequin.create_consumer('{name}', 's', ack_wait => '{ACK_WAIT} s'{settings})")
    log, stop = Log(), threading.Event()
    rngs = (random.Random(SEED * 1000 + n) for n in range(100))
    threads = [threading.Thread(target=_write, args=[db, next(rngs), stop, log]) for _ in range(WRITERS)]
    threads.append(threading.Thread(target=_kill, args=[db(), next(rngs), stop, log]))
    for name, (sessions, _) in CONSUMERS.items():
        clients = [Client(database, name, next(rngs), log) for _ in range(sessions)]
        threads += [threading.Thread(target=client.run, args=[stop]) for client in clients]
    for thread in threads:
        thread.start()
    stop.wait(SECONDS)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not log.problems, log.problems
    _drain(conn, log)
    _judge(conn, log)


def _drain(conn: Connection, log: Log) -> None:
    """Consumes until everything is settled, what has yet to expire among it."""

    def drained() -> bool:
        for name in CONSUMERS:
            rows = conn.execute("SELECT * FROM sequin.consume(%s, 1000)", [name]).fetchall()
            for token, record, position, _ in rows:
                now = time.monotonic()
                key = (record["collection_id"], record["upstream_id"])
                log.deliveries.append(Delivery(name, key, position, token, now, now, None, acked=True))
            tokens = [row[0] for row in rows]
            assert one(conn, "SELECT sequin.ack(%s, %s)", name, tokens) == len(tokens)
        return one(conn, "SELECT sum(pending + in_flight) FROM sequin.consumer_status") == 0

    until(drained, "the last acknowledgement")


def _judge(conn: Connection, log: Log) -> None:
    by_record: dict[tuple[str, tuple[str, str]], list[Delivery]] = defaultdict(list)
    for each in log.deliveries:
        for killed in log.kills.get(each.pid or 0, []):
            # What was told to end before may have ended only after its answer.
            each.ended = min(each.ended, max(killed, each.begun))
        by_record[each.consumer, each.key].append(each)
    assert len(log.deliveries) > 1000, "there was too little to judge"
    assert log.kills, "no session was terminated"

    overlaps = []
    for deliveries in by_record.values():
        deliveries.sort(key=lambda each: each.begun)
        open_until, opened = 0.0, None
        for each in deliveries:
            if each.begun < open_until:
                overlaps.append((opened, each))
            if each.ended > open_until:
                open_until, opened = each.ended, each
    assert not overlaps, f"{len(overlaps)} deliveries while another was live, the first: {overlaps[0]}"

    for (consumer, key), deliveries in by_record.items():
        acked = [each.position for each in deliveries if each.acked]
        assert len(acked) == len(set(acked)), f"{consumer} acknowledged a version of {key} twice: {acked}"
    final = conn.execute("SELECT collection_id, upstream_id, updated_idx FROM sequin.records").fetchall()
    for collection, key, position in final:
        for consumer in CONSUMERS:
            if consumer == "charges" and collection != CHARGE:
                assert (consumer, (collection, key)) not in by_record
                continue
            seen = by_record[consumer, (collection, key)]
            assert any(each.position == position and each.acked is not False for each in seen), (
                f"{consumer} never acknowledged the final version of {key}, {position}: {seen[-3:]}"
            )
