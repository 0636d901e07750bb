"""The worker's resident memory during a backfill of 1,000,000 records.

Sampled from /proc: RssAnon, what the process has for itself, and RssFile, the pages of program files, which
other processes share. PostgreSQL's shared memory (RssShmem) is not the worker's: it is shown, not judged.
"""

import time
from dataclasses import dataclass

from accounts import add_objects
from harness import Cluster, Fake, Upstream
from harness.sync import create_credential
from processes import Memory, Sampler, memory
from psycopg.types.json import Jsonb
from report import Report
from server import bench_cluster, pids

RECORDS = 1_000_000
EVERY = 0.1
"""Seconds between two samples."""
UNLIMITED = {"allowed_requests": 100_000, "interval": 1, "max_concurrent_requests": 32}
MOST = 100.0
"""MB"""
GROWTH = 1.1
"""What the last tenth may have in proportion to the second tenth: the first one is the start."""
MB = 1e6


@dataclass(frozen=True)
class Sample:
    seconds: float
    memory: Memory

    @property
    def own(self) -> float:
        """MB without shared memory."""
        return (self.memory.anonymous + self.memory.files) / MB


def run(report: Report) -> None:
    with Fake("--empty", "--no-limits", "--no-events") as fake, bench_cluster() as cluster:
        upstream = fake.upstream("stripe")
        add_objects(upstream, "customer", RECORDS)
        samples, seconds = _sample(cluster, upstream)
    report.note(f"{RECORDS:,} records in {seconds:.0f} s, {RECORDS / seconds:,.0f}/s; {len(samples)} samples")
    peak = max(samples, key=lambda sample: sample.own)
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        at = min(samples, key=lambda sample, share=share: abs(sample.seconds - seconds * share))
        report.note(
            f"at {share:>4.0%}: RssAnon {at.memory.anonymous / MB:5.1f} MB, "
            f"RssFile {at.memory.files / MB:5.1f} MB, RssShmem {at.memory.shared / MB:6.1f} MB"
        )
    early = [each.own for each in samples if 0.1 <= each.seconds / seconds < 0.2]
    late = [each.own for each in samples if each.seconds / seconds >= 0.9]
    report.judged("peak of RssAnon + RssFile", peak.own, "MB", at_most=MOST)
    report.judged("peak at the end / at 10 %", max(late) / max(early), "x", at_most=GROWTH)


def _sample(cluster: Cluster, upstream: Upstream) -> tuple[list[Sample], float]:
    """The samples of one backfill, with the seconds since its begin, and how long it took."""
    database = cluster.database("memory")
    database.sql("SELECT sequin.create_stream('main')")
    create_credential(database, upstream)
    samples: list[Sample] = []
    database.sql(
        "SELECT sequin.create_sync('bench', 'main', 'upstream', '{customer}', rate_limit => %s)",
        Jsonb(UNLIMITED),
    )
    began = time.monotonic()
    pid = pids(cluster, "sequin worker")["sequin worker"]
    with Sampler(lambda: samples.append(Sample(time.monotonic() - began, memory(pid))), every=EVERY):
        database.sql("SELECT sequin.wait_for_sync('bench', '30 min')")
        seconds = time.monotonic() - began
    stored = database.value("SELECT count(*) FROM sequin.records")
    assert stored == RECORDS, f"{stored} of {RECORDS} records are there"
    return samples, seconds
