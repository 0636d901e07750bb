"""From a change upstream to the record at a consumer that waits, at sequin.poll_interval = 1s."""

import random
import statistics
import time

from harness import Fake
from harness.sync import create_credential
from report import Report
from server import bench_cluster

CHANGES = 100
POLL = 1.0
"""Seconds between two looks for changes."""


def run(report: Report) -> None:
    rng = random.Random(1)
    seconds: list[float] = []
    settings = {"sequin.poll_interval": f"{POLL:g}s"}
    with Fake() as fake, bench_cluster(**settings) as cluster:
        upstream = fake.upstream("stripe")
        ids = upstream.create("customer", count=CHANGES, event=False)
        database = cluster.database("latency")
        database.sql("SELECT sequin.create_stream('main')")
        create_credential(database, upstream)
        database.sql("SELECT sequin.create_sync('bench', 'main', 'upstream', '{customer}')")
        database.sql("SELECT sequin.wait_for_sync('bench')")
        database.sql("SELECT sequin.create_consumer('reader', 'main', deliver_policy => 'new')")
        for number, id in enumerate(ids):
            # A moment that has nothing to do with the last look of the worker.
            time.sleep(rng.random() * POLL)
            began = time.monotonic()
            upstream.update("customer", id, name=f"changed {number}")
            rows = database.sql(
                "SELECT ack_token, record FROM sequin.consume('reader', 10, wait_for => '30 s')"
            )
            seconds.append(time.monotonic() - began)
            assert [row.record["upstream_id"] for row in rows] == [id], f"received {rows} instead of {id}"
            database.sql("SELECT sequin.ack('reader', %s)", [row.ack_token for row in rows])
    seconds.sort()
    # Who looks once an interval finds a change after half of it on the average, after all of it at worst.
    report.note(
        f"looking each {POLL:g} s and nothing else would take {POLL / 2:g} s at p50, {POLL:g} s at worst"
    )
    report.measured("p50", [statistics.median(seconds)], "s")
    report.measured("p99", [seconds[-2]], "s")
    report.measured("longest", [seconds[-1]], "s")
