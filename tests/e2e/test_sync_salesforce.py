"""Salesforce: queries, records read in batches, and the objects of an org that nobody has declared."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fake.salesforce.sessions import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, USERNAME
from harness import Database, Fake, Upstream, eventually
from harness.fake import declaration
from harness.signing import Key
from harness.sync import GENEROUS, create_credential, start_sync
from psycopg.types.json import Jsonb

COLLECTIONS = [each["name"] for each in declaration("salesforce")["collections"]]
# Which objects there are.
LISTED = r"/sobjects\?"
# A look is due each 10 seconds, and what was refused is tried again within half a minute.
PATIENCE = 90


@pytest.fixture
def salesforce(fake: Fake) -> Iterator[Upstream]:
    """An empty org. After the test, no request has been refused for being wrong."""
    salesforce = fake.upstream("salesforce")
    yield salesforce
    refused = [each for each in salesforce.requests() if each.status in (400, 414) and not each.rules]
    assert not refused, f"{len(refused)} requests were refused, the first {refused[0]}"


def found(database: Database, credential: str = "upstream") -> dict[str, Any]:
    """The collections that were discovered with a credential, by their names."""
    rows = database.sql("SELECT * FROM sequin.collections WHERE credential = %s", credential)
    return {row.name: row for row in rows}


def discovers(database: Database, salesforce: Upstream, *names: str) -> None:
    """Makes the credential, and waits until it is known that there are these collections."""
    if not database.sql("SELECT 1 FROM sequin.credentials WHERE name = 'upstream'"):
        create_credential(database, salesforce)
    eventually(lambda: found(database).keys() >= set(names), 30, what=database.status)


def read_anew(database: Database) -> None:
    """Has everything compared with what the API lists, as each week."""
    database.sql("SELECT sequin.pause_sync('main')")
    database.sql("UPDATE sequin._sync_collections SET swept_at = swept_at - interval '2 weeks'")
    database.sql("SELECT sequin.resume_sync('main')")


def soql(salesforce: Upstream, pattern: str) -> int:
    """How many queries there were that `pattern` is in, as it goes over the wire."""
    return len(salesforce.requests(pattern))


def test_an_org_with_all_that_is_declared(database: Database) -> None:
    with Fake("--seed", "6", "--no-limits") as fake:
        salesforce = fake.upstream("salesforce")
        sync = start_sync(database, salesforce, COLLECTIONS).wait(180)
        sync.converge(60)
        assert sync.count() > 4000
        weights = {"create": 2, "update": 6, "delete": 2, "restore": 1}
        for seed in range(2):
            salesforce.mutate_random(80, seed, ["account", "lead", "opportunity", "case", "task"], weights)
            sync.converge(PATIENCE)
        assert not database.sql("SELECT reason FROM sequin.rejected_records")
        assert database.value("SELECT health FROM sequin.status WHERE sync = 'main'") == "healthy"


def test_a_record_has_the_fields_of_the_object_and_no_more(database: Database, salesforce: Upstream) -> None:
    [account] = salesforce.create("account", Name="Ælfrēd & Söhne", AnnualRevenue=12.5)
    sync = start_sync(database, salesforce, ["account"]).wait()
    sync.converge()
    row = sync.records("account")[account]
    assert "attributes" not in row.data
    assert (row.data["Name"], row.data["AnnualRevenue"]) == ("Ælfrēd & Söhne", 12.5)
    assert row.upstream_created_at is not None and row.upstream_updated_at is not None
    # What is read once more is no change.
    version = row.row_version
    backfill = database.value("SELECT sequin.start_backfill('main', 'account')")
    done = "SELECT state = 'completed' FROM sequin.backfills WHERE id = %s"
    eventually(lambda: database.value(done, backfill), 30, what=database.status)
    assert sync.records("account")[account].row_version == version


def test_changes_deletions_and_what_comes_back(database: Database, salesforce: Upstream) -> None:
    salesforce.seed(account=40, contact=2100)
    sync = start_sync(database, salesforce, ["account", "contact"]).wait()
    sync.converge()
    lists = soql(salesforce, r"SELECT\+Id%2C\+CreatedDate.*FROM\+Contact")
    changed = salesforce.ids("contact")[:30]
    salesforce.update("contact", *changed, Title="changed")
    gone, back, for_good = salesforce.ids("account")[:3]
    salesforce.delete("account", gone, back)
    sync.converge(PATIENCE)
    assert sync.records("account")[gone].deleted
    salesforce.fake.control("POST", "restore", {"collection": "salesforce:Account", "ids": [back]})
    sync.converge(PATIENCE)
    assert not sync.records("account")[back].deleted
    # The whole list was not needed for any of this.
    assert soql(salesforce, r"SELECT\+Id%2C\+CreatedDate.*FROM\+Contact") == lists
    # What goes past the recycle bin only a comparison can find.
    salesforce.delete("account", for_good, event=False)
    read_anew(database)
    sync.converge(PATIENCE)
    assert sync.records("account")[for_good].deleted


def test_more_than_a_batch_has_changed_at_one_instant(database: Database, salesforce: Upstream) -> None:
    salesforce.create("lead", count=2600, created=1_700_000_000)
    sync = start_sync(database, salesforce, ["lead"]).wait()
    sync.converge()
    ids = salesforce.ids("lead")
    salesforce.update("lead", *ids, Description="imported")
    sync.converge(PATIENCE)
    assert soql(salesforce, r"SystemModstamp\+%3D\+") >= 2, "within the instant by ids"
    assert database.value("SELECT health FROM sequin.status WHERE sync = 'main'") == "healthy"


def test_a_session_that_ends_is_followed_by_another(database: Database, salesforce: Upstream) -> None:
    salesforce.configure(rotate=True)
    salesforce.seed(contact=3000)
    given = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
    properties = {"kind": "oauth", "login_url": salesforce.url, **given}
    database.sql("SELECT sequin.create_credential('upstream', 'salesforce', %s)", Jsonb(properties))
    old_enough = "SELECT token_refreshed_at < clock_timestamp() - interval '6 s' FROM sequin.credentials"
    eventually(lambda: database.value(old_enough), 30, what=database.status)
    salesforce.fake.set_latency(150)
    sync = start_sync(database, salesforce, ["contact"], rate_limit=GENEROUS)
    eventually(lambda: len(sync.live("contact")) > 500, 60, what=database.status)
    salesforce.configure(revoke="sessions")
    sync.wait(120)
    salesforce.fake.set_latency(0)
    sync.converge(PATIENCE)
    assert any(each.status == 401 for each in salesforce.requests())
    settings = salesforce.configure()
    assert settings["granted"] == 2 and settings["refresh_tokens"] != [REFRESH_TOKEN]


def test_a_signed_assertion_gets_a_session(database: Database, salesforce: Upstream, tmp_path: Path) -> None:
    key = Key(tmp_path)
    salesforce.configure(public_key=key.public)
    salesforce.seed(account=5)
    given = {"client_id": CLIENT_ID, "username": USERNAME, "private_key": key.file.read_text()}
    properties = {"kind": "jwt", "login_url": salesforce.url, **given}
    database.sql("SELECT sequin.create_credential('upstream', 'salesforce', %s)", Jsonb(properties))
    start_sync(database, salesforce, ["account"]).wait().converge()
    assert database.value("SELECT sequin.check_credential('upstream') ->> 'account'") == USERNAME


def test_the_day_is_over_when_its_requests_are_used_up(database: Database) -> None:
    with Fake("--salesforce-Account", "3000") as fake:
        salesforce = fake.upstream("salesforce")
        salesforce.configure(daily={"allowed": 6})
        start_sync(database, salesforce, ["account"])
        paused = "SELECT paused_until > now() + interval '10 min' FROM sequin._credential_pauses"
        eventually(lambda: database.value(paused), 60, what=database.status)
        # What was under way at that moment, and nothing after it.
        assert salesforce.configure()["beyond"] <= 10


def test_an_object_that_may_not_be_seen_stops_one_collection(database: Database) -> None:
    with Fake("--empty", "--no-limits") as fake:
        salesforce = fake.upstream("salesforce")
        salesforce.configure(hidden={"Lead": None})
        salesforce.seed(account=5)
        sync = start_sync(database, salesforce, ["account", "lead"])
        eventually(lambda: len(sync.live("account")) == 5, 30, what=database.status)
        eventually(lambda: sync.health("lead") == "failing", 30, what=database.status)
        assert sync.health("account") == "healthy"


def test_a_field_that_is_taken_away(database: Database) -> None:
    with Fake("--empty", "--no-limits") as fake:
        salesforce = fake.upstream("salesforce")
        salesforce.seed(contact=20)
        sync = start_sync(database, salesforce, ["contact"]).wait()
        sync.converge()
        salesforce.configure(hidden={"Contact": ["Department"]})
        salesforce.update("contact", salesforce.any_id("contact"), Title="seen all the same")

        def is_gone() -> bool:
            rows = sync.live("contact").values()
            return all("Department" not in row for row in rows) and any(
                row["Title"] == "seen all the same" for row in rows
            )

        eventually(is_gone, PATIENCE, what=database.status)
        eventually(lambda: sync.health("contact") == "healthy", 30, what=database.status)


# What is not declared


def test_every_object_of_the_org_is_a_collection(database: Database, salesforce: Upstream) -> None:
    create_credential(database, salesforce)
    names = ["invoice__c", "line__c", "account_history", "login_history"]
    discovers(database, salesforce, *names)
    collections = found(database)
    assert not collections.keys() & set(COLLECTIONS), "what is declared is there once"
    assert "activity_history" not in collections, "it can't be queried"
    assert collections["invoice__c"].collection_id == "salesforce:invoice__c"
    assert collections["invoice__c"].changes == "poll of changes each 10 s, sweep each 604800 s"
    assert collections["login_history"].changes == "sweep each 86400 s"
    kinds = {
        "invoice__c": "Invoice__c",
        "line__c": "Line__c",
        "account_history": "AccountHistory",
        "login_history": "LoginHistory",
    }
    own = [salesforce.discovered(name, kind) for name, kind in kinds.items()]
    [account] = salesforce.create("account")
    salesforce.create("invoice__c", count=30)
    salesforce.create("account_history", count=3, parent=account)
    salesforce.create("login_history", count=3)
    sync = start_sync(database, salesforce, [*own, "account"]).wait()
    sync.converge()
    salesforce.mutate_random(30, 1, ["invoice__c", "line__c"], {"create": 1, "update": 2, "delete": 1})
    sync.converge(PATIENCE)
    described = found(database)["invoice__c"].fields
    assert {"name": "Amount__c", "type": "numeric", "source": "described"} in described


def test_a_collection_keeps_its_identifier_when_the_object_is_renamed(database: Database) -> None:
    with Fake("--empty", "--no-limits") as fake:
        salesforce = fake.upstream("salesforce")
        discovers(database, salesforce, "invoice__c")
        salesforce.discovered("invoice__c", "Invoice__c")
        salesforce.create("invoice__c", count=20)
        sync = start_sync(database, salesforce, ["invoice__c"]).wait()
        sync.converge()
        before = found(database)
        asked = len(salesforce.requests(LISTED))
        database.sql("SELECT sequin.refresh_collections('upstream')")
        eventually(lambda: len(salesforce.requests(LISTED)) > asked, 30, what=database.status)
        assert {name: row.title for name, row in found(database).items()} == {
            name: row.title for name, row in before.items()
        }
        salesforce.configure(renamed={"Invoice__c": "Bill__c"})
        database.sql("SELECT sequin.refresh_collections('upstream')")
        salesforce.update("invoice__c", *salesforce.ids("invoice__c")[:5], Note__c="under another name")
        sync.converge(PATIENCE)
        eventually(lambda: found(database)["invoice__c"].title == "Bills", 30)
        assert "bill__c" not in found(database)
        assert soql(salesforce, "FROM\\+Bill__c") > 0


def test_an_object_that_comes_later_and_one_that_goes(database: Database) -> None:
    with Fake("--empty", "--no-limits") as fake:
        salesforce = fake.upstream("salesforce")
        salesforce.configure(hidden={"Invoice__c": None})
        discovers(database, salesforce, "line__c")
        assert "invoice__c" not in found(database)
        salesforce.configure(hidden={"Line__c": None})
        database.sql("SELECT sequin.refresh_collections('upstream')")
        eventually(
            lambda: "invoice__c" in (names := found(database)) and "line__c" not in names,
            30,
            what=database.status,
        )


def test_a_view_has_the_types_of_the_fields(database: Database, salesforce: Upstream) -> None:
    salesforce.create("opportunity", count=3, Amount=12.5, CloseDate="2026-03-01", IsClosed=True)
    discovers(database, salesforce, "invoice__c")
    salesforce.discovered("invoice__c", "Invoice__c")
    salesforce.create("invoice__c", count=2, Number__c=None, Paid__c=True)
    start_sync(database, salesforce, ["opportunity", "invoice__c"]).wait().converge()
    for collection in ("salesforce:opportunity", "salesforce:invoice__c"):
        database.sql("SELECT sequin.create_view(%s)", collection)
    types = dict(
        database.sql(
            """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
               WHERE attrelid = 'salesforce.opportunity'::regclass AND attnum > 0"""
        )
    )
    expected = {
        "Name": "text",
        "Amount": "numeric",
        "CloseDate": "date",
        "IsClosed": "boolean",
        "SystemModstamp": "timestamp with time zone",
    }
    assert {name: types[name] for name in expected} == expected
    row = database.sql(
        """SELECT "Amount" = 12.5 AND "CloseDate" = date '2026-03-01' AND "IsClosed" AND "Id" = _upstream_id
           FROM salesforce.opportunity"""
    )
    assert [each[0] for each in row] == [True] * 3
    assert database.value('SELECT bool_and("Paid__c") FROM salesforce.invoice__c')


def test_what_is_refused_says_what_to_do(database: Database) -> None:
    with Fake("--empty", "--no-limits") as fake:
        salesforce = fake.upstream("salesforce")
        salesforce.fault("status", status=503, match={"path": LISTED})
        create_credential(database, salesforce)
        database.sql("SELECT sequin.create_stream('main')")

        def refused(name: str) -> psycopg.errors.UndefinedObject:
            with pytest.raises(psycopg.errors.UndefinedObject) as caught:
                database.sql(
                    "SELECT sequin.create_sync('x', 'main', 'upstream', ARRAY[%s])", f"salesforce:{name}"
                )
            return caught.value

        eventually(lambda: "503" in refused("invoice__c").diag.message_detail, 30, what=database.status)
        assert "has not told yet" in refused("invoice__c").diag.message_detail
        assert "sequin.collections" in refused("invoice__c").diag.message_hint
        salesforce.clear_faults()
        database.sql("SELECT sequin.refresh_collections('upstream')")
        discovers(database, salesforce, "invoice__c")
        assert "invoice__c" in refused("invoice_c").diag.message_hint
        assert "opportunity" in refused("oportunity").diag.message_hint
        database.sql("SELECT sequin.create_sync('x', 'main', 'upstream', '{invoice__c}')")
        with pytest.raises(psycopg.errors.UndefinedObject):
            database.sql("SELECT sequin.start_backfill('x', 'line__c')")
        with pytest.raises(psycopg.errors.UndefinedObject):
            database.sql("SELECT sequin.create_view('salesforce:nothing__c')")
