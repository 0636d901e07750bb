"""Writing to HubSpot: many records in one request, and what was changed read anew."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from harness import Cluster, Database, Fake, Upstream, eventually
from harness.fake import Request, declaration
from harness.mutations import all_done, describe, mutate, mutation, reached, record_at
from harness.sync import Sync, create_credential, start_sync
from psycopg.types.json import Jsonb

RECORDS = [each["name"] for each in declaration("hubspot")["collections"] if "batch" in each]
# What a new record of each kind needs, beside a text of ours.
TEXTS = {
    "company": "name", "contact": "lastname", "deal": "dealname", "ticket": "subject", "product": "name",
    "line_item": "name", "quote": "hs_title", "call": "hs_call_title", "email": "hs_email_subject",
    "meeting": "hs_meeting_title", "note": "hs_note_body", "task": "hs_task_subject",
    "communication": "hs_communication_body", "postal_mail": "hs_postal_mail_body",
}  # fmt: skip


@pytest.fixture
def hubspot(fake: Fake) -> Upstream:
    return fake.upstream("hubspot")


class Portal(Sync):
    """Compares what has a value: the truth has no properties without one, nor where to see a record."""

    def live(self, collection: str) -> dict[str, dict[str, Any]]:
        return {id: valued(data) for id, data in super().live(collection).items()}


def valued(data: dict[str, Any]) -> dict[str, Any]:
    values = {name: value for name, value in data["properties"].items() if value is not None}
    return {name: each for name, each in data.items() if name != "url"} | {"properties": values}


def starts(database: Database, hubspot: Upstream, *collections: str, **options: Any) -> Portal:
    return Portal(**vars(start_sync(database, hubspot, collections, **options))).wait()


@pytest.fixture
def contacts(database: Database, hubspot: Upstream) -> Portal:
    hubspot.create("contact", count=20)
    return starts(database, hubspot, "contact")


def ask(database: Database, collection: str, action: str, given: list[tuple[str | None, Any]]) -> list[Any]:
    """Mutations of one transaction, in this order: (upstream id, data) of each."""
    with database.connect() as connection, connection.transaction():
        return [
            connection.execute(
                "SELECT sequin.mutate('main', %s, %s, %s, %s)",
                (collection, action, id, None if data is None else Jsonb(data)),
            ).fetchone()[0]
            for id, data in given
        ]


def batches(hubspot: Upstream, verb: str) -> list[Request]:
    return hubspot.writes(f"/batch/{verb}")


def contact(number: int, **more: str) -> dict[str, Any]:
    return {"properties": {"email": f"c{number}@example.com", "lastname": f"new {number}", **more}}


def names(hubspot: Upstream) -> Counter[str]:
    found = (each["properties"].get("lastname", "") for each in hubspot.objects("contact").values())
    return Counter(name for name in found if name.startswith("new "))


# One by one


@pytest.mark.parametrize("collection", RECORDS)
def test_a_record_of_each_kind_is_made_changed_and_archived(
    database: Database, hubspot: Upstream, collection: str
) -> None:
    [other] = hubspot.create(collection, event=False)
    sync = starts(database, hubspot, collection)
    # What such a record needs, another one has.
    required = hubspot.objects(collection)[other]["properties"]
    known = {name: required[name] for name in ("hs_timestamp", "dealstage", "pipeline") if name in required}
    known |= {name: required[name] for name in ("hs_pipeline", "hs_pipeline_stage") if name in required}
    text = TEXTS[collection]
    given = {"properties": {**known, text: "first"}}
    made = reached(database, mutate(database, collection, "create", data=given))
    assert record_at(database, made.updated_idx).data["properties"][text] == "first"
    changed = {"properties": {text: "second"}}
    done = reached(database, mutate(database, collection, "update", made.upstream_id, changed))
    assert record_at(database, done.updated_idx).data["properties"][text] == "second"
    sync.converge()
    reached(database, mutate(database, collection, "delete", made.upstream_id))
    assert sync.records(collection)[made.upstream_id].deleted
    assert made.upstream_id not in hubspot.objects(collection)
    sync.converge()


def test_a_custom_object_is_written_as_others_are(database: Database, hubspot: Upstream) -> None:
    create_credential(database, hubspot)
    known = "SELECT count(*) FROM sequin.collections WHERE credential = 'upstream' AND name = 'car'"
    eventually(lambda: database.value(known) == 1, 30, what=database.status)
    sync = starts(database, hubspot, hubspot.discovered("car", "car"))
    given = [(None, {"properties": {"vin": f"V{n}", "model": "first"}}) for n in range(30)]
    ask(database, "car", "create", given)
    all_done(database, 30)
    assert len(batches(hubspot, "create")) < 5
    ids = hubspot.ids("car")
    ask(database, "car", "update", [(id, {"properties": {"mileage": "7"}}) for id in ids])
    upsert = {"idProperty": "vin", "id": "V1", "properties": {"model": "second"}}
    put = reached(database, mutate(database, "car", "upsert", data=upsert))
    all_done(database, 61)
    values = [each["properties"] for each in hubspot.objects("car").values()]
    assert {each["mileage"] for each in values} == {"7"}
    assert hubspot.objects("car")[put.upstream_id]["properties"]["model"] == "second"
    ask(database, "car", "delete", [(id, None) for id in ids[:10]])
    all_done(database, 71)
    sync.converge()
    assert hubspot.writes("/objects/2-12345/batch/archive")


def test_the_record_has_all_properties_and_no_search_is_waited_for(
    database: Database, hubspot: Upstream
) -> None:
    hubspot.configure(index_lag={"probability": 1, "seconds": 3})
    hubspot.create("contact", count=3)
    sync = starts(database, hubspot, "contact")
    given = contact(1, score_custom="7")
    done = reached(database, mutate(database, "contact", "create", data=given))
    row = record_at(database, done.updated_idx)
    assert row.data["properties"]["score_custom"] == "7"
    assert valued(row.data) == hubspot.objects("contact")[done.upstream_id]
    later = reached(database, mutate(database, "contact", "update", done.upstream_id, contact(1, city="Ulm")))
    # The search finds both, late; nothing comes of it.
    eventually(lambda: len(hubspot.requests("/batch/read")) >= 4, 40, what=database.status)
    sync.converge()
    assert sync.records("contact")[done.upstream_id].updated_idx == later.updated_idx


def test_a_new_record_is_associated(database: Database, hubspot: Upstream) -> None:
    [company] = hubspot.create("company")
    starts(database, hubspot, "contact")
    link = {
        "to": {"id": company},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}],
    }
    given = {**contact(1), "associations": [link]}
    hubspot.fault(
        "drop", match={"method": "POST", "path": "/objects/contacts(/batch/create)?[?]", "times": 1}
    )
    reached(database, mutate(database, "contact", "create", data=given))
    assert names(hubspot) == {"new 1": 1}


# Together


def test_many_are_made_in_few_requests(contacts: Portal) -> None:
    database, hubspot = contacts.database, contacts.upstream
    asked = ask(database, "contact", "create", [(None, contact(n)) for n in range(250)])
    all_done(database, 250)
    assert names(hubspot) == {f"new {n}": 1 for n in range(250)}
    assert len(hubspot.writes("/objects/contacts")) - len(batches(hubspot, "read")) <= 12
    assert max(each.body.count('"objectWriteTraceId"') for each in batches(hubspot, "create")) == 100
    for number, id in enumerate(asked):
        row = mutation(database, id)
        assert hubspot.objects("contact")[row.upstream_id]["properties"]["lastname"] == f"new {number}"
        if number > 20:
            break
    contacts.converge()


def test_no_request_has_much_more_than_a_megabyte(contacts: Portal) -> None:
    database, hubspot = contacts.database, contacts.upstream
    # All are there for the taking when the sync goes on.
    database.sql("SELECT sequin.pause_sync('main')")
    ask(database, "contact", "create", [(None, contact(n, city="x" * 60_000)) for n in range(120)])
    database.sql("SELECT sequin.resume_sync('main')")
    all_done(database, 120, timeout=60)
    assert len(hubspot.writes("/objects/contacts")) - len(batches(hubspot, "read")) >= 7
    assert names(hubspot) == {f"new {n}": 1 for n in range(120)}


def test_a_batch_that_is_refused_does_not_stay_handed_over(database: Database, hubspot: Upstream) -> None:
    """What was refused was not made, and a crash makes no more of it uncertain than a second's worth."""
    sync = starts(database, hubspot, "contact", rate_limit={"allowed_requests": 2, "interval": 1})
    hubspot.fault("status", status=400, match={"path": "/batch/create"})
    ask(database, "contact", "create", [(None, {"properties": {"lastname": f"new {n}"}}) for n in range(20)])

    def are_separated() -> bool:
        refused = "SELECT count(*) FROM sequin.mutations WHERE state = 'pending' AND error IS NOT NULL"
        return database.value(refused) >= 15

    eventually(are_separated, 20, what=lambda: describe(database))
    hubspot.clear_faults()
    all_done(database, 20, timeout=60)
    assert names(hubspot) == {f"new {n}": 1 for n in range(20)}
    sync.converge(60)


def test_changes_of_a_record_keep_their_order(contacts: Portal) -> None:
    database, hubspot = contacts.database, contacts.upstream
    ids = hubspot.ids("contact")
    changes = [(id, {"properties": {"city": f"{turn}"}}) for turn in range(6) for id in ids]
    ask(database, "contact", "update", changes)
    all_done(database, len(changes))
    assert {each["properties"]["city"] for each in hubspot.objects("contact").values()} == {"5"}
    requests = [each for each in hubspot.writes("/objects/contacts") if "city" in each.body]
    assert len(requests) < len(changes) / 2, "they were asked for one by one"
    ask(database, "contact", "delete", [(id, None) for id in ids])
    all_done(database, len(changes) + len(ids))
    assert hubspot.objects("contact") == {}
    assert len(batches(hubspot, "archive")) <= 3
    contacts.converge()


def test_what_is_refused_among_others_has_its_own_words(contacts: Portal) -> None:
    database, hubspot = contacts.database, contacts.upstream
    given = [contact(n) for n in range(30)]
    given[3]["properties"]["nonsense"] = "x"
    given[7]["properties"]["email"] = hubspot.objects("contact")[hubspot.any_id("contact")]["properties"][
        "email"
    ]
    asked = ask(database, "contact", "create", [(None, data) for data in given])
    unknown, taken = reached(database, asked[3], "failed"), reached(database, asked[7], "failed")
    assert (unknown.status, unknown.error_code) == (400, "VALIDATION_ERROR")
    assert "nonsense" in unknown.error
    assert (taken.status, taken.error_code) == (409, "CONFLICT")
    for number, id in enumerate(asked):
        if number not in (3, 7):
            reached(database, id)
    assert names(hubspot) == {f"new {n}": 1 for n in range(30) if n not in (3, 7)}
    contacts.converge()


def test_one_that_is_gone_is_no_harm_to_the_others(contacts: Portal) -> None:
    database, hubspot = contacts.database, contacts.upstream
    gone, *others = hubspot.ids("contact")
    hubspot.delete("contact", gone)
    asked = ask(database, "contact", "update", [(id, contact(n)) for n, id in enumerate([gone, *others])])
    assert reached(database, asked[0], "failed").error_class == "missing"
    for id in asked[1:]:
        reached(database, id)
    assert sum(names(hubspot).values()) == len(others)
    contacts.converge(90)


def test_a_batch_that_is_refused_as_a_whole_is_asked_for_one_by_one(contacts: Portal) -> None:
    database, hubspot = contacts.database, contacts.upstream
    hubspot.fault("status", status=400, match={"path": "/batch/create", "times": 1})
    ask(database, "contact", "create", [(None, contact(n)) for n in range(4)])
    all_done(database, 4)
    assert names(hubspot) == {f"new {n}": 1 for n in range(4)}


def test_upserts_of_one_record_take_turns(contacts: Portal) -> None:
    database, hubspot = contacts.database, contacts.upstream

    def put(number: int, turn: int) -> tuple[None, dict[str, Any]]:
        properties = {"lastname": f"new {number}", "city": str(turn)}
        return None, {"idProperty": "email", "id": f"C{number}@example.com", "properties": properties}

    ask(database, "contact", "upsert", [put(number, turn) for turn in range(3) for number in range(10)])
    all_done(database, 30)
    assert names(hubspot) == {f"new {n}": 1 for n in range(10)}
    put_there = [each["properties"] for each in hubspot.objects("contact").values()]
    cities = {each["city"] for each in put_there if each.get("lastname", "").startswith("new ")}
    assert cities == {"2"}
    assert all(each.status == 200 for each in batches(hubspot, "upsert"))
    assert len(batches(hubspot, "upsert")) < 30
    contacts.converge()


def test_an_upsert_that_fails_is_not_overtaken(contacts: Portal) -> None:
    """By what was asked for later, and would be undone by it."""
    database, hubspot = contacts.database, contacts.upstream
    hubspot.fault("status", status=503, match={"path": "/batch/upsert", "times": 2})

    def put(turn: int) -> tuple[None, dict[str, Any]]:
        properties = {"lastname": "new 1", "city": str(turn)}
        return None, {"idProperty": "email", "id": "c1@example.com", "properties": properties}

    ask(database, "contact", "upsert", [put(turn) for turn in range(3)])
    all_done(database, 3)
    assert names(hubspot) == {"new 1": 1}
    [city] = [
        each["properties"]["city"]
        for each in hubspot.objects("contact").values()
        if each["properties"].get("lastname") == "new 1"
    ]
    assert city == "2"
    contacts.converge()


def test_what_names_another_record_is_asked_for_by_itself(contacts: Portal) -> None:
    """In an element of a batch the API might take it for the record that is to be changed."""
    database, hubspot = contacts.database, contacts.upstream
    other, *ids = hubspot.ids("contact")[:5]
    before = hubspot.objects("contact")[other]
    given = [(id, {"properties": {"city": "Ulm"}}) for id in ids]
    ask(database, "contact", "update", [(ids[0], {"id": other, "properties": {"city": "Bern"}}), *given[1:]])

    def has_ended() -> bool:
        return not database.value("SELECT count(*) FROM sequin.mutations WHERE finished_at IS NULL")

    eventually(has_ended, 30, what=lambda: describe(database))
    assert not any(f'"{other}"' in each.body for each in batches(hubspot, "update"))
    assert hubspot.objects("contact")[other] == before
    assert all(hubspot.objects("contact")[id]["properties"]["city"] == "Ulm" for id in ids[1:])


def test_a_collection_that_is_not_described_holds_up_no_other(database: Database, hubspot: Upstream) -> None:
    """What was made of it can't be read before its properties are known."""
    hubspot.fault("status", status=403, match={"method": "GET", "path": "/crm/v3/properties/companies"})
    start_sync(database, hubspot, ["contact", "company"])
    given = [(None, {"properties": {"name": f"new {n}"}}) for n in range(30)]
    made = ask(database, "company", "create", given)

    def are_made() -> bool:
        return all(mutation(database, id).made for id in made)

    eventually(are_made, 30, what=lambda: describe(database))
    reached(database, mutate(database, "contact", "create", data=contact(1)), timeout=30)
    hubspot.clear_faults()
    assert (
        len([each for each in hubspot.objects("company").values() if "new " in each["properties"]["name"]])
        == 30
    )


def test_an_upsert_that_is_refused_says_why(contacts: Portal) -> None:
    database = contacts.database
    given = {"idProperty": "email", "id": "a@example.com", "properties": {"nonsense": "x"}}
    refused = reached(database, mutate(database, "contact", "upsert", data=given), "failed")
    assert refused.error_code == "VALIDATION_ERROR" and "nonsense" in refused.error
    given = {"idProperty": "lastname", "id": "x", "properties": {}}
    assert reached(database, mutate(database, "contact", "upsert", data=given), "failed").status == 400


# An outcome that nobody knows

LOST: list[tuple[str, dict[str, Any]]] = [
    ("drop", {"apply": True}),
    ("drop", {"apply": False}),
    ("cut", {"at": 0.5}),
    ("status", {"status": 502, "apply": True}),
    ("garbage", {"kind": "html"}),
    ("garbage", {"kind": "no_data"}),
]
lost = pytest.mark.parametrize("fault", LOST, ids=lambda each: f"{each[0]} {each[1]}")


@lost
def test_of_a_batch_that_is_lost_each_is_looked_for(
    contacts: Portal, fault: tuple[str, dict[str, Any]]
) -> None:
    """Those with an email are found; nobody knows of the others."""
    database, hubspot = contacts.database, contacts.upstream
    hubspot.fault(fault[0], match={"path": "/batch/create", "times": 1}, **fault[1])
    nameless = {"properties": {"lastname": "new nobody"}}
    given = [*((None, contact(n)) for n in range(5)), (None, nameless)]
    asked = ask(database, "contact", "create", given)
    assert reached(database, asked[5], "uncertain").error
    for number, id in enumerate(asked[:5]):
        done = reached(database, id)
        assert record_at(database, done.updated_idx).data["properties"]["lastname"] == f"new {number}"
    found = names(hubspot)
    assert all(found[f"new {n}"] == 1 for n in range(5)) and found["new nobody"] <= 1
    contacts.converge()


@lost
@pytest.mark.parametrize("action", ["update", "delete"])
def test_updates_and_deletions_of_a_lost_batch_are_made(
    contacts: Portal, action: str, fault: tuple[str, dict[str, Any]]
) -> None:
    database, hubspot = contacts.database, contacts.upstream
    if action == "delete" and fault[0] in ("cut", "garbage"):
        pytest.skip("there is nothing in the answer")
    verb = {"update": "update", "delete": "archive"}[action]
    hubspot.fault(fault[0], match={"path": f"/batch/{verb}", "times": 1}, **fault[1])
    ids = hubspot.ids("contact")[:7]
    given = [(id, contact(n) if action == "update" else None) for n, id in enumerate(ids)]
    asked = ask(database, "contact", action, given)
    for id in asked:
        reached(database, id)
    if action == "update":
        assert names(hubspot) == {f"new {n}": 1 for n in range(7)}
    else:
        assert not set(ids) & set(hubspot.objects("contact"))
    contacts.converge()


def test_what_was_made_is_read_until_it_can_be(contacts: Portal) -> None:
    """That it can't be read is no reason to make it again, nor to call it uncertain."""
    database, hubspot = contacts.database, contacts.upstream
    hubspot.fault("status", status=500, match={"path": "/batch/read"})
    given = {"properties": {"lastname": "new nobody"}}
    asked = mutate(database, "contact", "create", data=given)

    def is_made() -> bool:
        return mutation(database, asked).made

    eventually(is_made, 20, what=lambda: describe(database))
    hubspot.clear_faults()
    done = reached(database, asked, timeout=40)
    assert done.upstream_id in hubspot.objects("contact")
    assert names(hubspot) == {"new nobody": 1}
    assert record_at(database, done.updated_idx).upstream_id == done.upstream_id


def test_a_limit_is_no_unknown_outcome(contacts: Portal) -> None:
    database, hubspot = contacts.database, contacts.upstream
    hubspot.fault("rate_limit", retry_after=1, match={"path": "/batch/create", "times": 2})
    ask(database, "contact", "create", [(None, {"properties": {"lastname": f"new {n}"}}) for n in range(9)])
    all_done(database, 9)
    assert names(hubspot) == {f"new {n}": 1 for n in range(9)}


# Crashes


WORKERS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'sequin worker' AND datname = %s"


def kill(cluster: Cluster, database: Database) -> None:
    [(pid,)] = cluster.sql(WORKERS, database.name)
    cluster.crash(pid)


def terminate(cluster: Cluster, database: Database) -> None:
    cluster.end_worker(database.name)


by_two_ends = pytest.mark.parametrize("end", [kill, terminate], ids=lambda each: each.__name__)
End = Callable[[Cluster, Database], None]


@pytest.mark.crashes
@by_two_ends
@pytest.mark.parametrize("is_applied", [True, False], ids=["made", "not made"])
def test_before_the_answer_to_a_batch(
    cluster: Cluster, database: Database, hubspot: Upstream, is_applied: bool, end: End
) -> None:
    hubspot.create("contact", count=3)
    sync = starts(database, hubspot, "contact", frequency="4h")
    hubspot.fault("hang", apply=is_applied, match={"path": "/batch/create", "times": 1})
    nameless = {"properties": {"lastname": "new nobody"}}
    asked = ask(database, "contact", "create", [(None, contact(1)), (None, nameless), (None, contact(2))])
    eventually(lambda: batches(hubspot, "create"), 15, what=lambda: describe(database))
    end(cluster, database)
    assert reached(database, asked[1], "uncertain", timeout=40).error
    for id in (asked[0], asked[2]):
        reached(database, id, timeout=40)
    expected = {"new 1": 1, "new 2": 1} | ({"new nobody": 1} if is_applied else {})
    assert names(hubspot) == expected
    assert set(sync.live("contact")) >= {mutation(database, asked[0]).upstream_id}


@pytest.mark.crashes
@by_two_ends
def test_in_the_middle_of_many(cluster: Cluster, database: Database, hubspot: Upstream, end: End) -> None:
    """Each contact is made once, and changes of a record come in their order."""
    hubspot.create("contact", count=10)
    sync = starts(database, hubspot, "contact", frequency="4h")
    hubspot.fake.set_latency(80, 40)
    ids = hubspot.ids("contact")
    changes = [(id, {"properties": {"city": str(turn)}}) for turn in range(8) for id in ids]
    ask(database, "contact", "create", [(None, contact(n)) for n in range(150)])
    ask(database, "contact", "update", changes)
    for share in (10, 100):
        eventually(
            lambda share=share: sum(names(hubspot).values()) >= share, 30, what=lambda: describe(database)
        )
        # The next one may not have been started yet.
        eventually(lambda: cluster.sql(WORKERS, database.name), 30, what=lambda: describe(database))
        end(cluster, database)
    all_done(database, 150 + len(changes), timeout=120)
    assert names(hubspot) == {f"new {n}": 1 for n in range(150)}
    assert {hubspot.objects("contact")[id]["properties"]["city"] for id in ids} == {"7"}
    sync.converge()
