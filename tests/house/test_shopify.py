"""The queries of Shopify's declaration against Shopify's own schema: valid, affordable, and complete."""

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import pytest
from fake.shopify.bulk import objection
from fake.shopify.cost import Estimate
from fake.shopify.schema import Schema, is_connection
from graphql import (
    DefinitionNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    parse,
    print_ast,
    validate,
)
from graphql.execution.values import get_variable_values
from harness.fake import written_out
from harness.shopify import PACKAGE, VERSIONS
from house.openapi import CHECKOUT, packaged
from house.test_declarations import SCHEMA
from jsonschema import Draft202012Validator

DECLARATION = written_out(json.loads((CHECKOUT / "providers" / "shopify.json").read_text()))
COLLECTIONS: dict[str, dict[str, Any]] = {each["name"]: each for each in DECLARATION["collections"]}
DOCUMENTS = {each.stem: each.read_text() for each in (CHECKOUT / "providers" / "shopify").glob("*.graphql")}
FIELDS = CHECKOUT / "providers" / "shopify.fields.json"
VERSION = "2026-10"
MOST = 1000
"""What a query may cost at most, by Shopify's documentation."""

# Scalars that are left out on purpose.
LEFT_OUT = {
    "defaultCursor": "a cursor for lists",
    "multipassIdentifier": "a name for logging in",
    "clientIp": "of a person's device",
    "transformerFingerprint": "of the shop's own doing",
    "hasTimelineComment": "of the admin's pages",
    "inventoryHistoryUrl": "of the admin's pages",
    "onlineStorePreviewUrl": "signed anew with each look",
    "merchantEditableErrors": "what the admin says to its user",
    "merchantEditable": "what the admin lets its user do",
    "canNotifyCustomer": "what the admin lets its user do",
    "canMarkAsPaid": "what the admin lets its user do",
    "recurringCycleLimit": "not of one type in all kinds of discounts",
}


@lru_cache(maxsize=1)
def schema() -> Schema:
    """Shopify's own, in the version that the declaration asks for."""
    file = packaged(PACKAGE, f"dist/data/admin_{VERSION}.json.gz", VERSIONS[VERSION])
    return Schema(VERSION, file)


def document(name: str) -> DocumentNode:
    """Of `order/export` the operation `export` alone, with the fragments."""
    file, _, alone = name.partition("/")
    whole = parse(DOCUMENTS[file])
    kept = [each for each in whole.definitions if not alone or not is_other(each, alone)]
    return DocumentNode(definitions=tuple(kept))


def is_other(definition: DefinitionNode, operation: str) -> bool:
    if not isinstance(definition, OperationDefinitionNode):
        return False
    return definition.name is None or definition.name.value != operation


def operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]


@dataclass(frozen=True)
class Sent:
    """A request of the declaration. cost: how many points are set aside for it."""

    at: str
    body: dict[str, Any]
    page_size: int
    cost: int

    @property
    def document(self) -> DocumentNode:
        return document(self.body["query"]["$document"])

    @property
    def operation(self) -> OperationDefinitionNode:
        found = operations(self.document)
        name = self.body.get("operationName")
        [operation] = [each for each in found if name in (None, each.name and each.name.value)]
        return operation

    @property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        found = (each for each in self.document.definitions if isinstance(each, FragmentDefinitionNode))
        return {each.name.value: each for each in found}

    @property
    def searches(self) -> str:
        query = self.body.get("variables", {}).get("query", "")
        return query if isinstance(query, str) else " ".join(query.get("$words", ()))

    def variables(self) -> dict[str, Any]:
        """As they are sent for a page in the middle of a list."""
        names = {"{first}": self.page_size, "{id}": "gid://shopify/Thing/1", "{after}": "x"}
        filled = {
            name: names.get(value, value) if isinstance(value, str) else value
            for name, value in self.body.get("variables", {}).items()
        }
        return filled | ({"query": self.searches} if "query" in filled else {})


def sent() -> Iterator[Sent]:
    reserve = DECLARATION["rate_limit"]["cost"]["reserve"]
    for kind in DECLARATION["authentication"]:
        yield Sent(f"check of {kind['kind']}", kind["check"]["body"], 0, reserve)
    for name, each in COLLECTIONS.items():
        own = each.get("pagination") or DECLARATION["pagination"]
        yield Sent(name, each["body"], size(own), each["cost"])
        yield Sent(f"one {name}", each["retrieve"]["body"], 0, reserve)
        if updated := each.get("updated", {}).get("body"):
            yield Sent(f"changed {name}", updated, size(each["updated"]["pagination"]), each["cost"])
        if deleted := each.get("deleted"):
            yield Sent(f"deleted {name}", deleted["body"], size(deleted["pagination"]), reserve)
        for action, write in each.get("writes", {}).items():
            yield Sent(f"{action} {name}", write["body"], 0, reserve)
        if parents := each.get("parent", {}).get("list"):
            yield Sent(f"parents of {name}", parents["body"], size(parents["pagination"]), parents["cost"])
        if bulk := each.get("bulk"):
            yield Sent(f"count of {name}", bulk["count"]["request"]["body"], 0, reserve)
            yield Sent(f"export of {name}", bulk["start"]["request"]["body"], 0, reserve)
    for part in (DECLARATION["bulk"]["status"]["request"], DECLARATION["bulk"]["abort"]):
        yield Sent(part["body"]["operationName"], part["body"], 0, reserve)


def size(pagination: dict[str, Any]) -> int:
    return (pagination.get("page_size") or {"value": 0})["value"]


SENT = list(sent())
READING = [each for each in SENT if each.operation.operation.value == "query"]
ACTIONS = ("create", "update", "delete", "upsert")
WRITING = [each for each in SENT if each.at.split()[0] in ACTIONS]
EXPORTED: dict[str, str] = {
    name: each["bulk"]["start"]["request"]["body"]["variables"]["query"]["$document"]
    for name, each in COLLECTIONS.items()
    if "bulk" in each
}
IN_LISTS = ("includeClosed", "includeInactive", "includeLegacy")


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_document_is_valid(name: str) -> None:
    assert [error.message for error in validate(schema().graphql, parse(DOCUMENTS[name]))] == []


def test_every_document_is_used_in_all_of_its_operations() -> None:
    used = {(each.body["query"]["$document"], each.operation.name.value) for each in SENT}
    used |= {(name.removesuffix("/export"), "export") for name in EXPORTED.values()}
    there = {(name, each.name.value) for name in DOCUMENTS for each in operations(document(name))}
    assert used == there


@pytest.mark.parametrize("name", EXPORTED)
def test_what_is_exported_is_what_the_list_shows(name: str) -> None:
    """The same fragment, of a query that can be run in bulk, without what a file has in lines of its own."""
    exported, own = document(EXPORTED[name]), COLLECTIONS[name]
    assert EXPORTED[name] == f"{own['body']['query']['$document']}/export"
    assert [error.message for error in validate(schema().graphql, exported)] == []
    [operation] = operations(exported)
    fragments = {
        each.name.value: each for each in exported.definitions if isinstance(each, FragmentDefinitionNode)
    }
    assert objection(schema().graphql, operation, fragments) is None
    [fragment] = fragments
    assert f"node {{ ...{fragment} }}" in DOCUMENTS[EXPORTED[name].removesuffix("/export")]
    assert connections(fragments[fragment].selection_set, fragments[fragment].type_condition.name.value) == []
    # What a list leaves out unless it is told otherwise would be missing in the file.
    assert told(operation) == set().union(
        *(told(each.operation) for each in SENT if each.at in (name, own.get("parent", {}).get("collection")))
    )


def connections(selections: SelectionSetNode, type: str) -> list[str]:
    found: list[str] = []
    for each in selections.selections:
        if isinstance(each, InlineFragmentNode):
            found += connections(each.selection_set, each.type_condition.name.value)
        elif each.name.value != "__typename":
            inner = get_named_type(schema().graphql.type_map[type].fields[each.name.value].type)
            if is_connection(inner.name):
                found.append(each.name.value)
            elif each.selection_set:
                found += connections(each.selection_set, inner.name)
    return found


def told(node: OperationDefinitionNode | FieldNode) -> set[str]:
    """The arguments of lists that say what is in them, and not how they are cut and sorted."""
    found: set[str] = set()
    for each in node.selection_set.selections if node.selection_set else ():
        if isinstance(each, FieldNode):
            found |= {argument.name.value for argument in each.arguments if argument.name.value in IN_LISTS}
            found |= told(each)
    return found


@pytest.mark.parametrize("each", READING, ids=lambda each: each.at)
def test_what_is_sent_fits_its_operation(each: Sent) -> None:
    found = get_variable_values(schema().graphql, each.operation.variable_definitions, each.variables())
    assert isinstance(found, dict), [error.message for error in found]
    assert set(each.variables()) <= {
        given.variable.name.value for given in each.operation.variable_definitions
    }


@pytest.mark.parametrize("each", READING, ids=lambda each: each.at)
def test_it_costs_what_is_set_aside_for_it_and_no_more_than_a_query_may(each: Sent) -> None:
    variables = get_variable_values(schema().graphql, each.operation.variable_definitions, each.variables())
    cost = Estimate(schema().graphql, each.fragments, variables).of(each.operation)
    assert cost <= each.cost <= MOST
    assert cost >= 0.9 * each.cost or each.cost <= 60, "more is set aside than it can cost"


@pytest.mark.parametrize("each", READING, ids=lambda each: each.at)
def test_it_searches_by_what_the_list_can_be_searched_by(each: Sent) -> None:
    """A term that is not known is passed over in silence: everything would come."""
    terms = set(re.findall(r"(\w+):", each.searches))
    [root] = [field for field in each.operation.selection_set.selections if isinstance(field, FieldNode)]
    known = set(schema().search_fields(root.name.value))
    if not known and terms:
        [inner] = [field for field in root.selection_set.selections if isinstance(field, FieldNode)]
        above = get_named_type(schema().query.fields[root.name.value].type)
        known = set(schema().search_fields_of(above.fields[inner.name.value]))
    assert terms <= known


@pytest.mark.parametrize("each", WRITING, ids=lambda each: each.at)
def test_a_change_gives_all_that_its_operation_takes(each: Sent) -> None:
    taken = {given.variable.name.value for given in each.operation.variable_definitions}
    assert set(each.body["variables"]) == taken
    estimate = Estimate(schema().graphql, each.fragments, {}).of(each.operation)
    assert estimate <= each.cost


@pytest.mark.parametrize("each", WRITING, ids=lambda each: each.at)
def test_a_change_says_what_came_of_it(each: Sent) -> None:
    """The object as lists show it, or that it is gone; and what was refused, at the declared places."""
    action, name = each.at.split()
    write = COLLECTIONS[name]["writes"][action]
    [field] = each.operation.selection_set.selections
    assert isinstance(field, FieldNode)
    payload = get_named_type(schema().graphql.mutation_type.fields[field.name.value].type)
    assert write["refused"] == f"/data/{field.name.value}/userErrors"
    asked = {
        inner.name.value: inner for inner in field.selection_set.selections if isinstance(inner, FieldNode)
    }
    assert "message" in print_ast(asked["userErrors"])
    has_code = "code" in get_named_type(payload.fields["userErrors"].type).fields
    assert ("code" in print_ast(asked["userErrors"])) is has_code
    if write.get("gone"):
        assert action == "delete"
        told = any(re.fullmatch(r"deleted\w*Id", name) for name in asked)
        assert told or field.name.value == "productVariantsBulkDelete"
        return
    [_, data, mutation, record, *_] = write["record"].split("/")
    assert (data, mutation) == ("data", field.name.value)
    [fragment] = each.fragments.values()
    assert get_named_type(payload.fields[record].type).name == fragment.type_condition.name.value
    assert f"...{fragment.name.value}" in print_ast(asked[record])


@pytest.mark.parametrize("each", WRITING, ids=lambda each: each.at)
def test_a_key_goes_where_shopify_takes_one(each: Sent) -> None:
    [field] = each.operation.selection_set.selections
    description = schema().graphql.mutation_type.fields[field.name.value].description or ""
    takes_a_key = "idempoten" in description.lower() and field.name.value != "productSet"
    action, name = each.at.split()
    has_a_key = any(directive.name.value == "idempotent" for directive in field.directives)
    assert has_a_key is takes_a_key is ("key_lifetime" in COLLECTIONS[name]["writes"][action])


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_list_shows_what_one_object_does(name: str) -> None:
    """In all of its operations: else a record would change with each look."""
    own = COLLECTIONS[name]
    [fragment] = Sent(name, own["body"], 0, 0).fragments
    assert DOCUMENTS[own["body"]["query"]["$document"]].count(f"...{fragment}") >= 2
    assert own["retrieve"]["body"]["query"] == own["body"]["query"]


@pytest.mark.parametrize("name", COLLECTIONS)
def test_all_scalars_are_asked_for_that_are_not_left_out_on_purpose(name: str) -> None:
    [fragment] = Sent(name, COLLECTIONS[name]["body"], 0, 0).fragments.values()
    asked = {each.name.value for each in fragment.selection_set.selections if isinstance(each, FieldNode)}
    type = schema().object(fragment.type_condition.name.value)
    there = {
        field
        for field, found in type.fields.items()
        if is_leaf_type(get_named_type(found.type))
        and not found.deprecation_reason
        and not any(is_required_argument(each) for each in found.args.values())
        and not found.args
    }
    assert there - set(LEFT_OUT) <= asked
    assert not any(type.fields[field].deprecation_reason for field in asked)


def test_nothing_is_asked_for_by_a_fragment_of_another_type() -> None:
    """An interface's fields would be missing in objects of other types."""
    for text in DOCUMENTS.values():
        for each in parse(text).definitions:
            if isinstance(each, FragmentDefinitionNode) and each.type_condition.name.value != "DiscountNode":
                inner = each.selection_set.selections
                assert not any(isinstance(one, InlineFragmentNode) for one in inner)


def script() -> ModuleType:
    path = CHECKOUT / "scripts" / "shopify_fields.py"
    spec = importlib.util.spec_from_file_location("shopify_fields", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_fields_are_what_the_script_writes() -> None:
    generator = script()
    assert FIELDS.read_text(encoding="utf-8") == generator.written(generator.fields(schema().graphql))


def test_the_fields_have_the_form() -> None:
    validator = Draft202012Validator(
        {**SCHEMA["$defs"]["collection"]["properties"]["fields"], "$defs": SCHEMA["$defs"]}
    )
    for name, fields in json.loads(FIELDS.read_text(encoding="utf-8")).items():
        assert [f"{name}{each.json_path}: {each.message}" for each in validator.iter_errors(fields)] == []


@pytest.mark.parametrize(
    ("collection", "field", "expected"),
    [
        ("order", "id", {"type": "text", "at": "/id"}),
        ("order", "created_at", {"type": "timestamptz", "at": "/createdAt"}),
        ("order", "total_price", {"type": "numeric", "at": "/totalPriceSet/shopMoney/amount"}),
        ("order", "total_price_set", {"type": "jsonb", "at": "/totalPriceSet"}),
        ("order", "customer_id", {"type": "text", "at": "/customer/id"}),
        ("order", "display_financial_status", {"type": "text", "at": "/displayFinancialStatus"}),
        ("customer", "number_of_orders", {"type": "bigint", "at": "/numberOfOrders"}),
        ("product_variant", "price", {"type": "numeric", "at": "/price"}),
        ("discount", "title", {"type": "text", "at": "/discount/title"}),
        ("discount", "discount_type", {"type": "text", "at": "/discount/__typename"}),
        ("gift_card", "balance", {"type": "numeric", "at": "/balance/amount"}),
    ],
)
def test_a_field_has_the_type_of_the_schema(collection: str, field: str, expected: Any) -> None:
    assert json.loads(FIELDS.read_text(encoding="utf-8"))[collection][field] == expected
