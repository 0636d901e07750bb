"""The fake bookkeeping API: each of its habits, and each trap that it sets."""

import base64
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
from fake.client import Answer, Client
from harness import Fake, Upstream, eventually
from harness.fake import FakeError

DECLARATION = json.loads(
    (Path(__file__).resolve().parents[1] / "fake" / "ledger" / "declaration.json").read_text()
)
COLLECTIONS = {each["name"]: each for each in DECLARATION["collections"]}


class Ledger(Upstream):
    """The fake's ledger, and a client that knows nothing about it."""

    def __init__(self, fake: Fake) -> None:
        super().__init__(fake, "ledger")
        self._client = Client(fake.url, None)

    def get(self, path: str, key: str = "key_fake", method: str = "GET", **query: Any) -> Answer:
        """`path` below /ledger/, or a whole URL."""
        address = urlsplit(urljoin(f"{self.url}/", path))
        parameters = "&".join(filter(None, [address.query, urlencode(query)]))
        return self._client.request(method, f"{address.path}?{parameters}", None, {"X-Api-Key": key})

    def refused(self, path: str, **query: Any) -> tuple[int, str]:
        answer = self.get(path, **query)
        return answer.status, answer.error["code"]

    def restore(self, collection: str, *ids: str, **body: Any) -> None:
        self.fake.control("POST", "restore", {"collection": f"ledger:{collection}", "ids": list(ids), **body})


@pytest.fixture(scope="module")
def server() -> Iterator[Fake]:
    """With objects that no test changes."""
    with Fake("--seed", "11", "--no-limits") as fake:
        yield fake


@pytest.fixture(scope="module")
def full(server: Fake) -> Ledger:
    return Ledger(server)


@pytest.fixture
def ledger(fake: Fake) -> Ledger:
    """Without any objects, and without limits."""
    return Ledger(fake)


def ids(objects: list[dict[str, Any]]) -> list[str]:
    return [str(each["id"]) for each in objects]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def now_of(ledger: Ledger) -> float:
    return ledger.fake.control("GET", "clock")["now"]


def link(answer: Answer, relation: str) -> str | None:
    found = re.search(rf'<([^>]*)>; rel="{relation}"', answer.headers.get("link", ""))
    return found[1] if found else None


# As it is declared


def follow(document: Any, pointer: str) -> Any:
    for key in pointer.split("/")[1:]:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def walk(ledger: Ledger, path: str, pagination: dict[str, Any], **query: Any) -> Iterator[Any]:
    """The objects of a list, read as a declaration says, and as naively as can be."""
    if size := pagination.get("page_size"):
        query[size["parameter"]] = size["value"]
    kind, parameter = pagination["kind"], pagination.get("parameter", "")
    number = pagination.get("first", 1) if kind == "page" else 0
    while True:
        numbered = {parameter: number} if kind in ("page", "offset") else {}
        answer = ledger.get(path.removeprefix("/"), **query, **numbered)
        assert answer.status == 200, answer.body
        items = follow(answer.json, pagination["items"])
        yield from items
        number += len(items) if kind == "offset" else 1
        more = follow(answer.json, pagination["has_more"]) if "has_more" in pagination else None
        after = follow(answer.json, pagination["next"]) if "next" in pagination else None
        if kind == "link_header":
            after = link(answer, "next")
        if more is False or kind == "none" or (not items if numbered else not after):
            return
        if kind == "cursor":
            query[parameter] = after
        elif not numbered:
            path, query = after, {}


def listed(ledger: Ledger, collection: str, **query: Any) -> list[dict[str, Any]]:
    """The whole list of a collection; of a nested one, those of all parents."""
    declared = COLLECTIONS[collection]
    pagination = declared.get("pagination", DECLARATION["pagination"])
    paths = [declared["path"]]
    if "parent" in declared:
        parents = ledger.ids(declared["parent"]["collection"])
        paths = [declared["path"].replace("{parent.id}", parent) for parent in parents]
    return [found for path in paths for found in walk(ledger, path, pagination, **query)]


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_list_is_complete_as_it_is_declared(full: Ledger, collection: str) -> None:
    pointer = COLLECTIONS[collection].get("record", {}).get("id", "/id")
    found = listed(full, collection)
    assert len(found) > 10
    truth = full.objects(collection)
    assert len(found) == len(truth)
    assert {str(follow(each, pointer)): each for each in found} == truth


@pytest.mark.parametrize("collection", [name for name, each in COLLECTIONS.items() if "retrieve" in each])
def test_an_object_alone_is_the_one_that_is_listed(full: Ledger, collection: str) -> None:
    id, truth = next(iter(full.objects(collection).items()))
    path = COLLECTIONS[collection]["retrieve"].removeprefix("/")
    assert full.get(path.replace("{id}", id)).json == truth
    assert full.refused(path.replace("{id}", "none")) == (404, "not_found")


def test_every_collection_is_declared(full: Ledger) -> None:
    assert full.collections() == list(COLLECTIONS) == list(full.fake.control("GET", "counts")["ledger"])


@pytest.mark.parametrize("collection", [name for name, each in COLLECTIONS.items() if "updated" in each])
def test_a_list_can_be_limited_to_what_has_changed(full: Ledger, collection: str) -> None:
    declared = COLLECTIONS[collection]
    at = declared["record"]["updated_at"]["at"]
    read = moment if declared["updated"]["format"] == "iso8601" or collection == "entry" else float
    truth = sorted(full.objects(collection).values(), key=lambda each: read(follow(each, at)))
    middle = follow(truth[len(truth) // 2], at)
    parameter = int(moment(middle).timestamp()) if collection == "entry" else middle
    found = listed(full, collection, **{declared["updated"]["from"]: parameter})
    expected = {str(each["id"]) for each in truth if read(follow(each, at)) >= read(middle)}
    assert set(ids(found)) == expected, "from an instant on: what has changed at it is among them"
    assert 0 < len(expected) < len(truth)


# Keys, errors, parameters


@pytest.mark.parametrize("key", ["", "sk_test_fake", "KEY_FAKE"])
def test_a_wrong_key_is_refused(full: Ledger, key: str) -> None:
    answer = full.get("accounts", key=key)
    assert (answer.status, answer.error["code"]) == (401, "unauthorized")


def test_the_key_is_in_no_log(full: Ledger) -> None:
    full.get("accounts", key="key_fake_of_somebody")
    [*_, last] = full.fake.control("GET", "requests", path="^/accounts")["requests"]
    assert "key_fake_of_somebody" not in json.dumps(last)
    assert last["credential"] == "key_fake…body"
    assert last["endpoint"] == "GET /accounts"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("accounts", {"page": 2}),
        ("entries", {"page": 2}),
        ("invoices", {"page": 2}),
        ("contacts", {"offset": 20}),
        ("contacts", {"updated_since": "2026-01-01T00:00:00Z"}),
        ("payments", {"page": 2}),
        ("currencies", {"limit": 10}),
        ("reports", {"cursor": "x"}),
        ("deleted", {"resource": "invoices", "limit": 10}),
        ("e", {"per_page": 10}),
    ],
)
def test_a_parameter_that_is_not_known_is_refused(full: Ledger, path: str, query: dict[str, Any]) -> None:
    assert full.refused(path, **query) == (400, "unknown_parameter")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("accounts", {"limit": 51}),
        ("accounts", {"limit": 0}),
        ("accounts", {"updated_since": 1760000000}),
        ("accounts", {"updated_since": "2026-01-01"}),
        ("accounts", {"updated_since": "2026-01-01T00:00:00"}),
        ("accounts?limit=10", {"limit": 10}),
        ("entries", {"since": "2026-01-01T00:00:00Z"}),
        ("entries", {"since": -1}),
        ("entries", {"per_page": 101}),
        ("invoices", {"offset": -1}),
        ("invoices", {"limit": 101}),
        ("contacts", {"page": 0}),
        ("deleted", {"resource": "accounts"}),
        ("deleted", {}),
        ("e", {"page": 2}),
        ("payments", {"after": "x"}),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(full: Ledger, path: str, query: dict[str, Any]) -> None:
    assert full.refused(path, **query) == (400, "invalid_parameter")


def test_what_is_not_there_is_refused(full: Ledger) -> None:
    id = full.any_id("contact")
    assert full.refused(f"contacts/{id}") == (404, "unknown_path"), "a contact can't be read alone"
    assert full.refused("v1/accounts") == (404, "unknown_path")
    assert full.refused("accounts/none/notes") == (404, "not_found")
    assert full.refused("payments", method="POST") == (405, "method_not_allowed")


# Accounts: an opaque cursor, sorted by the last change


def test_accounts_come_oldest_change_first(full: Ledger) -> None:
    found = listed(full, "account")
    keys = [(moment(each["updatedAt"]), each["id"]) for each in found]
    assert keys == sorted(keys)
    assert all(re.fullmatch(r"[\dT:-]{19}\.\d{3}Z", each["updatedAt"]) for each in found)
    ties = max(sum(other == key for other, _ in keys) for key, _ in keys)
    assert ties > 50, "more than a page has come with one import"


def test_a_cursor_has_to_be_encoded_and_goes_with_its_list(full: Ledger) -> None:
    cursors = [full.get("accounts", limit=n).json["paging"]["next"] for n in range(1, 40)]
    assert any(set("+/") & set(cursor) for cursor in cursors)
    assert full.refused("accounts", cursor=cursors[0][:-6] + "AAAAAA") == (400, "cursor_expired")
    assert full.refused("accounts", cursor=base64.b64encode(b"made up").decode()) == (400, "cursor_expired")
    other = full.get("reports", limit=1).json["after"]
    assert full.refused("accounts", cursor=other) == (400, "cursor_expired")
    since = {"updated_since": "2020-01-01T00:00:00Z"}
    assert full.refused("accounts", cursor=cursors[0], **since) == (400, "invalid_parameter")


def test_the_last_page_has_no_cursor(full: Ledger) -> None:
    answer = full.get("accounts", updated_since="2100-01-01T00:00:00Z")
    assert answer.json == {"results": [], "paging": {}}


def test_a_cursor_grows_old(ledger: Ledger) -> None:
    ledger.create("account", count=3)
    ledger.configure(cursor_life=100)
    cursor = ledger.get("accounts", limit=1).json["paging"]["next"]
    assert ledger.get("accounts", limit=1, cursor=cursor).status == 200
    ledger.fake.control("POST", "clock", {"seconds": 101})
    assert ledger.refused("accounts", limit=1, cursor=cursor) == (400, "cursor_expired")


def test_an_account_that_changes_meanwhile_comes_again_at_the_end(ledger: Ledger) -> None:
    for name in "abc":
        ledger.create("account", name=name)
        ledger.fake.control("POST", "clock", {"seconds": 1})
    first = ledger.get("accounts", limit=1).json
    [seen] = ids(first["results"])
    ledger.update("account", seen, name="changed")
    rest = ledger.get("accounts", limit=50, cursor=first["paging"]["next"]).json["results"]
    assert [each["name"] for each in rest] == ["b", "c", "changed"]


def test_a_bulk_update_leaves_one_time_on_all(ledger: Ledger) -> None:
    made = ledger.create("account", count=60, created=1_700_000_000)
    ledger.update("account", *made[:55], name="renamed")
    renamed = {each["updatedAt"] for each in ledger.objects("account").values() if each["name"] == "renamed"}
    assert len(renamed) == 1


def test_a_change_can_turn_up_behind_what_has_been_seen(ledger: Ledger) -> None:
    early, late = ledger.create("account", count=2, created=1_700_000_000, event=False)
    ledger.update("account", early, name="seen")
    seen = ledger.objects("account")[early]["updatedAt"]
    ledger.update("account", late, name="behind", event={"backdate": 30})
    behind = ledger.objects("account")[late]["updatedAt"]
    assert 25 < (moment(seen) - moment(behind)).total_seconds() < 31
    assert ids(ledger.get("accounts", updated_since=seen).json["results"]) == [early]
    assert ids(ledger.get("accounts", updated_since=behind).json["results"]) == [late, early]


def test_a_silent_change_leaves_no_trace(ledger: Ledger) -> None:
    [id] = ledger.create("account")
    before = ledger.objects("account")[id]
    ledger.update("account", id, name="unseen", event=False)
    assert ledger.get(f"accounts/{id}").json == {**before, "name": "unseen"}
    [imported] = ledger.create("account", event=False)
    assert now_of(ledger) - moment(ledger.objects("account")[imported]["updatedAt"]).timestamp() > 86_400


# Entries: links, local times, numbers, pages that shift


def test_links_lead_to_another_path_and_back(full: Ledger) -> None:
    first = full.get("entries", per_page=100)
    assert link(first, "prev") is None
    url = link(first, "next")
    assert urlsplit(url).path == "/ledger/e"
    assert parse_qs(urlsplit(url).query)["page"] == ["2"]
    second = full.get(url)
    assert full.get(link(second, "prev")).json == full.get(link(second, "first")).json == first.json
    last = full.get(link(second, "last"))
    assert link(last, "next") is None
    assert len(last.json) > 0


def test_a_link_keeps_what_was_asked_for(full: Ledger) -> None:
    entries = listed(full, "entry")
    middle = moment(entries[len(entries) // 2]["updated_at"])
    found, url = [], f"entries?per_page=30&since={int(middle.timestamp())}"
    while url:
        answer = full.get(url)
        found += answer.json
        url = link(answer, "next")
    assert ids(found) == ids([each for each in entries if moment(each["updated_at"]) >= middle])
    assert len(found) > 60


def test_entries_have_local_times_and_large_numbers(full: Ledger) -> None:
    entries = listed(full, "entry")
    offsets = {re.fullmatch(r"[\dT:-]{19}([+-]\d{4})", each["updated_at"])[1] for each in entries}
    assert offsets == {"+0200", "-0330", "+0000", "+0545"}
    written = [each["updated_at"] for each in entries]
    assert written != sorted(written, reverse=True), "as texts they are in no order"
    times = [moment(text) for text in written]
    assert times == sorted(times, reverse=True)
    assert all(isinstance(each["id"], int) for each in entries)
    assert len({float(each["id"]) for each in entries}) < len(entries), "doubles can't tell them apart"


def test_an_update_meanwhile_shifts_the_pages(ledger: Ledger) -> None:
    ledger.create("entry", count=6, created=1_700_000_000, event=False)
    whole = ids(ledger.get("entries").json)
    first = ledger.get("entries", per_page=3)
    ledger.update("entry", whole[5], memo="moves to the front")
    second = ledger.get(link(first, "next")).json
    seen = ids(first.json) + ids(second)
    assert ids(second)[0] == ids(first.json)[-1], "what was pushed comes twice"
    assert whole[5] not in seen, "and what went to the front is passed over"


# Invoices: offsets, an order that changes, tombstones


def test_a_change_moves_an_invoice(ledger: Ledger) -> None:
    ledger.create("invoice", count=30)
    before = ids(ledger.get("invoices", limit=100).json["invoices"])
    assert ids(ledger.get("invoices", limit=100).json["invoices"]) == before
    moved = 0
    for id in before[:5]:
        ledger.update("invoice", id, status="paid")
        after = ids(ledger.get("invoices", limit=100).json["invoices"])
        assert [each for each in after if each != id] == [each for each in before if each != id]
        moved += after.index(id) != before.index(id)
        before = after
    assert moved


def test_invoices_are_limited_by_their_creation(full: Ledger) -> None:
    truth = full.objects("invoice")
    created = sorted(each["created"] for each in truth.values())
    low, high = created[20], created[-20]
    found = listed(full, "invoice", created_from=low, created_before=high)
    assert {each["id"] for each in found} == {
        id for id, each in truth.items() if low <= each["created"] < high
    }
    assert full.get("invoices", limit=1, offset=9999).json == {"invoices": [], "total": len(truth)}


def deletions(ledger: Ledger, **query: Any) -> list[dict[str, Any]]:
    declared = COLLECTIONS["invoice"]["deleted"]
    return list(walk(ledger, declared["path"], declared["pagination"], **declared["query"], **query))


def test_deleted_invoices_are_listed(ledger: Ledger) -> None:
    made = ledger.create("invoice", count=130)
    ledger.delete("invoice", made[0])
    ledger.fake.control("POST", "clock", {"seconds": 10})
    ledger.delete("invoice", *made[1:129])
    assert ledger.refused(f"invoices/{made[0]}") == (410, "gone")
    found = deletions(ledger)
    assert set(ids(found)) == set(made[:129])
    assert found[0]["id"] == made[0]
    assert len({each["deleted_at"] for each in found[1:]}) == 1, "more than a page in one second"
    later = deletions(ledger, since=found[1]["deleted_at"])
    assert set(ids(later)) == set(made[1:129]), "from an instant on"


def test_deletions_are_kept_for_30_days(ledger: Ledger) -> None:
    [first, second] = ledger.create("invoice", count=2)
    ledger.delete("invoice", first)
    ledger.fake.control("POST", "clock", {"days": 29})
    ledger.delete("invoice", second)
    assert ids(deletions(ledger)) == [first, second]
    ledger.fake.control("POST", "clock", {"days": 2})
    # That there have been others before, nobody says.
    assert ids(deletions(ledger, since="2020-01-01T00:00:00Z")) == [second]
    ledger.forget_events()
    assert deletions(ledger) == []


def test_an_invoice_that_is_back_is_still_listed_as_deleted(ledger: Ledger) -> None:
    [id] = ledger.create("invoice", status="sent")
    before = ledger.objects("invoice")[id]
    ledger.delete("invoice", id)
    ledger.restore("invoice", id)
    assert ids(deletions(ledger)) == [id]
    back = ledger.get(f"invoices/{id}").json
    assert back["modified"] >= before["modified"]
    assert {**back, "modified": 0} == {**before, "modified": 0}
    assert ids(ledger.get("invoices", modified_from=back["modified"]).json["invoices"]) == [id]
    ledger.delete("invoice", id)
    assert ids(deletions(ledger)) == [id, id]


def test_a_silent_deletion_is_not_listed(ledger: Ledger) -> None:
    first, second = ledger.create("invoice", count=2)
    ledger.delete("invoice", first, event=False)
    ledger.delete("invoice", second, event={"backdate": 3600})
    [found] = deletions(ledger)
    assert found["id"] == second
    assert 3500 < now_of(ledger) - moment(found["deleted_at"]).timestamp() < 3700


# Contacts, currencies, notes


def test_contacts_say_nothing_of_time(full: Ledger) -> None:
    first = full.get("contacts", size=100).json
    assert first["page"] == 1
    assert set(first["items"][0]) == {"id", "name", "email"}
    assert all(re.fullmatch(r"0\d+", each["id"]) for each in first["items"]), "no numbers, whatever they look"
    assert full.get("contacts", page=99).json == {"page": 99, "items": []}


def test_a_contact_that_goes_meanwhile_hides_another(ledger: Ledger) -> None:
    made = ledger.create("contact", count=4)
    first = ledger.get("contacts", size=2).json["items"]
    ledger.delete("contact", made[0])
    second = ledger.get("contacts", size=2, page=2).json["items"]
    assert ids(first + second) == [made[0], made[1], made[3]]


def test_currencies_are_a_plain_array_with_ids_of_their_own(full: Ledger) -> None:
    found = full.get("currencies").json
    assert [each["code"] for each in found] == sorted(full.ids("currency"))
    assert all("id" not in each for each in found)


def test_notes_go_with_their_account(ledger: Ledger) -> None:
    first, second = ledger.create("account", count=2)
    made = ledger.create("note", count=7, parent=first)
    ledger.create("note", count=1, parent=second)
    assert ledger.get(f"accounts/{first}/notes").json == ledger.get(f"accounts/{first}/notes", page=0).json
    last = ledger.get(f"accounts/{first}/notes", page=1).json
    assert (ids(last["notes"]), last["has_more"]) == (made[5:], False)
    ledger.delete("account", first)
    assert ledger.refused(f"accounts/{first}/notes") == (404, "not_found")
    assert len(ledger.ids("note")) == 1


# Payments: URLs in the body


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("relative", "payments?"),
        ("absolute", "http://127.0.0.1"),
        ("http://169.254.169.254", "http://169.254.169.254/ledger/payments?"),
    ],
)
def test_the_next_page_is_a_url(ledger: Ledger, setting: str, expected: str) -> None:
    ledger.create("payment", count=5)
    ledger.configure(payment_links=setting)
    first = ledger.get("payments", limit=2).json
    assert first["next_page_url"].startswith(expected)
    address = urlsplit(first["next_page_url"])
    second = ledger.get(f"payments?{address.query}").json
    assert len({*ids(first["payments"]), *ids(second["payments"])}) == 4
    assert ledger.get("payments", limit=5).json["next_page_url"] is None


def test_payments_are_limited_by_their_creation(ledger: Ledger) -> None:
    old = ledger.create("payment", count=3, created=1_700_000_000)
    new = ledger.create("payment", count=3, created=1_700_000_060)
    found = listed(ledger, "payment", created_from="2023-11-14T22:14:20Z")
    assert set(ids(found)) == set(new)
    assert set(ids(listed(ledger, "payment", created_from="2023-11-14T22:13:20Z"))) == {*old, *new}


# Limits


def quota(answer: Answer) -> tuple[int, int]:
    return int(answer.headers["x-ratelimit-remaining"]), int(answer.headers["x-ratelimit-reset"])


def test_the_quota_is_what_the_headers_say(ledger: Ledger) -> None:
    ledger.configure(quota={"allowed": 3, "interval": 60})
    answers = [ledger.get("currencies") for _ in range(5)]
    assert [each.status for each in answers] == [200, 200, 200, 403, 403]
    assert [quota(each)[0] for each in answers] == [2, 1, 0, 0, 0]
    refused = answers[-1]
    assert refused.error["code"] == "quota_exceeded"
    assert "retry-after" not in refused.headers
    date = parsedate_to_datetime(refused.headers["date"]).timestamp()
    assert 50 < quota(refused)[1] - date < 63
    assert ledger.configure()["beyond_quota"] == 2
    assert ledger.get("currencies", key="key_fake_other").status == 200, "each key has its own"
    assert ledger.get("reports").status == 200, "reports are not counted"


def test_the_quota_is_whole_again_at_the_reset(ledger: Ledger) -> None:
    ledger.configure(quota={"allowed": 2, "interval": 1})
    assert [ledger.get("currencies").status for _ in range(3)] == [200, 200, 403]
    reset = quota(ledger.get("currencies"))[1]
    eventually(lambda: ledger.get("currencies").status == 200, 5)
    assert time.time() <= reset + 1


def test_the_reset_is_by_the_clock_of_the_api(ledger: Ledger) -> None:
    ledger.configure(quota={"allowed": 1, "interval": 60})
    ledger.fake.control("POST", "clock", {"seconds": 1800})
    answer = ledger.get("currencies")
    date = parsedate_to_datetime(answer.headers["date"]).timestamp()
    assert abs(date - now_of(ledger)) < 5
    assert 50 < quota(answer)[1] - date < 63


def test_reports_cost_points(ledger: Ledger) -> None:
    ledger.create("report", count=3)
    ledger.configure(cost={"requested": 20, "maximum": 50, "restore_rate": 0.01})
    first, second, third = (ledger.get("reports").json for _ in range(3))
    assert len(first["reports"]) == len(second["reports"]) == 3
    assert 30 <= first["cost"]["available"] < 31
    assert first["cost"] | {"available": 0} == {"requested": 20, "available": 0, "restore_rate": 0.01}
    assert third["errors"][0]["code"] == third["error"]["code"] == "THROTTLED"
    assert "reports" not in third
    assert third["cost"]["available"] < 20
    assert ledger.configure()["throttled"] == 1


def test_points_come_back(ledger: Ledger) -> None:
    ledger.configure(cost={"requested": 20, "maximum": 20, "restore_rate": 100})
    answers = [ledger.get("reports").json for _ in range(2)]
    assert ["error" in each for each in answers] == [False, True]
    eventually(lambda: "error" not in ledger.get("reports").json, 5)


def test_a_report_list_ends_by_its_word_and_not_by_its_cursor(full: Ledger) -> None:
    answer = full.get("reports", limit=25).json
    while answer["has_more"]:
        answer = full.get("reports", limit=25, after=answer["after"]).json
    assert answer["after"], "there is a cursor behind the end"
    assert full.get("reports", after=answer["after"]).json["reports"] == []


# Faults


@pytest.mark.parametrize(
    ("collection", "action"),
    [
        *((each, "duplicate") for each in ("account", "entry", "payment", "report")),
        *((each, "truncate_page") for each in ("account", "entry", "payment", "report", "invoice")),
    ],
)
def test_a_list_survives_a_page_that_is_cut_or_repeats(ledger: Ledger, collection: str, action: str) -> None:
    ledger.create(collection, count=230, created=1_700_000_000)
    options = {"keep": 7} if action == "truncate_page" else {"count": 3}
    fault = ledger.fault(action, match={"every": 2, "times": 6}, **options)
    found = listed(ledger, collection)
    assert set(ids(found)) == set(ledger.ids(collection))
    [rule] = [each for each in ledger.fake.control("GET", "faults") if each["id"] == fault]
    assert rule["applied"]
    assert (len(found) > 230) == (action == "duplicate")


def test_faults_speak_as_the_api_does(ledger: Ledger) -> None:
    ledger.fault("rate_limit", match={"times": 1}, retry_after=7)
    limited = ledger.get("currencies")
    assert (limited.status, limited.error["code"]) == (403, "quota_exceeded")
    assert limited.headers["x-ratelimit-remaining"] == "0"
    assert 5 < int(limited.headers["x-ratelimit-reset"]) - now_of(ledger) <= 8
    ledger.fault("status", match={"times": 1}, status=500)
    assert ledger.get("currencies").error["code"] == "internal"


def test_an_odd_object_is_shown_as_it_is(ledger: Ledger) -> None:
    body = {"collection": "ledger:contact", "odd": "nul", "data": {"name": "odd"}}
    id = ledger.fake.control("POST", "create", body)["id"]
    assert b"\\u0000" in ledger.get("contacts").body
    assert ledger.objects("contact")[id]["name"] == "odd"


# Control


def test_random_changes_are_those_that_can_be_learnt_of(full: Ledger) -> None:
    with Fake("--seed", "9", "--no-limits") as fake:
        ledger = Ledger(fake)
        before = {name: ledger.objects(name) for name in COLLECTIONS}
        fake.control("POST", "clock", {"seconds": 60})
        since = now_of(ledger)
        weights = {"create": 2, "update": 6, "delete": 2, "restore": 1}
        done = fake.control(
            "POST", "mutate_random", {"provider": "ledger", "n": 400, "seed": 4, "weights": weights}
        )
        assert sum(done.values()) == 400
        assert min(done.values()) > 3
        for name in ("contact", "currency", "note", "report"):
            assert ledger.objects(name) == before[name]
        for name, parameter in (("account", None), ("entry", int(since)), ("invoice", int(since * 1000))):
            if parameter is None:
                parameter = datetime.fromtimestamp(int(since), UTC).isoformat()
            changed = listed(ledger, name, **{COLLECTIONS[name]["updated"]["from"]: parameter})
            known = before[name] | {str(each["id"]): each for each in changed}
            gone = set(ids(deletions(ledger))) if name == "invoice" else set()
            truth = ledger.objects(name)
            assert {id: each for id, each in known.items() if id in truth or id not in gone} == truth
        with pytest.raises(FakeError, match="weights"):
            ledger.mutate_random(1, 1, ["account"], {"destroy": 1})


def test_random_changes_of_named_collections_are_of_all_kinds(ledger: Ledger) -> None:
    ledger.create("contact", count=50)
    done = ledger.mutate_random(100, 3, ["contact"], {"create": 1, "update": 1, "delete": 1})
    assert min(done[kind] for kind in ("create", "update", "delete")) > 10
    assert len(ledger.ids("contact")) == 50 + done["create"] - done["delete"]


def test_the_same_seed_gives_the_same_books() -> None:
    def state() -> list[Any]:
        with Fake("--seed", "21", "--now", "1760000000", "--no-limits") as fake:
            return [Ledger(fake).ids(name) for name in COLLECTIONS]

    assert state() == state()


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("create", {"collection": "ledger:customer"}),
        ("create", {"collection": "ledger:note"}),
        ("create", {"collection": "ledger:contact", "parent": "x"}),
        ("create", {"collection": "ledger:contact", "odd": "strange"}),
        ("create", {"collection": "ledger:contact", "event": {"late": 5}}),
        ("update", {"collection": "ledger:contact", "id": "none", "data": {}}),
        ("restore", {"collection": "ledger:contact", "id": "000001"}),
        ("restore", {"collection": "ledger:invoice", "id": "none"}),
        ("restore", {"collection": "stripe:customer", "id": "cus_none"}),
        ("settings", {"provider": "ledger", "payment_links": "sideways"}),
        ("settings", {"provider": "ledger", "global_rate": 5}),
        ("settings", {"provider": "ledger", "quota": {"alowed": 5}}),
    ],
)
def test_a_control_request_without_sense_is_refused(ledger: Ledger, route: str, body: dict[str, Any]) -> None:
    with pytest.raises(FakeError):
        ledger.fake.control("POST", route, body)
