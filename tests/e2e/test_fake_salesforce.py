"""The fake Salesforce: each of its habits, and each trap that it sets."""

import base64
import csv
import gzip
import io
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from fake.client import Answer, SalesforceClient
from fake.salesforce import ids as record_ids
from harness import Fake, eventually

OWN = {"grant_type": "refresh_token", "client_id": "3MVG9fake", "client_secret": "fake_secret"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000")


class Salesforce(SalesforceClient):
    """The fake's Salesforce, and what a test does behind its back."""

    def __init__(self, fake: Fake, key: str = "00Dfake") -> None:
        super().__init__(fake.url, key)
        self.fake = fake

    def as_(self, key: str) -> "Salesforce":
        return Salesforce(self.fake, key)

    def configure(self, **settings: Any) -> dict[str, Any]:
        return self.fake.control("POST", "settings", {"provider": "salesforce", **settings})

    def make(self, object: str, count: int = 1, **body: Any) -> list[str]:
        """`data` and what else the control takes."""
        given = {"collection": f"salesforce:{object}", "count": count, **body}
        return self.fake.control("POST", "create", given)["ids"]

    def change(self, kind: str, object: str, *ids: str, **body: Any) -> None:
        """kind: update, delete or restore."""
        given = {"collection": f"salesforce:{object}", "ids": list(ids), **body}
        self.fake.control("POST", kind, given)

    def truth(self, object: str) -> dict[str, dict[str, Any]]:
        return self.fake.control("GET", "truth", collection=f"salesforce:{object}")["objects"]

    def advance(self, seconds: float) -> None:
        self.fake.control("POST", "clock", {"seconds": seconds})

    def now(self) -> float:
        return self.fake.control("GET", "clock")["now"]

    def fault(self, action: dict[str, Any], **match: Any) -> None:
        self.fake.control("POST", "faults", {"match": {"provider": "salesforce", **match}, "action": action})

    def ids(self, soql: str, every: bool = False) -> list[str]:
        return [each["Id"] for each in self.all(soql, every=every)]

    def job(self, soql: str, **body: Any) -> str:
        answer = self.send("POST", "jobs/query", {"operation": "query", "query": soql, **body})
        assert answer.status == 200, answer.body
        return answer.json["id"]

    def completed(self, soql: str, **body: Any) -> str:
        self.configure(bulk_seconds=0)
        return self.job(soql, **body)


def refused(answer: Answer) -> tuple[int, str]:
    """Status and code; every error is an array."""
    [error] = answer.json
    assert error["message"]
    return answer.status, error["errorCode"]


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def rows_of(answer: Answer, **dialect: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline=""), **dialect))


@pytest.fixture(scope="module")
def server() -> Iterator[Fake]:
    """With records that no test changes."""
    with Fake("--seed", "11", "--no-limits") as fake:
        yield fake


@pytest.fixture(scope="module")
def full(server: Fake) -> Salesforce:
    return Salesforce(server)


@pytest.fixture
def org(fake: Fake) -> Salesforce:
    """Without any records but the user, and without limits."""
    return Salesforce(fake)


# Sessions


def test_a_refresh_token_gives_a_session_that_says_not_how_long_it_is_good(org: Salesforce) -> None:
    answer = org.token(**OWN, refresh_token="5Aepfake")
    found = answer.json
    assert answer.status == 200
    assert found["instance_url"] == f"{org.fake.url}/salesforce"
    assert abs(int(found["issued_at"]) / 1000 - org.now()) < 60, "milliseconds, as a text"
    assert "expires_in" not in found
    assert "refresh_token" not in found
    assert org.as_(found["access_token"]).query("SELECT Id FROM User").status == 200


def test_a_session_ends_in_the_middle_and_its_cursor_does_not(org: Salesforce) -> None:
    org.make("Lead", 450)
    org.configure(session_life=100)
    first = org.as_(org.token(**OWN, refresh_token="5Aepfake").json["access_token"])
    batch = first.query("SELECT Id FROM Lead ORDER BY Id", {"Sforce-Query-Options": "batchSize=200"}).json
    org.advance(101)
    answer = first.get(batch["nextRecordsUrl"])
    assert refused(answer) == (401, "INVALID_SESSION_ID")
    second = org.as_(org.token(**OWN, refresh_token="5Aepfake").json["access_token"])
    assert len(second.get(batch["nextRecordsUrl"]).json["records"]) == 200


def test_a_refresh_token_that_rotates_is_good_once(org: Salesforce) -> None:
    org.configure(rotate=True)
    following = org.token(**OWN, refresh_token="5Aepfake").json["refresh_token"]
    again = org.token(**OWN, refresh_token="5Aepfake")
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    assert org.token(**OWN, refresh_token=following).status == 200
    assert org.token(**OWN, refresh_token=following).status == 400


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({**OWN, "refresh_token": "5Aepother"}, "invalid_grant"),
        ({**OWN, "refresh_token": "5Aepfake", "client_id": "other"}, "invalid_client_id"),
        ({**OWN, "refresh_token": "5Aepfake", "client_secret": "other"}, "invalid_client"),
        ({**OWN, "grant_type": "client_credentials", "client_secret": ""}, "invalid_client"),
        ({"grant_type": "password", "username": "x", "password": "y"}, "unsupported_grant_type"),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
            "invalid_grant",
        ),
    ],
)
def test_a_grant_is_refused(full: Salesforce, form: dict[str, str], code: str) -> None:
    answer = full.token(**form)
    assert (answer.status, answer.json["error"]) == (400, code)
    assert answer.json["error_description"]


def test_client_credentials_also_as_basic(org: Salesforce) -> None:
    basic = base64.b64encode(b"3MVG9fake:fake_secret").decode()
    answer = org.token({"Authorization": f"Basic {basic}"}, grant_type="client_credentials")
    session = org.as_(answer.json["access_token"])
    who = session.get("/salesforce/services/oauth2/userinfo").json
    assert answer.json["id"].endswith(f"{who['organization_id']}/{who['user_id']}")


def test_what_is_revoked_is_not_good_any_more(org: Salesforce) -> None:
    token = org.token(**OWN, refresh_token="5Aepfake").json["access_token"]
    org.configure(revoke="all")
    assert refused(org.as_(token).get("limits")) == (401, "INVALID_SESSION_ID")
    assert org.token(**OWN, refresh_token="5Aepfake").status == 400


@pytest.mark.parametrize("key", ["", "00Xfake", "sk_test_fake"])
def test_without_a_session_nothing_is_shown(full: Salesforce, key: str) -> None:
    assert refused(full.as_(key).query("SELECT Id FROM Account")) == (401, "INVALID_SESSION_ID")


def test_the_token_is_in_no_log(full: Salesforce) -> None:
    full.as_("00Dfake_of_somebody").get("sobjects/Account/describe")
    [*_, last] = full.fake.control("GET", "requests", path="Account/describe")["requests"]
    assert "00Dfake_of_somebody" not in json.dumps(last)
    assert last["credential"] == "00Dfake_…body"
    assert last["endpoint"] == "GET /services/data/v68.0/sobjects/{object}/describe"


# What there is


def test_the_api_is_at_the_root_too(full: Salesforce) -> None:
    [*_, newest] = full.get("/services/data").json
    assert newest["version"] == "68.0"
    assert newest["url"] == "/services/data/v68.0"
    assert full.get(f"{newest['url']}/sobjects").json == full.get("sobjects").json


def test_every_object_is_described_and_can_be_read_as_described(full: Salesforce) -> None:
    for sobject in full.get("sobjects").json["sobjects"]:
        name = sobject["name"]
        described = full.get(f"sobjects/{name}/describe").json
        assert {key: described[key] for key in sobject} == sobject
        names = ", ".join(field["name"] for field in described["fields"])
        answer = full.query(f"SELECT {names} FROM {name}", every=True)
        if not sobject["queryable"]:
            assert refused(answer) == (400, "INVALID_TYPE_FOR_OPERATION")
            continue
        found = answer.json
        assert found["totalSize"] == len(full.truth(name))
        truth = full.truth(name)
        for record in found["records"][:50]:
            assert record.pop("attributes")["type"] == name
            assert record == truth[record["Id"]]


def test_what_some_objects_have_not_got(full: Salesforce) -> None:
    assert refused(full.query("SELECT IsDeleted FROM User")) == (400, "INVALID_FIELD")
    assert refused(full.query("SELECT SystemModstamp FROM AccountHistory")) == (400, "INVALID_FIELD")
    assert refused(full.query("SELECT CreatedDate FROM LoginHistory")) == (400, "INVALID_FIELD")
    described = {each["name"]: each for each in full.get("sobjects").json["sobjects"]}
    assert not described["LoginHistory"]["replicateable"]
    assert not described["CaseStatus"]["deletable"]
    assert described["Invoice__c"]["custom"]


def test_ids_differ_in_case_and_end_in_a_checksum(full: Salesforce) -> None:
    found = list(full.truth("Contact"))
    shorts = [each[:15] for each in found]
    assert all(len(each) == 18 and each.startswith("003") for each in found)
    assert len({each.lower() for each in shorts}) < len(set(shorts)), "some differ in nothing but case"
    assert len({each.lower() for each in found}) == len(found), "the suffix tells them apart"
    # A known pair.
    assert record_ids.complete("001A0000006Vm9r") == "001A0000006Vm9rIAC"
    assert record_ids.parse("001A0000006Vm9rIAA") is None


def test_fields_and_objects_are_hidden_from_a_token(full: Salesforce) -> None:
    full.configure(hidden={"00Dfake_clerk": {"Account": ["Phone"], "Lead": None}, "Case": ["Origin"]})
    clerk = full.as_("00Dfake_clerk")
    names = [each["name"] for each in clerk.get("sobjects/Account/describe").json["fields"]]
    assert "Phone" not in names
    assert refused(clerk.query("SELECT Phone FROM Account")) == (400, "INVALID_FIELD")
    assert refused(clerk.query("SELECT Id FROM Account WHERE Phone = null")) == (400, "INVALID_FIELD")
    assert refused(clerk.query("SELECT Account.Phone FROM Contact")) == (400, "INVALID_FIELD")
    assert clerk.query("SELECT AccountPhone__c FROM Contact").status == 200, "a formula sees more"
    assert refused(clerk.query("SELECT Id FROM Lead")) == (400, "INVALID_TYPE")
    assert clerk.get("sobjects/Lead/describe").status == 404
    assert full.query("SELECT Phone FROM Account").status == 200
    assert refused(full.query("SELECT Origin FROM Case")) == (400, "INVALID_FIELD"), "from everybody"
    full.configure(hidden=None)


@pytest.mark.parametrize("path", ["nothing", "sobjects/Nothing/describe", "jobs/query/750000000000000AAA"])
def test_what_is_not_there(full: Salesforce, path: str) -> None:
    assert refused(full.get(path)) == (404, "NOT_FOUND")


def test_versions_and_methods(full: Salesforce) -> None:
    assert refused(full.get("/services/data/v99.0/sobjects")) == (404, "NOT_FOUND")
    assert refused(full.send("PUT", "sobjects/Account", {})) == (405, "METHOD_NOT_ALLOWED")
    url = full.get("/services/data/v60.0/query", q="SELECT Id FROM Lead LIMIT 1").json["records"][0]
    assert url["attributes"]["url"].startswith("/services/data/v60.0/sobjects/Lead/00Q")


# Queries


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM Account WHERE SystemModstamp > '2024-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE SystemModstamp > 2024-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE SystemModstamp > 2024-01-01T00:00:00", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE IsDeleted = 'false'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = '001'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Type = 'b' OR Type = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account ORDER BY Description", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT Id, FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id, Id FROM Account", "INVALID_FIELD"),
        ("SELECT * FROM Account", "MALFORMED_QUERY"),
        ("SELECT Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT Nothing.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Owner.Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Id FROM Nothings) FROM Account", "INVALID_TYPE"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 201", "MALFORMED_QUERY"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account GROUP BY Id", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account; DELETE", "MALFORMED_QUERY"),
        ("", "MALFORMED_QUERY"),
    ],
)
def test_a_query_is_refused(full: Salesforce, soql: str, code: str) -> None:
    assert refused(full.query(soql)) == (400, code)


def test_an_error_shows_where_it_is(full: Salesforce) -> None:
    [error] = full.query("SELECT Id FROM Account\nWHERE Name = 'a' OR Type = 'b' AND Type = 'c'").json
    assert "ERROR at Row:2:Column:32\nunexpected token: 'AND'" in error["message"]


def test_conditions(org: Salesforce) -> None:
    for name, type, revenue in (("Ada", "Partner", 1.0), ("ada", None, 2.5), ("Bert's", "Prospect", None)):
        org.make("Account", data={"Name": name, "Type": type, "AnnualRevenue": revenue})
    wanted = {
        "Name = 'ADA'": ["Ada", "ada"],
        "Name = 'Bert\\'s'": ["Bert's"],
        "Name LIKE 'a%'": ["Ada", "ada"],
        "Name LIKE '_ert%'": ["Bert's"],
        "Type != 'Partner'": ["Bert's", "ada"],
        "Type = null": ["ada"],
        "Type IN ('Partner', 'Prospect')": ["Ada", "Bert's"],
        "Type NOT IN ('Partner', 'Prospect')": ["ada"],
        "AnnualRevenue < 5": ["Ada", "ada"],
        "NOT AnnualRevenue <= 1": ["Bert's", "ada"],
        "AnnualRevenue >= 2.5 AND (Type = null OR Type = 'Partner')": ["ada"],
        "NOT (AnnualRevenue > 1 AND Type = null)": ["Ada", "Bert's"],
        "IsDeleted = FALSE AND Owner.Name != null": ["Ada", "Bert's", "ada"],
    }
    for condition, names in wanted.items():
        found = org.all(f"SELECT Name FROM Account WHERE {condition}")
        assert sorted(each["Name"] for each in found) == names, condition


def test_ids_are_compared_with_their_case(org: Salesforce) -> None:
    [id] = org.make("Account")
    assert org.ids(f"SELECT Id FROM Account WHERE Id = '{id[:15]}'") == [id]
    assert org.ids(f"SELECT Id FROM Account WHERE Id >= '{id}'") == [id]
    assert org.ids(f"SELECT Id FROM Account WHERE Id > '{id}'") == []


def test_orders_and_nulls(org: Salesforce) -> None:
    for name, revenue in (("a", 2.0), ("b", None), ("C", 1.0)):
        org.make("Account", data={"Name": name, "AnnualRevenue": revenue})
    orders = {
        "Name": "abC",
        "Name DESC": "Cba",
        "AnnualRevenue": "bCa",
        "AnnualRevenue DESC": "baC",
        "AnnualRevenue NULLS LAST": "Cab",
        "AnnualRevenue DESC NULLS LAST, Name": "aCb",
    }
    for order, names in orders.items():
        found = org.all(f"SELECT Name FROM Account ORDER BY {order}")
        assert "".join(each["Name"] for each in found) == names, order
    found = org.all("SELECT Name FROM Account ORDER BY Name LIMIT 1 OFFSET 1")
    assert [each["Name"] for each in found] == ["b"]


def test_ties_come_in_another_order_each_time(full: Salesforce) -> None:
    soql = "SELECT Id, SystemModstamp FROM Contact ORDER BY SystemModstamp"
    one, other = full.all(soql), full.all(soql)
    assert [each["SystemModstamp"] for each in one] == [each["SystemModstamp"] for each in other]
    assert one != other
    exact = soql + ", Id"
    assert full.all(exact) == full.all(exact)


def test_more_share_one_second_than_a_batch_has(full: Salesforce) -> None:
    stamps = [each["SystemModstamp"] for each in full.truth("Contact").values()]
    assert all(MOMENT.fullmatch(each) for each in stamps)
    assert max(stamps.count(each) for each in set(stamps)) > 2000


def test_a_condition_on_the_stamp_finds_what_it_says(full: Salesforce) -> None:
    truth = full.truth("Account")
    stamps = sorted(each["SystemModstamp"] for each in truth.values())
    low, high = stamps[100], stamps[200]
    condition = f"SystemModstamp >= {low[:19]}Z AND SystemModstamp < {high[:19]}+00:00"
    found = full.ids(f"SELECT Id FROM Account WHERE {condition}")
    assert sorted(found) == sorted(id for id, each in truth.items() if low <= each["SystemModstamp"] < high)
    # A plus that is not encoded is a space.
    raw = f"query?q=SELECT+Id+FROM+Account+WHERE+SystemModstamp>={low[:19]}+00:00"
    assert refused(full.get(raw)) == (400, "MALFORMED_QUERY")


def test_aggregates(full: Salesforce) -> None:
    truth = full.truth("Opportunity")
    assert full.query("SELECT COUNT() FROM Opportunity").json == {
        "totalSize": len(truth), "done": True, "records": [],
    }  # fmt: skip
    soql = "SELECT MIN(SystemModstamp), MAX(SystemModstamp), COUNT(Amount) FROM Opportunity"
    [record] = full.query(soql).json["records"]
    stamps = [each["SystemModstamp"] for each in truth.values()]
    assert (record["expr0"], record["expr1"]) == (min(stamps), max(stamps))
    assert record["expr2"] == sum(each["Amount"] is not None for each in truth.values())


def test_fields_of_records_above(full: Salesforce) -> None:
    accounts = full.truth("Account")
    soql = "SELECT Name, Account.Name, Account.Owner.Name FROM Contact WHERE AccountId {} null LIMIT 1"
    [orphan] = full.all(soql.format("="))
    assert orphan["Account"] is None
    [child] = full.all(soql.format("!=").replace("SELECT", "SELECT AccountId,"))
    assert child["Account"]["Name"] == accounts[child["AccountId"]]["Name"]
    assert child["Account"]["attributes"]["type"] == "Account"
    assert child["Account"]["Owner"]["attributes"]["type"] in ("User", "Group")
    [line] = full.all("SELECT Invoice__c, Invoice__r.Number__c FROM Line__c LIMIT 1")
    assert line["Invoice__r"]["Number__c"] == full.truth("Invoice__c")[line["Invoice__c"]]["Number__c"]


def test_children_come_in_batches_of_their_own(org: Salesforce) -> None:
    [account, lonely] = org.make("Account", 2)
    made = org.make("Contact", 7, parent=account)
    org.configure(child_size=3)
    found = {each["Id"]: each for each in org.all("SELECT Id, (SELECT Id FROM Contacts) FROM Account")}
    assert found[lonely]["Contacts"] is None
    children = found[account]["Contacts"]
    assert (children["totalSize"], children["done"]) == (7, False)
    seen = children["records"]
    while not children["done"]:
        children = org.get(children["nextRecordsUrl"]).json
        seen += children["records"]
    assert sorted(each["Id"] for each in seen) == sorted(made)


# Batches and cursors


def test_a_query_comes_in_batches(full: Salesforce) -> None:
    first, second = full.batches("SELECT Id FROM Contact ORDER BY Id")
    assert (first["totalSize"], len(first["records"]), len(second["records"])) == (2500, 2000, 500)
    assert re.fullmatch(r"/services/data/v68.0/query/01g\w{15}-2000", first["nextRecordsUrl"])
    assert "nextRecordsUrl" not in second
    assert sorted(full.truth("Contact")) == [each["Id"] for each in first["records"] + second["records"]]


@pytest.mark.parametrize(("size", "count"), [("200", 200), ("1", 200), ("1999", 1999), ("9999", 2000)])
def test_the_size_of_a_batch_is_a_wish(full: Salesforce, size: str, count: int) -> None:
    answer = full.query("SELECT Id FROM Contact", {"Sforce-Query-Options": f"batchSize={size}"})
    assert len(answer.json["records"]) == count


def test_wide_rows_come_in_small_batches(org: Salesforce) -> None:
    org.make("Account", 100, data={"Description": "x" * 30_000})
    sizes = [len(each["records"]) for each in org.batches("SELECT Id, Description FROM Account")]
    assert sum(sizes) == 100
    assert len(sizes) > 2


def test_a_cursor_grows_old(org: Salesforce) -> None:
    org.make("Lead", 201)
    org.configure(cursor_life=100)
    batch = org.query("SELECT Id FROM Lead", {"Sforce-Query-Options": "batchSize=200"}).json
    assert org.get(batch["nextRecordsUrl"]).status == 200
    org.advance(101)
    assert refused(org.get(batch["nextRecordsUrl"])) == (400, "INVALID_QUERY_LOCATOR")


def test_ten_cursors_can_be_open(org: Salesforce) -> None:
    org.make("Lead", 201)
    narrow = {"Sforce-Query-Options": "batchSize=200"}
    urls = [org.query("SELECT Id FROM Lead", narrow).json["nextRecordsUrl"] for _ in range(11)]
    assert refused(org.get(urls[0])) == (400, "INVALID_QUERY_LOCATOR"), "an eleventh ends the first"
    assert org.get(urls[1]).status == 200
    assert refused(org.as_("00Dfake_other").get(urls[2])) == (400, "INVALID_QUERY_LOCATOR")


def test_a_batch_shows_what_is_there_by_then(org: Salesforce) -> None:
    org.make("Lead", 202)
    for snapshot in (False, True):
        org.configure(snapshot=snapshot)
        batch = org.query(
            "SELECT Id, Company FROM Lead ORDER BY Id",
            {"Sforce-Query-Options": "batchSize=200"},
        ).json
        *_, changed, gone = sorted(org.truth("Lead"))
        org.change("update", "Lead", changed, data={"Company": f"changed {snapshot}"})
        org.change("delete", "Lead", gone)
        found = org.get(batch["nextRecordsUrl"]).json["records"]
        assert [each["Id"] for each in found] == ([changed, gone] if snapshot else [changed])
        assert (found[0]["Company"] == f"changed {snapshot}") is not snapshot
        org.make("Lead")


def test_an_address_that_is_too_long_is_refused(full: Salesforce) -> None:
    many = ", ".join(f"'{'x' * 40}'" for _ in range(400))
    answer = full.query(f"SELECT Id FROM Account WHERE Name IN ({many})")
    assert answer.status == 414
    assert answer.headers["content-type"] == "text/html"


# Changes


def test_a_change_moves_the_stamp_and_a_silent_one_does_not(org: Salesforce) -> None:
    [id] = org.make("Account", event=False)
    before = org.truth("Account")[id]
    assert org.now() - time.mktime(time.strptime(before["SystemModstamp"][:10], "%Y-%m-%d")) > 86_400
    org.change("update", "Account", id, data={"Name": "unseen"}, event=False)
    assert org.truth("Account")[id] == {**before, "Name": "unseen"}
    org.change("update", "Account", id, data={"Name": "seen"})
    assert org.truth("Account")[id]["SystemModstamp"] > before["SystemModstamp"]


def test_a_change_can_turn_up_behind_what_has_been_seen(org: Salesforce) -> None:
    early, late = org.make("Account", 2, created=1_700_000_000, event=False)
    org.change("update", "Account", early, data={"Name": "seen"})
    seen = org.truth("Account")[early]["SystemModstamp"]
    org.change("update", "Account", late, data={"Name": "behind"}, event={"backdate": 30})
    assert org.truth("Account")[late]["SystemModstamp"] < seen
    assert org.ids(f"SELECT Id FROM Account WHERE SystemModstamp >= {seen[:19]}Z") == [early]


def test_a_formula_changes_without_a_stamp(org: Salesforce) -> None:
    [account] = org.make("Account", data={"Phone": "1"})
    [contact] = org.make("Contact", parent=account, created=1_700_000_000, event=False)
    before = org.truth("Contact")[contact]
    org.change("update", "Account", account, data={"Phone": "2"})
    assert before["AccountPhone__c"] == "1"
    assert org.truth("Contact")[contact] == {**before, "AccountPhone__c": "2"}
    [shown] = org.all("SELECT AccountPhone__c FROM Contact WHERE AccountPhone__c = '2'")
    assert shown["AccountPhone__c"] == "2"


def test_addresses_and_locations_are_made_of_parts(org: Salesforce) -> None:
    parts = {"BillingStreet": "1 Way\n2nd floor", "BillingCity": None, "Site__Latitude__s": 1.5}
    org.make("Account", data={**parts, "Site__Longitude__s": None})
    [found] = org.all("SELECT BillingAddress, BillingStreet, Site__c FROM Account")
    assert found["BillingAddress"]["street"] == found["BillingStreet"] == "1 Way\n2nd floor"
    assert found["BillingAddress"]["city"] is None
    assert found["Site__c"] == {"latitude": 1.5, "longitude": None}


def test_random_changes_are_seen_by_their_stamps(org: Salesforce) -> None:
    org.make("Account", 20, created=1_700_000_000, event=False)
    before = org.truth("Account")
    since = moment(org.now() - 1)
    done = org.fake.control(
        "POST", "mutate_random",
        {"provider": "salesforce", "n": 60, "seed": 3, "collections": ["Account"],
         "weights": {"create": 1, "update": 3, "delete": 1, "restore": 1}},
    )  # fmt: skip
    assert all(done.values())
    after = org.truth("Account")
    changed = {id for id in after if before.get(id) != after[id]}
    gone = {id for id in before if id not in after}
    found = org.all(f"SELECT Id, IsDeleted FROM Account WHERE SystemModstamp >= {since}", every=True)
    assert changed <= {each["Id"] for each in found if not each["IsDeleted"]}
    assert gone <= {each["Id"] for each in found if each["IsDeleted"]}


# Deletions


def test_what_is_deleted_is_in_the_recycle_bin_for_a_while(org: Salesforce) -> None:
    kept, gone = org.make("Account", 2, created=1_700_000_000, event=False)
    before = org.truth("Account")[gone]["SystemModstamp"]
    org.change("delete", "Account", gone)
    assert org.ids("SELECT Id FROM Account") == [kept]
    assert org.ids("SELECT Id FROM Account WHERE IsDeleted = true") == []
    [shown] = org.all("SELECT Id, SystemModstamp FROM Account WHERE IsDeleted = true", every=True)
    assert shown["Id"] == gone
    assert shown["SystemModstamp"] > before
    assert refused(org.get(f"sobjects/Account/{gone}")) == (404, "ENTITY_IS_DELETED")
    org.advance(15 * 86_400 + 1)
    assert org.ids("SELECT Id FROM Account", every=True) == [kept]
    assert refused(org.get(f"sobjects/Account/{gone}")) == (404, "NOT_FOUND")


def test_what_is_deleted_for_good_leaves_no_trace(org: Salesforce) -> None:
    [id] = org.make("Account")
    org.change("delete", "Account", id, event=False)
    assert org.ids("SELECT Id FROM Account", every=True) == []
    found = org.fake.control("GET", "truth", collection="salesforce:Account")
    assert (found["objects"], found["deleted"]) == ({}, [id])


def test_a_record_takes_others_along_and_brings_them_back(org: Salesforce) -> None:
    [account] = org.make("Account")
    contacts = org.make("Contact", 2, parent=account)
    [asset] = org.make("Asset", data={"AccountId": account})
    org.change("delete", "Contact", contacts[0])
    org.change("delete", "Account", account)
    assert org.truth("Contact") == {}
    assert list(org.truth("Asset")) == [asset], "a look-up does not go with what it leads to"
    org.change("restore", "Account", account)
    assert list(org.truth("Contact")) == [contacts[1]], "what was deleted before stays so"


def test_the_cursor_of_query_all_still_shows_what_is_deleted(org: Salesforce) -> None:
    made = org.make("Lead", 250)
    org.change("delete", "Lead", *made)
    first, second = org.batches("SELECT Id FROM Lead", {"Sforce-Query-Options": "batchSize=200"}, every=True)
    assert "/query/01g" in first["nextRecordsUrl"]
    assert len(first["records"]) + len(second["records"]) == 250


def test_deletions_are_listed_by_whole_minutes(org: Salesforce) -> None:
    kept, gone = org.make("Account", 2)
    org.change("delete", "Account", gone)
    now = org.now()
    early = org.get("sobjects/Account/deleted/", start=moment(now - 300), end=moment(now + 300)).json
    assert early["latestDateCovered"] <= moment(now).replace("Z", ".000+0000")
    org.advance(60)
    found = org.get("sobjects/Account/deleted/", start=moment(now - 300), end=moment(now + 300)).json
    assert [each["id"] for each in found["deletedRecords"]] == [gone]
    assert MOMENT.fullmatch(found["deletedRecords"][0]["deletedDate"])
    assert found["earliestDateAvailable"] < found["latestDateCovered"]
    updated = org.get("sobjects/Account/updated/", start=moment(now - 300), end=moment(now + 300)).json
    assert updated["ids"] == [kept]
    org.change("restore", "Account", gone)
    again = org.get("sobjects/Account/deleted/", start=moment(now - 300), end=moment(now + 300)).json
    assert again["deletedRecords"] == []


def test_an_emptied_recycle_bin_shows_in_what_is_available(org: Salesforce) -> None:
    [gone] = org.make("Account")
    org.change("delete", "Account", gone)
    assert org.fake.control("POST", "purge_events", {"provider": "salesforce"}) == {"purged": 1}
    now = org.now()
    start = moment(now - 3600)
    found = org.get("sobjects/Account/deleted", start=start, end=moment(now + 60)).json
    assert found["deletedRecords"] == []
    assert found["earliestDateAvailable"] > start


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        (-60, -60, "INVALID_REPLICATION_DATE"),
        (60, -60, "INVALID_REPLICATION_DATE"),
        (-16 * 86_400, 0, "INVALID_REPLICATION_DATE"),
    ],
)
def test_what_time_can_be_asked_for(full: Salesforce, start: int, end: int, code: str) -> None:
    now = time.time()
    answer = full.get("sobjects/Account/deleted", start=moment(now + start), end=moment(now + end))
    assert refused(answer) == (400, code)


def test_replication_has_its_limits(org: Salesforce) -> None:
    made = org.make("Account", 3)
    org.change("delete", "Account", *made)
    org.advance(120)
    org.configure(id_limit=2)
    now = org.now()
    times = {"start": moment(now - 3600), "end": moment(now)}
    assert refused(org.get("sobjects/Account/deleted", **times)) == (400, "EXCEEDED_ID_LIMIT")
    answer = org.get("sobjects/LoginHistory/deleted", **times)
    assert refused(answer) == (400, "INVALID_TYPE_FOR_OPERATION")
    assert refused(org.get("sobjects/Account/deleted")) == (400, "INVALID_REPLICATION_DATE")
    month = {"start": moment(now - 29 * 86_400), "end": moment(now)}
    assert org.get("sobjects/Account/updated", **month).status == 200


# Bulk


def test_a_job_takes_its_time(org: Salesforce) -> None:
    org.make("Account", 3)
    org.configure(bulk_seconds=100)
    id = org.job("SELECT Id FROM Account")
    assert org.get(f"jobs/query/{id}").json["state"] == "UploadComplete"
    assert refused(org.get(f"jobs/query/{id}/results")) == (400, "INVALIDJOBSTATE")
    org.advance(50)
    assert org.get(f"jobs/query/{id}").json["state"] == "InProgress"
    assert refused(org.send("DELETE", f"jobs/query/{id}")) == (400, "INVALIDJOBSTATE")
    org.make("Account")
    org.advance(50)
    job = org.get(f"jobs/query/{id}").json
    assert (job["state"], job["numberRecordsProcessed"]) == ("JobComplete", 3)
    assert job["apiVersion"] == 68.0
    assert len(rows_of(org.get(f"jobs/query/{id}/results"))) == 3, "what came later is not in it"
    assert org.send("DELETE", f"jobs/query/{id}").status == 204
    assert refused(org.get(f"jobs/query/{id}")) == (404, "NOT_FOUND")


def test_results_are_the_truth_as_csv(full: Salesforce) -> None:
    described = full.get("sobjects/Account/describe").json["fields"]
    types = {each["name"]: each["type"] for each in described}
    names = [name for name in types if types[name] not in ("address", "location")]
    id = full.completed(f"SELECT {', '.join(names)}, Owner.Name FROM Account")
    answer = full.get(f"jobs/query/{id}/results")
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["sforce-locator"] == "null"
    assert answer.headers["sforce-numberofrecords"] == "300"
    assert answer.body.startswith(b'"Id","Name",'), "everything is in quotes"
    assert b'\n"\n,\n' in answer.body.replace(b'""', b'"'), "and some values have lines and quotes"
    truth = full.truth("Account")
    found = rows_of(answer)
    assert {row["Id"] for row in found} == set(truth)
    for row in found:
        assert row.pop("Owner.Name")
        for name, text in row.items():
            value = truth[row["Id"]][name]
            shown = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            if types[name] == "datetime":
                shown = shown.replace("+0000", "Z")
            elif types[name] in ("double", "currency", "percent") and value is not None:
                assert "." in text, "100.0, and not 100"
                text, shown = float(text), float(value)
            assert text == shown, name


def test_results_come_in_parts(full: Salesforce) -> None:
    id = full.completed("SELECT Id FROM Contact")
    seen, locator, parts = [], {}, 0
    while locator.get("locator") != "null":
        answer = full.get(f"jobs/query/{id}/results", maxRecords=600, **locator)
        rows = rows_of(answer)
        assert answer.headers["sforce-numberofrecords"] == str(len(rows))
        seen += [each["Id"] for each in rows]
        locator, parts = {"locator": answer.headers["sforce-locator"]}, parts + 1
    assert (len(seen), set(seen), parts) == (2500, set(full.truth("Contact")), 5)
    bad = full.get(f"jobs/query/{id}/results", locator="made up")
    assert refused(bad) == (400, "INVALIDREQUESTPARAMETER")


def test_the_parts_can_be_fetched_at_once(full: Salesforce) -> None:
    full.configure(bulk_page=300)
    id = full.completed("SELECT Id FROM Contact")
    first = full.get(f"jobs/query/{id}/resultPages").json
    assert (len(first["resultPages"]), first["done"]) == (5, False)
    second = full.get(first["nextRecordsUrl"]).json
    assert second["done"]
    links = [each["resultLink"] for each in first["resultPages"] + second["resultPages"]]
    seen = [row["Id"] for link in links for row in rows_of(full.get(link))]
    assert (len(seen), set(seen)) == (2500, set(full.truth("Contact")))
    full.configure(bulk_page=50_000)


def test_results_of_nothing_are_a_head(org: Salesforce) -> None:
    id = org.completed("SELECT Id, Name FROM Account")
    answer = org.get(f"jobs/query/{id}/results")
    assert answer.body == b'"Id","Name"\n'
    assert answer.headers["sforce-locator"] == "null"


def test_results_are_compressed_for_who_takes_it(full: Salesforce) -> None:
    id = full.completed("SELECT Id, Name FROM Contact")
    plain = full.get(f"jobs/query/{id}/results")
    packed = full.get(f"jobs/query/{id}/results", {"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_csv_has_dialects(full: Salesforce) -> None:
    id = full.completed("SELECT Id, Name FROM Lead LIMIT 3", lineEnding="CRLF", columnDelimiter="PIPE")
    answer = full.get(f"jobs/query/{id}/results")
    assert answer.body.startswith(b'"Id"|"Name"\r\n')
    assert len(rows_of(answer, delimiter="|")) == 3


def test_query_all_has_the_recycle_bin_in_bulk_too(org: Salesforce) -> None:
    _, gone = org.make("Lead", 2)
    org.change("delete", "Lead", gone)
    found = {}
    for operation in ("query", "queryAll"):
        id = org.completed("SELECT Id, IsDeleted FROM Lead", operation=operation)
        found[operation] = rows_of(org.get(f"jobs/query/{id}/results"))
    assert len(found["query"]) == 1
    assert {each["Id"] for each in found["queryAll"] if each["IsDeleted"] == "true"} == {gone}


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id, BillingAddress FROM Account", "FUNCTIONALITY_NOT_ENABLED"),
        ("SELECT Id, Body FROM Attachment", "FUNCTIONALITY_NOT_ENABLED"),
        ("SELECT Id FROM CaseStatus", "INVALIDENTITY"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY"),
        ("SELECT COUNT() FROM Account", "MALFORMED_QUERY"),
        ("SELECT Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
    ],
)
def test_what_bulk_can_not_do(full: Salesforce, soql: str, code: str) -> None:
    answer = full.send("POST", "jobs/query", {"operation": "query", "query": soql})
    assert refused(answer) == (400, code)


def test_a_job_is_aborted_or_fails(org: Salesforce) -> None:
    org.configure(bulk_seconds=100)
    id = org.job("SELECT Id FROM Account")
    assert org.send("PATCH", f"jobs/query/{id}", {"state": "Aborted"}).json["state"] == "Aborted"
    assert refused(org.send("PATCH", f"jobs/query/{id}", {"state": "Aborted"})) == (400, "INVALIDJOBSTATE")
    org.configure(bulk_fails="TooManyLockFailure: try again")
    failed = org.get(f"jobs/query/{org.job('SELECT Id FROM Account')}").json
    assert (failed["state"], failed["errorMessage"]) == ("Failed", "TooManyLockFailure: try again")
    assert refused(org.get(f"jobs/query/{failed['id']}/results")) == (400, "INVALIDJOBSTATE")
    listed = org.get("jobs/query").json["records"]
    assert [each["state"] for each in listed] == ["Failed", "Aborted"]
    assert refused(org.as_("00Dfake_other").get(f"jobs/query/{id}")) == (404, "NOT_FOUND")


# Writes


def test_a_record_is_made_changed_and_deleted(org: Salesforce) -> None:
    made = org.send("POST", "sobjects/Account", {"Name": "  Made ", "Phone": "", "IsDeleted__c": 1})
    assert refused(made) == (400, "INVALID_FIELD")
    made = org.send("POST", "sobjects/Account", {"Name": "  Made ", "Phone": ""})
    assert (made.status, made.json["success"], made.json["errors"]) == (201, True, [])
    id = made.json["id"]
    record = org.get(f"sobjects/Account/{id[:15]}").json
    assert (record["Name"], record["Phone"]) == ("Made", None), "as Salesforce keeps texts"
    assert record["OwnerId"] == record["CreatedById"]
    assert org.get(f"sobjects/Account/{id}", fields="Name").json == {
        "attributes": record["attributes"], "Name": "Made",
    }  # fmt: skip
    assert org.send("PATCH", f"sobjects/Account/{id}", {"AnnualRevenue": 5}).status == 204
    assert org.truth("Account")[id]["AnnualRevenue"] == 5.0
    assert org.send("DELETE", f"sobjects/Account/{id}").status == 204
    assert refused(org.send("DELETE", f"sobjects/Account/{id}")) == (404, "ENTITY_IS_DELETED")
    assert org.ids("SELECT Id FROM Account", every=True) == [id]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "REQUIRED_FIELD_MISSING"),
        ({"Name": "x" * 256}, "STRING_TOO_LONG"),
        ({"Name": "x", "Nothing": 1}, "INVALID_FIELD"),
        ({"Name": "x", "Id": "001fk0000000001AAA"}, "INVALID_FIELD"),
        ({"Name": "x", "SystemModstamp": "2024-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Name": "x", "BillingAddress": None}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Name": "x", "Type": "Nothing"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"Name": "x", "AnnualRevenue": -1}, "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        ({"Name": "x", "AnnualRevenue": "many"}, "JSON_PARSER_ERROR"),
        ({"Name": 5}, "JSON_PARSER_ERROR"),
        ({"Name": "x", "ParentId": "001fk0000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"Name": "x", "ParentId": "nobody"}, "MALFORMED_ID"),
    ],
)
def test_a_record_is_refused(full: Salesforce, body: dict[str, Any], code: str) -> None:
    assert refused(full.send("POST", "sobjects/Account", body)) == (400, code)


def test_what_can_not_be_written(full: Salesforce) -> None:
    answer = full.send("POST", "sobjects/CaseStatus", {})
    assert refused(answer) == (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")
    assert refused(full.get("sobjects/Account/003fk0000000001AAA")) == (400, "MALFORMED_ID")
    broken = full.request("POST", "/salesforce/services/data/v68.0/sobjects/Account", b"{")
    assert refused(broken) == (400, "JSON_PARSER_ERROR")


def test_an_external_id_is_unique_and_upserts(org: Salesforce) -> None:
    path = "sobjects/Account/External_Id__c/K-1"
    assert refused(org.send("PATCH", path, {})) == (400, "REQUIRED_FIELD_MISSING")
    made = org.send("PATCH", path, {"Name": "a"})
    again = org.send("PATCH", path.replace("K-1", "k-1"), {"Name": "b"})
    assert (made.status, made.json["created"]) == (201, True)
    assert (again.status, again.json["created"]) == (200, False)
    assert made.json["id"] == again.json["id"]
    assert org.get(path).json["Name"] == "b"
    twice = org.send("POST", "sobjects/Account", {"Name": "c", "External_Id__c": "K-1"})
    assert refused(twice) == (400, "DUPLICATE_VALUE")
    assert refused(org.send("PATCH", "sobjects/Account/Phone/1", {})) == (404, "NOT_FOUND")
    org.change("delete", "Account", made.json["id"])
    assert org.send("PATCH", path, {"Name": "d"}).status == 201, "what is deleted holds no value"


def test_many_records_at_once(org: Salesforce) -> None:
    def record(**fields: Any) -> dict[str, Any]:
        return {"attributes": {"type": "Contact"}, **fields}

    records = [record(LastName="a"), record(), record(LastName="b", Key__c="K")]
    made = org.send("POST", "composite/sobjects", {"records": records}).json
    assert [each["success"] for each in made] == [True, False, True]
    assert made[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert len(org.truth("Contact")) == 2
    before = org.truth("Contact")
    changes = [record(id=made[0]["id"], LastName="c"), record(id=made[2]["id"], LastName=None)]
    body = {"allOrNone": True, "records": changes}
    results = org.send("PATCH", "composite/sobjects", body).json
    codes = [each["errors"][0]["statusCode"] for each in results]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert org.truth("Contact") == before
    upserted = org.send(
        "PATCH", "composite/sobjects/Contact/Key__c", {"records": [record(LastName="d", Key__c="k")]}
    ).json
    assert (upserted[0]["id"], upserted[0]["created"]) == (made[2]["id"], False)
    wanted = [made[2]["id"], "003fk0zzzzzzzzz", made[0]["id"]]
    found = org.send("POST", "composite/sobjects/Contact", {"ids": wanted, "fields": ["LastName"]}).json
    assert [each and each["LastName"] for each in found] == ["d", None, "a"]
    gone = org.send("DELETE", "composite/sobjects", ids=",".join([wanted[0], wanted[2]]), allOrNone="true")
    assert [each["success"] for each in gone.json] == [True, True]
    assert org.truth("Contact") == {}


def test_all_or_none_takes_back_deletions_and_what_was_made(org: Salesforce) -> None:
    [account] = org.make("Account")
    org.make("Contact", parent=account)
    before = [org.truth("Account"), org.truth("Contact")]
    ids = f"{account},001fk0zzzzzzzzz"
    results = org.send("DELETE", "composite/sobjects", ids=ids, allOrNone="true").json
    assert [each["success"] for each in results] == [False, False]
    assert [org.truth("Account"), org.truth("Contact")] == before
    records = [{"attributes": {"type": "Lead"}, **each} for each in ({"LastName": "a", "Company": "b"}, {})]
    org.send("POST", "composite/sobjects", {"allOrNone": True, "records": records})
    assert org.fake.control("GET", "truth", collection="salesforce:Lead")["deleted"] == []
    assert org.truth("Lead") == {}


def test_no_more_than_200_at_once(org: Salesforce) -> None:
    records = [{"attributes": {"type": "Contact"}, "LastName": str(number)} for number in range(201)]
    answer = org.send("POST", "composite/sobjects", {"records": records})
    assert refused(answer) == (400, "EXCEEDED_MAX_SIZE_REQUEST")
    assert org.truth("Contact") == {}


def test_the_content_of_a_file_is_elsewhere(full: Salesforce) -> None:
    [record] = full.all("SELECT Id, Body FROM Attachment LIMIT 1")
    assert urlsplit(record["Body"]).path.endswith(f"/sobjects/Attachment/{record['Id']}/Body")
    assert full.get(record["Body"]).body.startswith(b"content of")


# Limits and faults


def test_each_answer_says_what_has_been_used(org: Salesforce) -> None:
    org.configure(daily={"allowed": 3})
    answers = [org.get("limits") for _ in range(4)]
    assert [each.headers["sforce-limit-info"] for each in answers[:3]] == [
        "api-usage=1/3", "api-usage=2/3", "api-usage=3/3",
    ]  # fmt: skip
    assert answers[0].json["DailyApiRequests"] == {"Max": 3, "Remaining": 2}
    assert refused(answers[3]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert "retry-after" not in answers[3].headers
    assert org.token(**OWN, refresh_token="5Aepfake").status == 200, "tokens are free"
    assert org.configure()["beyond"] == 1
    org.advance(86_401)
    assert org.get("limits").status == 200


def test_so_many_at_once(org: Salesforce) -> None:
    org.configure(concurrency=0)
    answer = org.get("limits")
    assert refused(answer) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert "Concurrent" in answer.json[0]["message"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, (400, "UNABLE_TO_LOCK_ROW")),
        (401, (401, "INVALID_SESSION_ID")),
        (429, (403, "REQUEST_LIMIT_EXCEEDED")),
        (500, (500, "UNKNOWN_EXCEPTION")),
        (503, (503, "SERVER_UNAVAILABLE")),
    ],
)
def test_faults_speak_as_salesforce_does(org: Salesforce, status: int, expected: tuple[int, str]) -> None:
    org.fault({"type": "status", "status": status}, times=1)
    assert refused(org.get("limits")) == expected
    assert org.get("limits").status == 200


def test_faults_in_batches_lose_nothing(org: Salesforce) -> None:
    made = org.make("Lead", 900)
    org.fault({"type": "truncate_page", "keep": 150}, path="/query", nth=1)
    org.fault({"type": "duplicate", "count": 7}, path="/query", nth=3)
    org.fault({"type": "reorder"}, path="/query", nth=4)
    found = org.all("SELECT Id FROM Lead", {"Sforce-Query-Options": "batchSize=200"})
    seen = [each["Id"] for each in found]
    assert (len(seen), set(seen)) == (907, set(made))


def test_odd_records(org: Salesforce) -> None:
    [nul] = org.make("Account", odd="nul")
    [none] = org.make("Account", odd="no_id")
    found = org.query("SELECT Id, Name FROM Account").json["records"]
    assert [each["Id"] for each in found if "\0" in each.get("odd", "")] == [nul]
    assert [each["Name"] for each in found if "Id" not in each] == [org.truth("Account")[none]["Name"]]
    org.fault({"type": "odd", "kind": "numeric_id"}, path="/query")
    assert 4815162342 in [each.get("Id") for each in org.query("SELECT Id FROM Account").json["records"]]


def test_settings_and_changes_that_make_no_sense_are_refused(org: Salesforce) -> None:
    for route, body in (
        ("settings", {"provider": "salesforce", "nothing": 1}),
        ("settings", {"provider": "salesforce", "hidden": {"Nothing": []}}),
        ("create", {"collection": "salesforce:Nothing"}),
        ("create", {"collection": "salesforce:Account", "data": {"Nothing": 1}}),
        ("create", {"collection": "salesforce:Account", "event": {"late": 5}}),
        ("update", {"collection": "salesforce:Account", "id": "001", "data": {}}),
        ("restore", {"collection": "salesforce:Account", "id": "001"}),
    ):
        assert org.request("POST", f"/_control/{route}", json.dumps(body).encode()).status == 400, body


def test_a_hundred_thousand_records_are_no_matter() -> None:
    with Fake("--empty", "--no-limits", "--salesforce-Line__c", "100000") as fake:
        org = Salesforce(fake)
        id = org.completed("SELECT Id, Name, SystemModstamp FROM Line__c")
        eventually(lambda: org.get(f"jobs/query/{id}").json["state"] == "JobComplete")
        first = org.get(f"jobs/query/{id}/results")
        second = org.get(f"jobs/query/{id}/results", locator=first.headers["sforce-locator"])
        assert len(rows_of(first)) + len(rows_of(second)) == 100_000
        assert second.headers["sforce-locator"] == "null"
