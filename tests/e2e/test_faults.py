"""An API that is slow, broken or wrong delays its own collection, and nothing else."""

import time
from typing import Any

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.sync import start_sync

CUSTOMERS, PRODUCTS = r"/v1/customers\?", r"/v1/products\?"

FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "429 with Retry-After": ("rate_limit", {"retry_after": 2}),
    "429 without": ("status", {"status": 429}),
    "500": ("status", {"status": 500}),
    "503 of a proxy": ("status", {"status": 503, "body": "<html>busy</html>", "content_type": "text/html"}),
    "cut-off body": ("cut", {"at": 0.5}),
    "reset in the body": ("cut", {"at": 0.7, "reset": True}),
    "dropped": ("drop", {}),
    "HTML with 200": ("garbage", {"kind": "html"}),
    "half of a JSON": ("garbage", {"kind": "invalid_json"}),
    "empty with 200": ("garbage", {"kind": "empty"}),
    "null with 200": ("garbage", {"kind": "null"}),
    "no list in it": ("garbage", {"kind": "no_data"}),
    "binary": ("garbage", {"kind": "binary"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_backfill(database: Database, stripe: Upstream, fault: str) -> None:
    stripe.seed(customer=550, product=150)
    action, options = FAULTS[fault]
    stripe.fault(action, match={"path": CUSTOMERS, "after": 2, "times": 2}, **options)
    sync = start_sync(database, stripe, ["customer", "product"])
    sync.wait(60)
    sync.converge()
    assert len(stripe.requests(CUSTOMERS)) >= 6 + 2, "the fault was never met"


def test_a_failing_collection_leaves_its_siblings_alone_and_says_so(
    database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=250, product=250)
    stripe.fault("status", status=500, match={"path": CUSTOMERS})
    sync = start_sync(database, stripe, ["customer", "product"])
    eventually(lambda: len(sync.live("product")) == 250, 10, what=database.status)
    eventually(lambda: sync.health("customer") != "healthy", 10, what=database.status)
    assert sync.health("product") == "healthy"
    assert "500" in database.status()
    stripe.update("product", stripe.any_id("product"), name="changed beside a failing sibling")
    eventually(lambda: sync.live("product") == stripe.objects("product"), 10, what=database.status)
    stripe.clear_faults()
    sync.wait(60).converge()
    eventually(lambda: sync.health("customer") == "healthy", 10, what=database.status)


def test_a_fault_of_the_event_feed_loses_nothing(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=20)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    for action, options in FAULTS.values():
        stripe.fault(action, match={"path": "/v1/events", "times": 1}, **options)
    ids = list(stripe.objects("customer"))
    stripe.update("customer", *ids[:5], name="changed")
    stripe.delete("customer", *ids[5:8])
    sync.converge(90)


def test_retry_after_is_honoured(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=10)
    stripe.fault("rate_limit", retry_after=3, match={"path": CUSTOMERS, "times": 1})
    sync = start_sync(database, stripe, ["customer"]).wait(30)
    first, second = stripe.requests(CUSTOMERS)[:2]
    assert first.status == 429
    assert second.received - first.received >= 3.0
    sync.converge()


def test_a_hanging_request_is_given_up_and_blocks_nothing(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=150, product=150)
    stripe.fault("hang", match={"path": CUSTOMERS, "times": 1})
    sync = start_sync(database, stripe, ["customer", "product"])
    eventually(lambda: len(sync.live("product")) == 150, 4, what=database.status)
    sync.wait(30).converge()


@pytest.mark.parametrize("action", ["duplicate", "reorder", "truncate_page"])
def test_pages_that_overlap_or_are_out_of_order(database: Database, stripe: Upstream, action: str) -> None:
    stripe.seed(customer=730)
    stripe.fault(
        action, match={"path": CUSTOMERS, "probability": 0.6}, **({"keep": 40} if "trunc" in action else {})
    )
    start_sync(database, stripe, ["customer"]).wait(60).converge()


def test_a_slow_body_is_read_to_its_end(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=10)
    stripe.fault("drip", bytes_per_second=4000, match={"path": CUSTOMERS, "times": 1})
    start_sync(database, stripe, ["customer"]).wait(60).converge()


@pytest.mark.parametrize(("status", "says"), [(401, "credential"), (403, "permission")], ids=["401", "403"])
def test_a_refusal_is_no_empty_page(database: Database, stripe: Upstream, status: int, says: str) -> None:
    stripe.seed(customer=50, product=50)
    sync = start_sync(database, stripe, ["customer", "product"]).wait(20)
    stripe.fault("status", status=status, match={"path": CUSTOMERS})
    database.sql("SELECT sequin.start_backfill('main', 'customer')")
    eventually(lambda: sync.health("customer") != "healthy", 10, what=database.status)
    assert says in database.status().lower()
    assert len(sync.live("customer")) == 50, "a refusal was taken for an empty collection"
    stripe.clear_faults()
    stripe.update("customer", stripe.any_id("customer"), name="changed")
    sync.converge(60)


# Records that can't be stored as they are

REJECTED = [
    "nul",
    "nul_key",
    "no_id",
    "null_id",
    "empty_id",
    "not_an_object",
    "null",
    "long_id",
    "deep",
    "deepest",
]
# jsonb can hold these, or the extension may set them aside: either is right, losing them or the page is not.
EITHER = [
    "numeric_id",
    "invalid_utf8",
    "lone_surrogate",
    "big_number",
    "precise_number",
    "huge",
    "duplicate_key",
    "long_number",
    "long_key",
    "many_keys",
]


@pytest.mark.parametrize("kind", REJECTED + EITHER)
@pytest.mark.parametrize("position", ["middle", "last"])
def test_an_odd_record_is_set_aside_and_its_page_is_not(
    database: Database, stripe: Upstream, kind: str, position: str
) -> None:
    stripe.seed(customer=250)
    stripe.fault("odd", kind=kind, position=position, match={"path": CUSTOMERS, "nth": 1})
    sync = start_sync(database, stripe, ["customer"]).wait(30)
    truth = stripe.objects("customer")
    stored = sync.live("customer")
    assert {key: data for key, data in stored.items() if key in truth} == truth
    rejected = database.sql("SELECT collection_id, reason, raw FROM sequin.rejected_records")
    if kind in REJECTED:
        assert len(rejected) == 1, stored.keys() - truth.keys()
    assert len(rejected) + len(stored) == 251, (rejected, stored.keys() - truth.keys())
    for row in rejected:
        assert row.collection_id == "stripe:customer"
        assert row.reason
        assert row.raw


# The budget


def test_the_rate_is_never_over_the_budget_and_fills_it(database: Database, stripe: Upstream) -> None:
    """Two syncs with one credential share a budget; the fake counts every window of a second."""
    stripe.seed(customer=4000, product=4000)
    budget = {"allowed_requests": 15, "interval": 1, "max_concurrent_requests": 4}
    began = time.monotonic()
    syncs = [
        start_sync(database, stripe, [collection], name=collection, rate_limit=budget)
        for collection in ("customer", "product")
    ]
    for sync in syncs:
        sync.wait(90).converge()
    took = time.monotonic() - began
    rates = stripe.rates(1.0)
    assert rates["overall"] <= 15, rates
    assert rates["concurrent_peak"] <= 4, rates
    assert rates["requests"] / took >= 0.6 * 15, f"{rates['requests']} requests in {took:.1f} s"


def test_the_rate_is_kept_across_a_restart_of_the_worker(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    """The next worker doesn't know that the last one has sent something a moment ago."""
    stripe.seed(customer=10)
    start_sync(database, stripe, ["customer"], rate_limit={"allowed_requests": 1, "interval": 3})
    for asked in (1, 2):
        eventually(lambda asked=asked: len(stripe.requests()) >= asked, 15, what=database.status)
        cluster.end_worker(database.name)
    eventually(lambda: len(stripe.requests()) >= 3, 15, what=database.status)
    assert stripe.rates(3.0)["overall"] == 1, stripe.rates(3.0)


def test_a_pause_outlives_the_worker(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    """What the API asks for concerns all that uses the credential, also what knows nothing of the refusal."""
    stripe.seed(customer=10, product=10)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    stripe.fault("rate_limit", retry_after=6, match={"path": "/v1/events", "times": 1})
    eventually(lambda: database.sql("SELECT 1 FROM sequin._credential_pauses"), 10, what=database.status)
    [refused] = [request for request in stripe.requests() if request.status == 429]
    cluster.end_worker(database.name)
    database.sql("SELECT sequin.update_sync('main', collections => ARRAY['customer', 'product'])")
    sync.collections.append("product")
    sync.wait(30)
    after = [request for request in stripe.requests() if request.number > refused.number]
    assert after[0].received - refused.received >= 6.0
    sync.converge()


def test_the_default_is_a_fraction_of_stripes_limit(database: Database, stripe: Upstream) -> None:
    stripe.configure(global_rate=25, endpoint_rate=25)  # a sandbox's
    stripe.seed(customer=2500)
    start_sync(database, stripe, ["customer"], rate_limit=None).wait(60).converge()
    assert stripe.rates(1.0)["overall"] <= 25
    assert "429" not in stripe.rates(1.0)["statuses"]


def test_changes_do_not_wait_for_a_backfill(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=6000, product=3)
    sync = start_sync(
        database, stripe, ["product", "customer"],
        rate_limit={"allowed_requests": 5, "interval": 1, "max_concurrent_requests": 2},
    )  # fmt: skip
    eventually(lambda: len(sync.live("product")) == 3 and sync.count() > 300, 30, what=database.status)
    changed = stripe.any_id("product")
    stripe.update("product", changed, name="changed")
    eventually(lambda: sync.live("product")[changed]["name"] == "changed", 5, what=database.status)
    assert sync.count() < 6000, "the backfill was over: nothing was shown"


def test_changes_do_not_wait_for_a_backfill_as_fast_as_the_worker(
    database: Database, stripe: Upstream
) -> None:
    """An API that always has the next page ready keeps the worker busy, and not from looking up."""
    stripe.seed(customer=100_000, product=3)
    sync = start_sync(database, stripe, ["product", "customer"])
    eventually(lambda: len(sync.live("product")) == 3 and sync.count() > 300, 30, what=database.status)
    changed = stripe.any_id("product")
    stripe.update("product", changed, name="changed")
    eventually(lambda: sync.live("product")[changed]["name"] == "changed", 30, what=database.status)
    assert sync.count() < 100_000, "the change came after the backfill"
