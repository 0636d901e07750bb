"""Records of 1 kB taken and settled by 4 sessions, against pgmq with the same clients in the same cluster."""

from queues import PGMQ, SEQUIN, drain, fill_pgmq, install_pgmq
from report import Report, ratio
from server import bench_cluster
from stream import fill, make_stream

RECORDS = 400_000
SESSIONS = 4
SECONDS = 2.0
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
            for in_one in (False, True):
                rates: dict[str, list[float]] = {SEQUIN.name: [], PGMQ.name: []}
                for _ in range(ROUNDS):
                    database.sql("SELECT sequin.create_consumer('bench', 'bench', max_ack_pending => 100000)")
                    rates[SEQUIN.name].append(drain(database, SEQUIN, batch, SESSIONS, SECONDS, in_one))
                    assert rates[SEQUIN.name][-1] < 0.95 * RECORDS / SECONDS, "the backlog was too small"
                    database.sql("SELECT sequin.delete_consumer('bench')")
                    fill_pgmq(database)
                    rates[PGMQ.name].append(drain(database, PGMQ, batch, SESSIONS, SECONDS, in_one))
                how = f"by {batch}, in one statement" if in_one else f"by {batch}"
                for name, values in rates.items():
                    report.measured(f"{name}, {how}", values, "messages/s")
                label = f"sequin / pgmq, {how}"
                if in_one:
                    report.note(f"{label}: {ratio(*rates.values()):.2f} x")
                else:
                    report.judged(label, ratio(*rates.values()), "x", at_least=target)
