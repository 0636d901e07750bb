"""Writing to Salesforce: records of declared objects and of others, one by one and many in a request."""

from typing import Any

import psycopg
import pytest
from harness import Database, Fake, Upstream, eventually
from harness.mutations import all_done, at_once, mutate, reached, record_at
from harness.sync import Sync, create_credential, start_sync
from psycopg.types.json import Jsonb

# Collection → what its creation needs. Each names only what was made before: `$account` stands for its id.
NEEDED: dict[str, dict[str, Any]] = {
    "account": {"Name": "Acme"},
    "contact": {"LastName": "Lovelace", "AccountId": "$account"},
    "lead": {"LastName": "Byron", "Company": "Acme", "Status": "Open"},
    "campaign": {"Name": "Spring"},
    "campaign_member": {"CampaignId": "$campaign", "ContactId": "$contact"},
    "opportunity": {
        "AccountId": "$account", "Name": "Engine", "StageName": "Prospecting", "CloseDate": "2026-12-01",
    },
    "product2": {"Name": "Card"},
    "pricebook": {"Name": "Usual", "IsActive": True},
    "pricebook_entry": {"Pricebook2Id": "$pricebook", "Product2Id": "$product2", "UnitPrice": 9.5},
    "contract": {"AccountId": "$account", "Status": "Draft"},
    "order": {"AccountId": "$account", "Status": "Draft", "EffectiveDate": "2026-12-01"},
    "order_item": {"OrderId": "$order", "Quantity": 2, "UnitPrice": 9.5},
    "case": {"AccountId": "$account", "Subject": "It is broken"},
    "task": {"WhatId": "$case", "Subject": "Look", "Status": "Not Started", "Priority": "High"},
    "event": {"Subject": "Meet", "StartDateTime": "2026-12-01T10:00:00Z", "DurationInMinutes": 30},
    "note": {"ParentId": "$account", "Title": "By hand"},
    "invoice__c": {"Name": "I-1", "Account__c": "$account", "Number__c": "17"},
}  # fmt: skip
# What a record can be called anew by; the others have no such field.
CHANGED = {
    "contact": "Title", "campaign_member": "Title", "pricebook_entry": "Note__c", "order_item": "Description",
    "case": "Subject", "task": "Subject", "event": "Subject", "note": "Title", "invoice__c": "Note__c",
}  # fmt: skip
# Several records are changed.
TOGETHER = r"/composite/sobjects\?"
# One account is created, and none read.
ALONE = r"v68\.0/sobjects/Account\?"
# What goes with another record is deleted before it.
DELETED = (
    "note", "event", "task", "case", "order_item", "order", "contract", "pricebook_entry", "pricebook",
    "product2", "opportunity", "campaign_member", "campaign", "lead", "contact", "invoice__c", "account",
)  # fmt: skip


@pytest.fixture
def salesforce(fake: Fake) -> Upstream:
    """An empty org."""
    return fake.upstream("salesforce")


def starts(database: Database, salesforce: Upstream, *collections: str) -> Sync:
    """A sync of these, once what is not declared among them is known."""
    create_credential(database, salesforce)
    salesforce.discovered("invoice__c", "Invoice__c")
    if "invoice__c" in collections:
        known = "SELECT 1 FROM sequin.collections WHERE collection_id = 'salesforce:invoice__c'"
        eventually(lambda: database.sql(known), 30, what=database.status)
    return start_sync(database, salesforce, collections).wait()


def sent(salesforce: Upstream, pattern: str, method: str = "POST") -> int:
    return len([each for each in salesforce.requests(pattern) if each.method == method])


def test_records_of_each_kind_are_made_changed_and_deleted(database: Database, salesforce: Upstream) -> None:
    sync = starts(database, salesforce, *NEEDED)
    made: dict[str, str] = {}
    for collection, data in NEEDED.items():
        filled = {
            name: made[value[1:]] if str(value).startswith("$") else value for name, value in data.items()
        }
        done = reached(database, mutate(database, collection, "create", data=filled))
        made[collection] = done.upstream_id
        # The answer has no more than the id, and the record is whole.
        record = record_at(database, done.updated_idx)
        assert record.data == salesforce.objects(collection)[done.upstream_id], collection
    for collection, key in made.items():
        field = CHANGED.get(collection, "Description")
        reached(database, mutate(database, collection, "update", key, {field: "changed"}))
        assert salesforce.objects(collection)[key][field] == "changed", collection
        assert sync.live(collection)[key][field] == "changed", collection
    for collection in DELETED:
        reached(database, mutate(database, collection, "delete", made[collection]))
        assert made[collection] not in salesforce.objects(collection), collection
        assert made[collection] not in sync.live(collection), collection
    sync.converge(90)


def test_many_go_into_one_request(database: Database, salesforce: Upstream) -> None:
    sync = starts(database, salesforce, "lead")
    database.sql(
        """INSERT INTO sequin.mutations (sync, collection_id, action, data)
           SELECT 'main', 'lead', 'create',
                  jsonb_build_object('LastName', 'L' || n, 'Company', 'Acme', 'Status', 'Open')
           FROM generate_series(1, 150) AS n"""
    )
    all_done(database, 150, 60)
    assert sent(salesforce, TOGETHER) + sent(salesforce, r"0/sobjects/Lead\?") < 100
    assert sent(salesforce, TOGETHER) > 0
    sync.converge(60)
    database.sql(
        """INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id, data)
           SELECT 'main', 'lead', 'update', r.upstream_id, '{"Description": "x"}'
           FROM sequin.records AS r WHERE r.collection_id = 'salesforce:lead'"""
    )
    all_done(database, 300, 60)
    assert sent(salesforce, TOGETHER, "PATCH") > 0
    database.sql(
        """INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id)
           SELECT 'main', 'lead', 'delete', r.upstream_id
           FROM sequin.records AS r WHERE r.collection_id = 'salesforce:lead'"""
    )
    all_done(database, 450, 60)
    assert not salesforce.objects("lead")
    sync.converge(60)


def test_a_refusal_among_others_is_told_in_the_apis_words(database: Database, salesforce: Upstream) -> None:
    starts(database, salesforce, "account")
    with database.connect() as conn:
        rows = conn.execute(
            """INSERT INTO sequin.mutations (sync, collection_id, action, data)
               SELECT 'main', 'account', 'create',
                      CASE n WHEN 7 THEN '{"Site__c": 1}'::jsonb ELSE jsonb_build_object('Name', 'A' || n) END
               FROM generate_series(1, 20) AS n
               RETURNING id, data"""
        ).fetchall()
        conn.commit()
    [wrong] = [row[0] for row in rows if "Name" not in row[1]]
    failed = reached(database, wrong, "failed")
    assert failed.status == 400 and failed.error_code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert isinstance(failed.response, list) and failed.response[0]["fields"] == ["Site__c"]
    eventually(lambda: len(salesforce.objects("account")) == 19, 30)


def test_what_is_refused_is_refused_for_good(database: Database, salesforce: Upstream) -> None:
    starts(database, salesforce, "account", "profile")
    missing = reached(database, mutate(database, "account", "create", data={"Phone": "1"}), "failed")
    assert (missing.status, missing.error_code) == (400, "REQUIRED_FIELD_MISSING")
    assert "Name" in missing.error
    [account] = salesforce.create("account")
    negative = mutate(database, "account", "update", account, {"AnnualRevenue": -1})
    assert reached(database, negative, "failed").error_code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    salesforce.delete("account", account)
    gone = reached(database, mutate(database, "account", "update", account, {"Name": "x"}), "failed")
    assert gone.error_code == "ENTITY_IS_DELETED"
    # That it is gone already is what was wanted.
    reached(database, mutate(database, "account", "delete", account))
    for collection, action, given in (
        ("profile", "create", {"Name": "x"}),
        ("account", "upsert", {"Name": "without its external id"}),
    ):
        with pytest.raises(psycopg.Error):
            mutate(database, collection, action, data=given)


def test_an_external_id_tells_what_is_there(database: Database, salesforce: Upstream) -> None:
    sync = starts(database, salesforce, "account", "invoice__c")
    given = {"externalIdFieldName": "External_Id__c", "externalId": "C/17 ä"}
    first = reached(database, mutate(database, "account", "upsert", data={**given, "Name": "Acme"}))
    again = reached(database, mutate(database, "account", "upsert", data={**given, "Name": "Acme Inc."}))
    assert first.upstream_id == again.upstream_id
    data = sync.live("account")[first.upstream_id]
    assert (data["Name"], data["External_Id__c"]) == ("Acme Inc.", "C/17 ä")
    # An answer that is lost does no harm: it is asked for once more.
    salesforce.fault("drop", match={"method": "PATCH", "times": 1})
    number = {"externalIdFieldName": "Number__c", "externalId": "17", "Name": "I-17"}
    reached(database, mutate(database, "invoice__c", "upsert", data=number))
    assert len(salesforce.objects("invoice__c")) == 1
    sync.converge(60)


def test_upserts_of_one_record_take_turns(database: Database, salesforce: Upstream) -> None:
    sync = starts(database, salesforce, "account")
    # What is asked for first takes longest.
    salesforce.fault(
        "delay", ms=1500, when="before", match={"method": "PATCH", "path": "External_Id__c", "times": 1}
    )
    salesforce.fault("status", status=503, match={"method": "PATCH", "path": "External_Id__c", "nth": 2})
    with database.connect() as connection, connection.transaction():
        for turn in range(5):
            given = {"externalIdFieldName": "External_Id__c", "externalId": "C17", "Name": f"turn {turn}"}
            connection.execute(
                "SELECT sequin.mutate('main', 'account', 'upsert', data => %s)", (Jsonb(given),)
            )
    all_done(database, 5, timeout=60)
    assert [each["Name"] for each in salesforce.objects("account").values()] == ["turn 4"]
    assert at_once(salesforce.writes("External_Id__c")) == 1
    sync.converge(60)


def test_a_row_that_is_locked_is_written_later(database: Database, salesforce: Upstream) -> None:
    starts(database, salesforce, "account")
    # Nothing was done: so it does no harm that a creation has no key.
    salesforce.fault("status", status=400, match={"method": "POST", "path": ALONE, "times": 2})
    reached(database, mutate(database, "account", "create", data={"Name": "once"}), timeout=60)
    assert sent(salesforce, ALONE) == 3
    assert [each["Name"] for each in salesforce.objects("account").values()] == ["once"]


def test_a_creation_without_an_answer_is_uncertain(database: Database, salesforce: Upstream) -> None:
    sync = starts(database, salesforce, "account")
    salesforce.fault("drop", match={"method": "POST", "path": ALONE, "times": 1})
    unknown = reached(database, mutate(database, "account", "create", data={"Name": "perhaps"}), "uncertain")
    assert unknown.attempts == 1
    # Whether or not it has happened, the stream is what the API says.
    sync.converge(60)
    [account] = salesforce.ids("account")
    # An update is looked for, and need not be sent again.
    salesforce.fault("drop", match={"method": "PATCH", "times": 1})
    reached(database, mutate(database, "account", "update", account, {"Name": "surely"}))
    assert salesforce.objects("account")[account]["Name"] == "surely"
    assert sent(salesforce, rf"/sobjects/Account/{account}\?", "PATCH") == 1
