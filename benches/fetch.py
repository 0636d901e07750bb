"""The batch mode, 1000 records of 1 kB a call in one session, against a SELECT of the same rows as JSON."""

import time

from harness import Database
from psycopg import pq
from report import Report, ratio
from server import bench_cluster
from stream import fill, make_stream

RECORDS = 200_000
BATCH = 1000
ROUNDS = 5
RATE, SHARE = 200_000.0, 70.0
"""Records a second, or percent of the SELECT: either will do."""


def run(report: Report) -> None:
    rates: dict[str, list[float]] = {"sequin.fetch": [], "SELECT": []}
    with bench_cluster() as cluster:
        database = cluster.database("fetch")
        make_stream(database)
        fill(database, RECORDS)
        database.sql("SELECT sequin.create_consumer('bench', 'bench', mode => 'batch')")
        for _ in range(ROUNDS):
            rates["sequin.fetch"].append(_fetch(database))
            rates["SELECT"].append(_select(database))
            database.sql("SELECT sequin.replay('bench')")
    for name, values in rates.items():
        report.measured(name, values, "records/s")
    share = 100 * ratio(*rates.values())
    if max(rates["sequin.fetch"]) >= RATE:
        report.note(f"{RATE:,.0f} records/s are reached")
    report.judged("sequin.fetch / SELECT", share, "%", at_least=SHARE)


def _fetch(database: Database) -> float:
    return _read_all(database, f"SELECT * FROM sequin.fetch('bench', {BATCH})", follows=False)


def _select(database: Database) -> float:
    stream = database.value("SELECT id FROM sequin.streams")
    return _read_all(
        database,
        f"""SELECT r.updated_idx, to_json(r) FROM sequin.records AS r
            WHERE r.stream_id = '{stream}' AND r.updated_idx > $1
            ORDER BY r.updated_idx LIMIT {BATCH}""",
        follows=True,
    )


def _read_all(database: Database, query: str, follows: bool) -> float:
    """Records a second until nothing comes. `follows`: the query is told the last position."""
    with database.connect() as connection:
        raw = connection.pgconn
        raw.prepare(b"read", query.encode())
        last, total, began = b"0", 0, time.monotonic()
        while True:
            page = raw.exec_prepared(b"read", [last] if follows else [])
            assert page.status == pq.ExecStatus.TUPLES_OK, page.error_message
            if page.ntuples == 0:
                break
            total += page.ntuples
            last = page.get_value(page.ntuples - 1, 0)
        assert total == RECORDS, f"{total} records came"
        return total / (time.monotonic() - began)
