"""100,000 accounts of a Salesforce org by the Bulk API of the local fake, from create_sync to wait_for_sync.

Beside the same records by the list, 2,000 a page, in turns. Nobody has a rate limit. PostgreSQL's settings
are its defaults. The fake's job is done at once; looking whether it is, is what a job costs at least.
"""

import time
from typing import Any

from harness import Cluster, Fake
from harness.exports import Org, declaration, unwatched
from psycopg.types.json import Jsonb
from report import Report, ratio
from server import bench_cluster

RECORDS = 100_000
RUNS = 3
PART = 10_000
UNLIMITED = {"allowed_requests": 100_000, "interval": 1, "max_concurrent_requests": 32}
RATE = 20_000.0


def run(report: Report) -> None:
    rates: dict[str, list[float]] = {"bulk": [], "list": []}
    listed, exported = unwatched(), unwatched()
    del listed["bulk"]
    exported["bulk"]["results"]["page_size"]["value"] = PART
    arguments = ("--empty", "--no-limits", "--salesforce-Account", str(RECORDS))
    with Fake(*arguments) as fake, bench_cluster() as cluster:
        org = Org(fake)
        org.configure(bulk_seconds=0)
        for number in range(RUNS):
            for name, accounts in (("bulk", exported), ("list", listed)):
                cluster.sql("CHECKPOINT")
                rates[name].append(RECORDS / _backfill(cluster, org, f"{name}_{number}", accounts))
    report.judged("Bulk API", report.measured("bulk", rates["bulk"], "records/s"), "records/s", at_least=RATE)
    report.measured("the list", rates["list"], "records/s")
    report.note(f"bulk / list: {ratio(rates['bulk'], rates['list']):.1f} x")


def _backfill(cluster: Cluster, org: Org, name: str, accounts: dict[str, Any]) -> float:
    """Seconds of one backfill, in a database of its own."""
    database = cluster.database(name)
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(declaration(accounts)))
    database.sql("SELECT sequin.create_stream('main')")
    properties = {"kind": "session", "token": org.api_key, "base_url": org.url}
    database.sql("SELECT sequin.create_credential('upstream', 'org', %s)", Jsonb(properties))
    jobs = org.started()
    began = time.monotonic()
    database.sql(
        "SELECT sequin.create_sync('bench', 'main', 'upstream', '{account}', rate_limit => %s)",
        Jsonb(UNLIMITED),
    )
    database.sql("SELECT sequin.wait_for_sync('bench', '10 min')")
    seconds = time.monotonic() - began
    stored = database.value("SELECT count(*) FROM sequin.records")
    assert stored == RECORDS, f"{stored} of {RECORDS} records are there"
    assert org.started() - jobs == ("bulk" in accounts), "an export, and only where it is to be one"
    database.drop()
    return seconds
