"""Pages of 100 new, unchanged and changed records through sequin._apply_page, against COPY of the same rows.

One commit a page, 200,000 records of about 0.9 kB, by a loop within the server in a session with the worker's
settings. COPY is one statement, from a file on the server, into the same table with the same indexes.
"""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from customers import PAGE, fill
from harness import Cluster, Database, Fake
from harness.sync import create_credential
from report import Report, ratio
from server import QUIET, bench_cluster

RECORDS = 200_000
RUNS = 5
NEW, CHANGED, UNCHANGED = 70.0, 45.0, 5.0
"""Percent of COPY's rate; the same; times the rate of changed ones."""
# What is off in the worker's session.
SESSION = [
    "enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_bitmapscan", "enable_sort",
    "enable_incremental_sort", "jit",
]  # fmt: skip
LABELS = {
    "copy": "COPY",
    "new": "new",
    "unchanged": "unchanged",
    "changed": "changed",
    "loop": "the loop without the pages",
}


def run(report: Report) -> None:
    with bench_cluster(**QUIET) as cluster:
        database = cluster.database("apply")
        database.sql(Path(__file__).with_suffix(".sql").read_text())
        bytes_a_record = fill(database.connect(), RECORDS)
        database.sql("VACUUM ANALYZE bench.pages")
        stream, sync = _paused_sync(database)
        bench = Bench(cluster, database, stream, sync)
        bench.prepare()
        for _ in range(RUNS):
            bench.round()
    report.note(f"{RECORDS:,} records of {bytes_a_record:.0f} bytes in pages of {PAGE}; {RUNS} rounds")
    rates = {name: [RECORDS / each for each in seconds] for name, seconds in bench.seconds.items()}
    for name, label in LABELS.items():
        report.measured(label, rates[name], "records/s")
    report.judged("new / COPY", 100 * ratio(rates["new"], rates["copy"]), "%", at_least=NEW)
    report.judged("changed / COPY", 100 * ratio(rates["changed"], rates["copy"]), "%", at_least=CHANGED)
    report.judged("unchanged / changed", ratio(rates["unchanged"], rates["changed"]), "x", at_least=UNCHANGED)


def _paused_sync(database: Database) -> tuple[str, str]:
    """The ids of a stream and of a sync in it, of which nothing is due."""
    database.sql("SELECT sequin.create_stream('main')")
    with Fake() as fake:
        create_credential(database, fake.upstream("stripe"))
        sync = database.value(
            "SELECT sequin.create_sync('bench', 'main', 'upstream', '{customer}', frequency => '1d')"
        )
        database.sql("SELECT sequin.wait_for_sync('bench', '1 min')")
        database.sql("SELECT sequin.pause_sync('bench')")
    return database.value("SELECT id FROM sequin.streams"), sync


class Bench:
    """The contestants; `seconds` has the time of each round by name."""

    def __init__(self, cluster: Cluster, database: Database, stream: str, sync: str) -> None:
        self._database = database
        self._place = (stream, sync)
        self._file = cluster.directory / "records.copy"
        self._session: psycopg.Connection = database.connect()
        for setting in SESSION:
            self._session.execute(f"SET {setting} = off")
        self.seconds: dict[str, list[float]] = {name: [] for name in LABELS}

    def prepare(self) -> None:
        """Writes the rows that COPY will read, and warms up what will be measured."""
        self._apply(1, inserted=RECORDS, changed=0)
        self._database.sql(f"COPY sequin.records TO '{self._file}'")

    def round(self) -> None:
        self._empty()
        self._time("copy", lambda: self._database.sql(f"COPY sequin.records FROM '{self._file}'"))
        self._empty()
        self._time("new", lambda: self._apply(1, inserted=RECORDS, changed=0))
        self._time("unchanged", lambda: self._apply(1, inserted=0, changed=0))
        self._time("changed", lambda: self._apply(2, inserted=0, changed=RECORDS))
        self._time("loop", lambda: self._session.execute("CALL bench.read_pages(1)"))

    def _empty(self) -> None:
        self._database.sql("TRUNCATE sequin.records")
        self._database.sql("CHECKPOINT")

    def _time(self, name: str, action: Callable[[], object]) -> None:
        began = time.monotonic()
        action()
        self.seconds[name].append(time.monotonic() - began)

    def _apply(self, version: int, inserted: int, changed: int) -> None:
        row = self._session.execute("CALL bench.apply(%s, %s, %s, 0, 0)", [version, *self._place]).fetchone()
        assert row == (inserted, changed), (
            f"{row} records were inserted and changed, not {(inserted, changed)}"
        )
