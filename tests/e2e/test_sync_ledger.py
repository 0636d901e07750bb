"""An API that its user has declared: its habits one by one, on real workers, against the fake ledger."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fake.client import Client
from harness import Database, Fake, Upstream, eventually
from harness.sync import Sync, start_sync
from psycopg import errors
from psycopg.types.json import Jsonb

DECLARATION = json.loads(
    (Path(__file__).resolve().parents[1] / "fake" / "ledger" / "declaration.json").read_text()
)
COLLECTIONS = [each["name"] for each in DECLARATION["collections"]]
LONG_AGO = 1_700_000_000
ONE_AT_A_TIME = {"allowed_requests": 1000, "interval": 1, "max_concurrent_requests": 1}


@pytest.fixture
def ledger(fake: Fake) -> Iterator[Upstream]:
    """The fake's ledger. After the test, no request has been refused that the API need not have refused."""
    ledger = fake.upstream("ledger")
    yield ledger
    refused = [each for each in ledger.requests() if each.status in (400, 401, 403, 405) and not each.rules]
    assert not refused, f"{len(refused)} requests were refused, the first {refused[0]}"


def register(database: Database, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """The declaration; `change` makes it another one, given its collections by name."""
    declaration = deepcopy(DECLARATION)
    change({each["name"]: each for each in declaration["collections"]})
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(declaration))


def sweep_often(collections: dict[str, Any]) -> None:
    for collection in collections.values():
        collection["changes"]["sweep"] = 3


def starts(database: Database, ledger: Upstream, *collections: str, **options: Any) -> Sync:
    return start_sync(database, ledger, collections, **options)


def restore(ledger: Upstream, *ids: str, event: bool = True) -> None:
    body = {"collection": "ledger:invoice", "ids": list(ids), "event": event}
    ledger.fake.control("POST", "restore", body)


def test_every_collection_keeps_in_step(database: Database) -> None:
    register(database, sweep_often)
    with Fake("--seed", "3", "--no-limits") as fake:
        ledger = fake.upstream("ledger")
        sync = starts(database, ledger, *COLLECTIONS).wait()
        sync.converge()
        assert sync.count() > 1000
        for seed in range(2):
            weights = {"create": 2, "update": 6, "delete": 2, "restore": 1}
            ledger.mutate_random(200, seed, COLLECTIONS, weights)
            sync.converge()
        assert not database.sql("SELECT reason FROM sequin.rejected_records")


def test_changes_and_deletions_need_no_sweep(database: Database, ledger: Upstream) -> None:
    register(database)
    for collection in ("account", "entry", "invoice", "payment"):
        ledger.create(collection, count=120, created=LONG_AGO, event=False)
    sync = starts(database, ledger, "account", "entry", "invoice", "payment").wait()
    sync.converge()
    ledger.update("account", *ledger.ids("account")[:110], name="renamed at once, on more than two pages")
    ledger.update("entry", *ledger.ids("entry")[:110], memo="changed")
    ledger.update("invoice", *ledger.ids("invoice")[20:], status="paid")
    ledger.delete("invoice", *ledger.ids("invoice")[:20])
    ledger.create("payment", count=110)
    sync.converge()


def test_what_is_changed_and_deleted_in_one_second_is_gone(database: Database, ledger: Upstream) -> None:
    """The time of the change has milliseconds, that of the deletion none: it seems to be the earlier one."""
    register(database)
    [id] = ledger.create("invoice", created=LONG_AGO, event=False, status="sent")
    sync = starts(database, ledger, "invoice").wait()

    def now() -> float:
        return ledger.fake.control("GET", "clock")["now"]

    eventually(lambda: 0.1 < now() % 1 < 0.5, every=0.01)
    ledger.update("invoice", id, status="paid")
    sync.converge()
    changed = ledger.objects("invoice")[id]["modified"] / 1000
    assert 0 < changed % 1 < 0.7
    ledger.delete("invoice", id, event={"backdate": now() - changed - 0.2})
    sync.converge()


def test_a_change_behind_what_was_seen_is_seen(database: Database, ledger: Upstream) -> None:
    register(database)
    early, late = ledger.create("account", count=2, created=LONG_AGO)
    sync = starts(database, ledger, "account").wait()
    ledger.update("account", early, name="seen")
    sync.converge()
    ledger.update("account", late, name="behind", event={"backdate": 30})
    sync.converge()


def test_an_invoice_that_came_back_is_not_taken_for_deleted(database: Database, ledger: Upstream) -> None:
    register(database)
    gone, back = ledger.create("invoice", count=2, created=LONG_AGO, event=False)
    sync = starts(database, ledger, "invoice").wait()
    ledger.delete("invoice", gone, back)
    eventually(lambda: not sync.live("invoice"), what=database.status)
    # The deletion is still listed, and each look sees it again.
    restore(ledger, back)
    sync.converge()
    looks = len(ledger.requests("^/deleted"))
    eventually(lambda: len(ledger.requests("^/deleted")) >= looks + 2)
    assert sync.live("invoice").keys() == {back}


def test_options_that_a_sync_has_stay_declared(database: Database, ledger: Upstream) -> None:
    declaration = deepcopy(DECLARATION) | {"options": {"branch": {"description": "Branches"}}}
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(declaration))
    starts(database, ledger, "account", options={"branch": ["north", "south"]}).wait()
    with pytest.raises(errors.DependentObjectsStillExist, match="options"):
        register(database)
    declaration["title"] = "The same with another title"
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(declaration))


def test_a_cursor_that_has_grown_old_begins_anew(database: Database, ledger: Upstream) -> None:
    register(database)
    ledger.create("account", count=120, created=LONG_AGO)
    ledger.configure(cursor_life=1)
    # The second page is asked for with a cursor that is no longer good.
    ledger.fault("delay", match={"path": "^/accounts\\?limit=50$", "times": 1}, ms=1500)
    starts(database, ledger, "account").wait().converge()
    assert 400 in {each.status for each in ledger.requests("^/accounts")}
    ledger.fake.control("DELETE", "requests")


def test_a_list_that_goes_on_elsewhere_is_not_followed(database: Database, ledger: Upstream) -> None:
    register(database)
    ledger.create("payment", count=120)
    with Fake() as other:
        ledger.configure(payment_links=other.url)
        sync = starts(database, ledger, "payment")
        eventually(lambda: sync.health("payment") == "failing", what=database.status)
        assert not other.upstream("ledger").requests(), "the key went to another server"
    ledger.configure(payment_links="absolute")
    sync.wait().converge()


def test_the_quota_is_never_exceeded(database: Database, ledger: Upstream) -> None:
    register(database)
    ledger.create("account", count=500, created=LONG_AGO, event=False)
    ledger.configure(quota={"allowed": 5, "interval": 2})
    starts(database, ledger, "account", rate_limit=ONE_AT_A_TIME).wait().converge()
    assert ledger.configure()["beyond_quota"] == 0
    assert len(ledger.requests()) >= 10, "there was something to wait for"


def test_a_limit_that_was_not_foreseen_is_waited_for(database: Database, ledger: Upstream) -> None:
    register(database)
    ledger.create("account", count=120, created=LONG_AGO)
    ledger.fault("rate_limit", match={"nth": 2}, retry_after=2)
    starts(database, ledger, "account", rate_limit=ONE_AT_A_TIME).wait().converge()
    refused, after = ledger.requests()[1:3]
    assert refused.status == 403
    assert after.received - refused.received > 1


def test_points_are_not_overdrawn(database: Database, ledger: Upstream) -> None:
    register(database)
    ledger.create("report", count=150)
    ledger.configure(cost={"requested": 20, "maximum": 50, "restore_rate": 40})
    starts(database, ledger, "report", rate_limit=ONE_AT_A_TIME).wait().converge()
    assert ledger.configure()["throttled"] == 0


def test_a_success_that_is_none_is_waited_for(database: Database, ledger: Upstream) -> None:
    register(database)
    ledger.create("report", count=30)
    ledger.configure(cost={"requested": 20, "maximum": 20, "restore_rate": 5})
    # Another program of the company has used up what there was.
    other = Client(ledger.fake.url, None)
    assert other.request("GET", "/ledger/reports", None, {"X-Api-Key": ledger.api_key}).status == 200
    starts(database, ledger, "report").wait().converge()
    assert ledger.configure()["throttled"] >= 1
