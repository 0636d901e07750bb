"""Many sessions consume while records change at full speed and sessions are terminated at random."""

import os
import random
import threading
from collections.abc import Callable

import psycopg
import pytest
from harness import Database
from harness.clients import Client, Log, drain, end_sessions, judge
from harness.consumers import CHARGE, CUSTOMER, Connection, put

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
SESSIONS = "stress"


def _write(conn: Callable[[], Connection], rng: random.Random, stop: threading.Event, log: Log) -> None:
    session = conn()
    session.execute(f"SET application_name = '{SESSIONS}'")
    while not stop.is_set():
        keys = sorted({f"k{rng.randrange(KEYS)}" for _ in range(rng.randrange(1, 12))})
        collection = rng.choice([CHARGE, CUSTOMER])
        try:
            put(session, *keys, value=rng.random(), collection=collection, deleted=rng.random() < 0.1)
        except psycopg.OperationalError:
            session = conn()
            session.execute(f"SET application_name = '{SESSIONS}'")
        except Exception as problem:
            log.problems.append(f"writer: {problem!r}")
            raise


def _kill(conn: Connection, rng: random.Random, stop: threading.Event, log: Log) -> None:
    while not stop.wait(rng.random() * 0.1):
        end_sessions(conn, SESSIONS, rng, log)


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
        for _ in range(sessions):
            client = Client(database.connect, name, ACK_WAIT, next(rngs), log, SESSIONS)
            threads.append(threading.Thread(target=client.run, args=[stop]))
    for thread in threads:
        thread.start()
    stop.wait(SECONDS)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not log.problems, log.problems
    drain(conn, list(CONSUMERS), log)

    assert len(log.deliveries) > 1000, "there was too little to judge"
    assert log.kills, "no session was terminated"
    records = conn.execute("SELECT id::text, collection_id, updated_idx FROM sequin.records").fetchall()
    charges = {record: position for record, collection, position in records if collection == CHARGE}
    everything = {record: position for record, _, position in records}
    problems = judge(log, {"plain": everything, "charges": charges, "narrow": everything})
    assert not problems, f"{len(problems)} problems, the first: {problems[0]}"
    strays = {each.record for each in log.deliveries if each.consumer == "charges"} - charges.keys()
    assert not strays, f"the filter let {len(strays)} records pass that it should not, such as {min(strays)}"
