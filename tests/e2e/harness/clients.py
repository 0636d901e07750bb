"""Sessions that consume at random and note what they saw, and the judgement of it: promise 5.

A delivery counts as live from when its call had returned until the first thing was sent that may have ended
it: two that overlap are a broken promise, not a matter of timing.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psycopg

from .consumers import Connection, one, until


@dataclass
class Delivery:
    consumer: str
    record: str
    """Its id."""
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
    """What all clients saw, and when sessions were ended from outside."""

    deliveries: list[Delivery] = field(default_factory=list)
    kills: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    crashes: list[float] = field(default_factory=list)
    """When all sessions were."""
    problems: list[str] = field(default_factory=list)


class Client:
    """A session that consumes, and is made anew whenever it is gone.

    `ack_wait` in seconds, as the consumer has it. `name` is the session's application_name.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        consumer: str,
        ack_wait: float,
        rng: random.Random,
        log: Log,
        name: str,
    ) -> None:
        self._connect = connect
        self._consumer = consumer
        self._ack_wait = ack_wait
        self._rng = rng
        self._log = log
        self._name = name

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                self._session(stop)
        except Exception as problem:
            self._log.problems.append(f"{self._consumer}: {problem!r}")
            raise

    def _session(self, stop: threading.Event) -> None:
        conn = self._connect()
        try:
            conn.execute("SELECT set_config('application_name', %s, false)", [self._name])
            while not stop.is_set():
                if self._rng.random() < 0.4:
                    self._in_a_transaction(conn)
                else:
                    self._at_once(conn)
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
                record["id"],
                position,
                token,
                begun=returned,
                ended=sent + self._ack_wait,
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


def end_sessions(conn: Connection, name: str, rng: random.Random, log: Log) -> None:
    """Terminates one of the sessions of that application_name, if there are any."""
    rows = conn.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s ORDER BY 1", [name])
    pids = [pid for (pid,) in rows]
    if pids:
        pid = rng.choice(pids)
        log.kills[pid].append(time.monotonic())
        conn.execute("SELECT pg_terminate_backend(%s)", [pid])


def drain(conn: Connection, consumers: list[str], log: Log) -> None:
    """Consumes until everything is settled, what has yet to expire among it."""

    def drained() -> bool:
        for name in consumers:
            rows = conn.execute("SELECT * FROM sequin.consume(%s, 1000)", [name]).fetchall()
            for token, record, position, _ in rows:
                now = time.monotonic()
                log.deliveries.append(Delivery(name, record["id"], position, token, now, now, None, True))
            tokens = [row[0] for row in rows]
            assert one(conn, "SELECT sequin.ack(%s, %s)", name, tokens) == len(tokens)
        left = "SELECT sum(pending + in_flight) FROM sequin.consumer_status WHERE consumer = ANY (%s)"
        return one(conn, left, consumers) == 0

    until(drained, "the last acknowledgement")


def judge(log: Log, due: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What was wrong with the deliveries.

    `due`: for each consumer, the records that its filter lets pass, and the position of their final version.
    """
    found: list[str] = []
    by_record: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
    for each in log.deliveries:
        ends = [*log.kills.get(each.pid, []), *_crashes(each, log)] if each.pid is not None else []
        for told in ends:
            # What was told to end before may have ended only after its answer.
            each.ended = min(each.ended, max(told, each.begun))
        by_record[each.consumer, each.record].append(each)

    for (consumer, record), deliveries in by_record.items():
        deliveries.sort(key=lambda each: each.begun)
        open_until, opened = 0.0, None
        for each in deliveries:
            if each.begun < open_until:
                found.append(f"{consumer}: a delivery of {record} while another was live: {opened}, {each}")
            if each.ended > open_until:
                open_until, opened = each.ended, each
        acked = [each.position for each in deliveries if each.acked]
        if len(acked) != len(set(acked)):
            found.append(f"{consumer} acknowledged a version of {record} twice: {acked}")

    for consumer, finals in due.items():
        for record, position in finals.items():
            seen = by_record[consumer, record]
            if not any(each.position == position and each.acked is not False for each in seen):
                found.append(
                    f"{consumer} never acknowledged the final version of {record}, {position}: {seen[-3:]}"
                )
    return found


def _crashes(delivery: Delivery, log: Log) -> list[float]:
    """The crashes that may have ended it: those since it was on its way to the client."""
    return [moment for moment in log.crashes if moment > delivery.begun - 1.0]
