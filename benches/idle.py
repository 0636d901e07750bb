"""A minute with 100 syncs that are not due: transaction ids, WAL, CPU.

Beside it, a minute of the same cluster without the extension's processes. Autovacuum and checkpoints are kept
out of both, as they are PostgreSQL's own work.
"""

import time
from dataclasses import dataclass

from harness import Cluster, Fake, eventually
from harness.sync import create_credential
from processes import cpu_seconds
from report import Report
from server import QUIET, bench_cluster, next_xid, pids, wal_position

SYNCS = 100
SECONDS = 60.0
CPU = 0.5
"""Percent of one core, launcher and worker together."""
PROCESSES = ("sequin launcher", "sequin worker")


@dataclass(frozen=True)
class Marks:
    xid: int
    wal: int
    cpu: float


def run(report: Report) -> None:
    with Fake() as fake, bench_cluster(**QUIET) as cluster:
        upstream = fake.upstream("stripe")
        upstream.create("customer", count=10, event=False)
        database = cluster.database("idle")
        database.sql("SELECT sequin.create_stream('main')")
        create_credential(database, upstream)
        for number in range(SYNCS):
            database.sql(
                "SELECT sequin.create_sync(%s, 'main', 'upstream', '{customer}', frequency => '1d', "
                'rate_limit => \'{"allowed_requests": 1000, "interval": 1}\')',
                f"sync {number}",
            )
        for number in range(SYNCS):
            database.sql("SELECT sequin.wait_for_sync(%s, '2 min')", f"sync {number}")
        database.close()

        processes = pids(cluster, *PROCESSES)
        assert set(processes) == set(PROCESSES), f"found only {sorted(processes)}"
        asked = len(upstream.requests())
        ours = _idle(cluster, list(processes.values()))
        sent = len(upstream.requests()) - asked
        assert pids(cluster, *PROCESSES) == processes, "a process of the extension was replaced meanwhile"

        cluster.configure(shared_preload_libraries="")
        cluster.restart()
        control = _idle(cluster, [])

    percent = 100 * ours.cpu / SECONDS
    report.note(f"with the extension: {ours.xid} XIDs, {ours.wal} bytes of WAL, {sent} requests sent")
    report.note(f"without it: {control.xid} XIDs, {control.wal} bytes of WAL")
    report.judged("XIDs used", ours.xid, "XIDs", at_most=control.xid)
    report.judged("WAL written", ours.wal, "bytes", at_most=control.wal)
    report.judged("CPU of launcher and worker", percent, "%", at_most=CPU)


def _idle(cluster: Cluster, processes: list[int]) -> Marks:
    """What happened within SECONDS, once what came before has settled."""

    def marks() -> Marks:
        return Marks(next_xid(cluster), wal_position(cluster), sum(map(cpu_seconds, processes)))

    def settled() -> bool:
        before = wal_position(cluster)
        # The background writer notes the running transactions after each 15 s in which WAL was written.
        time.sleep(16)
        return wal_position(cluster) == before

    cluster.sql("CHECKPOINT")
    eventually(settled, 120, every=0, what="WAL goes on being written")
    before = marks()
    time.sleep(SECONDS)
    after = marks()
    return Marks(after.xid - before.xid, after.wal - before.wal, after.cpu - before.cpu)
