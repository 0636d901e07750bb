"""From commit to delivery: 1,000 messages a second, each a transaction, and one consumer that waits."""

import statistics
import threading
import time

from harness import Database
from psycopg import pq
from report import Report
from server import bench_cluster
from stream import fill, make_stream

RATE = 1000
SECONDS = 15
P50, P99 = 10.0, 50.0
"""Milliseconds."""
WRITE = """
    WITH locked AS MATERIALIZED (SELECT sequin._lock_stream(stream_id), stream_id, id FROM sequin.syncs)
    INSERT INTO sequin.records (stream_id, id, sync_id, provider, collection_id, upstream_id, data,
                                updated_idx, observed_at, data_hash)
    SELECT stream_id, gen_random_uuid(), id, 'stripe', 'stripe:customer', $1, '{}',
           nextval('sequin.updated_idx'), now(), gen_random_uuid()
    FROM locked"""


def run(report: Report) -> None:
    with bench_cluster() as cluster:
        database = cluster.database("delivery")
        make_stream(database)
        fill(database, 1000)
        database.sql("SELECT sequin.create_consumer('bench', 'bench', deliver_policy => 'new')")
        sent: dict[str, float] = {}
        delivered: dict[str, float] = {}
        writer = threading.Thread(target=_write, args=[database, sent])
        writer.start()
        _consume(database, delivered, RATE * SECONDS)
        writer.join()
    waits = sorted(1000 * (delivered[key] - at) for key, at in sent.items())
    report.note(f"{len(waits):,} messages in {SECONDS} s, sent at an even pace")
    report.judged("p50", statistics.median(waits), "ms", at_most=P50)
    report.judged("p99", waits[int(len(waits) * 0.99)], "ms", at_most=P99)
    report.measured("longest", [waits[-1]], "ms")


def _write(database: Database, sent: dict[str, float]) -> None:
    """Notes when each transaction was sent, so that what is measured holds the commit itself too."""
    with database.connect() as connection:
        raw = connection.pgconn
        raw.prepare(b"write", WRITE.encode())
        began = time.monotonic()
        for n in range(RATE * SECONDS):
            due = began + n / RATE
            if (ahead := due - time.monotonic()) > 0:
                time.sleep(ahead)
            key = f"message {n}"
            sent[key] = time.monotonic()
            written = raw.exec_prepared(b"write", [key.encode()])
            assert written.status == pq.ExecStatus.COMMAND_OK, written.error_message


def _consume(database: Database, delivered: dict[str, float], count: int) -> None:
    with database.connect() as connection:
        while len(delivered) < count:
            rows = connection.execute(
                "SELECT ack_token, record ->> 'upstream_id'"
                " FROM sequin.consume('bench', 100, wait_for => '10 s')"
            ).fetchall()
            now = time.monotonic()
            assert rows, "nothing came"
            delivered.update((key, now) for _, key in rows)
            connection.execute("SELECT sequin.ack('bench', %s)", [[token for token, _ in rows]])
