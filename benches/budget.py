"""200,000 customers of two years at 100 ms a request, within 25 requests a second: is the budget used?

Beside dlt, with the same latency and without a limit: it asks for one page after the other.
"""

import time

from harness import Cluster, Fake, Upstream
from harness.sync import start_sync
from peer import DLT, load_with_dlt
from report import Report, ratio
from server import bench_cluster

RECORDS = 200_000
PAGE = 100
LATENCY = 100.0
"""Milliseconds."""
RUNS = 1
BUDGET = {"allowed_requests": 25, "interval": 1, "max_concurrent_requests": 10}
SHARE = 95.0
"""Percent of the requests that the budget allows; some of them look for changes meanwhile."""
TIMES = 2.5
"""dlt's rate."""


def run(report: Report) -> None:
    DLT.install()
    ours, theirs, shares = [], [], []
    with (
        Fake("--empty", "--no-limits", "--no-events", "--customer", str(RECORDS)) as fake,
        bench_cluster() as cluster,
    ):
        upstream = fake.upstream("stripe")
        fake.set_latency(LATENCY)
        for number in range(RUNS):
            seconds, requests = _sequin(cluster, upstream, f"sequin_{number}")
            ours.append(RECORDS / seconds)
            shares.append(100 * requests / (BUDGET["allowed_requests"] * seconds / BUDGET["interval"]))
            theirs.append(RECORDS / load_with_dlt(cluster, upstream, f"dlt_{number}", RECORDS))
    best = BUDGET["allowed_requests"] * PAGE / BUDGET["interval"]
    report.note(f"with full pages alone, the budget allows {best:,.0f} records/s")
    rate = report.measured("sequin", ours, "records/s")
    report.note(f"that is {100 * rate / best:.1f} % of it")
    report.measured(f"dlt {DLT.version}", theirs, "records/s")
    report.judged("requests / what the budget allows", min(shares), "%", at_least=SHARE)
    report.judged("sequin / dlt", ratio(ours, theirs), "x", at_least=TIMES)


def _sequin(cluster: Cluster, upstream: Upstream, name: str) -> tuple[float, int]:
    """Seconds and requests of one backfill, in a database of its own."""
    database = cluster.database(name)
    cluster.sql("CHECKPOINT")
    asked = len(upstream.requests())
    began = time.monotonic()
    start_sync(database, upstream, ["customer"], credential=name, rate_limit=BUDGET).wait(600)
    seconds = time.monotonic() - began
    requests = len(upstream.requests()) - asked
    stored = database.value("SELECT count(*) FROM sequin.records")
    assert stored == RECORDS, f"{stored} of {RECORDS} records are there"
    database.drop()
    overspent = upstream.overspent()
    assert not overspent, overspent
    return seconds, requests
