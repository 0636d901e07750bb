"""Deletions that are too many to be believed are held back until somebody confirms them."""

from typing import Any

import psycopg
import pytest
from harness import Database, Upstream, eventually
from harness.fake import declaration
from harness.sync import Sync, start_sync
from psycopg.types.json import Jsonb

ENDPOINTS = r"/v1/webhook_endpoints\?"
SWEEPS = "SELECT count(*) FROM sequin.backfills WHERE kind = 'sweep' AND state IN ('pending', 'running')"
EMPTY = {"status": 200, "body": '{"object": "list", "data": [], "has_more": false, "url": "/v1/nothing"}'}


def sweep_now(database: Database) -> None:
    """As if the last sweeps were long ago; a sync that is resumed looks at its tables anew."""
    database.sql("SELECT sequin.pause_sync('main')")
    database.sql("UPDATE sequin._sync_collections SET swept_at = swept_at - interval '1 month'")
    database.sql("SELECT sequin.resume_sync('main')")


def state(database: Database) -> Any:
    return database.sql("SELECT * FROM sequin.sync_collections")[0]


def held_back(database: Database, count: int) -> Any:
    """Waits until so many deletions are held back; what sequin.sync_collections says then."""

    def said() -> Any:
        row = state(database)
        return row.held_back == count and row

    return eventually(said, 20, what=database.status)


def events(database: Database, event: str) -> list[dict[str, Any]]:
    """The details of what the history has of this event."""
    return [
        row.detail
        for row in database.sql("SELECT detail FROM sequin.sync_log WHERE event = %s ORDER BY id", event)
    ]


@pytest.fixture
def swept(database: Database, stripe: Upstream) -> Sync:
    """400 objects of a collection whose deletions no event tells of."""
    stripe.seed(webhook_endpoint=400)
    sync = start_sync(database, stripe, ["webhook_endpoint"]).wait(30)
    sync.converge()
    return sync


def test_an_empty_list_deletes_nothing(swept: Sync) -> None:
    database, stripe = swept.database, swept.upstream
    stripe.fault("status", match={"path": ENDPOINTS}, **EMPTY)
    sweep_now(database)
    row = held_back(database, 400)
    assert (row.health, row.failure_class) == ("failing", "guarded")
    assert "400 of 400" in row.error
    assert "sequin.confirm_deletes('main', 'stripe:webhook_endpoint')" in row.hint
    assert len(swept.live("webhook_endpoint")) == 400
    assert events(database, "guard_stopped") == [{"missing": 400, "records": 400}]
    # The next sweep sees the same, which is no news.
    asked = len(stripe.requests(ENDPOINTS))
    sweep_now(database)
    eventually(lambda: len(stripe.requests(ENDPOINTS)) > asked and database.value(SWEEPS) == 0, 20)
    assert len(events(database, "guard_stopped")) == 1
    # And one that sees everything again ends it.
    stripe.clear_faults()
    sweep_now(database)
    eventually(lambda: state(database).health == "healthy", 20, what=database.status)
    assert state(database).held_back is None
    swept.converge()


@pytest.mark.cluster_settings(**{"sequin.delete_guard": "1"})
def test_an_empty_list_deletes_nothing_without_a_guard_either(swept: Sync) -> None:
    swept.upstream.fault("status", match={"path": ENDPOINTS}, **EMPTY)
    sweep_now(swept.database)
    held_back(swept.database, 400)
    assert len(swept.live("webhook_endpoint")) == 400


@pytest.mark.parametrize(
    "fault",
    [
        ("status", {"status": 500}),
        ("status", {"status": 404, "body": "<html>not found</html>"}),
        ("status", {"status": 403}),
        ("garbage", {"kind": "empty"}),
        ("garbage", {"kind": "no_data"}),
        ("garbage", {"kind": "null"}),
        ("cut", {"at": 0.5}),
    ],
    ids=["500", "404", "403", "nothing", "no list", "null", "cut off"],
)
def test_an_error_in_a_sweep_deletes_nothing(swept: Sync, fault: tuple[str, dict[str, Any]]) -> None:
    action, options = fault
    database, stripe = swept.database, swept.upstream
    # The second page, too, is no end of the list.
    stripe.fault(action, match={"path": ENDPOINTS, "after": 1}, **options)
    sweep_now(database)
    eventually(lambda: state(database).health != "healthy", 20, what=database.status)
    assert len(swept.live("webhook_endpoint")) == 400
    assert state(database).held_back is None


def test_a_list_that_ends_too_early_is_checked_object_by_object(swept: Sync) -> None:
    """Less than the guard's share is missing, so each is asked for: all are still there."""
    database, stripe = swept.database, swept.upstream
    stripe.fault("status", match={"path": ENDPOINTS, "nth": 4}, **EMPTY)
    checks = len(stripe.requests(r"/v1/webhook_endpoints/we_"))
    sweep_now(database)
    eventually(lambda: len(stripe.requests(r"/v1/webhook_endpoints/we_")) == checks + 100, 20)
    eventually(lambda: database.value(SWEEPS) == 0, 20, what=database.status)
    assert len(swept.live("webhook_endpoint")) == 400


def test_confirmed_deletions_are_carried_out_once(swept: Sync) -> None:
    database, stripe = swept.database, swept.upstream
    ids = sorted(stripe.objects("webhook_endpoint"))
    stripe.delete("webhook_endpoint", *ids[:250], event=False)
    sweep_now(database)
    held_back(database, 250)
    database.sql("SELECT sequin.confirm_deletes('main', 'webhook_endpoint')")
    swept.converge(30)
    eventually(lambda: database.value(SWEEPS) == 0, 20, what=database.status)
    assert state(database).health == "healthy"
    [confirmed] = events(database, "deletes_confirmed")
    assert confirmed["up_to"] == 250
    [completed] = events(database, "sweep_completed")
    assert completed["deletions"] == 250
    assert completed["id"] == confirmed["id"]
    # It was for that sweep alone.
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        database.sql("SELECT sequin.confirm_deletes('main', 'webhook_endpoint')")
    stripe.delete("webhook_endpoint", *ids[250:380], event=False)
    sweep_now(database)
    held_back(database, 130)
    assert len(swept.live("webhook_endpoint")) == 150


def test_more_than_was_confirmed_is_held_back_again(swept: Sync) -> None:
    database, stripe = swept.database, swept.upstream
    ids = sorted(stripe.objects("webhook_endpoint"))
    stripe.delete("webhook_endpoint", *ids[:210], event=False)
    sweep_now(database)
    held_back(database, 210)
    stripe.delete("webhook_endpoint", *ids[210:390], event=False)
    database.sql("SELECT sequin.confirm_deletes('main', 'webhook_endpoint')")
    held_back(database, 390)
    assert len(swept.live("webhook_endpoint")) == 400
    assert len(events(database, "guard_stopped")) == 2
    database.sql("SELECT sequin.confirm_deletes('main', 'webhook_endpoint')")
    swept.converge(30)


def test_parents_that_seem_to_be_gone_take_nothing_along(database: Database, stripe: Upstream) -> None:
    """A nested collection without a way to ask for one object: the list of parents comes empty."""
    stripe.seed(entitlement_feature=2, product=3)
    for parent in stripe.objects("product"):
        stripe.create("product_feature", count=50, parent=parent, event=False)
    sync = start_sync(database, stripe, ["product_feature"]).wait(30)
    sync.converge()
    stripe.fault("status", match={"path": r"/v1/products\?"}, **EMPTY)
    sweep_now(database)
    held_back(database, 150)
    stripe.clear_faults()
    sweep_now(database)
    eventually(lambda: state(database).health == "healthy", 20, what=database.status)
    sync.converge()


BALANCE = r"/v1/customers/cus_\w+/balance_transactions\?"


@pytest.fixture
def nested(database: Database, stripe: Upstream) -> tuple[Sync, str]:
    """150 children of one parent, and that parent; an event that names it has them listed again."""
    parent, other = stripe.create("customer", count=2, event=False)
    stripe.create("customer_balance_transaction", count=150, parent=parent, event=False)
    stripe.create("customer_balance_transaction", count=20, parent=other, event=False)
    sync = start_sync(database, stripe, ["customer_balance_transaction"]).wait(30)
    sync.converge()
    return sync, parent


def test_an_empty_list_of_children_is_not_believed_at_once(nested: tuple[Sync, str]) -> None:
    sync, parent = nested
    sync.upstream.fault("status", match={"path": BALANCE, "times": 1}, **EMPTY)
    sync.upstream.update("customer", parent, name="changed")
    # A sweep takes a second look, and sees that they are all there.
    swept = "SELECT count(*) FROM sequin.backfills WHERE kind = 'sweep' AND state = 'completed'"
    eventually(lambda: sync.database.value(swept) == 1, 20, what=sync.database.status)
    assert len(sync.live("customer_balance_transaction")) == 170


def test_an_empty_list_of_children_is_held_back(nested: tuple[Sync, str]) -> None:
    sync, parent = nested
    sync.upstream.fault("status", match={"path": BALANCE}, **EMPTY)
    sync.upstream.update("customer", parent, name="changed")
    held_back(sync.database, 170)
    assert len(sync.live("customer_balance_transaction")) == 170


def test_the_children_of_a_parent_that_is_gone_are_gone(nested: tuple[Sync, str]) -> None:
    """The API says that there is no such parent: that is no empty list."""
    sync, parent = nested
    sync.upstream.delete("customer", parent)
    sync.converge(20)
    assert not sync.database.sql("SELECT 1 FROM sequin.backfills WHERE kind = 'sweep'")


def test_a_parent_that_is_gone_or_hidden_holds_up_nothing(database: Database, stripe: Upstream) -> None:
    """Where the API's words leave it open which of the two it is, its list of parents tells."""
    spec = declaration("stripe")
    for rule in spec["errors"]["rules"]:
        if rule.get("code") == "resource_missing":
            rule["or_hidden"] = True
    database.sql("SELECT sequin.register_provider(%s)", Jsonb({**spec, "provider": "wary"}))
    parent, other = stripe.create("customer", count=2, event=False)
    for each in (parent, other):
        stripe.create("customer_balance_transaction", count=5, parent=each, event=False)
    wary = stripe.declared_as("wary")
    sync = start_sync(database, wary, ["customer_balance_transaction"]).wait(30)
    sync.converge()
    stripe.delete("customer", parent)
    eventually(lambda: sync.count() == 5, 20, what=database.status)
    assert sync.health("customer_balance_transaction") == "healthy"
    stripe.create("customer_balance_transaction", parent=other, event=False)
    stripe.update("customer", other, name="changed")
    sync.converge()
