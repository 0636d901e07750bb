"""1,000 syncs that look for changes each minute, in one worker, at 50 ms a request.

Each has a credential of its own, by which the fake's log tells them apart.
"""

import itertools
import statistics
import time
from collections import defaultdict

from harness import Fake, Upstream, eventually
from processes import Sampler, cpu_seconds, memory
from report import Report
from server import bench_cluster, pids

SYNCS = 1_000
LATENCY = 50.0
"""Milliseconds."""
EVERY = 60.0
SECONDS = 120.0
"""How long they are watched."""
LATE = 5.0
"""Seconds."""
MOST = 150.0
"""MB"""
MB = 1e6


def run(report: Report) -> None:
    with Fake("--empty", "--no-limits") as fake, bench_cluster() as cluster:
        upstream = fake.upstream("stripe")
        upstream.create("customer", count=10, event=False)
        fake.set_latency(LATENCY)
        database = cluster.database("many")
        database.sql("SELECT sequin.create_stream('main')")
        database.sql(
            """SELECT sequin.create_credential('credential ' || n, 'stripe', jsonb_build_object(
                   'kind', 'api_key', 'api_key', %s || '_' || to_char(n, 'FM0000'), 'base_url', %s::text))
               FROM generate_series(1, %s) AS n""",
            upstream.api_key,
            upstream.url,
            SYNCS,
        )
        began = time.monotonic()
        database.sql(
            """SELECT sequin.create_sync('sync ' || n, 'main', 'credential ' || n, '{customer}', '1m')
               FROM generate_series(1, %s) AS n""",
            SYNCS,
        )
        left = "SELECT 1 FROM sequin.syncs WHERE initial_backfill_completed_at IS NULL LIMIT 1"
        eventually(lambda: not database.sql(left), 300, every=1, what=database.status)
        report.note(f"{SYNCS} syncs have been backfilled after {time.monotonic() - began:.0f} s")
        worker = pids(cluster, "sequin worker")["sequin worker"]
        used: list[float] = []
        cpu, since = cpu_seconds(worker), time.time()
        with Sampler(lambda: used.append(memory(worker).anonymous / MB), every=1.0):
            time.sleep(SECONDS)
        until, cpu = time.time(), cpu_seconds(worker) - cpu
        gaps, rests = _gaps(upstream, since, until)
        assert pids(cluster, "sequin worker") == {"sequin worker": worker}, "the worker was replaced"
    report.note(f"CPU of the worker: {100 * cpu / SECONDS:.1f} % of a core")
    report.measured("between two polls, at the median", [statistics.median(gaps)], "s")
    report.judged("the latest poll", max(0.0, max(gaps + rests) - EVERY), "s late", at_most=LATE)
    report.judged("peak of RssAnon", max(used), "MB", at_most=MOST)


def _gaps(upstream: Upstream, since: float, until: float) -> tuple[list[float], list[float]]:
    """Seconds between two polls of each sync; and those from its last poll until the end."""
    polls: dict[str, list[float]] = defaultdict(list)
    for request in upstream.requests(r"^/v1/events"):
        polls[request.credential].append(request.received)
    assert len(polls) == SYNCS, f"{len(polls)} of {SYNCS} syncs have asked for events"
    gaps, rests = [], []
    for moments in polls.values():
        before = max(moment for moment in moments if moment <= since)
        within = [moment for moment in moments if since < moment <= until]
        gaps += [later - earlier for earlier, later in itertools.pairwise([before, *within])]
        rests.append(until - [before, *within][-1])
    return gaps, rests
