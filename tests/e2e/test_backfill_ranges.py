"""Backfills in ranges of creation time: the budget is used whatever the latency, nothing is read twice."""

import time
from urllib.parse import parse_qs

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.fake import YEAR, Request
from harness.sync import GENEROUS, Sync, start_sync

CUSTOMERS = r"/v1/customers\?"
PAGE = 100
BUDGET = {"allowed_requests": 25, "interval": 1, "max_concurrent_requests": 10}
# What a backfill may ask for beyond its pages: ranges end within a page, and some have nothing in them.
OVERHEAD = 1.35


def spread(stripe: Upstream, count: int, oldest: int, youngest: int, moments: int = 200) -> None:
    """Customers created from so many seconds ago until so many seconds ago, without telling anybody."""
    now = int(time.time())
    for moment in range(moments):
        share = count * (moment + 1) // moments - count * moment // moments
        created = now - oldest + (oldest - youngest) * moment // moments
        if share:
            stripe.create("customer", count=share, created=created, event=False)


def bounds(request: Request) -> tuple[float, float]:
    """The span of creation time that a request asks for."""
    given = parse_qs(request.query)
    return (
        float(given.get("created[gte]", ["-inf"])[0]),
        float(given.get("created[lt]", ["inf"])[0]),
    )


def ranges_of(sync: Sync, kind: str = "initial") -> int:
    return sync.database.value("SELECT ranges FROM sequin.backfill_progress WHERE kind = %s", kind)


def test_a_backfill_uses_the_budget_whatever_the_latency(database: Database, stripe: Upstream) -> None:
    spread(stripe, 15_000, oldest=YEAR, youngest=0, moments=400)
    stripe.fake.set_latency(100)
    sync = start_sync(database, stripe, ["customer"], rate_limit=BUDGET).wait(60)
    pages, every = stripe.requests(CUSTOMERS), stripe.requests()
    stripe.fake.set_latency(0)
    # From the first page to the last one. The looks for events in between are part of the budget.
    began, ended = pages[0].received, pages[-1].received
    asked = sum(began <= request.received <= ended for request in every)
    assert asked / (ended - began) >= 0.8 * 25, f"{asked} requests in {ended - began:.1f} s"
    rates = stripe.rates(1.0)
    assert rates["overall"] <= 25, rates
    assert rates["concurrent_peak"] <= 10, rates
    assert len(pages) <= 1.15 * 15_000 / PAGE, "too many cuts"
    assert ranges_of(sync) > 2
    assert database.value("SELECT ranges = ranges_done FROM sequin.backfill_progress")
    sync.converge()


@pytest.mark.parametrize("count", [90, 300])
def test_a_small_collection_is_not_cut(database: Database, stripe: Upstream, count: int) -> None:
    spread(stripe, count, oldest=YEAR, youngest=0)
    stripe.fake.set_latency(30)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    assert len(stripe.requests(CUSTOMERS)) == -(-count // PAGE)
    assert ranges_of(sync) == 1
    sync.converge()


def test_objects_of_one_second_are_not_cut(database: Database, stripe: Upstream) -> None:
    stripe.create("customer", count=1500, created=int(time.time()) - 5000, event=False)
    stripe.fake.set_latency(10)
    sync = start_sync(database, stripe, ["customer"]).wait(30)
    assert len(stripe.requests(CUSTOMERS)) == 1500 // PAGE
    assert ranges_of(sync) == 1
    sync.converge()


# Objects, and the seconds before now between which they were created.
SKEWED = {
    "most in the last hour": [(3800, 3600, 0), (200, 5 * YEAR, 3600)],
    "most in an hour years ago": [(3800, 5 * YEAR + 3600, 5 * YEAR), (200, 5 * YEAR, 0)],
    "most in an hour in between": [
        (300, 5 * YEAR, 2 * YEAR),
        (3600, 2 * YEAR, 2 * YEAR - 3600),
        (100, YEAR, 0),
    ],
    "two heaps of one second": [(2000, 3 * YEAR, 3 * YEAR), (1500, 9000, 9000), (500, 3 * YEAR, 0)],
}


@pytest.mark.parametrize("distribution", SKEWED)
def test_skewed_collections(database: Database, stripe: Upstream, distribution: str) -> None:
    for count, oldest, youngest in SKEWED[distribution]:
        spread(stripe, count, oldest, youngest, moments=100 if oldest > youngest else 1)
    stripe.fake.set_latency(30)
    sync = start_sync(database, stripe, ["customer"]).wait(60)
    assert len(stripe.requests(CUSTOMERS)) <= OVERHEAD * 4000 / PAGE
    assert ranges_of(sync) > 1
    sync.converge()


def test_changes_beside_a_backfill_in_ranges_arrive(database: Database, stripe: Upstream) -> None:
    spread(stripe, 4000, oldest=YEAR, youngest=0)
    ids = list(stripe.objects("customer"))
    stripe.fake.set_latency(100)
    sync = start_sync(database, stripe, ["customer"], rate_limit=BUDGET)
    eventually(lambda: sync.count() >= 800, 20, what=database.status)
    # Objects that were read already, and others that were not; the cursors of some ranges among them.
    stripe.delete("customer", *ids[7::20])
    stripe.update("customer", *ids[::50], name="changed while it was read")
    stripe.create("customer", count=20)
    sync.wait(60)
    stripe.fake.set_latency(0)
    sync.converge(60)
    assert ranges_of(sync) > 1


def test_a_restart_goes_on_in_each_range(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    count = 6000
    spread(stripe, count, oldest=YEAR, youngest=0)
    stripe.fake.set_latency(100)
    sync = start_sync(database, stripe, ["customer"], rate_limit=BUDGET)
    spans = """SELECT coalesce(extract(epoch FROM from_at)::float8, '-infinity') AS lo,
                      coalesce(extract(epoch FROM before_at)::float8, 'infinity') AS hi
               FROM sequin._backfill_ranges WHERE done"""
    eventually(lambda: sync.count() >= count // 2 and database.sql(spans), 30, what=database.status)
    finished, before = database.sql(spans), len(stripe.requests(CUSTOMERS))
    stored = sync.count()
    cluster.end_worker(database.name)
    sync.wait(60)
    after = stripe.requests(CUSTOMERS)[before:]
    stripe.fake.set_latency(0)
    again = [
        (bounds(request), span)
        for request in after
        for span in finished
        if bounds(request)[0] < span.hi and span.lo < bounds(request)[1]
    ]
    assert not again, f"ranges that were done were read again, such as {again[0]}"
    # What was under way in each range comes again.
    needed = -(-(count - stored) // PAGE)
    assert len(after) <= OVERHEAD * needed + BUDGET["max_concurrent_requests"]
    sync.converge()


def test_what_is_stored_to_its_last_page_only_has_to_complete(database: Database, stripe: Upstream) -> None:
    """The last page and the end are two transactions, and a worker can die between them."""
    stripe.seed(customer=10)
    start_sync(database, stripe, ["customer"]).wait(20)
    asked = len(stripe.requests(CUSTOMERS))
    database.sql("SELECT sequin.pause_sync('main')")
    backfill = database.value("SELECT sequin.start_backfill('main', 'customer')")
    database.sql("UPDATE sequin._backfill_ranges SET done = true WHERE backfill_id = %s", backfill)
    database.sql("SELECT sequin.resume_sync('main')")
    state = "SELECT state FROM sequin.backfills WHERE id = %s"
    eventually(lambda: database.value(state, backfill) == "completed", 20, what=database.status)
    assert len(stripe.requests(CUSTOMERS)) == asked


def test_a_failure_in_one_range_holds_up_all_and_loses_nothing(database: Database, stripe: Upstream) -> None:
    spread(stripe, 4000, oldest=YEAR, youngest=0)
    stripe.fake.set_latency(50)
    # Of several requests under way at once.
    stripe.fault("status", status=500, match={"path": CUSTOMERS, "after": 9, "times": 6})
    sync = start_sync(database, stripe, ["customer"]).wait(60)
    pages = stripe.requests(CUSTOMERS)
    failed = [request for request in pages if request.status == 500]
    assert len(failed) == 6
    # Some failed together, and count as one: else the time until the next try would double with each.
    assert pages[-1].received - failed[0].received < 10
    sync.converge()
    assert ranges_of(sync) > 1
    eventually(lambda: sync.health("customer") == "healthy", 10, what=database.status)


def test_a_sweep_in_ranges_finds_what_is_gone(database: Database, stripe: Upstream) -> None:
    spread(stripe, 3000, oldest=YEAR, youngest=0)
    sync = start_sync(database, stripe, ["customer"]).wait(30)
    database.sql("SELECT sequin.pause_sync('main')")
    ids = list(stripe.objects("customer"))
    gone = ids[::250]
    stripe.delete("customer", *gone)
    # As after 31 days without the server.
    stripe.forget_events()
    database.sql("UPDATE sequin._feeds SET cursor = cursor - interval '31 days', polled_at = NULL")
    stripe.create("customer", count=1)
    stripe.fake.set_latency(30)
    database.sql("SELECT sequin.resume_sync('main')")
    state = "SELECT state FROM sequin.backfills WHERE kind = 'sweep'"
    eventually(lambda: database.sql(state) == [("completed",)], 60, what=database.status)
    stripe.fake.set_latency(0)
    assert ranges_of(sync, "sweep") > 1
    rows = sync.records("customer")
    assert all(rows[key].deleted for key in gone)
    sync.converge()
    assert not database.sql("SELECT 1 FROM sequin._sweep_pages")


def test_children_of_many_parents_are_read_side_by_side(database: Database, stripe: Upstream) -> None:
    spread(stripe, 450, oldest=YEAR, youngest=0)
    for parent in list(stripe.objects("customer"))[::9]:
        stripe.create("customer_balance_transaction", count=2, parent=parent, event=False)
    stripe.fake.set_latency(20)
    sync = start_sync(database, stripe, ["customer_balance_transaction"], rate_limit=GENEROUS).wait(60)
    stripe.fake.set_latency(0)
    assert len(stripe.requests(r"/balance_transactions\?")) == 450, "each parent's children are listed once"
    assert stripe.rates(1.0)["concurrent_peak"] >= 3
    assert ranges_of(sync) > 2
    sync.converge()
