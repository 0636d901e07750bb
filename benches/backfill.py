"""100,000 Stripe customers of about 1 kB from the local fake, from create_sync to wait_for_sync.

Against dlt (the same objects, merged into tables of the same cluster) and airbyte-cdk (extraction only), in
turns. Nobody has a rate limit. PostgreSQL's settings are its defaults.
"""

import time
from collections import Counter

from harness import Cluster, Fake, Upstream
from harness.sync import create_credential
from peer import AIRBYTE, DLT, load_with_dlt, read_with_airbyte
from processes import Sampler, cpu_seconds, thread_cpu_seconds
from psycopg.types.json import Jsonb
from report import Report, ratio
from server import bench_cluster, pids, wal_position

RECORDS = 100_000
RUNS = 3
UNLIMITED = {"allowed_requests": 100_000, "interval": 1, "max_concurrent_requests": 32}
TIMES_DLT = 5.0
TIMES_AIRBYTE = 2.0
"""Though that only extracts, and stores nothing."""


def run(report: Report) -> None:
    for peer in (DLT, AIRBYTE):
        peer.install()
    rates: dict[str, list[float]] = {"sequin": [], "dlt": [], "airbyte": []}
    spent = Spent()
    arguments = ("--empty", "--no-limits", "--no-events", "--customer", str(RECORDS))
    with Fake(*arguments) as fake, bench_cluster() as cluster:
        upstream = fake.upstream("stripe")
        for number in range(RUNS):
            cluster.sql("CHECKPOINT")
            rates["sequin"].append(RECORDS / _sequin(cluster, upstream, f"sequin_{number}", spent))
            cluster.sql("CHECKPOINT")
            rates["dlt"].append(RECORDS / load_with_dlt(cluster, upstream, f"dlt_{number}", RECORDS))
            rates["airbyte"].append(RECORDS / read_with_airbyte(upstream, RECORDS))
    report.measured("sequin", rates["sequin"], "records/s")
    report.measured(f"dlt {DLT.version}", rates["dlt"], "records/s")
    report.measured(f"airbyte-cdk {AIRBYTE.version}, extract only", rates["airbyte"], "records/s")
    spent.describe(report)
    report.judged("sequin / dlt", ratio(rates["sequin"], rates["dlt"]), "x", at_least=TIMES_DLT)
    report.judged(
        "sequin / airbyte-cdk, extract only",
        ratio(rates["sequin"], rates["airbyte"]),
        "x",
        at_least=TIMES_AIRBYTE,
    )


class Spent:
    """Where the time of sequin's runs went."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.wal = 0
        self.cpu: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def describe(self, report: Report) -> None:
        shares = ", ".join(
            f"{name} {used / self.seconds:.0%}" for name, used in self.cpu.most_common() if used
        )
        report.note(f"CPU in sequin's runs, of one core: {shares}")
        samples = self.waits.total()
        shares = ", ".join(f"{name} {count / samples:.0%}" for name, count in self.waits.most_common(5))
        report.note(f"the worker's main thread, as pg_stat_activity shows it: {shares}")
        report.note(f"WAL: {self.wal / (RUNS * RECORDS):,.0f} bytes a record")


def _sequin(cluster: Cluster, upstream: Upstream, name: str, spent: Spent) -> float:
    """Seconds of one backfill, in a database of its own."""
    database = cluster.database(name)
    database.sql("SELECT sequin.create_stream('main')")
    create_credential(database, upstream)
    watch = cluster.connect()

    def look() -> None:
        for event, pid in watch.execute(
            """SELECT coalesce(wait_event, 'running'), pid FROM pg_stat_activity
               WHERE backend_type = 'sequin worker' AND datname = %s""",
            [name],
        ):
            spent.waits[event] += 1
            used.update(thread_cpu_seconds(pid))

    used: dict[str, float] = {}
    wal, upstream_cpu = wal_position(cluster), cpu_seconds(upstream.fake.process.pid)
    with Sampler(look, every=0.05):
        began = time.monotonic()
        database.sql(
            "SELECT sequin.create_sync('bench', 'main', 'upstream', '{customer}', rate_limit => %s)",
            Jsonb(UNLIMITED),
        )
        database.sql("SELECT sequin.wait_for_sync('bench', '10 min')")
        seconds = time.monotonic() - began
    watch.close()
    spent.seconds += seconds
    spent.wal += wal_position(cluster) - wal
    spent.cpu.update(used)
    spent.cpu["the fake"] += cpu_seconds(upstream.fake.process.pid) - upstream_cpu
    stored = database.value("SELECT count(*) FROM sequin.records")
    assert stored == RECORDS, f"{stored} of {RECORDS} records are there"
    assert set(pids(cluster, "sequin worker")), "the worker is gone"
    database.drop()
    return seconds
