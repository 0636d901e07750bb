"""What 50 consumers that consume nothing cost ingest: pages of 100 new records, beside none and beside 50."""

import time

from harness import Database
from report import Report, ratio
from server import QUIET, bench_cluster
from stream import fill, make_stream

CONSUMERS = 50
PAGES, PAGE = 300, 100
ROUNDS = 7
WITHIN = 95.0
"""Percent of the rate without consumers: what noise takes."""


def run(report: Report) -> None:
    with bench_cluster(**QUIET) as cluster:
        database = cluster.database("crowd")
        make_stream(database)
        fill(database, 1000)
        pairs = []
        for number in range(ROUNDS):
            rates = {}
            # In turns, as the stream grows all the while.
            for crowd in (CONSUMERS, 0) if number % 2 else (0, CONSUMERS):
                for n in range(crowd):
                    database.sql("SELECT sequin.create_consumer(%s, 'bench')", f"idle {n}")
                rates[crowd] = _ingest(database, f"{number} {crowd}")
                database.sql("SELECT sequin.delete_consumer(name) FROM sequin.consumers")
            pairs.append((rates[CONSUMERS], rates[0]))
    crowded, alone = ([pair[n] for pair in pairs] for n in (0, 1))
    report.measured("without consumers", alone, "records/s")
    report.measured(f"beside {CONSUMERS} consumers", crowded, "records/s")
    report.judged("with / without", 100 * ratio(crowded, alone), "%", at_least=WITHIN)


def _ingest(database: Database, prefix: str) -> float:
    """Records a second that pages of new ones are applied at, each in a transaction of its own."""
    stream, sync = database.sql("SELECT stream_id, id FROM sequin.syncs")[0]
    began = time.monotonic()
    for page in range(PAGES):
        row = database.sql(
            """SELECT p.inserted FROM
                   (SELECT array_agg(gen_random_uuid()) AS ids, array_agg(%s || n) AS names,
                           array_agg(jsonb_build_object('id', %s || n, 'x', repeat(md5(n::text), 30))::text)
                               AS datas,
                           array_agg(md5(n::text)::uuid) AS hashes, array_agg(false) AS deletions,
                           array_agg(now()) AS times, array_agg(NULL::text) AS parents
                    FROM generate_series(1, %s) AS n) AS o,
                   sequin._apply_page(%s, %s, 'stripe', 'stripe:customer', now(), o.ids, o.names, o.datas,
                                      o.hashes, o.deletions, o.times, o.times, o.parents) AS p""",
            f"{prefix}-{page}-",
            f"{prefix}-{page}-",
            PAGE,
            stream,
            sync,
        )
        assert row[0].inserted == PAGE, row
    return PAGES * PAGE / (time.monotonic() - began)
