"""Consuming from a backlog of 5 million records and from one of 10 thousand, and beside an old snapshot."""

from queues import SEQUIN, drain
from report import Report, ratio
from server import bench_cluster
from stream import fill, make_stream

SMALL, LARGE = 10_000, 5_000_000
BATCH, SESSIONS = 100, 4
SECONDS = 1.0
ROUNDS = 5
WITHIN = 80.0
"""Percent of the rate at the small backlog, and of that without an old snapshot."""


def run(report: Report) -> None:
    with bench_cluster(max_wal_size="16GB") as cluster:
        database = cluster.database("backlog")
        make_stream(database)
        fill(database, LARGE)
        start = database.value("SELECT max(updated_idx) FROM sequin.records") - SMALL

        def rate(position: int, seconds: float = SECONDS) -> float:
            database.sql("SELECT sequin.create_consumer('bench', 'bench', max_ack_pending => 100000)")
            database.sql("UPDATE sequin._consumer_tails SET lo = %s", position)
            try:
                return drain(database, SEQUIN, BATCH, SESSIONS, seconds)
            finally:
                database.sql("SELECT sequin.delete_consumer('bench')")

        def compare(name: str) -> None:
            # The small one is soon empty: a tenth of a second is measured of both.
            pairs = [(rate(0, 0.1), rate(start, 0.1)) for _ in range(3 * ROUNDS)]
            large, small = ([pair[n] for pair in pairs] for n in (0, 1))
            report.measured(f"{LARGE:,}, {name}", large, "messages/s")
            report.measured(f"{SMALL:,}, {name}", small, "messages/s")
            report.judged(f"large / small, {name}", 100 * ratio(large, small), "%", at_least=WITHIN)

        compare("before VACUUM")
        database.sql("VACUUM")
        compare("after VACUUM")

        beside, alone = [], []
        for _ in range(ROUNDS):
            alone.append(rate(0, 5 * SECONDS))
            with database.connect() as old:
                old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                old.execute("SELECT 1 FROM sequin.streams")
                beside.append(rate(0, 5 * SECONDS))
        report.measured("alone", alone, "messages/s")
        report.measured("beside an old snapshot", beside, "messages/s")
        report.judged("beside an old snapshot / alone", 100 * ratio(beside, alone), "%", at_least=WITHIN)
