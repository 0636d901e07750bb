"""What a record of each provider costs the worker, beside a Stripe customer as large as it.

CPU time of the worker's process, all of its threads included, in a backfill of one collection without rate
limits. The records of a pair have the same size, and are read in turns.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accounts import add_objects
from harness import Cluster, Database, Fake, Upstream, eventually
from harness.shopify import with_shopify
from harness.sync import create_credential, start_sync
from processes import cpu_seconds
from report import Report, ratio
from server import QUIET, bench_cluster

DECLARATIONS = Path(__file__).resolve().parent.parent / "providers"
RECORDS = 20_000
"""Fewer than the 25,000 at which a list of Shopify ends."""
RUNS = 5
MOST = 1.2
"""Times what a record of Stripe costs."""
ALIKE = 0.05
"""By how much the sizes of a pair may differ, as a share."""
UNLIMITED = {"allowed_requests": 100_000, "interval": 1, "max_concurrent_requests": 32}
ACCOUNT = ("--empty", "--no-limits", "--no-events")
# So few are made at one moment that every API's list can be cut into ranges of time.
BATCH = 100

# Stripe's metadata
KEYS, LONGEST = 50, 500
TEXT = "The order has left the warehouse in Rotterdam, and its invoice is due within thirty days. " * 7
ENTRY = len(json.dumps({"note_00": ""}))
"""Bytes of an entry beside its text: what the braces take here, a comma and a space take there."""

SIZES = """
    SELECT count(*) AS records, avg(octet_length(data::text))::float AS text,
           avg(pg_column_size(data))::float AS stored,
           avg((SELECT count(*) FROM jsonb_path_query(data, 'strict $.**')))
               FILTER (WHERE updated_idx %% 40 = 0)::float AS values
    FROM sequin.records WHERE collection_id = %s"""
WORKER = """SELECT pid FROM pg_stat_activity
            WHERE backend_type = 'sequin worker' AND datname = current_database()"""


def _nothing(_: Upstream) -> None: ...


@dataclass(frozen=True)
class Contestant:
    """A collection that is backfilled.

    options: the sync's. objects: as `Upstream.create` takes them. prepare: makes what they are beneath.
    fake: further arguments of the fake that has them.
    """

    provider: str
    collection: str
    options: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Upstream], object] = _nothing
    fake: Callable[[], tuple[str, ...]] = tuple

    def fill(self, fake: Fake) -> None:
        upstream = fake.upstream(self.provider)
        self.prepare(upstream)
        add_objects(upstream, self.collection, RECORDS, batch=BATCH, **self.objects)


@dataclass(frozen=True)
class Run:
    """One backfill.

    cpu: microseconds a record. rate: records a second. requests: for a thousand records. text: bytes of a
    record as JSON. stored: bytes that it takes in the table. values: how many there are in it, objects and
    arrays among them.
    """

    cpu: float
    rate: float
    requests: float
    text: float
    stored: float
    values: float


def _repository(github: Upstream) -> None:
    github.create("organization", login="acme", event=False)
    github.create("repository", parent="acme", name="one", private=False, event=False)


CONTESTANTS = (
    Contestant(
        "github",
        "issue",
        options={"repositories": ["acme/one"]},
        objects={"parent": "acme/one"},
        prepare=_repository,
    ),
    Contestant("hubspot", "contact"),
    Contestant("salesforce", "account"),
    Contestant("shopify", "customer", fake=with_shopify),
)


def run(report: Report) -> None:
    bare = _bare_customer()
    with bench_cluster(**QUIET) as cluster:
        for each in CONTESTANTS:
            if (DECLARATIONS / f"{each.provider}.json").exists():
                _compare(report, cluster, each, bare)


def _compare(report: Report, cluster: Cluster, theirs: Contestant, bare: tuple[float, float]) -> None:
    """In turns, after a run of each that isn't counted: it warms up, and shows how large the records are."""
    with Fake(*ACCOUNT, *theirs.fake()) as fake:
        theirs.fill(fake)
        size = _backfill(cluster, fake, theirs)
        metadata = _metadata(size.text - bare[0], size.values - bare[1])
        stripe = Contestant("stripe", "customer", objects={"metadata": metadata})
        stripe.fill(fake)
        other = _backfill(cluster, fake, stripe)
        assert abs(other.text / size.text - 1) < ALIKE, (
            f"{theirs.provider}'s records have {size.text:.0f} bytes, Stripe's {other.text:.0f}"
        )
        runs: dict[str, list[Run]] = {theirs.provider: [], "stripe": []}
        for number in range(RUNS):
            for each in (theirs, stripe) if number % 2 else (stripe, theirs):
                runs[each.provider].append(_backfill(cluster, fake, each))
    cpu = {name: [each.cpu for each in of_one] for name, of_one in runs.items()}
    names = {
        theirs.provider: f"{theirs.provider} {theirs.collection}",
        "stripe": f"stripe customer like {theirs.provider}'s",
    }
    for provider, name in names.items():
        report.measured(name, cpu[provider], "µs/record")
        report.note(f"  {_described(runs[provider])}")
    judged = ratio(cpu[theirs.provider], cpu["stripe"])
    report.judged(f"{theirs.provider} / stripe", judged, "x", at_most=MOST)


def _described(runs: list[Run]) -> str:
    rate = statistics.median(each.rate for each in runs)
    last = runs[-1]
    return (
        f"{last.text:,.0f} bytes ({last.stored:,.0f} stored) in {last.values:.0f} values; "
        f"{last.requests:.1f} requests for 1,000 records; {rate:,.0f} records/s"
    )


def _backfill(cluster: Cluster, fake: Fake, each: Contestant) -> Run:
    """Of all records, in a database of its own."""
    upstream = fake.upstream(each.provider)
    database = cluster.database("providers")
    database.sql("SELECT sequin.create_stream('main')")
    create_credential(database, upstream)
    cluster.sql("CHECKPOINT")
    worker = _worker_at_rest(database)
    fake.control("DELETE", "requests")
    cpu, began = cpu_seconds(worker), time.monotonic()
    # So seldom that looking for changes is not measured.
    sync = start_sync(
        database, upstream, [each.collection], frequency="1d", rate_limit=UNLIMITED, options=each.options
    )
    sync.wait(600)
    seconds, cpu = time.monotonic() - began, cpu_seconds(worker) - cpu
    collection = f"{each.provider}:{each.collection}"
    [sizes] = database.sql(SIZES, collection)
    assert sizes.records == RECORDS, f"{sizes.records} of {RECORDS} records of {collection} are there"
    requests = len(upstream.requests())
    database.drop()
    return Run(
        cpu=1e6 * cpu / RECORDS,
        rate=RECORDS / seconds,
        requests=1000 * requests / RECORDS,
        text=sizes.text,
        stored=sizes.stored,
        values=sizes.values,
    )


def _worker_at_rest(database: Database) -> int:
    """The worker's process, once it has done with the credential: what there is, is asked for with it."""
    [[worker]] = eventually(lambda: database.sql(WORKER), 30, what=database.status)

    def rests() -> bool:
        before = cpu_seconds(worker)
        time.sleep(0.5)
        return cpu_seconds(worker) == before

    eventually(rests, 60, every=0, what="the worker does not come to rest")
    return worker


def _bare_customer() -> tuple[float, float]:
    """Bytes and values of a Stripe customer without metadata, on the average."""
    with Fake(*ACCOUNT) as fake:
        upstream = fake.upstream("stripe")
        upstream.create("customer", count=500, event=False, metadata={})
        customers = list(upstream.objects("customer").values())
    # PostgreSQL writes jsonb as Python does.
    sizes = [len(json.dumps(each, ensure_ascii=False).encode()) for each in customers]
    return statistics.mean(sizes), statistics.mean(map(_values, customers))


def _values(value: Any) -> int:
    """What there is in it, itself among it: as many as `$.**` finds."""
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_values, within))


def _metadata(more_bytes: float, more_values: float) -> dict[str, str]:
    """Makes a customer larger by so many bytes, in as many values more as Stripe allows."""
    count = min(KEYS, round(more_values), int(more_bytes / (ENTRY + 1)))
    if count < 1:
        return {}
    length = min(LONGEST, round(more_bytes / count) - ENTRY)
    return {f"note_{number:02}": TEXT[number:][:length] for number in range(count)}
