"""HubSpot: records read in batches, changes found by searching, on real workers, against the fake."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from fake.hubspot.credentials import CLIENT
from harness import Database, Fake, Upstream, eventually
from harness.fake import declaration
from harness.mutations import reached
from harness.sync import GENEROUS, Sync, create_credential, start_sync
from house.models import body_problems
from psycopg import errors
from psycopg.types.json import Jsonb

COLLECTIONS: dict[str, Any] = {each["name"]: each for each in declaration("hubspot")["collections"]}
RECORDS = [name for name, each in COLLECTIONS.items() if "batch" in each]
# The archive is looked at each half minute.
PATIENCE = 90


@pytest.fixture
def hubspot(fake: Fake) -> Iterator[Upstream]:
    """An empty account. After the test, no request has been refused for being wrong, or has a wrong body."""
    hubspot = fake.upstream("hubspot")
    yield hubspot
    wrong = {problem for each in hubspot.requests() for problem in body_problems(each.path, each.body)}
    assert not wrong, "\n".join(sorted(wrong))
    refused = [each for each in hubspot.requests() if each.status in (400, 403, 414) and not each.rules]
    assert not refused, f"{len(refused)} requests were refused, the first {refused[0]}"


class Portal(Sync):
    """Compares what has a value: the truth has no properties without one, nor where to see a record."""

    def live(self, collection: str) -> dict[str, dict[str, Any]]:
        def valued(data: dict[str, Any]) -> dict[str, Any]:
            if "properties" not in data:
                return data
            values = {name: value for name, value in data["properties"].items() if value is not None}
            return {name: each for name, each in data.items() if name != "url"} | {"properties": values}

        return {id: valued(data) for id, data in super().live(collection).items()}


def starts(database: Database, hubspot: Upstream, *collections: str, **options: Any) -> Portal:
    return Portal(**vars(start_sync(database, hubspot, collections, **options)))


def read_anew(database: Database) -> None:
    """Has everything compared with what the API lists, as each day."""
    database.sql("SELECT sequin.pause_sync('main')")
    database.sql("UPDATE sequin._sync_collections SET swept_at = swept_at - interval '1 week'")
    database.sql("SELECT sequin.resume_sync('main')")


def test_an_account_with_all_that_is_in_it(database: Database) -> None:
    with Fake("--seed", "6", "--no-limits") as fake:
        hubspot = fake.upstream("hubspot")
        sync = starts(database, hubspot, *RECORDS, "owner").wait(120)
        sync.converge(60)
        assert sync.count() > 1000
        weights = {"create": 2, "update": 6, "delete": 2, "restore": 1}
        for seed in range(2):
            hubspot.mutate_random(60, seed, ["contact", "company", "deal", "note"], weights)
            sync.converge(PATIENCE)
        assert not database.sql("SELECT reason FROM sequin.rejected_records")
        assert database.value("SELECT health FROM sequin.status WHERE sync = 'main'") == "healthy"


def test_all_properties_come_and_not_just_the_usual_ones(database: Database, hubspot: Upstream) -> None:
    hubspot.create("contact", count=5, jobtitle="Ælfrēd", score_custom="7")
    sync = starts(database, hubspot, "contact").wait()
    sync.converge()
    row = next(iter(sync.live("contact").values()))
    assert (row["properties"]["jobtitle"], row["properties"]["score_custom"]) == ("Ælfrēd", "7")


def test_a_property_that_is_added_later(database: Database, hubspot: Upstream) -> None:
    hubspot.create("contact", count=3)
    hubspot.create("deal", count=3)
    sync = starts(database, hubspot, "contact", "deal").wait()
    sync.converge()
    made = {
        "collection": "hubspot:property",
        "parent": "contact",
        "data": {"name": "shoe_size", "type": "number"},
    }
    hubspot.fake.control("POST", "create", made)
    # Nothing tells of this change but the record itself.
    hubspot.update("contact", hubspot.any_id("contact"), event=False, shoe_size="46")
    database.sql("SELECT sequin.refresh_collections('upstream')")
    sync.converge()
    eventually(lambda: len(hubspot.requests("/properties/deals")) == 2, 20, what=database.status)
    kinds = database.sql("SELECT collection_id FROM sequin.backfills WHERE kind = 'sweep'")
    assert [row.collection_id for row in kinds] == ["hubspot:contact"]


def test_changes_are_searched_for(database: Database, hubspot: Upstream) -> None:
    hubspot.seed(contact=450, company=30)
    sync = starts(database, hubspot, "contact", "company").wait()
    sync.converge()
    hubspot.update("contact", *hubspot.ids("contact")[10:330], jobtitle="changed, on more than a page")
    hubspot.update("company", hubspot.any_id("company"), description="changed")
    hubspot.create("contact", count=7)
    lists = len([each for each in hubspot.requests("objects/contacts") if each.method == "GET"])
    sync.converge()
    # Only the archive was looked at again.
    again = [each for each in hubspot.requests("objects/contacts") if each.method == "GET"][lists:]
    assert all("archived=true" in each.query for each in again)


def test_what_is_archived_restored_merged_and_forgotten(database: Database, hubspot: Upstream) -> None:
    hubspot.create("contact", count=60)
    sync = starts(database, hubspot, "contact").wait()
    sync.converge()
    gone, back, loser, winner, forgotten = hubspot.ids("contact")[:5]
    hubspot.delete("contact", gone, back)
    sync.converge(PATIENCE)
    hubspot.fake.control("POST", "restore", {"collection": "hubspot:contact", "ids": [back]})
    sync.converge(PATIENCE)
    hubspot.update("contact", loser, merge_into=winner)
    hubspot.delete("contact", forgotten, event=False)
    eventually(lambda: "hs_merged_object_ids" in sync.live("contact")[winner]["properties"], 30)
    read_anew(database)
    sync.converge(60)
    records = sync.records("contact")
    assert records[gone].deleted and records[loser].deleted and records[forgotten].deleted
    assert records[gone].upstream_updated_at is not None


@pytest.mark.parametrize("lexicographic", [True, False])
def test_more_than_a_search_shows_have_changed_at_one_instant(
    database: Database, hubspot: Upstream, lexicographic: bool
) -> None:
    hubspot.configure(search_cap=400, lexicographic_ids=lexicographic, empty_pages=0.2)
    hubspot.create("contact", count=1500, event=False)
    sync = starts(database, hubspot, "contact").wait()
    sync.converge()
    hubspot.update("contact", *hubspot.ids("contact"), jobtitle="imported")
    hubspot.create("contact", count=3)
    sync.converge(60)
    assert database.value("SELECT health FROM sequin.status WHERE sync = 'main'") == "healthy"


def test_what_the_search_learns_late(database: Database, hubspot: Upstream) -> None:
    hubspot.create("contact", count=40)
    sync = starts(database, hubspot, "contact").wait()
    late, known = hubspot.ids("contact")[:20], hubspot.ids("contact")[20:]
    hubspot.update("contact", *late, jobtitle="seen late", event={"late": 8})
    # What is behind it is found first.
    hubspot.update("contact", *known, jobtitle="seen at once")

    def titles() -> set[str | None]:
        return {sync.live("contact")[id]["properties"].get("jobtitle") for id in known}

    eventually(lambda: titles() == {"seen at once"}, 30, what=database.status)
    sync.converge(60)


def test_a_record_is_read_and_not_what_the_search_knows_of_it(database: Database, hubspot: Upstream) -> None:
    hubspot.create("contact", count=5, jobtitle="old")
    sync = starts(database, hubspot, "contact").wait()
    one = hubspot.any_id("contact")
    hubspot.update("contact", one, jobtitle="known to the search")
    hubspot.update("contact", one, jobtitle="not yet known to it", event={"late": 3600})
    sync.converge(60)


def test_the_limit_is_kept_and_what_is_refused_comes_later(database: Database) -> None:
    with Fake("--seed", "2", "--hubspot-contact", "400") as fake:
        hubspot = fake.upstream("hubspot")
        sync = starts(database, hubspot, "contact", "company", rate_limit=None).wait(120)
        sync.converge(60)
        assert hubspot.rates(10)["overall"] <= 100
        hubspot.fault("rate_limit", retry_after=1, match={"path": "/search", "times": 2})
        hubspot.create("contact", count=2)
        sync.converge(60)


def test_searches_have_a_limit_of_their_own(database: Database) -> None:
    with Fake("--seed", "2", "--empty") as fake:
        hubspot = fake.upstream("hubspot")
        limit = {"allowed_requests": 90, "interval": 10}
        starts(database, hubspot, *RECORDS, rate_limit=limit).wait(60)
        eventually(lambda: len(hubspot.requests("/search")) > 2 * len(RECORDS), 60, what=database.status)
        assert not [each for each in hubspot.requests() if each.status == 429]
        assert not hubspot.overspent()


def test_an_application_keeps_its_token_for_as_long_as_it_is_good(
    database: Database, hubspot: Upstream
) -> None:
    hubspot.configure(issue_refresh_token="rt-1", token_life=600)
    hubspot.create("contact", count=5)
    given = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "refresh_token": "rt-1"}
    properties = {"kind": "oauth", "base_url": hubspot.url, **given}
    database.sql("SELECT sequin.create_credential('upstream', 'hubspot', %s)", Jsonb(properties))
    sync = starts(database, hubspot, "contact", rate_limit=GENEROUS).wait()
    sync.converge()
    # That a request is refused is no reason to ask for another token.
    hubspot.fault("status", status=401, match={"path": "/search", "times": 1})
    eventually(lambda: any(each.status == 401 for each in hubspot.requests("/search")), 30)
    assert hubspot.configure()["granted"] == 1


def test_a_scope_that_is_missing_stops_one_collection(database: Database) -> None:
    with Fake("--empty", "--no-limits") as fake:
        hubspot = fake.upstream("hubspot")
        hubspot.configure(tokens={hubspot.api_key: ["contact"]})
        hubspot.create("contact", count=5)
        sync = starts(database, hubspot, "contact", "deal")
        eventually(lambda: len(sync.live("contact")) == 5, 30, what=database.status)
        eventually(lambda: sync.health("deal") == "failing", 30, what=database.status)
        assert sync.health("contact") == "healthy"
        assert "MISSING_SCOPES" in database.status()


def test_what_records_go_with(database: Database, hubspot: Upstream) -> None:
    companies = hubspot.create("company", count=3)
    [one] = hubspot.create("deal", associations={"company": companies[:2]})
    [other] = hubspot.create("deal", associations={"company": companies[2:]})
    hubspot.create("deal")
    sync = starts(database, hubspot, "deal_company", "deal_pipeline").wait()
    expected = {f"{one}/{company}" for company in companies[:2]} | {f"{other}/{companies[2]}"}
    assert set(sync.live("deal_company")) == expected
    assert set(sync.live("deal_pipeline")) == {"default"}
    # All deals were asked for at once.
    assert len(hubspot.requests("/associations/deals/companies/batch/read")) == 1
    assert not hubspot.requests("/objects/deals/.*/associations")
    hubspot.delete("company", companies[0])
    sync.read_anew()
    assert set(sync.live("deal_company")) == expected - {f"{one}/{companies[0]}"}


def test_more_associations_than_a_page_has(database: Database, hubspot: Upstream) -> None:
    contacts = hubspot.create("contact", count=620)
    [one] = hubspot.create("deal", associations={"contact": contacts[:610]})
    [other] = hubspot.create("deal", associations={"contact": contacts[600:]})
    sync = starts(database, hubspot, "deal_contact").wait()
    of_one, of_other = ({f"{one}/{id}" for id in contacts[:610]}, {f"{other}/{id}" for id in contacts[600:]})
    assert set(sync.live("deal_contact")) == of_one | of_other
    assert len(hubspot.requests(f"/objects/deals/{one}/associations")) == 2


def test_associations_that_cant_be_read_are_not_gone(database: Database, hubspot: Upstream) -> None:
    companies = hubspot.create("company", count=3)
    hubspot.create("deal", associations={"company": companies})
    sync = starts(database, hubspot, "deal_company").wait()
    error = {"status": "error", "category": "INTERNAL_ERROR", "message": "not now"}
    body = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]}
    hubspot.fault("status", status=207, body=body, match={"path": "/associations/"})
    read_anew(database)
    eventually(lambda: sync.health("deal_company") == "failing", 30, what=database.status)
    assert "INTERNAL_ERROR" in database.status()
    hubspot.clear_faults()
    eventually(lambda: sync.health("deal_company") == "healthy", 30, what=database.status)
    assert len(sync.live("deal_company")) == 3


def test_records_that_cant_be_read_are_not_gone(database: Database, hubspot: Upstream) -> None:
    """A comparison that gets nothing but errors, with a good status, deletes nothing."""
    hubspot.create("contact", count=3)
    sync = starts(database, hubspot, "contact").wait()
    error = {"status": "error", "category": "INTERNAL_ERROR", "message": "not now"}
    body = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]}
    hubspot.fault("status", status=207, body=body, match={"path": "/contacts/batch/read"})
    read_anew(database)
    eventually(lambda: sync.health("contact") == "failing", 30, what=database.status)
    assert "INTERNAL_ERROR" in database.status()
    hubspot.clear_faults()
    eventually(lambda: sync.health("contact") == "healthy", 30, what=database.status)
    assert len(sync.live("contact")) == 3


# Custom objects


def found(database: Database) -> dict[str, Any]:
    """The collections that were discovered, by their names."""
    rows = database.sql("SELECT * FROM sequin.collections WHERE credential = 'upstream'")
    return {row.name: row for row in rows}


def discovers(database: Database, hubspot: Upstream, name: str) -> None:
    """Makes the credential, and waits until it is known that there is this collection."""
    create_credential(database, hubspot)
    eventually(lambda: name in found(database), 30, what=database.status)
    hubspot.discovered(name, name)


def test_an_account_that_does_not_tell_its_kinds_is_asked_once_a_day(
    database: Database, hubspot: Upstream
) -> None:
    """Many a credential may not know them: an idle database doesn't write that down all day long."""
    error = {"status": "error", "category": "MISSING_SCOPES", "message": "no"}
    hubspot.fault("status", status=403, body=error, match={"path": "/crm/v3/schemas"})
    create_credential(database, hubspot)

    def failures() -> int:
        return database.value("SELECT coalesce(sum(failures), 0) FROM sequin._kind_lists")

    eventually(lambda: failures() > 0, 30, what=database.status)
    database.sql("UPDATE sequin._kind_lists SET failures = 30")
    database.sql("SELECT sequin.refresh_collections('upstream')")
    eventually(lambda: failures() > 30, 30, what=database.status)
    assert database.value("SELECT retry_at > now() + interval '23 hours' FROM sequin._kind_lists")
    hubspot.clear_faults()
    database.sql("SELECT sequin.refresh_collections('upstream')")
    eventually(lambda: "car" in found(database), 30, what=database.status)


def test_a_custom_object_is_a_collection(database: Database, hubspot: Upstream) -> None:
    discovers(database, hubspot, "car")
    car = found(database)["car"]
    assert found(database).keys().isdisjoint(COLLECTIONS), "what is declared is there once"
    assert (car.collection_id, car.title) == ("hubspot:car", "Cars")
    assert car.changes == "poll of changes each 10 s, sweep each 86400 s"
    cars = hubspot.create("car", count=130)
    sync = starts(database, hubspot, "car").wait()
    sync.converge()
    gone, back = cars[:2]
    hubspot.update("car", *cars[5:30], model="changed")
    hubspot.create("car", count=3)
    hubspot.delete("car", gone, back)
    sync.converge(PATIENCE)
    assert sync.records("car")[gone].deleted
    hubspot.fake.control("POST", "restore", {"collection": "hubspot:car", "ids": [back]})
    sync.converge(PATIENCE)
    assert hubspot.requests("/objects/2-12345/search"), "it is asked for by what stays when it is renamed"
    assert {"name": "mileage", "type": "numeric", "source": "described"} in found(database)["car"].fields


def test_a_custom_object_that_comes_is_renamed_changes_and_goes(database: Database) -> None:
    with Fake("--empty", "--no-limits") as fake:
        hubspot = fake.upstream("hubspot")
        discovers(database, hubspot, "car")

        def schema(verb: str, **body: Any) -> Any:
            answer = fake.control("POST", verb, {"collection": "hubspot:schema", **body})
            database.sql("SELECT sequin.refresh_collections('upstream')")
            return answer

        assert "boat" not in found(database)
        boat = schema("create", data={"name": "boat", "properties": {"hull": "string", "draught": "number"}})
        eventually(lambda: "boat" in found(database), 30, what=database.status)
        hubspot.discovered("boat", "boat")
        boats = hubspot.create("boat", count=20)
        sync = starts(database, hubspot, "boat").wait()
        sync.converge()

        schema("update", id=boat["id"], data={"labels": {"singular": "Vessel", "plural": "Vessels"}})
        eventually(lambda: found(database)["boat"].title == "Vessels", 30, what=database.status)
        assert found(database).keys() == {"boat", "car"}
        hubspot.update("boat", boats[0], hull="wood")
        sync.converge()

        made = {
            "collection": "hubspot:property",
            "parent": "boat",
            "data": {"name": "mast", "type": "number"},
        }
        fake.control("POST", "create", made)
        # Nothing tells of this change but the record itself.
        hubspot.update("boat", boats[1], event=False, mast="2")
        database.sql("SELECT sequin.refresh_collections('upstream')")
        sync.converge()

        # A kind that goes has no records left, and deletes nothing.
        hubspot.delete("boat", *boats)
        sync.converge(PATIENCE)
        stored = {id: row.row_version for id, row in sync.records("boat").items()}
        schema("delete", id=boat["id"])
        eventually(lambda: found(database).keys() == {"car"}, 30, what=database.status)
        eventually(lambda: sync.health("boat") == "failing", PATIENCE, what=database.status)
        assert {id: row.row_version for id, row in sync.records("boat").items()} == stored


def test_custom_objects_that_may_not_be_seen_are_no_harm_to_others(database: Database) -> None:
    with Fake("--empty", "--no-limits") as fake:
        hubspot = fake.upstream("hubspot")
        hubspot.configure(tokens={hubspot.api_key: ["contact"]})
        hubspot.create("contact", count=5)
        sync = starts(database, hubspot, "contact").wait()
        eventually(lambda: hubspot.requests("/crm/v3/schemas"), 30, what=database.status)
        sync.converge()
        assert sync.health("contact") == "healthy" and not found(database)


# Views


def column_types(database: Database, view: str) -> dict[str, str]:
    rows = database.sql(
        """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
           WHERE attrelid = %s::regclass AND attnum > 0""",
        view,
    )
    return dict(rows)


def test_a_view_has_the_types_of_the_properties_and_can_be_written_to(
    database: Database, hubspot: Upstream
) -> None:
    make = "SELECT sequin.create_view('hubspot:contact', writable => true)"
    own = {
        "id": "text",
        "createdAt": "timestamp with time zone",
        "updatedAt": "timestamp with time zone",
        "archived": "boolean",
    }
    database.sql(make)
    # As long as nobody has asked what there is.
    before = column_types(database, "hubspot.contact")
    assert {**own, "properties": "jsonb"}.items() <= before.items() and "email" not in before
    [one] = hubspot.create(
        "contact", email="ada@example.com", lifecyclestage="lead", score_custom="12.50",
        renewal_date="2026-03-01", closedate="2026-03-01T09:30:00.250Z", hs_email_optout="true",
    )  # fmt: skip
    sync = starts(database, hubspot, "contact").wait()
    sync.converge()
    database.sql(make)
    types = column_types(database, "hubspot.contact")
    described = {
        "email": "text", "lifecyclestage": "text", "score_custom": "numeric", "renewal_date": "date",
        "closedate": "timestamp with time zone", "hs_email_optout": "boolean",
    }  # fmt: skip
    assert {**own, **described}.items() <= types.items() and "properties" not in types
    shown = """SELECT email, lifecyclestage, score_custom, renewal_date::text, hs_email_optout,
                      closedate = '2026-03-01 09:30:00.250Z' AND id = _upstream_id AND NOT archived
               FROM hubspot.contact"""
    [row] = database.sql(shown)
    assert tuple(row) == ("ada@example.com", "lead", Decimal("12.50"), "2026-03-01", True, True)

    changed = database.value(
        """UPDATE hubspot.contact
           SET score_custom = score_custom * 2, renewal_date = '2027-04-05', hs_email_optout = false,
               closedate = '2027-01-02 03:04:05+02', lifecyclestage = NULL, email = email
           WHERE email = 'ada@example.com' RETURNING _mutation_id"""
    )
    assert reached(database, changed).data == {
        "properties": {
            "score_custom": "25.00", "renewal_date": "2027-04-05", "hs_email_optout": "false",
            "closedate": "2027-01-02T01:04:05Z", "lifecyclestage": "",
        }
    }  # fmt: skip
    values = hubspot.objects("contact")[one]["properties"]
    assert (values["score_custom"], values["renewal_date"]) == ("25.00", "2027-04-05")
    assert (values["hs_email_optout"], values["closedate"]) == ("false", "2027-01-02T01:04:05.000Z")
    assert "lifecyclestage" not in values and values["email"] == "ada@example.com"
    [row] = database.sql("SELECT score_custom, lifecyclestage FROM hubspot.contact")
    assert tuple(row) == (Decimal("25.00"), None)

    made = database.value(
        """INSERT INTO hubspot.contact (email, score_custom) VALUES ('bo@example.com', 7)
           RETURNING _mutation_id"""
    )
    two = reached(database, made).upstream_id
    assert hubspot.objects("contact")[two]["properties"]["score_custom"] == "7"
    for setting in ('"createdAt" = now()', "archived = true", "id = '7'"):
        with pytest.raises(errors.FeatureNotSupported):
            database.sql(f"UPDATE hubspot.contact SET {setting}")
    database.sql("DELETE FROM hubspot.contact WHERE id = %s", two)
    eventually(lambda: two not in hubspot.objects("contact"), 20, what=database.status)
    sync.converge(PATIENCE)


def test_a_view_of_a_custom_object(database: Database, hubspot: Upstream) -> None:
    discovers(database, hubspot, "car")
    # A property that is called as a member of each record is.
    made = {"collection": "hubspot:property", "parent": "car", "data": {"name": "archived", "type": "date"}}
    hubspot.fake.control("POST", "create", made)
    [one] = hubspot.create("car", model="T", vin="V1", mileage="100", electric="false", archived="2026-01-02")
    sync = starts(database, hubspot, "car").wait()
    sync.converge()
    database.sql("SELECT sequin.create_view('hubspot:car', writable => true)")
    shown = """SELECT model, mileage, electric, archived, "properties.archived"::text, "createdAt" < now()
               FROM hubspot.car"""
    assert [tuple(row) for row in database.sql(shown)] == [("T", 100, False, False, "2026-01-02", True)]
    changed = database.value(
        """UPDATE hubspot.car SET mileage = mileage + 1, "properties.archived" = '2026-01-03'
           RETURNING _mutation_id"""
    )
    reached(database, changed)
    values = hubspot.objects("car")[one]["properties"]
    assert (values["mileage"], values["archived"]) == ("101", "2026-01-03")
