"""Declarations of APIs that export in the background, for the fakes of Salesforce and Shopify.

Salesforce's says no more than an export needs beside it, and lists otherwise than the one that the extension
comes with: what goes wrong on the way is tested with few objects, in parts that are small.
"""

from typing import Any

from .budget import Budgets
from .fake import TESTS, Fake, Upstream
from .fake import declaration as declaration_of

DOCUMENTS = TESTS.parent / "providers" / "shopify"

API = "/services/data/v68.0"
JOBS, STATE = r"/jobs/query\?", r"/jobs/query/[^/?]+\?"

PARTS = ["BillingStreet", "BillingCity", "BillingState", "BillingPostalCode", "BillingCountry"]
PARTS += ["BillingLatitude", "BillingLongitude", "BillingGeocodeAccuracy"]
FIELDS = ["Id", "Name", "Type", "Website", "AnnualRevenue", "NumberOfEmployees", "Description", "ParentId"]
FIELDS += ["IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp", *PARTS]
SHOWN = {"account": [*FIELDS, "BillingAddress"], "case_status": ["Id", "MasterLabel", "IsClosed"]}
OBJECTS = {"account": "Account", "case_status": "CaseStatus"}


def collection(name: str, **bulk: Any) -> dict[str, Any]:
    """Listed newest first, without a time of change: when they were seen is all that tells versions apart."""
    kind = OBJECTS[name]
    order = "" if name == "case_status" else " ORDER BY CreatedDate DESC, Id"
    exported = ", ".join(field for field in SHOWN[name] if field != "BillingAddress")
    declared: dict[str, Any] = {
        "name": name,
        "title": kind,
        "path": f"{API}/query",
        "query": {"q": f"SELECT {', '.join(SHOWN[name])} FROM {kind}{order}"},
        "retrieve": f"{API}/sobjects/{kind}/{{id}}",
        "changes": {"sweep": 86_400},
        "bulk": {
            "types": {
                "request": {"path": f"{API}/sobjects/{kind}/describe"},
                "items": "/fields", "name": "/name", "type": "/type",
                "boolean": ["boolean"], "number": ["int", "double", "currency", "percent"],
                "timestamp": ["datetime"],
                "compound": {
                    "types": ["address", "location"], "part_of": "/compoundFieldName", "suffix": "__s"
                },
            },
            "start": {
                "request": {
                    "path": f"{API}/jobs/query",
                    "body": {"operation": "query", "query": f"SELECT {exported} FROM {kind}"},
                },
                "job": "/id",
            },
            "status": {
                "request": {"path": f"{API}/jobs/query/{{job}}"},
                "state": "/state", "message": "/errorMessage",
                "done": ["JobComplete"], "failed": ["Failed"], "lost": ["Aborted"],
            },
            "results": {
                "format": "csv", "request": {"path": f"{API}/jobs/query/{{job}}/results"}, "utc": "+0000",
                "rows": "Sforce-NumberOfRecords", "page_size": {"parameter": "maxRecords", "value": 1500},
                "next": {"header": "Sforce-Locator", "parameter": "locator", "last": "null"},
            },
            "abort": {"method": "PATCH", "path": f"{API}/jobs/query/{{job}}", "body": {"state": "Aborted"}},
            "delete": {"method": "DELETE", "path": f"{API}/jobs/query/{{job}}"},
            **bulk,
        },
    }  # fmt: skip
    if name == "account":
        declared["created"] = {"newest_first": True}
        declared["changes"] |= {"poll": 1, "lookback": 60}
        declared["deleted"] = {
            "path": f"{API}/queryAll",
            "query": {"q": "SELECT Id, SystemModstamp FROM Account WHERE IsDeleted = true"},
            "id": "/Id",
        }
    return declared


def unwatched() -> dict[str, Any]:
    """The accounts, which nothing but a backfill looks at."""
    declared = collection("account")
    declared["changes"] = {"sweep": 86_400}
    del declared["deleted"]
    return declared


def declaration(*collections: dict[str, Any]) -> dict[str, Any]:
    return {
        "provider": "org",
        "title": "An org",
        "documentation": "https://developer.salesforce.com/docs",
        "base_url": "https://login.salesforce.com",
        "authentication": [
            {"kind": "session", "secrets": ["token"], "headers": {"Authorization": "Bearer {token}"}}
        ],
        "rate_limit": {"allowed_requests": 2000, "interval": 1},
        "errors": {
            "rules": [
                {"status": [401], "class": "credential"},
                {"status": [404], "class": "missing"},
                {"status": [429], "class": "rate_limited"},
                {"status": [408, "5xx"], "class": "transient"},
                {"status": ["4xx"], "class": "bad_request"},
            ]
        },
        "pagination": {"kind": "next_url", "items": "/records", "next": "/nextRecordsUrl"},
        "record": {"id": "/Id", "created_at": {"at": "/CreatedDate", "format": "iso8601"}},
        "collections": list(collections),
    }


class Org(Upstream):
    """Salesforce, as the declaration above has it."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.provider, self.declared = "salesforce", "org"
        self.url = fake.providers["salesforce"]["base_url"]
        self.api_key = fake.providers["salesforce"]["api_key"]
        self.budgets = Budgets()
        self._names = OBJECTS

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        found = super().objects(collection)
        return {id: {name: data[name] for name in SHOWN[collection]} for id, data in found.items()}

    def started(self) -> int:
        """So many jobs have been started."""
        return len([each for each in self.requests(JOBS) if each.method == "POST" and each.status == 200])

    def sent(self, method: str) -> int:
        return len([each for each in self.requests("/jobs/query/") if each.method == method])


def in_pieces(bytes: int) -> dict[str, Any]:
    """Shopify's declaration as a user's own, which reads so much of a file at once."""
    declared = declaration_of("shopify")
    for each in declared["collections"]:
        if "bulk" in each:
            each["bulk"]["results"]["bytes"] = bytes
    documents = {each.stem: each.read_text(encoding="utf-8") for each in DOCUMENTS.glob("*.graphql")}
    return {**declared, "provider": "shop", "documents": documents}
