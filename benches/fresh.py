"""Changes of one collection while a million records of another are backfilled, at sequin.poll_interval = 1s.

From a change upstream to the record at a consumer that waits. There is no rate limit, so that the backfill
takes all that the worker can do.
"""

import math
import random
import statistics
import threading
import time

from accounts import add_objects
from harness import Database, Fake, eventually
from harness.sync import create_credential
from psycopg.types.json import Jsonb
from report import Report
from server import bench_cluster

RECORDS = 1_000_000
# As many as the backfill lasts; fewer than FEWEST would say nothing.
FEWEST, MOST = 60, 400
APART = 0.3
"""Seconds between two changes, on the average."""
POLL = 1.0
P99 = 2.0
"""Seconds."""
UNLIMITED = {"allowed_requests": 100_000, "interval": 1, "max_concurrent_requests": 32}


def run(report: Report) -> None:
    rng = random.Random(1)
    settings = {"sequin.poll_interval": f"{POLL:g}s"}
    with Fake("--empty", "--no-limits", "--no-events") as fake, bench_cluster(**settings) as cluster:
        upstream = fake.upstream("stripe")
        ids = upstream.create("product", count=MOST, event=False)
        add_objects(upstream, "customer", RECORDS)
        database = cluster.database("fresh")
        database.sql("SELECT sequin.create_stream('main')")
        create_credential(database, upstream)
        database.sql(
            "SELECT sequin.create_sync('bench', 'main', 'upstream', '{product, customer}', rate_limit => %s)",
            Jsonb(UNLIMITED),
        )
        eventually(lambda: not _running(database, "product"), 60, what=database.status)
        database.sql(
            """SELECT sequin.create_consumer('reader', 'main', deliver_policy => 'new',
                                             filter => '{"collection_id": "stripe:product"}')"""
        )
        reader = Reader(database)
        sent: dict[str, float] = {}
        began, before = time.monotonic(), _stored(database)
        for number, id in enumerate(ids):
            time.sleep(rng.random() * 2 * APART)
            if not _running(database, "customer"):
                break
            sent[id] = time.monotonic()
            upstream.update("product", id, name=f"changed {number}")
        seconds, stored = time.monotonic() - began, _stored(database) - before
        reader.finish(len(sent))
    assert len(sent) >= FEWEST, f"the backfill was over after {len(sent)} changes"
    waits = sorted(reader.arrived[id] - at for id, at in sent.items())
    report.note(f"{len(sent)} changes beside {stored / seconds:,.0f} records/s of the backfill")
    report.note(
        f"looking each {POLL:g} s and nothing else would take {POLL / 2:g} s at p50, {POLL:g} s at worst"
    )
    report.measured("p50", [statistics.median(waits)], "s")
    report.judged("p99", waits[math.ceil(0.99 * len(waits)) - 1], "s", at_most=P99)
    report.measured("longest", [waits[-1]], "s")


class Reader:
    """A consumer that waits; notes when each record came first."""

    def __init__(self, database: Database) -> None:
        self.arrived: dict[str, float] = {}
        self._database = database
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._database.connect() as connection:
            while not self._enough.is_set():
                rows = connection.execute(
                    "SELECT ack_token, record ->> 'upstream_id'"
                    " FROM sequin.consume('reader', 100, wait_for => '1 s')"
                ).fetchall()
                now = time.monotonic()
                for _, id in rows:
                    self.arrived.setdefault(id, now)
                connection.execute("SELECT sequin.ack('reader', %s)", [[token for token, _ in rows]])

    def finish(self, count: int) -> None:
        """Waits for so many records."""
        eventually(
            lambda: len(self.arrived) >= count, 60, what=lambda: f"{len(self.arrived)} of {count} came"
        )
        self._enough.set()
        self._thread.join()


def _running(database: Database, collection: str) -> bool:
    query = "SELECT 1 FROM sequin.backfills WHERE collection_id = %s AND state IN ('pending', 'running')"
    return bool(database.sql(query, f"stripe:{collection}"))


def _stored(database: Database) -> int:
    """Records of the backfills so far; the table is too large to be counted."""
    return int(database.value("SELECT sum(records) FROM sequin.backfills"))
