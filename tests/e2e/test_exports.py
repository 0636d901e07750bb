"""Exports in the background, against the fakes of Salesforce's Bulk API and of Shopify's bulk operations."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fake.client import SalesforceClient, ShopifyClient
from harness import Cluster, Database, Fake, eventually
from harness.exports import API, JOBS, STATE, Org, collection, declaration, in_pieces, unwatched
from harness.shopify import Shop, ShopSync, sync_shop, with_shopify
from harness.sync import GENEROUS, Sync, start_sync
from psycopg.types.json import Jsonb

OLD = 1_600_000_000


class Records(Sync):
    """Without what only says how an object was read."""

    def live(self, collection: str) -> dict[str, dict[str, Any]]:
        found = super().live(collection)
        return {
            id: {name: each for name, each in data.items() if name != "attributes"}
            for id, data in found.items()
        }


@pytest.fixture
def org(fake: Fake) -> Org:
    """An empty org."""
    org = Org(fake)
    org.configure(bulk_seconds=0.5)
    return org


def starts(database: Database, org: Org, *collections: dict[str, Any]) -> Records:
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(declaration(*collections)))
    properties = {"kind": "session", "token": org.api_key, "base_url": org.url}
    database.sql("SELECT sequin.create_credential('upstream', 'org', %s)", Jsonb(properties))
    names = [each["name"] for each in collections]
    return Records(**vars(start_sync(database, org, names, rate_limit=GENEROUS)))


def events(database: Database) -> list[str]:
    rows = database.sql("SELECT event FROM sequin.sync_log ORDER BY id")
    return [row.event for row in rows if row.event.startswith("export_")]


def reason(database: Database) -> str:
    """Why the list was read instead."""
    return database.value("SELECT detail ->> 'reason' FROM sequin.sync_log WHERE event = 'export_given_up'")


def waits(database: Database) -> bool:
    """Whether the backfill says that it waits for an export."""
    rows = database.sql("SELECT waiting_for FROM sequin.backfill_progress WHERE kind = 'initial'")
    return bool(rows) and "the export 750" in (rows[0].waiting_for or "")


def crash(cluster: Cluster, database: Database) -> None:
    worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'sequin worker' AND datname = %s"
    [(pid,)] = cluster.sql(worker, database.name)
    cluster.crash(pid)


def test_a_backfill_is_exported_in_parts(database: Database, org: Org) -> None:
    org.create("account", 4000, created=OLD)
    sync = starts(database, org, collection("account")).wait(90)
    sync.converge()
    assert org.started() == 1
    parts = [each for each in org.requests("/results") if "maxRecords=1500" in each.query]
    assert [("locator" in each.query) for each in parts] == [False, True, True]
    assert org.sent("DELETE") == 1, "the job is removed"
    assert events(database) == ["export_started"]
    assert not database.sql("SELECT 1 FROM sequin.rejected_records")
    assert not database.sql("SELECT 1 FROM sequin.backfills WHERE kind = 'sweep'"), "nothing was missed"


def test_what_is_exported_again_is_no_change(database: Database, org: Org) -> None:
    """Promise 4."""
    org.create("account", 300, created=OLD)
    sync = starts(database, org, unwatched()).wait(60)
    sync.converge()
    last = database.value("SELECT max(updated_idx) FROM sequin.records")
    again = database.value("SELECT sequin.start_backfill('main', 'account')")
    done = "SELECT state = 'completed' FROM sequin.backfills WHERE id = %s"
    eventually(lambda: database.value(done, again), 60, what=database.status)
    assert org.started() == 2
    assert database.value("SELECT changes FROM sequin.backfills WHERE id = %s", again) == 0
    assert database.value("SELECT max(updated_idx) FROM sequin.records") == last


def test_few_objects_are_listed(database: Database, org: Org) -> None:
    org.create("account", 20)
    count = {"path": f"{API}/query", "query": {"q": "SELECT COUNT() FROM Account"}}
    bulk = {"at_least": 50, "count": {"request": count, "at": "/totalSize"}}
    sync = starts(database, org, collection("account", **bulk)).wait()
    sync.converge()
    assert org.started() == 0 and events(database) == []
    org.create("account", 40)
    database.sql("SELECT sequin.start_backfill('main', 'account')")
    eventually(lambda: org.started() == 1, 30, what=database.status)
    sync.converge()


def test_what_changes_while_the_job_runs_is_not_overwritten(database: Database, org: Org) -> None:
    """Promise 3: what the job shows was so when it was asked for, however late it is read."""
    org.configure(bulk_seconds=12)
    # Looks at what is new see what was made a moment ago, and end at what is older.
    [hidden, *_] = org.create("account", 5, created=OLD - 86_400)
    org.create("account", 2100, created=OLD)
    [changed] = org.create("account", 1)
    sync = starts(database, org, collection("account"))
    eventually(lambda: waits(database) and changed in sync.live("account"), 30, what=database.status)
    org.update("account", changed, Description="while the job runs")
    org.delete("account", hidden)
    looks = len(org.requests("/queryAll"))

    def is_seen() -> bool:
        return sync.live("account")[changed]["Description"] == "while the job runs"

    eventually(is_seen, 20, what=database.status)
    eventually(lambda: len(org.requests("/queryAll")) > looks + 2, 20, what=database.status)
    assert waits(database), "what changes does not wait for the export (promise 6)"
    position = sync.records("account")[changed].updated_idx
    sync.wait(60)
    assert sync.records("account")[changed].updated_idx == position
    assert hidden not in sync.records("account"), "it was known to be gone before it was stored"
    sync.converge()


@pytest.mark.crashes
def test_a_crash_while_the_job_runs(cluster: Cluster, database: Database, org: Org) -> None:
    org.configure(bulk_seconds=8)
    org.create("account", 300, created=OLD)
    sync = starts(database, org, collection("account"))
    eventually(lambda: waits(database), 30, what=database.status)
    crash(cluster, database)
    sync.wait(90)
    sync.converge()
    assert org.started() == 1, "the same job is waited for"
    # What was seen to be gone before the crash is forgotten: everything is compared.
    swept = "SELECT count(*) FROM sequin.backfills WHERE kind = 'sweep' AND state = 'completed'"
    eventually(lambda: database.value(swept) == 1, 60, what=database.status)


@pytest.mark.crashes
def test_a_crash_while_the_parts_are_read(cluster: Cluster, database: Database, org: Org) -> None:
    org.create("account", 6000, created=OLD)
    exported = unwatched()
    exported["bulk"]["results"]["page_size"]["value"] = 1000
    org.fault("delay", ms=700, match={"path": "/results"})
    sync = starts(database, org, exported)
    read = "SELECT count(*) FROM sequin.records"
    eventually(lambda: database.value(read) > 2500, 60, what=database.status)
    crash(cluster, database)
    sync.wait(90)
    assert org.started() == 1
    assert database.value("SELECT state FROM sequin.backfills WHERE kind = 'initial'") == "completed"
    first = [each for each in org.requests("/results") if "locator" not in each.query]
    assert len(first) == 1, "it went on with the part that it was at"
    sync.converge()


@pytest.mark.parametrize("how", ["forgotten", "aborted"])
def test_a_job_that_is_lost_is_started_again(database: Database, org: Org, how: str) -> None:
    org.configure(bulk_seconds=4)
    org.create("account", 200, created=OLD)
    sync = starts(database, org, collection("account"))
    eventually(lambda: waits(database), 30, what=database.status)
    if how == "forgotten":
        org.fault("status", status=404, match={"path": STATE, "method": "GET", "times": 1})
    else:
        job = database.value("SELECT waiting_for FROM sequin.backfill_progress").split()[2].rstrip(",")
        abort(org, job)
    sync.wait(60)
    sync.converge()
    assert org.started() == 2
    assert events(database) == ["export_started", "export_started"]


def abort(org: Org, job: str) -> None:
    """As somebody at the console of the org would."""
    client = SalesforceClient(org.fake.url, org.api_key)
    assert client.send("PATCH", f"jobs/query/{job}", {"state": "Aborted"}).status == 200


def test_what_the_api_can_not_export_is_listed(database: Database, org: Org) -> None:
    org.create("case_status", 12)
    sync = starts(database, org, collection("case_status")).wait()
    sync.converge()
    assert org.started() == 0
    assert events(database) == ["export_given_up"]
    assert "the API answered 400" in reason(database)


def test_a_job_that_fails_is_given_up(database: Database, org: Org) -> None:
    org.create("account", 50, created=OLD)
    org.configure(bulk_fails="TooManyLockFailure: try again")
    sync = starts(database, org, collection("account")).wait()
    sync.converge()
    assert events(database) == ["export_started", "export_given_up"]
    assert "TooManyLockFailure" in reason(database)
    assert sync.health("account") == "healthy"


def test_a_job_that_takes_too_long_is_given_up(database: Database, org: Org) -> None:
    org.create("account", 50, created=OLD)
    org.configure(bulk_seconds=3600)
    sync = starts(database, org, collection("account", patience=2)).wait()
    sync.converge()
    assert "2 s" in reason(database)
    assert org.sent("PATCH") == 1, "the job is aborted"
    assert org.started() == 1


def test_faults_on_the_way_are_tried_again(database: Database, org: Org) -> None:
    org.create("account", 3000, created=OLD)
    org.fault("status", status=503, match={"path": JOBS, "times": 1})
    org.fault("status", status=500, match={"path": STATE, "times": 2})
    org.fault("cut", match={"path": "/results", "times": 1})
    sync = starts(database, org, collection("account")).wait(90)
    sync.converge()
    eventually(lambda: sync.health("account") == "healthy", 10, what=database.status)
    assert "export_given_up" not in events(database)


@pytest.mark.parametrize("how", ["cancel", "pause", "delete"])
def test_a_job_that_nobody_waits_for_is_aborted(database: Database, org: Org, how: str) -> None:
    org.create("account", 50, created=OLD)
    org.configure(bulk_seconds=3600)
    sync = starts(database, org, collection("account"))
    eventually(lambda: waits(database), 30, what=database.status)
    match how:
        case "cancel":
            database.sql("SELECT sequin.cancel_backfill(id) FROM sequin.backfills WHERE kind = 'initial'")
        case "pause":
            database.sql("SELECT sequin.pause_sync('main')")
        case "delete":
            database.sql("SELECT sequin.delete_sync('main')")
    eventually(lambda: org.sent("PATCH") == 1, 20, what=database.status)
    assert org.started() == 1
    if how == "pause":
        org.configure(bulk_seconds=0.5)
        database.sql("SELECT sequin.resume_sync('main')")
        sync.wait()
        sync.converge()
        assert org.started() == 2


def swept(database: Database) -> list[tuple[str, int]]:
    """Has everything listed and compared: how the sweeps have ended, and what they have changed."""
    database.sql("SELECT sequin.pause_sync('main')")
    database.sql("UPDATE sequin._sync_collections SET swept_at = swept_at - interval '2 weeks'")
    database.sql("SELECT sequin.resume_sync('main')")
    found = "SELECT state, changes FROM sequin.backfills WHERE kind = 'sweep'"
    count = len(database.sql("SELECT 1 FROM sequin.sync_collections"))

    def are_over() -> bool:
        rows = database.sql(found)
        return len(rows) == count and all(row.state == "completed" for row in rows)

    eventually(are_over, 120, what=database.status)
    return [tuple(row) for row in database.sql(found)]


@pytest.mark.timeout(420)
def test_what_salesforce_exports_is_what_it_lists(database: Database) -> None:
    """Promise 4, with what is declared. Of activities the archived ones come, and the deleted ones don't."""
    sizes = ("--salesforce-Account", "10050", "--salesforce-Task", "10020", "--salesforce-Lead", "40")
    with Fake("--seed", "2", "--no-limits", "--empty", *sizes) as fake:
        salesforce = fake.upstream("salesforce")
        salesforce.configure(bulk_seconds=1)
        salesforce.delete("task", *salesforce.ids("task")[:10])
        sync = start_sync(database, salesforce, ["account", "task", "lead"], rate_limit=GENEROUS).wait(120)
        sync.converge(60)
        assert events(database) == ["export_started"] * 2, "few leads are listed"
        asked = [json.loads(each.body) for each in salesforce.requests(JOBS) if each.method == "POST"]
        assert {each["operation"] for each in asked} == {"query", "queryAll"}
        last = database.value("SELECT max(updated_idx) FROM sequin.records")
        assert swept(database) == [("completed", 0)] * 3
        assert database.value("SELECT max(updated_idx) FROM sequin.records") == last


# Files

EXPORTED = ["product", "product_variant", "product_metafield", "inventory_item", "inventory_level"]
EXPORTED += ["order", "line_item", "return", "order_metafield", "customer", "customer_metafield"]
SIZES = ("--shopify-product", "700", "--shopify-order", "520", "--shopify-customer", "510")


@pytest.fixture(scope="module")
def stocked() -> Iterator[Shop]:
    with Fake(*with_shopify(), "--seed", "3", "--no-limits", *SIZES) as fake:
        yield Shop(fake)


@pytest.mark.timeout(420)
def test_what_shopify_exports_is_what_it_lists(database: Database, stocked: Shop) -> None:
    """Promises 4 and 8. There are more exports than may be under way at once."""
    stocked.configure(bulk_seconds=1, bulk_failure=None)
    sync = sync_shop(database, stocked, *EXPORTED, rate_limit=GENEROUS).wait(150)
    sync.converge(60)
    assert events(database).count("export_started") == len(EXPORTED)
    assert "export_given_up" not in events(database)
    assert stocked.configure()["leaks"] == [], "another server never sees the token"
    assert not database.sql("SELECT 1 FROM sequin.rejected_records")
    last = database.value("SELECT max(updated_idx) FROM sequin.records")
    assert swept(database) == [("completed", 0)] * len(EXPORTED)
    assert database.value("SELECT max(updated_idx) FROM sequin.records") == last


def test_a_file_is_read_in_pieces(database: Database, stocked: Shop) -> None:
    stocked.configure(bulk_seconds=1, bulk_failure=None)
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(in_pieces(20_000)))
    shop = stocked.declared_as("shop")
    before = len(shop.requests("/_files/"))
    sync = ShopSync(**vars(start_sync(database, shop, ["product"], rate_limit=GENEROUS)))
    eventually(lambda: sync.count() > 0, 60, what=database.status)
    kept = database.value("SELECT coalesce(string_agg(position::text, ''), '') FROM sequin._backfill_ranges")
    assert "signature" not in kept
    sync.wait(60)
    sync.converge()
    assert len(shop.requests("/_files/")) - before > 3


def test_an_operation_that_fails_is_given_up(database: Database, stocked: Shop) -> None:
    stocked.configure(bulk_seconds=1, bulk_failure="TIMEOUT")
    sync = sync_shop(database, stocked, "product", rate_limit=GENEROUS).wait(60)
    assert sync.count() == len(stocked.ids("product"))
    assert events(database) == ["export_started", "export_given_up"]
    assert "FAILED: TIMEOUT" in reason(database)


def test_others_have_to_end_first(database: Database, stocked: Shop) -> None:
    stocked.configure(bulk_seconds=6, bulk_failure=None)
    client = ShopifyClient(stocked.fake.url, stocked.api_key, "2026-10")
    for _ in range(5):
        client.data(
            'mutation { bulkOperationRunQuery(query: "{ locations { edges { node { id } } } }")'
            " { bulkOperation { id } userErrors { message } } }"
        )
    sync = sync_shop(database, stocked, "product", rate_limit=GENEROUS)
    waiting = "SELECT waiting_for FROM sequin.backfill_progress"
    eventually(lambda: database.value(waiting) == "another export to end", 20, what=database.status)
    sync.wait(60)
    assert sync.count() == len(stocked.ids("product"))
    assert events(database)[-1] == "export_started"
