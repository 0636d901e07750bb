"""The fake HubSpot's own strictness: what a friendlier fake would let pass."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fake.client import Answer, HubSpotClient
from fake.hubspot.catalog import TYPES, ObjectType
from harness import Fake

CLIENT = {"client_id": "hubspot-fake-client", "client_secret": "hubspot-fake-secret-01"}
REDIRECT = "https://app.example.com/back"


@pytest.fixture(scope="module")
def hubspot() -> Iterator[HubSpotClient]:
    """One that tests share and only read."""
    with Fake("--seed", "11", "--no-limits") as fake:
        yield HubSpotClient(fake.url)


@pytest.fixture
def small() -> Iterator[HubSpotClient]:
    """One of a test's own, empty: no limits, and no page is shorter than it need be."""
    with Fake() as fake:
        client = HubSpotClient(fake.url)
        configure(client, empty_pages=0)
        yield client


def truth(hubspot: HubSpotClient, collection: str) -> dict[str, dict[str, Any]]:
    return hubspot.control("GET", f"truth?collection=hubspot:{collection}")["objects"]


def make(hubspot: HubSpotClient, collection: str, count: int = 1, **given: Any) -> list[str]:
    """Creates objects; `parent`, `created`, `event` and `odd` are the control's, all else is data."""
    control = {name: given.pop(name) for name in ("parent", "created", "event", "odd") if name in given}
    body = {"collection": f"hubspot:{collection}", "count": count, "data": given, **control}
    return hubspot.control("POST", "create", body)["ids"]


def change(hubspot: HubSpotClient, collection: str, *ids: str, event: Any = True, **data: Any) -> None:
    body = {"collection": f"hubspot:{collection}", "ids": ids, "data": data, "event": event}
    hubspot.control("POST", "update", body)


def remove(hubspot: HubSpotClient, collection: str, *ids: str, event: Any = True) -> None:
    hubspot.control("POST", "delete", {"collection": f"hubspot:{collection}", "ids": ids, "event": event})


def configure(hubspot: HubSpotClient, **settings: Any) -> dict[str, Any]:
    return hubspot.control("POST", "settings", {"provider": "hubspot", **settings})


def advance(hubspot: HubSpotClient, seconds: float) -> None:
    hubspot.control("POST", "clock", {"seconds": seconds})


def as_(hubspot: HubSpotClient, token: str | None) -> HubSpotClient:
    return HubSpotClient(f"http://{hubspot.host}:{hubspot.port}", token)


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in found]


def where(name: str, operator: str, value: Any = None, **more: Any) -> list[dict[str, Any]]:
    """filterGroups of one filter."""
    given = {"value": value} if value is not None else {}
    return [{"filters": [{"propertyName": name, "operator": operator, **given, **more}]}]


def refusal(answer: Answer) -> tuple[int, str]:
    assert answer.json["status"] == "error"
    assert answer.json["correlationId"]
    return answer.status, answer.json["category"]


# Who asks


def test_a_token_that_is_not_known_is_refused_in_hubspots_words(hubspot: HubSpotClient) -> None:
    for token in (None, "nobody"):
        answer = as_(hubspot, token).get("objects/contacts")
        assert refusal(answer) == (401, "INVALID_AUTHENTICATION")
    assert as_(hubspot, "pat-fake-eu1-other").get("objects/contacts").status == 200


def test_the_root_and_the_dated_path_are_the_same_api(hubspot: HubSpotClient) -> None:
    answers = [
        hubspot.get(path, limit=1).json["results"]
        for path in ("objects/contacts", "/crm/v3/objects/contacts", "/crm/objects/2026-03/contacts")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert hubspot.get("/account-info/v3/details").json["portalId"] == 123


def test_a_token_sees_the_collections_that_it_is_given(small: HubSpotClient) -> None:
    configure(small, tokens={"pat-narrow": ["contact"], "pat-fake": None})
    narrow = as_(small, "pat-narrow")
    assert narrow.get("objects/contacts").status == narrow.get("properties/contacts").status == 200
    for path in ("objects/companies", "owners", "schemas", "pipelines/deals"):
        answer = narrow.get(path)
        assert refusal(answer) == (403, "MISSING_SCOPES")
    assert refusal(narrow.post("objects/deals/search", {})) == (403, "MISSING_SCOPES")
    assert refusal(narrow.get("/crm/v4/objects/contacts/1/associations/deals"))[0] == 403
    assert as_(small, "pat-fake-other").get("objects/contacts").status == 401


def grant(hubspot: HubSpotClient, path: str = "/hubspot/oauth/v1/token", **form: str) -> Answer:
    typed = {"Content-Type": "application/x-www-form-urlencoded"}
    return hubspot.request("POST", path, urlencode({**CLIENT, **form}).encode(), typed)


def code_of(hubspot: HubSpotClient) -> str:
    asked = urlencode({"client_id": CLIENT["client_id"], "redirect_uri": REDIRECT, "state": "x"})
    sent = hubspot.request("GET", f"/hubspot/oauth/authorize?{asked}")
    assert sent.status == 302
    return parse_qs(urlsplit(sent.headers["location"]).query)["code"][0]


def test_a_code_is_good_once_and_a_refresh_token_stays(small: HubSpotClient) -> None:
    given = {"grant_type": "authorization_code", "code": code_of(small), "redirect_uri": REDIRECT}
    first = grant(small, **given).json
    assert (first["token_type"], first["expires_in"]) == ("bearer", 1800)
    assert len(first["access_token"]) <= 300
    again = grant(small, **given)
    assert (again.status, again.json["status"]) == (400, "BAD_AUTH_CODE")
    for path in ("/hubspot/oauth/v1/token", "/hubspot/oauth/2026-03/token", "/oauth/2026-03/token"):
        next = grant(small, path, grant_type="refresh_token", refresh_token=first["refresh_token"]).json
        assert next["refresh_token"] == first["refresh_token"]
        assert next["access_token"] != first["access_token"]
        assert as_(small, next["access_token"]).get("objects/contacts").status == 200


def test_what_is_not_granted(small: HubSpotClient) -> None:
    elsewhere = {"grant_type": "authorization_code", "code": code_of(small), "redirect_uri": "https://x"}
    assert grant(small, **elsewhere).json["status"] == "BAD_REDIRECT_URI"
    assert grant(small, grant_type="password").json["status"] == "BAD_GRANT_TYPE"
    refresh = {"grant_type": "refresh_token", "refresh_token": "made up"}
    assert grant(small, **refresh).json["status"] == "BAD_REFRESH_TOKEN"
    assert grant(small, **refresh, client_secret="x").json["status"] == "BAD_CLIENT_SECRET"
    dated = grant(small, "/hubspot/oauth/2026-03/token", **refresh)
    assert (dated.status, dated.json["error"]) == (400, "invalid_grant")
    # What isn't in the body isn't there.
    query = urlencode({**CLIENT, **refresh})
    assert small.request("POST", f"/hubspot/oauth/v1/token?{query}").json["status"] == "BAD_GRANT_TYPE"


def test_an_access_token_expires_by_the_fake_clock(small: HubSpotClient) -> None:
    configure(small, issue_refresh_token="refresh", token_life=60)
    token = grant(small, grant_type="refresh_token", refresh_token="refresh").json
    assert token["expires_in"] == 60
    client = as_(small, token["access_token"])
    assert client.get("objects/contacts").status == 200
    advance(small, 61)
    answer = client.get("objects/contacts")
    assert refusal(answer) == (401, "EXPIRED_AUTHENTICATION")
    assert "expired 1 second(s) ago" in answer.json["message"]
    configure(small, revoke="refresh")
    answer = grant(small, grant_type="refresh_token", refresh_token="refresh")
    assert answer.json["status"] == "BAD_REFRESH_TOKEN"


# Lists


@pytest.mark.parametrize("type", TYPES, ids=lambda each: each.name)
def test_every_type_is_listed_whole_under_all_of_its_names(hubspot: HubSpotClient, type: ObjectType) -> None:
    known = truth(hubspot, type.name)
    assert known
    every = ",".join(each.name for each in type.properties)
    for name in type.names:
        found = hubspot.all(f"objects/{name}", properties=every, limit=37)
        assert ids(found) == sorted(known, key=int)
    for each in found:
        values = {name: value for name, value in each["properties"].items() if value is not None}
        assert values == known[each["id"]]["properties"]
        assert all(value is None or isinstance(value, str) for value in each["properties"].values())
        assert each["updatedAt"] == each["properties"][type.changed]
        assert each["createdAt"] == each["properties"][type.created]


def test_only_some_properties_come_unless_asked_for(small: HubSpotClient) -> None:
    [id] = make(small, "contact", email="a@example.com", jobtitle="Boss", score_custom="7")
    usual = {"createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"}
    assert set(small.get("objects/contacts").json["results"][0]["properties"]) == usual
    asked = small.get(f"objects/contacts/{id}", properties="jobtitle,nonsense").json["properties"]
    assert set(asked) == {"createdate", "hs_object_id", "jobtitle", "lastmodifieddate"}
    repeated = small.get("objects/contacts", properties=["score_custom", "city"]).json["results"][0]
    assert repeated["properties"]["score_custom"] == "7"


def test_pages_have_ten_records_unless_told_and_a_hundred_at_most(small: HubSpotClient) -> None:
    make(small, "note", 120)
    first = small.get("objects/notes")
    assert len(first.json["results"]) == 10
    assert first.json["paging"]["next"]["link"].startswith("https://api.hubapi.com/crm/v3/objects/notes?")
    assert len(small.get("objects/notes", limit=100).json["results"]) == 100
    for limit in ("101", "0", "-1", "many"):
        assert refusal(small.get("objects/notes", limit=limit)) == (400, "VALIDATION_ERROR")
    last = list(small.pages("objects/notes", limit=60))[-1]
    assert len(last) == 60, "an exact page is the last one"


def test_a_cursor_is_of_one_list_only(small: HubSpotClient) -> None:
    make(small, "note", 3)
    make(small, "task", 3)
    after = small.get("objects/notes", limit=1).json["paging"]["next"]["after"]
    for path in ("objects/tasks", "owners"):
        assert refusal(small.get(path, after=after)) == (400, "VALIDATION_ERROR")
    assert refusal(small.get("objects/notes", after="2")) == (400, "VALIDATION_ERROR")
    assert small.get("objects/notes", after=after, archived="true").status == 400


def test_a_list_does_not_shift_when_something_goes(small: HubSpotClient) -> None:
    made = make(small, "note", 30)
    pages = small.pages("objects/notes", limit=10)
    found = ids(next(pages))
    remove(small, "note", *made[:5], made[9])
    found += [id for page in pages for id in ids(page)]
    assert found == made


def test_a_short_or_empty_page_can_have_a_cursor(small: HubSpotClient) -> None:
    made = make(small, "note", 300)
    configure(small, empty_pages=1)
    sizes = [len(page) for page in small.pages("objects/notes", limit=20)]
    assert 0 in sizes[:-1] and any(0 < size < 20 for size in sizes[:-1])
    assert ids(small.all("objects/notes", limit=20)) == made
    pages = [len(page["results"]) for page in small.search("notes", limit=20)]
    assert 0 in pages[:-1]
    found = small.found("notes", limit=20)
    assert sorted(ids(found)) == sorted(made)


def test_ids_are_of_different_lengths(hubspot: HubSpotClient) -> None:
    found = [id for type in TYPES for id in truth(hubspot, type.name)]
    assert len({len(id) for id in found}) > 1
    assert sorted(found) != sorted(found, key=int)


def test_a_url_can_be_too_long(hubspot: HubSpotClient) -> None:
    answer = hubspot.get("objects/contacts", properties="x" * 8200)
    assert (answer.status, answer.headers["content-type"]) == (414, "text/html")
    assert hubspot.get("objects/contacts", properties="x" * 8000).status == 200


def test_an_unknown_type_can_not_be_inferred(hubspot: HubSpotClient) -> None:
    for path in ("objects/nonsense", "properties/nonsense", "objects/2-99999/1"):
        answer = hubspot.get(path)
        assert refusal(answer) == (400, "VALIDATION_ERROR")
        assert answer.json["message"].startswith("Unable to infer object type from: ")


def test_odd_records_are_shown_as_such_everywhere(small: HubSpotClient) -> None:
    [id] = make(small, "note", odd="nul")
    assert b"\\u0000" in small.get("objects/notes").body
    assert b"\\u0000" in small.post("objects/notes/search", {}).body
    assert b"\\u0000" in small.post("objects/notes/batch/read", {"inputs": [{"id": id}]}).body


def test_faults_work_on_lists_and_searches(small: HubSpotClient) -> None:
    made = make(small, "note", 40)
    for action in ({"type": "truncate_page"}, {"type": "duplicate"}, {"type": "reorder"}):
        small.control("POST", "faults", {"match": {"every": 2}, "action": action})
        found = ids(small.all("objects/notes", limit=7))
        assert set(found) == set(made)
        assert set(ids(small.found("notes", limit=7))) == set(made)
        small.control("DELETE", "faults")


# Archived, merged, forgotten


def test_what_is_archived_is_in_a_list_of_its_own(small: HubSpotClient) -> None:
    one, two = make(small, "contact", 2)
    assert small.send("DELETE", f"objects/contacts/{one}").status == 204
    assert ids(small.all("objects/contacts")) == [two]
    assert ids(small.found("contacts")) == [two]
    [gone] = small.all("objects/contacts", archived="true")
    assert gone["id"] == one and gone["archived"] is True and gone["archivedAt"].endswith("Z")
    assert refusal(small.get(f"objects/contacts/{one}")) == (404, "OBJECT_NOT_FOUND")
    assert small.get(f"objects/contacts/{one}", archived="true").json["archivedAt"] == gone["archivedAt"]
    small.control("POST", "restore", {"collection": "hubspot:contact", "id": one})
    back = small.get(f"objects/contacts/{one}").json
    assert back["archived"] is False and "archivedAt" not in back
    assert ids(small.all("objects/contacts", archived="true")) == []
    assert sorted(ids(small.found("contacts"))) == sorted([one, two])


def test_the_archive_forgets(small: HubSpotClient) -> None:
    first, second = make(small, "note", 2)
    remove(small, "note", first)
    advance(small, 60 * 86_400)
    remove(small, "note", second)
    advance(small, 31 * 86_400)
    assert ids(small.all("objects/notes", archived="true")) == [second]
    assert small.control("POST", "purge_events", {"provider": "hubspot"}) == {"purged": 1}
    assert small.all("objects/notes", archived="true") == []


def test_what_is_deleted_without_a_trace_is_nowhere(small: HubSpotClient) -> None:
    [id] = make(small, "contact")
    remove(small, "contact", id, event=False)
    assert small.all("objects/contacts") == small.all("objects/contacts", archived="true") == []
    assert small.get(f"objects/contacts/{id}", archived="true").status == 404


def test_the_id_of_a_merged_record_answers_with_the_winner(small: HubSpotClient) -> None:
    a, b, c = make(small, "contact", 3)
    [deal] = make(small, "deal", associations={"contact": [a]})
    for winner, loser in ((b, a), (c, b)):
        body = {"primaryObjectId": winner, "objectIdToMerge": loser}
        assert small.post("objects/contacts/merge", body).json["id"] == winner
    assert ids(small.all("objects/contacts")) == [c]
    assert small.all("objects/contacts", archived="true") == []
    shown = small.get(f"objects/contacts/{a}", properties="hs_merged_object_ids").json
    assert shown["id"] == c
    assert sorted(shown["properties"]["hs_merged_object_ids"].split(";")) == sorted([a, b])
    batch = small.post("objects/contacts/batch/read", {"inputs": [{"id": a}, {"id": c}]}).json
    assert ids(batch["results"]) == [c]
    [association] = small.get(f"/crm/v4/objects/deals/{deal}/associations/contacts").json["results"]
    assert association["toObjectId"] == int(c)
    again = small.post("objects/contacts/merge", {"primaryObjectId": c, "objectIdToMerge": c})
    assert again.status == 400
    assert small.post("objects/notes/merge", {"primaryObjectId": a, "objectIdToMerge": b}).status == 400


def test_a_contact_can_be_forgotten(small: HubSpotClient) -> None:
    make(small, "contact", email="gone@example.com")
    body = {"objectId": "gone@example.com", "idProperty": "email"}
    assert small.post("objects/contacts/gdpr-delete", body).status == 204
    assert small.all("objects/contacts") == small.all("objects/contacts", archived="true") == []
    assert small.found("contacts") == []
    assert small.post("objects/contacts/gdpr-delete", body).status == 404
    assert small.post("objects/notes/gdpr-delete", {"objectId": "1"}).status == 404


# Search


def test_contacts_have_another_name_for_the_time_of_change(small: HubSpotClient) -> None:
    [contact], [company] = make(small, "contact"), make(small, "company")
    assert ids(small.found("contacts", filterGroups=where("lastmodifieddate", "GT", 0))) == [contact]
    assert ids(small.found("companies", filterGroups=where("hs_lastmodifieddate", "GT", 0))) == [company]
    # The wrong one finds nothing, or is refused.
    assert small.found("contacts", filterGroups=where("hs_lastmodifieddate", "GT", 0)) == []
    body = {"filterGroups": where("lastmodifieddate", "GT", 0)}
    answer = small.post("objects/companies/search", body)
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    assert answer.json["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"


def test_times_compare_in_milliseconds_and_include_their_own(small: HubSpotClient) -> None:
    [id] = make(small, "deal")
    text = truth(small, "deal")[id]["updatedAt"]
    found = small.found("deals", filterGroups=where("hs_lastmodifieddate", "EQ", text))
    assert ids(found) == [id]
    low = small.post("objects/deals/search", {"filterGroups": where("hs_lastmodifieddate", "GT", text)})
    assert low.json == {"total": 0, "results": []}
    assert small.found("deals", filterGroups=where("hs_lastmodifieddate", "GTE", text)) == found
    bad = small.post("objects/deals/search", {"filterGroups": where("hs_lastmodifieddate", "GT", "noon")})
    assert refusal(bad) == (400, "VALIDATION_ERROR")


def test_every_operator(small: HubSpotClient) -> None:
    a, b, c = (
        make(small, "company", name=name, numberofemployees=number, industry=industry)[0]
        for name, number, industry in (
            ("Alpha One", 9, "RETAIL"),
            ("Beta", 10, "RETAIL"),
            ("Gamma", None, "AIRLINES_AVIATION"),
        )
    )
    number = "numberofemployees"
    for filters, expected in (
        (where("name", "EQ", "beta"), {b}),
        (where("name", "NEQ", "beta"), {a, c}),
        (where(number, "LT", "10"), {a}),
        (where(number, "LTE", 10), {a, b}),
        (where(number, "GT", "9"), {b}),
        (where(number, "GTE", "9"), {a, b}),
        (where(number, "BETWEEN", "9", highValue="9.5"), {a}),
        (where(number, "HAS_PROPERTY"), {a, b}),
        (where(number, "NOT_HAS_PROPERTY"), {c}),
        (where("industry", "IN", values=["RETAIL"]), {a, b}),
        (where("industry", "NOT_IN", values=["RETAIL"]), {c}),
        # Of texts, the values must be in lower case.
        (where("name", "IN", values=["beta", "gamma"]), {b, c}),
        (where("name", "IN", values=["Beta"]), set()),
        (where("name", "CONTAINS_TOKEN", "one"), {a}),
        (where("name", "CONTAINS_TOKEN", "*amm*"), {c}),
        (where("name", "NOT_CONTAINS_TOKEN", "one"), {b, c}),
        ([*where("name", "EQ", "Beta"), *where("name", "EQ", "Gamma")], {b, c}),
    ):
        assert set(ids(small.found("companies", filterGroups=filters))) == expected, filters
    for filters in (
        where("name", "LIKE", "x"),
        where("name", ["EQ"], "x"),
        where("name", "EQ"),
        where("name", "IN", "x"),
    ):
        assert small.post("objects/companies/search", {"filterGroups": filters}).status == 400


def test_a_search_has_limits(small: HubSpotClient) -> None:
    one = {"propertyName": "name", "operator": "HAS_PROPERTY"}
    for groups in ([[one]] * 6, [[one] * 7], [[one] * 5] * 4):
        body = {"filterGroups": [{"filters": filters} for filters in groups]}
        assert refusal(small.post("objects/companies/search", body)) == (400, "VALIDATION_ERROR")
    body = {"filterGroups": [{"filters": [one] * 6}] * 3}
    assert small.post("objects/companies/search", body).status == 200
    for body in (
        {"limit": 201},
        {"sorts": ["name", "domain"]},
        {"sorts": ["nonsense"]},
        {"after": "x"},
        {"query": "x" * 3000},
        {"filterGroups": where("nonsense", "EQ", "x")},
    ):
        assert small.post("objects/companies/search", body).status == 400, body
    long = [*[f"property_{number}" for number in range(200)], "name"]
    assert small.post("objects/companies/search", {"properties": long}).status == 400
    assert small.post("objects/companies/search", {"properties": ["nonsense"]}).status == 200


def test_a_search_ends_at_ten_thousand(small: HubSpotClient) -> None:
    make(small, "postal_mail", 10_150)
    answer = small.post("objects/postal_mail/search", {"limit": 200, "after": "9800"})
    assert answer.json["total"] == 10_000
    assert answer.json["paging"]["next"]["after"] == "10000"
    beyond = small.post("objects/postal_mail/search", {"limit": 200, "after": "10000"})
    assert refusal(beyond) == (400, "VALIDATION_ERROR")
    configure(small, total_cap=None)
    assert small.post("objects/postal_mail/search", {}).json["total"] == 10_150


def test_ids_are_texts_to_a_search(small: HubSpotClient) -> None:
    made = make(small, "note", 30)
    assert {len(id) for id in made} == {3, 4}
    found = ids(small.found("notes", sorts=["hs_object_id"]))
    assert found == sorted(made)
    assert set(ids(small.found("notes", filterGroups=where("hs_object_id", "GT", "5")))) == {
        id for id in made if id > "5"
    }
    configure(small, lexicographic_ids=False)
    assert ids(small.found("notes", sorts=["-hs_object_id"])) == sorted(made, key=int, reverse=True)
    assert len(small.found("notes", filterGroups=where("hs_object_id", "GT", "5"))) == 30


def test_pages_of_a_search_are_by_number_and_shift(small: HubSpotClient) -> None:
    make(small, "note", 30)
    pages = small.search("notes", limit=10, sorts=["hs_lastmodifieddate"])
    first = next(pages)
    assert first["paging"] == {"next": {"after": "10"}}
    change(small, "note", first["results"][0]["id"], hs_note_body="it comes last now")
    found = ids(first["results"]) + [id for page in pages for id in ids(page["results"])]
    assert len(found) == 30 and len(set(found)) == 29, "one is there twice and another one was passed over"


def test_what_was_imported_together_has_one_time(hubspot: HubSpotClient) -> None:
    moments = [each["createdAt"] for each in hubspot.all("objects/contacts")]
    assert max(moments.count(each) for each in set(moments)) > 5
    # And the order of the list is not that of the times.
    assert moments != sorted(moments)


def test_the_index_is_late(small: HubSpotClient) -> None:
    [id] = make(small, "contact", firstname="Old")
    configure(small, index_lag={"probability": 1, "seconds": 30})
    change(small, "contact", id, firstname="New")
    [new] = make(small, "contact")
    assert small.get(f"objects/contacts/{id}").json["properties"]["firstname"] == "New"
    [stale] = small.found("contacts", properties=["firstname"])
    assert (stale["id"], stale["properties"]["firstname"]) == (id, "Old")
    advance(small, 31)
    found = {
        each["id"]: each["properties"]["firstname"]
        for each in small.found("contacts", properties=["firstname"])
    }
    assert found[id] == "New" and new in found
    remove(small, "contact", id)
    page = small.post("objects/contacts/search", {}).json
    assert (page["total"], ids(page["results"])) == (2, [new]), "counted still, but not shown"


def test_a_late_change_is_found_later(small: HubSpotClient) -> None:
    [id] = make(small, "note", event={"late": 30})
    assert ids(small.all("objects/notes")) == [id]
    assert small.found("notes") == []
    advance(small, 31)
    assert ids(small.found("notes")) == [id]


# Batches


def test_a_batch_with_what_is_missing_is_a_success_with_errors(small: HubSpotClient) -> None:
    made = make(small, "contact", 20)
    body = {"inputs": [{"id": id} for id in made], "properties": ["email"]}
    whole = small.post("objects/contacts/batch/read", body)
    assert whole.status == 200 and "errors" not in whole.json
    assert sorted(ids(whole.json["results"])) == sorted(made)
    assert ids(whole.json["results"]) != made, "the order is another one"
    remove(small, "contact", made[0])
    some = small.post("objects/contacts/batch/read", body)
    assert some.status == 207
    assert some.json["numErrors"] == 1 and len(some.json["results"]) == 19
    [error] = some.json["errors"]
    assert (error["category"], error["context"]) == ("OBJECT_NOT_FOUND", {"ids": [made[0]]})
    archived = small.post("objects/contacts/batch/read?archived=true", body)
    assert ids(archived.json["results"]) == made[:1]


def test_a_batch_has_a_hundred_inputs_at_most(small: HubSpotClient) -> None:
    inputs = [{"id": str(number)} for number in range(101)]
    for verb in ("read", "update", "archive", "upsert", "create"):
        answer = small.post(f"objects/contacts/batch/{verb}", {"inputs": inputs})
        assert refusal(answer) == (400, "VALIDATION_ERROR")
    for body in ({}, {"inputs": []}, {"inputs": "x"}, []):
        assert small.post("objects/contacts/batch/read", body).status == 400
    twice = {"inputs": [{"id": "1", "properties": {}}] * 2}
    assert small.post("objects/contacts/batch/update", twice).status == 400


def test_batches_by_another_property(small: HubSpotClient) -> None:
    [id] = make(small, "contact", email="a@example.com", firstname="A")
    key = {"idProperty": "email"}
    read = small.post("objects/contacts/batch/read", {**key, "inputs": [{"id": "A@example.com"}]})
    assert ids(read.json["results"]) == [id]
    assert small.get("objects/contacts/a@example.com", idProperty="email").json["id"] == id
    inputs = [{**key, "id": f"{name}@example.com", "properties": {"firstname": name}} for name in "ab"]
    done = small.post("objects/contacts/batch/upsert", {"inputs": inputs}).json["results"]
    assert [each["new"] for each in done] == [False, True]
    assert [each["properties"]["firstname"] for each in done] == ["a", "b"]
    not_unique = small.post(
        "objects/contacts/batch/read", {"idProperty": "firstname", "inputs": [{"id": "a"}]}
    )
    assert not_unique.status == 400
    for bad in ({"idProperty": ["email"]}, {}, {**key, "properties": "x"}):
        inputs = [{"id": "a@example.com", "properties": {}, **bad}]
        assert small.post("objects/contacts/batch/upsert", {"inputs": inputs}).status == 400


def test_a_batch_whose_inputs_are_traced_is_judged_one_by_one(small: HubSpotClient) -> None:
    def traced(number: int, **input: Any) -> dict[str, Any]:
        return {"objectWriteTraceId": f"t{number}", **input}

    made = [traced(n, properties={"email": f"{n}@example.com", "firstname": str(n)}) for n in range(9)]
    made[3]["properties"]["nonsense"] = "x"
    made[5]["properties"]["email"] = made[4]["properties"]["email"]
    answer = small.post("objects/contacts/batch/create", {"inputs": made})
    assert (answer.status, len(answer.json["results"]), answer.json["numErrors"]) == (207, 7, 2)
    shown = {each["objectWriteTraceId"]: each for each in answer.json["results"]}
    assert list(shown) != sorted(shown), "they are in the order of the inputs"
    assert all(each["properties"]["firstname"] == trace[1:] for trace, each in shown.items())
    wrong, taken = answer.json["errors"]
    assert wrong["context"]["objectWriteTraceId"] == ["t3"] and wrong["category"] == "VALIDATION_ERROR"
    assert taken["context"]["objectWriteTraceId"] == ["t5"] and taken["category"] == "CONFLICT"
    changes = [
        traced(n, id=each["id"], properties={"firstname": "x"}) for n, each in enumerate(shown.values())
    ]
    changes.append(traced(99, id="1", properties={"firstname": "x"}))
    answer = small.post("objects/contacts/batch/update", {"inputs": changes})
    assert (answer.status, len(answer.json["results"])) == (207, 7)
    assert [each["context"] for each in answer.json["errors"]] == [{"ids": ["1"]}]
    put = [traced(n, idProperty="email", id=f"{n}@example.com", properties={"city": "Ulm"}) for n in (0, 70)]
    answer = small.post("objects/contacts/batch/upsert", {"inputs": put})
    assert answer.status == 200
    assert {each["objectWriteTraceId"]: each["new"] for each in answer.json["results"]} == {
        "t0": False,
        "t70": True,
    }
    assert (
        small.post("objects/contacts/batch/create", {"inputs": [traced(1, properties={})] * 2}).status == 400
    )


def test_a_batch_with_something_wrong_does_nothing(small: HubSpotClient) -> None:
    inputs = [{"properties": {"firstname": "fine"}}, {"properties": {"nonsense": "1"}}]
    assert small.post("objects/contacts/batch/create", {"inputs": inputs}).status == 400
    [id] = make(small, "contact")
    changes = [{"id": id, "properties": {"firstname": "x"}}, {"id": "1", "properties": {"nonsense": "x"}}]
    assert small.post("objects/contacts/batch/update", {"inputs": changes}).status == 400
    assert list(truth(small, "contact")) == [id]
    assert truth(small, "contact")[id]["properties"].get("firstname") != "x"
    changes[1]["properties"] = {"firstname": "y"}
    answer = small.post("objects/contacts/batch/update", {"inputs": changes})
    assert (answer.status, ids(answer.json["results"])) == (207, [id])


# Writes


def test_an_email_is_somebodys(small: HubSpotClient) -> None:
    body = {"properties": {"email": "Ada@Example.com"}}
    made = small.post("objects/contacts", body)
    assert made.status == 201 and made.json["properties"]["email"] == "ada@example.com"
    again = small.post("objects/contacts", body)
    assert refusal(again) == (409, "CONFLICT")
    assert again.json["message"] == f"Contact already exists. Existing ID: {made.json['id']}"
    other = small.post("objects/contacts", {"properties": {"email": "b@example.com"}}).json["id"]
    assert small.send("PATCH", f"objects/contacts/{other}", body).status == 409
    # What is archived has it no more, and can't have it back.
    remove(small, "contact", made.json["id"])
    assert small.send("PATCH", f"objects/contacts/{other}", body).status == 200
    restore = json.dumps({"collection": "hubspot:contact", "id": made.json["id"]}).encode()
    assert small.request("POST", "/_control/restore", restore).status == 400


@pytest.mark.parametrize(
    ("type", "properties", "code"),
    [
        ("contacts", {"nonsense": "1"}, "PROPERTY_DOESNT_EXIST"),
        ("contacts", {"lastmodifieddate": "2024-01-01"}, "READ_ONLY_VALUE"),
        ("contacts", {"email": "nobody"}, "INVALID_EMAIL"),
        ("contacts", {"lifecyclestage": "LEAD"}, "INVALID_OPTION"),
        ("contacts", {"renewal_date": "soon"}, "INVALID_DATE"),
        ("contacts", {"renewal_date": "1704067200001"}, "INVALID_DATE"),
        ("contacts", {"hs_email_optout": "yes"}, "INVALID_BOOLEAN"),
        ("deals", {"amount": "much"}, "INVALID_INTEGER"),
        ("deals", {"amount": "NaN"}, "INVALID_INTEGER"),
    ],
)
def test_values_are_checked(hubspot: HubSpotClient, type: str, properties: dict[str, str], code: str) -> None:
    answer = hubspot.post(f"objects/{type}", {"properties": properties})
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    assert [each["code"] for each in answer.json["errors"]] == [code]
    assert code in answer.json["message"]


def test_all_values_are_texts(small: HubSpotClient) -> None:
    given = {
        "amount": 12.5,
        "hs_next_step": "",
        "closedate": "1704067200000",
        "contract_end": "1704067200000",
    }
    made = small.post("objects/deals", {"properties": given}).json["properties"]
    assert (made["amount"], made["hs_next_step"]) == ("12.5", None)
    assert (made["closedate"], made["contract_end"]) == ("2024-01-01T00:00:00.000Z", "2024-01-01")
    assert small.post("objects/deals", {"properties": {"amount": ["1"]}}).status == 400
    for body in ([], {}, {"properties": []}):
        assert small.post("objects/deals", body).status == 400


def test_an_update_moves_the_time_of_change_unless_it_changes_nothing(small: HubSpotClient) -> None:
    [id] = make(small, "contact", firstname="A", event={"backdate": 100})
    before = small.get(f"objects/contacts/{id}").json
    same = small.send("PATCH", f"objects/contacts/{id}", {"properties": {"firstname": "A"}}).json
    assert same["updatedAt"] == before["updatedAt"]
    after = small.send("PATCH", f"objects/contacts/{id}", {"properties": {"firstname": "B"}}).json
    assert after["updatedAt"] > before["updatedAt"] and after["createdAt"] == before["createdAt"]
    assert small.send("PATCH", "objects/contacts/1", {"properties": {}}).status == 404
    assert small.send("PUT", f"objects/contacts/{id}", {"properties": {}}).status == 405


def test_a_repeated_create_makes_another_one(small: HubSpotClient) -> None:
    for _ in range(2):
        assert small.post("objects/companies", {"properties": {"name": "Twin"}}).status == 201
    assert len(truth(small, "company")) == 2


def test_what_a_custom_type_requires(small: HubSpotClient) -> None:
    answer = small.post("objects/p123_car", {"properties": {"model": "x"}})
    assert (answer.status, answer.json["context"]) == (400, {"properties": ["vin"]})
    assert small.post("objects/2-12345", {"properties": {"vin": "x"}}).status == 201
    assert refusal(small.post("objects/2-12345", {"properties": {"vin": "X"}}))[0] == 400


# Associations


def test_a_primary_association_is_listed_twice(small: HubSpotClient) -> None:
    [company] = make(small, "company")
    links = [
        {"to": {"id": company}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]}
    ]
    body = {"properties": {"firstname": "A"}, "associations": links}
    contact = small.post("objects/contacts", body).json["id"]
    [shown] = small.all("objects/contacts", associations="companies")
    assert shown["associations"]["companies"]["results"] == [
        {"id": company, "type": "contact_to_company"},
        {"id": company, "type": "contact_to_company_unlabeled"},
    ]
    [one] = small.get(f"/crm/v4/objects/contacts/{contact}/associations/companies").json["results"]
    assert one["toObjectId"] == int(company)
    assert [(each["typeId"], each["label"]) for each in one["associationTypes"]] == [
        (1, "Primary"),
        (279, None),
    ]
    [back] = small.get(f"/crm/v4/objects/companies/{company}/associations/contacts").json["results"]
    assert [each["typeId"] for each in back["associationTypes"]] == [2, 280]
    links[0]["to"]["id"] = "1"
    assert small.post("objects/contacts", body).status == 400
    assert small.get("objects/contacts", associations="nonsense").status == 400


def test_associations_go_and_come_with_their_records(small: HubSpotClient) -> None:
    [contact] = make(small, "contact")
    [deal] = make(small, "deal", associations={"contact": [contact]})
    path = f"/crm/v4/objects/deals/{deal}/associations/contacts"
    remove(small, "contact", contact)
    assert small.get(path).json["results"] == []
    small.control("POST", "restore", {"collection": "hubspot:contact", "id": contact})
    assert [each["toObjectId"] for each in small.get(path).json["results"]] == [int(contact)]
    assert small.get("/crm/v4/objects/deals/1/associations/contacts").status == 404
    assert small.get(f"/crm/v4/objects/deals/{deal}/associations/postal_mail").status == 400


def test_associations_are_paged(small: HubSpotClient) -> None:
    contacts = make(small, "contact", 510)
    [company] = make(small, "company", associations={"contact": contacts})
    path = f"/crm/v4/objects/companies/{company}/associations/contacts"
    found = [each["toObjectId"] for page in small.pages(path, limit=200) for each in page]
    assert found == [int(id) for id in contacts]
    assert refusal(small.get(path, limit=501)) == (400, "VALIDATION_ERROR")
    [listed] = small.all("objects/companies", associations="contacts")
    assert len(listed["associations"]["contacts"]["results"]) == 100
    assert listed["associations"]["contacts"]["paging"]["next"]["after"]
    batch = "/crm/v4/associations/companies/contacts/batch/read"
    [first] = small.post(batch, {"inputs": [{"id": company}]}).json["results"]
    assert len(first["to"]) == 500
    after = first["paging"]["next"]["after"]
    [second] = small.post(batch, {"inputs": [{"id": company, "after": after}]}).json["results"]
    assert [each["toObjectId"] for each in second["to"]] == [int(id) for id in contacts[500:]]
    assert "paging" not in second


def test_a_record_without_associations_is_an_error_of_the_batch(small: HubSpotClient) -> None:
    [contact] = make(small, "contact")
    [deal] = make(small, "deal", associations={"contact": [contact]})
    [alone] = make(small, "deal")
    body = {"inputs": [{"id": deal}, {"id": alone}]}
    answer = small.post("/crm/v4/associations/deals/contacts/batch/read", body)
    assert answer.status == 207
    assert [each["from"]["id"] for each in answer.json["results"]] == [deal]
    [error] = answer.json["errors"]
    assert error["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert error["context"]["fromObjectId"] == [alone]


# What is not a record


def test_owners_who_have_left_are_in_a_list_of_their_own(small: HubSpotClient) -> None:
    made = make(small, "owner", 5)
    remove(small, "owner", made[1])
    left = [id for id in made if id != made[1]]
    assert ids(small.all("owners", limit=2)) == left
    [gone] = small.all("owners", archived="true")
    assert (gone["id"], gone["archived"], gone["userId"]) == (made[1], True, None)
    by_user = small.get(f"owners/{gone['userIdIncludingInactive']}", idProperty="userId", archived="true")
    assert by_user.json["id"] == made[1]
    assert small.get(f"owners/{made[1]}").status == 404
    assert ids(small.all("owners", email="owner0@example.com")) == made[:1]
    assert small.get("owners", limit=501).status == 400


def test_pipelines_come_with_their_stages(small: HubSpotClient) -> None:
    make(small, "pipeline", parent="deal", label="Other")
    first, other = small.get("pipelines/deals").json["results"]
    assert first["id"] == "default" and other["label"] == "Other"
    assert [each["id"] for each in first["stages"]][-2:] == ["closedwon", "closedlost"]
    assert first["stages"][-2]["metadata"] == {"isClosed": "true", "probability": "1.0"}
    assert small.get(f"pipelines/0-3/{other['id']}").json == other
    remove(small, "pipeline", f"deal/{other['id']}")
    assert ids(small.get("pipelines/deals").json["results"]) == ["default"]
    assert small.get("pipelines/contacts").json["results"] == []


def test_properties_of_every_kind(small: HubSpotClient) -> None:
    found = {each["name"]: each for each in small.get("properties/contacts").json["results"]}
    assert len(found) > 40
    kinds = {each["type"] for each in found.values()}
    assert kinds == {"string", "number", "bool", "datetime", "date", "enumeration"}
    assert found["email"]["hasUniqueValue"] and found["score_custom"]["groupName"] == "custom"
    assert any(each["hidden"] for each in found.values()) and any(
        each["calculated"] for each in found.values()
    )
    assert found["hs_lead_status"]["options"][0]["value"] == "NEW"
    make(small, "property", parent="contact", name="shoe_size", type="number")
    [id] = make(small, "contact", shoe_size=43)
    shown = small.get(f"objects/contacts/{id}", properties="shoe_size").json["properties"]
    assert shown["shoe_size"] == "43"
    # Without its definition, a value is not shown any more, and nothing says so.
    remove(small, "property", "contact/shoe_size")
    assert "shoe_size" not in small.get(f"objects/contacts/{id}", properties="shoe_size").json["properties"]
    assert small.get("properties/contacts/shoe_size").status == 404
    [gone] = small.get("properties/contacts", archived="true").json["results"]
    assert gone["name"] == "shoe_size" and gone["archived"] is True


def test_a_custom_type_comes_and_goes(small: HubSpotClient) -> None:
    [car] = small.get("schemas").json["results"]
    assert (car["objectTypeId"], car["fullyQualifiedName"], car["name"]) == ("2-12345", "p123_car", "car")
    assert {each["name"] for each in car["properties"]} > {"vin", "hs_object_id"}
    assert small.get("schemas/p123_car").json == car
    [id] = make(small, "schema", name="boat", properties={"hull": "string", "length": "number"})
    [boat] = make(small, "boat", hull="wood", length=12)
    for name in (id, "p123_boat", "p_boat"):
        assert ids(small.all(f"objects/{name}")) == [boat]
    assert small.get("objects/boat").status == 400
    assert small.found(id, filterGroups=where("length", "GT", "9"))[0]["id"] == boat
    assert small.control("GET", "counts")["hubspot"]["boat"]["count"] == 1
    remove(small, "boat", boat)
    remove(small, "schema", id)
    assert small.get(f"objects/{id}").status == 400
    assert len(small.get("schemas").json["results"]) == 1
    assert [each["name"] for each in small.get("schemas", archived="true").json["results"]] == ["boat"]


# Changes from elsewhere


def test_what_becomes_of_the_time_of_a_change(small: HubSpotClient) -> None:
    one, two, three = make(small, "note", 3, event={"backdate": 1000})
    before = truth(small, "note")
    change(small, "note", one, hs_note_body="changed")
    change(small, "note", two, hs_note_body="changed", event=False)
    change(small, "note", three, hs_note_body="changed", event={"backdate": 500})
    after = truth(small, "note")
    assert (
        after[two]["updatedAt"]
        == before[two]["updatedAt"]
        < after[three]["updatedAt"]
        < after[one]["updatedAt"]
    )
    assert {each["properties"]["hs_note_body"] for each in after.values()} == {"changed"}
    # All that one request changes has one time.
    change(small, "note", one, two, three, hs_note_body="again")
    assert len({each["updatedAt"] for each in truth(small, "note").values()}) == 1


def test_random_changes_are_of_all_kinds() -> None:
    with Fake("--seed", "5", "--no-limits") as fake:
        client = HubSpotClient(fake.url)
        weights = {"create": 2, "update": 6, "delete": 2, "restore": 1, "merge": 1}
        body = {"provider": "hubspot", "n": 400, "weights": weights}
        done = client.control("POST", "mutate_random", body)
        assert sum(done.values()) == 400 and all(done.values())
        for type in TYPES:
            known = client.control("GET", f"truth?collection=hubspot:{type.name}&fields=ids")
            assert set(ids(client.all(f"objects/{type.id}"))) == set(known["objects"])
            assert set(ids(client.found(type.id))) == set(known["objects"])


def test_the_same_seed_gives_the_same_account() -> None:
    accounts = []
    for _ in range(2):
        with Fake("--seed", "3", "--now", "1700000000", "--scale", "0.1") as fake:
            client = HubSpotClient(fake.url)
            accounts.append([truth(client, each.name) for each in TYPES] + [truth(client, "owner")])
    assert accounts[0] == accounts[1]


# Limits


@pytest.fixture
def limited() -> Iterator[HubSpotClient]:
    with Fake("--empty") as fake:
        yield HubSpotClient(fake.url)


def test_ten_seconds_have_a_hundred_requests(limited: HubSpotClient) -> None:
    first = limited.get("owners")
    assert first.headers["x-hubspot-ratelimit-max"] == "100"
    assert first.headers["x-hubspot-ratelimit-remaining"] == "99"
    assert first.headers["x-hubspot-ratelimit-interval-milliseconds"] == "10000"
    assert first.headers["x-hubspot-ratelimit-daily"] == "250000"
    assert first.headers["x-hubspot-ratelimit-daily-remaining"] == "249999"
    configure(limited, burst={"allowed": 2, "interval": 60})
    assert [limited.get("owners").status for _ in range(2)] == [200, 200]
    refused = limited.get("owners")
    assert refusal(refused) == (429, "RATE_LIMITS")
    assert refused.json["policyName"] == "TEN_SECONDLY_ROLLING"
    assert refused.headers["x-hubspot-ratelimit-remaining"] == "0"
    assert "retry-after" not in refused.headers
    assert as_(limited, "pat-fake-other").get("owners").status == 200


def test_all_tokens_of_an_application_share_a_limit(limited: HubSpotClient) -> None:
    configure(limited, oauth_burst={"allowed": 2, "interval": 60}, issue_refresh_token="refresh")
    tokens = [
        grant(limited, grant_type="refresh_token", refresh_token="refresh").json["access_token"]
        for _ in range(2)
    ]
    answers = [as_(limited, token).get("owners") for token in (*tokens, tokens[0])]
    assert [each.status for each in answers] == [200, 200, 429]
    assert "x-hubspot-ratelimit-daily" not in answers[0].headers
    assert answers[0].headers["x-hubspot-ratelimit-max"] == "2"


def test_a_day_has_a_limit_too(limited: HubSpotClient) -> None:
    configure(limited, daily=1)
    assert limited.get("owners").status == 200
    refused = limited.get("owners")
    assert (refused.status, refused.json["policyName"]) == (429, "DAILY")
    advance(limited, 86_400)
    usage = limited.get("/account-info/v3/api-usage/daily").json["results"][0]
    assert (usage["usageLimit"], usage["currentUsage"]) == (1, 1)


def test_searches_have_a_limit_that_no_header_tells_of(limited: HubSpotClient) -> None:
    answers = [limited.post("objects/contacts/search", {}) for _ in range(40)]
    refused = next(each for each in answers if each.status == 429)
    assert refused.json["policyName"] == "SECONDLY"
    assert not [name for each in answers for name in each.headers if "ratelimit" in name]
    assert limited.get("objects/contacts").status == 200


def test_settings_are_checked(small: HubSpotClient) -> None:
    for bad in ({"nonsense": 1}, {"tokens": {"x": ["nonsense"]}}, {"revoke": "x"}, {"burst": {"x": 1}}):
        body = json.dumps({"provider": "hubspot", **bad}).encode()
        assert small.request("POST", "/_control/settings", body).status == 400, bad
