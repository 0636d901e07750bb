"""Records of 1 kB taken and settled by 4 sessions, against pgmq with the same clients in the same cluster."""

from queues import PGMQ, SEQUIN, drain, fill_pgmq, install_pgmq
from report import Report, ratio
from server import bench_cluster
from stream import fill, make_stream

RECORDS = 300_000
SESSIONS = 4
SECONDS = 3.0
ROUNDS = 5
TARGETS = {100: 4.0, 10: 1.5, 1: 1.0}
"""Times the rate of pgmq, by batch size."""


def run(report: Report) -> None:
    with bench_cluster(max_wal_size="8GB") as cluster:
        database = cluster.database("consume")
        make_stream(database)
        fill(database, RECORDS)
        install_pgmq(database)
        for batch, target in TARGETS.items():
            rates: dict[str, list[float]] = {SEQUIN.name: [], PGMQ.name: []}
            for _ in range(ROUNDS):
                database.sql("SELECT sequin.create_consumer('bench', 'bench', max_ack_pending => 100000)")
                rates[SEQUIN.name].append(drain(database, SEQUIN, batch, SESSIONS, SECONDS))
                database.sql("SELECT sequin.delete_consumer('bench')")
                fill_pgmq(database)
                rates[PGMQ.name].append(drain(database, PGMQ, batch, SESSIONS, SECONDS))
            for name, values in rates.items():
                report.measured(f"{name}, by {batch}", values, "messages/s")
            report.judged(f"sequin / pgmq, by {batch}", ratio(*rates.values()), "x", at_least=target)
