"""The fake's answers against the models of HubSpot's own client, which are made from its descriptions."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fake.client import Answer, HubSpotClient
from fake.hubspot.catalog import TYPES, ObjectType
from harness import Fake
from house.models import body_problems, model
from jsonschema import Draft202012Validator

OBJECTS = "crm/objects"
LIST = "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging"
FOUND = "CollectionResponseWithTotalSimplePublicObjectForwardPaging"
ASSOCIATED = "CollectionResponseMultiAssociatedObjectWithLabelForwardPaging"
# Where HubSpot's documentation shows something else than the models have.
BUT = re.compile(
    r"'url' was unexpected"  # the address of a record, since lately
    r"|toObjectId: \d+ is not of type 'string'"
    r"|associationTypes\[\d+\]\.label: None is not"  # of an association without one
    r"|\.errors\[\d+\]: '(errors|links)' is a required"
    r"|\$: Additional properties are not allowed \('status' was"
    r"|\.errors\[\d+\]: Additional properties are not allowed \('in' was"
    r"|'metaType', 'portalId', 'restorable' were unexpected"
    r"|associations\[\d+\]\.(createdAt|updatedAt): None is not"
)


@pytest.fixture(scope="module")
def hubspot() -> Iterator[HubSpotClient]:
    with Fake("--seed", "13", "--no-limits", "--scale", "0.3") as fake:
        fake.control("POST", "settings", {"provider": "hubspot", "empty_pages": 0})
        yield HubSpotClient(fake.url)


def problems(api: str, name: str, answer: Answer, status: int = 200) -> list[str]:
    assert answer.status == status, answer.body
    errors = Draft202012Validator(model(api, name)).iter_errors(answer.json)
    found = [f"{name} {error.json_path}: {error.message}" for error in errors]
    return [each for each in found if not BUT.search(each)]


def ids(hubspot: HubSpotClient, type: ObjectType) -> list[dict[str, str]]:
    return [{"id": each["id"]} for each in hubspot.get(f"objects/{type.id}", limit=50).json["results"]]


@pytest.mark.parametrize("type", TYPES, ids=lambda each: each.name)
def test_records_are_as_their_models_are(hubspot: HubSpotClient, type: ObjectType) -> None:
    records = f"objects/{type.id}"
    for archived in ("false", "true"):
        assert problems(OBJECTS, LIST, hubspot.get(records, limit=50, archived=archived)) == []
    search: dict[str, Any] = {"limit": 20, "properties": [type.text]}
    assert problems(OBJECTS, FOUND, hubspot.post(f"{records}/search", search)) == []
    known = ids(hubspot, type)
    assert known
    single = hubspot.get(f"{records}/{known[0]['id']}")
    assert problems(OBJECTS, "SimplePublicObjectWithAssociations", single) == []


@pytest.mark.parametrize("type", TYPES, ids=lambda each: each.name)
def test_batches_are_as_their_models_are(hubspot: HubSpotClient, type: ObjectType) -> None:
    path, known = f"objects/{type.id}/batch/read", ids(hubspot, type)
    whole = hubspot.post(path, {"inputs": known, "properties": [type.text]})
    assert problems(OBJECTS, "BatchResponseSimplePublicObject", whole) == []
    missing = hubspot.post(path, {"inputs": [*known[:2], {"id": "999999999999"}], "properties": []})
    assert problems(OBJECTS, "BatchResponseSimplePublicObjectWithErrors", missing, 207) == []


@pytest.mark.parametrize(
    ("path", "api", "name"),
    [
        *(
            (f"properties/{each.id}", "crm/properties", "CollectionResponsePropertyNoPaging")
            for each in TYPES
        ),
        ("owners", "crm/owners", "CollectionResponsePublicOwnerForwardPaging"),
        ("pipelines/deals", "crm/pipelines", "CollectionResponsePipelineNoPaging"),
        ("pipelines/tickets", "crm/pipelines", "CollectionResponsePipelineNoPaging"),
        ("schemas", "crm/schemas", "CollectionResponseObjectSchemaNoPaging"),
    ],
)
def test_what_describes_records_is_as_its_model_is(
    hubspot: HubSpotClient, path: str, api: str, name: str
) -> None:
    answer = hubspot.get(path)
    assert answer.json["results"]
    assert problems(api, name, answer) == []


def test_associations_are_as_their_model_is(hubspot: HubSpotClient) -> None:
    answers = [
        hubspot.get(f"/hubspot/crm/v4/objects/deals/{each['id']}/associations/companies")
        for each in hubspot.get("objects/deals", limit=30).json["results"]
    ]
    assert any(each.json["results"] for each in answers)
    assert [
        problem for each in answers for problem in problems("crm/associations/v4", ASSOCIATED, each)
    ] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [("objects/nothing", 400), ("objects/contacts/1", 404), ("objects/contacts?limit=1000", 400)],
)
def test_an_error_is_as_its_model_is(hubspot: HubSpotClient, path: str, status: int) -> None:
    assert problems(OBJECTS, "ModelError", hubspot.get(path), status) == []


def test_what_is_wrong_with_a_body_is_noticed() -> None:
    search = "/crm/v3/objects/contacts/search"
    filters = '{"filters": [{"propertyName": "email", "operator": "GTE", "value": %s}]}'
    body = '{"filterGroups": [%s], "sorts": [{"propertyName": "email"}], "limit": %s, "after": "0"}'
    assert body_problems(search, body % (filters % '"1"', "200")) == []
    assert len(body_problems(search, body % (filters % "1", '"200"'))) == 2
    assert body_problems("/crm/v3/objects/contacts/batch/read", '{"inputs": [{"id": 1}], "properties": []}')
    assert body_problems("/crm/v3/objects/contacts", "no body of either") == []
