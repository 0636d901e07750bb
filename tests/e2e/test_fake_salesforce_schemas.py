"""The fake's answers against a description of Salesforce's API: objects, what is said of them, and errors."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest
from fake.client import SalesforceClient
from fake.salesforce.catalog import OBJECTS
from harness import Fake
from house.openapi import openapi
from jsonschema import Draft202012Validator

PACKAGE = "@opensdks/sdk-salesforce@0.0.2"
DOCUMENT = "salesforce.oas.json"
DOCUMENT_SHA256 = "5069190648006ea89f6ae917c788ebf772353d2c8858bea7660b0d440af08876"
# The org that it describes has no quotes; nobody else has the fake's own objects.
DESCRIBED = [each.name for each in OBJECTS if not each.name.endswith("__c") and each.name != "Quote"]
# Which fields there are differs by org: record types have to be set up, and permissions hide others.
OF_OTHER_ORGS = {"Account.RecordTypeId", "Contact.HasOptedOutOfEmail"}


@lru_cache(maxsize=1)
def schemas() -> dict[str, Any]:
    return openapi(PACKAGE, DOCUMENT, DOCUMENT_SHA256)["components"]["schemas"]


def strict(node: Any) -> Any:
    """With no members but those that it names, and null for each: it does not say what can be null."""
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: strict(value) for name, value in node.items() if name not in ("description", "enum")}
    if isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    if isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


def problems(name: str, answer: Any) -> list[str]:
    """What is wrong with an object of this kind."""
    validator = Draft202012Validator(strict(schemas()[name]))
    return [f"{name}: {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(answer)]


@pytest.fixture(scope="module")
def salesforce() -> Iterator[SalesforceClient]:
    with Fake("--seed", "13", "--no-limits") as fake:
        yield SalesforceClient(fake.url)


def described(salesforce: SalesforceClient, name: str) -> dict[str, Any]:
    answer = salesforce.get(f"sobjects/{name}/describe")
    assert answer.status == 200
    return answer.json


def test_what_there_is_is_listed_as_documented(salesforce: SalesforceClient) -> None:
    assert problems("DescribeGlobalResult", salesforce.get("sobjects").json) == []


@pytest.mark.parametrize("name", [each.name for each in OBJECTS])
def test_an_object_is_described_as_documented(salesforce: SalesforceClient, name: str) -> None:
    found = described(salesforce, name)
    # A default can have any type, and so the description leaves it out.
    without = [
        {key: value for key, value in each.items() if key != "defaultValue"} for each in found["fields"]
    ]
    assert problems("DescribeSObjectResult", {**found, "fields": without}) == []


@pytest.mark.parametrize("name", DESCRIBED)
def test_an_object_has_the_fields_that_are_documented(salesforce: SalesforceClient, name: str) -> None:
    known = schemas()[f"{name}SObject"]["properties"]
    own = {each["name"] for each in described(salesforce, name)["fields"] if not each["custom"]}
    assert {f"{name}.{each}" for each in own - known.keys()} <= OF_OTHER_ORGS


@pytest.mark.parametrize(
    "name", [each.name for each in OBJECTS if each.name in DESCRIBED and each.queryable and each.count]
)
def test_the_values_of_a_record_have_their_types(salesforce: SalesforceClient, name: str) -> None:
    fields = described(salesforce, name)["fields"]
    names = ", ".join(each["name"] for each in fields)
    found = salesforce.query(f"SELECT {names} FROM {name} LIMIT 200").json["records"]
    assert found, "there is none"
    # Of what is binary a record has the address, and the description what is there.
    known = [
        each["name"]
        for each in fields
        if each["type"] != "base64" and each["name"] in schemas()[f"{name}SObject"]["properties"]
    ]
    assert [
        problem
        for record in found
        for problem in problems(f"{name}SObject", {field: record[field] for field in known})
    ] == []


@pytest.mark.parametrize(
    ("path", "status", "schema"),
    [
        ("query?q=SELECT+Nothing+FROM+Account", 400, "ErrorInfo"),
        ("query?q=SELECT+Id+FROM+Nothing", 400, "ErrorInfo"),
        ("sobjects/Account/001000000000000AAA", 404, "RestApiError"),
        ("sobjects/Nothing/describe", 404, "RestApiError"),
    ],
)
def test_an_error_is_as_documented(salesforce: SalesforceClient, path: str, status: int, schema: str) -> None:
    answer = salesforce.get(path)
    assert answer.status == status
    assert [problem for each in answer.json for problem in problems(schema, each)] == []
    assert all(each["message"] and each["errorCode"] for each in answer.json)


def test_a_session_that_is_over_is_refused_as_documented(salesforce: SalesforceClient) -> None:
    stranger = SalesforceClient(f"http://{salesforce.host}:{salesforce.port}", key="nobody")
    answer = stranger.get("sobjects")
    assert answer.status == 401
    assert [problem for each in answer.json for problem in problems("ErrorInfo", each)] == []
