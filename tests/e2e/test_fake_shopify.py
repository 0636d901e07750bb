"""The fake Shopify's own strictness: what a friendlier fake would let pass."""

import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from fake.client import Answer, ShopifyClient
from fake.shopify.catalog import BY_NAME, COLLECTIONS, ROOTS, Collection
from graphql import (
    GraphQLSchema,
    build_client_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from harness import Fake, eventually
from harness.shopify import PACKAGE, VERSIONS, with_shopify
from house.openapi import packaged

DAY = 86_400
ADMIN = "/shopify/admin"


@pytest.fixture(scope="module")
def shopify() -> Iterator[ShopifyClient]:
    """One that tests share, and leave usable for each other."""
    with Fake("--seed", "11", "--no-limits", *with_shopify()) as fake:
        yield ShopifyClient(fake.url)


@pytest.fixture
def small() -> Iterator[ShopifyClient]:
    """One of a test's own, with nothing in it but a location; no limits."""
    with Fake("--empty", "--no-limits", *with_shopify()) as fake:
        client = ShopifyClient(fake.url)
        make(client, "location", name="Zürich")
        yield client


@cache
def schema() -> GraphQLSchema:
    file = packaged(PACKAGE, "dist/data/admin_2026-10.json.gz", VERSIONS["2026-10"])
    document = json.loads(gzip.decompress(file.read_bytes()))
    return build_client_schema(document.get("data", document))


def leaves(type: str) -> list[str]:
    """Shopify's own list of a type's scalar fields."""
    return [
        name
        for name, field in schema().type_map[type].fields.items()
        if is_leaf_type(get_named_type(field.type))
        and not any(is_required_argument(each) for each in field.args.values())
    ]


def truth(shopify: ShopifyClient, collection: str) -> dict[str, dict[str, Any]]:
    return shopify.control("GET", f"truth?collection=shopify:{collection}")["objects"]


def make(shopify: ShopifyClient, collection: str, count: int = 1, **given: Any) -> list[str]:
    """Creates objects; `parent`, `created`, `event` and `odd` are the control's, all else is data."""
    control = {name: given.pop(name) for name in ("parent", "created", "event", "odd") if name in given}
    body = {"collection": f"shopify:{collection}", "count": count, "data": given, **control}
    return shopify.control("POST", "create", body)["ids"]


def change(shopify: ShopifyClient, collection: str, id: str, event: Any = True, **data: Any) -> None:
    body = {"collection": f"shopify:{collection}", "id": id, "data": data, "event": event}
    shopify.control("POST", "update", body)


def remove(shopify: ShopifyClient, collection: str, *ids: str, event: Any = True) -> None:
    body = {"collection": f"shopify:{collection}", "ids": list(ids), "event": event}
    shopify.control("POST", "delete", body)


def configure(shopify: ShopifyClient, **settings: Any) -> dict[str, Any]:
    return shopify.control("POST", "settings", {"provider": "shopify", **settings})


def advance(shopify: ShopifyClient, seconds: float) -> None:
    shopify.control("POST", "clock", {"seconds": seconds})


def as_(shopify: ShopifyClient, token: str | None, version: str = "2026-10") -> ShopifyClient:
    return ShopifyClient(f"http://{shopify.host}:{shopify.port}", token, version)


def now(shopify: ShopifyClient) -> float:
    return shopify.control("GET", "clock")["now"]


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def code(errors: list[dict[str, Any]]) -> str:
    [error] = errors
    return error["extensions"]["code"]


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in found]


def number(id: str) -> int:
    return int(id.rpartition("/")[2])


# Who asks


@pytest.mark.parametrize("token", [None, "shpat_other", "", "sk_test_fake"])
def test_a_wrong_token_is_refused(shopify: ShopifyClient, token: str | None) -> None:
    answer = as_(shopify, token).ask("{ shop { id } }")
    assert answer.status == 401
    assert answer.json == {
        "errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"
    }


def test_it_answers_at_the_root_too(shopify: ShopifyClient) -> None:
    headers = {"X-Shopify-Access-Token": "shpat_fake_x", "Content-Type": "application/graphql"}
    path = "/admin/api/2026-10/graphql.json"
    answer = shopify.request("POST", path, b"{ shop { myshopifyDomain } }", headers)
    assert answer.json["data"] == {"shop": {"myshopifyDomain": "fake.myshopify.com"}}


def test_a_missing_scope_is_null_and_an_error_with_status_200(small: ShopifyClient) -> None:
    customer = make(small, "customer")[0]
    make(small, "order", customer={"id": customer})
    make(small, "product")
    configure(small, tokens={"shpat_narrow": {"scopes": ["read_orders", "read_all_orders"]}})
    narrow = as_(small, "shpat_narrow")
    answer = narrow.ask("{ products(first: 5) { nodes { id } } orders(first: 5) { nodes { id } } }")
    assert answer.status == 200
    assert answer.json["data"]["products"] is None
    assert len(answer.json["data"]["orders"]["nodes"]) == 1
    [error] = answer.json["errors"]
    assert (error["extensions"]["code"], error["path"]) == ("ACCESS_DENIED", ["products"])
    assert "read_products" in error["extensions"]["requiredAccess"]
    # Of a nested object as well: the order is there, its customer is not.
    answer = narrow.ask("{ orders(first: 5) { nodes { id customer { id } } } }")
    assert answer.json["data"]["orders"]["nodes"][0]["customer"] is None
    assert answer.json["errors"][0]["path"] == ["orders", "nodes", 0, "customer"]
    assert code(narrow.errors(f'{{ node(id: "{customer}") {{ id }} }}')) == "ACCESS_DENIED"
    write = 'mutation { productCreate(product: {title: "x"}) { product { id } } }'
    answer = narrow.ask(write)
    assert answer.json["data"] == {"productCreate": None}
    assert code(answer.json["errors"]) == "ACCESS_DENIED"
    assert as_(small, "shpat_fake").ask("{ shop { id } }").status == 401


def test_old_orders_are_for_those_who_may_see_all(small: ShopifyClient) -> None:
    old = make(small, "order", created=int(now(small)) - 61 * DAY)[0]
    young = make(small, "order", created=int(now(small)) - 59 * DAY)[0]
    assert set(ids(small.all("orders"))) == {old, young}
    configure(small, scopes=["read_orders"])
    assert ids(small.all("orders")) == [young]


def test_the_scopes_can_be_asked_for(small: ShopifyClient) -> None:
    configure(small, scopes=["read_orders", "write_products"])
    found = small.data("{ currentAppInstallation { accessScopes { handle } } }")
    handles = [each["handle"] for each in found["currentAppInstallation"]["accessScopes"]]
    assert handles == ["read_orders", "write_products"]
    assert small.data("{ products(first: 1) { nodes { id } } }")["products"] == {"nodes": []}


# Tokens that expire


def oauth(shopify: ShopifyClient, **given: str) -> Answer:
    client = {"client_id": "fake-client", "client_secret": "shpss_fake"}
    body = urlencode({**client, **given}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return shopify.request("POST", f"{ADMIN}/oauth/access_token", body, headers)


def refreshed(shopify: ShopifyClient, token: str) -> Answer:
    return oauth(shopify, grant_type="refresh_token", refresh_token=token)


def test_an_app_gets_a_token_for_a_shop_of_its_own(small: ShopifyClient) -> None:
    issued = oauth(small, grant_type="client_credentials").json
    assert set(issued) == {"access_token", "scope", "expires_in"} and issued["expires_in"] < DAY
    client = as_(small, issued["access_token"])
    assert client.ask("{ shop { id } }").status == 200
    advance(small, DAY)
    assert client.ask("{ shop { id } }").status == 401


def test_a_code_gives_a_token_that_expires_where_that_is_asked_for(small: ShopifyClient) -> None:
    configure(small, issue_code="one")
    assert set(oauth(small, code="one").json) == {"access_token", "scope"}
    assert oauth(small, code="one").status == 400
    configure(small, issue_code="two")
    issued = oauth(small, code="two", expiring="1").json
    assert (issued["expires_in"], issued["refresh_token_expires_in"]) == (3600, 90 * DAY)
    client = as_(small, issued["access_token"])
    assert client.ask("{ shop { id } }").status == 200
    advance(small, 3599)
    assert client.ask("{ shop { id } }").status == 200
    advance(small, 2)
    assert client.ask("{ shop { id } }").status == 401
    assert oauth(small, code="three", client_secret="wrong").status == 400


def test_the_old_refresh_token_is_good_until_the_new_one_is_used(small: ShopifyClient) -> None:
    configure(small, issue_refresh_token="shprt_first")
    lost = refreshed(small, "shprt_first").json["refresh_token"]
    second = refreshed(small, "shprt_first").json["refresh_token"]
    assert len({"shprt_first", lost, second}) == 3
    third = refreshed(small, second)
    assert third.status == 200
    assert refreshed(small, "shprt_first").status == 401
    configure(small, revoke="all")
    assert refreshed(small, third.json["refresh_token"]).status == 401
    assert as_(small, third.json["access_token"]).ask("{ shop { id } }").status == 401


# What is asked


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ products(first: 1) { nodes { nothing } } }", "undefinedField"),
        ("{ products(first: 1, size: 3) { nodes { id } } }", "argumentNotAccepted"),
        ("{ metaobjects(first: 1) { nodes { id } } }", "missingRequiredArguments"),
        ("{ products(first: 1) { nodes } }", "selectionMismatch"),
        ("{ products(first: 1) { nodes { id { x } } } }", "selectionMismatch"),
        ("{ products(first: 1, sortKey: NEWEST) { nodes { id } } }", "argumentLiteralsIncompatible"),
        ("query($n: Int) { products(first: 1) { nodes { id } } }", "variableNotUsed"),
        ("{ ...f }", "undefinedFragment"),
    ],
)
def test_a_query_is_validated_against_the_schema(shopify: ShopifyClient, query: str, expected: str) -> None:
    answer = shopify.ask(query)
    assert answer.status == 200
    assert "data" not in answer.json
    assert answer.json["errors"][0]["extensions"]["code"] == expected
    assert answer.json["errors"][0]["locations"]


def test_a_query_that_is_none_is_refused(shopify: ShopifyClient) -> None:
    assert "Syntax Error" in shopify.errors("{ products(")[0]["message"]
    assert code(shopify.errors("query($n: Int!) { products(first: $n) { nodes { id } } }", n="x"))
    assert shopify.errors("query a { shop { id } } query b { shop { id } }")[0]["message"]
    headers = {"X-Shopify-Access-Token": "shpat_fake", "Content-Type": "application/json"}
    path = f"{ADMIN}/api/2026-10/graphql.json"
    answer = shopify.request("POST", path, b"{}", headers)
    assert (answer.status, answer.json) == (
        400, {"errors": {"query": "Required parameter missing or invalid"}},
    )  # fmt: skip
    assert shopify.request("POST", path, b"{", headers).status == 400
    assert shopify.request("POST", path, b"{}", {**headers, "Content-Type": "text/plain"}).status == 415
    assert shopify.request("GET", path, None, headers).status == 404


def test_an_old_version_falls_forward_and_an_unknown_one_is_not_found(shopify: ShopifyClient) -> None:
    for version, served in (("2026-10", "2026-10"), ("2025-10", "2025-10"), ("2023-01", "2025-10")):
        answer = as_(shopify, "shpat_fake", version).ask("{ shop { id } }")
        assert answer.headers["x-shopify-api-version"] == served
    for version in ("2031-01", "2026-11", "latest"):
        assert as_(shopify, "shpat_fake", version).ask("{ shop { id } }").status == 404
    # A field of the new version is none of the old one.
    query = "{ productVariants(first: 1) { nodes { requiresComponents } } }"
    assert as_(shopify, "shpat_fake", "2025-10").ask(query).json["data"]
    deleted = "{ orders(first: 1) { nodes { thisNeverWas } } }"
    assert as_(shopify, "shpat_fake", "2025-10").errors(deleted)


# Lists

LISTED = [each for each in COLLECTIONS if each in ROOTS.values() and each.name not in ("event", "metaobject")]


@pytest.mark.parametrize("collection", LISTED, ids=lambda each: each.name)
def test_a_list_shows_the_truth_page_by_page(shopify: ShopifyClient, collection: Collection) -> None:
    if collection.name == "deletion_event":
        remove(shopify, "product", *make(shopify, "product", 3))
    more = {"fulfillment_order": {"includeClosed": "true"}, "location": {"includeInactive": "true"}}
    found = shopify.all(
        collection.path, " ".join(leaves(collection.type)), 7, **more.get(collection.name, {})
    )
    expected = list(truth(shopify, collection.name).values())
    assert expected, "there is nothing in it"
    assert sorted(found, key=json.dumps) == sorted(expected, key=json.dumps)


@pytest.mark.parametrize("parent", ["order", "inventory_item", "metaobject_definition", "product"])
def test_what_is_below_an_object_is_the_truth_too(shopify: ShopifyClient, parent: str) -> None:
    below = [each for each in COLLECTIONS if each.parent == parent and "." in each.path]
    below += [BY_NAME["product_variant"]] if parent == "product" else []
    for each in below:
        field = "variants" if each.name == "product_variant" else each.field
        selection = " ".join(leaves(each.type))
        connection = each.name not in ("transaction", "fulfillment", "refund")
        inner = f"nodes {{ {selection} }}" if connection else selection
        found = shopify.all(BY_NAME[parent].path, f"id {field}(first: 250) {{ {inner} }}", 5)
        shown = [one for object in found for one in (object[field]["nodes"] if connection else object[field])]
        expected = list(truth(shopify, each.name).values())
        assert expected, each.name
        assert sorted(shown, key=json.dumps) == sorted(expected, key=json.dumps), each.name


def test_metafields_are_below_their_owners(shopify: ShopifyClient) -> None:
    selection = " ".join(leaves("Metafield"))
    found: list[Any] = []
    for owner in ("customers", "products", "productVariants", "collections", "orders", "companies"):
        shown = shopify.all(owner, f"metafields(first: 250) {{ nodes {{ {selection} }} }}", 5)
        found += [each for object in shown for each in object["metafields"]["nodes"]]
    shown = shopify.all("locations", f"metafields(first: 250) {{ nodes {{ {selection} }} }}", 5)
    found += [each for object in shown for each in object["metafields"]["nodes"]]
    expected = list(truth(shopify, "metafield").values())
    assert sorted(found, key=json.dumps) == sorted(expected, key=json.dumps)
    one = expected[0]
    query = f'{{ node(id: "{one["id"]}") {{ ... on Metafield {{ owner {{ ... on Node {{ id }} }} }} }} }}'
    owner = shopify.data(query)["node"]["owner"]["id"]
    query = (
        f'{{ node(id: "{owner}") {{ ... on HasMetafields'
        f' {{ metafield(namespace: "custom", key: "{one["key"]}") {{ id }} }} }} }}'
    )
    assert shopify.data(query)["node"]["metafield"]["id"] == one["id"]


def test_metaobjects_are_listed_by_their_type(shopify: ShopifyClient) -> None:
    for definition in truth(shopify, "metaobject_definition").values():
        found = shopify.all("metaobjects", "id type", 3, type=json.dumps(definition["type"]))
        expected = [
            id for id, each in truth(shopify, "metaobject").items() if each["type"] == definition["type"]
        ]
        assert sorted(ids(found)) == sorted(expected)


def test_ids_times_and_money_have_shopifys_forms(shopify: ShopifyClient) -> None:
    fields = "id legacyResourceId createdAt updatedAt totalPrice totalPriceSet { shopMoney { amount } }"
    for each in shopify.all("orders", fields):
        assert each["id"] == f"gid://shopify/Order/{each['legacyResourceId']}"
        assert isinstance(each["legacyResourceId"], str)
        assert int(each["legacyResourceId"]) > 2**32
        for moment in (each["createdAt"], each["updatedAt"]):
            assert iso(datetime.fromisoformat(moment).timestamp()) == moment
        assert isinstance(each["totalPrice"], str)
        assert float(each["totalPriceSet"]["shopMoney"]["amount"]) == float(each["totalPrice"])


def test_levels_have_ids_with_a_query_in_them(shopify: ShopifyClient) -> None:
    level = next(iter(truth(shopify, "inventory_level")))
    assert "?inventory_item_id=" in level
    query = f'{{ inventoryLevel(id: "{level}") {{ id item {{ id }} location {{ id }} }} }}'
    found = shopify.data(query)["inventoryLevel"]
    assert number(found["item"]["id"]) == int(level.partition("=")[2])


@pytest.mark.parametrize("arguments", ["", "first: 251", "first: -1", "first: 1, last: 1", "last: 300"])
def test_a_page_has_a_size_that_is_allowed(shopify: ShopifyClient, arguments: str) -> None:
    given = f"({arguments})" if arguments else ""
    assert code(shopify.errors(f"{{ products{given} {{ nodes {{ id }} }} }}")) == "BAD_REQUEST"


@pytest.mark.parametrize("sort", ["ID", "CREATED_AT", "UPDATED_AT", "TITLE", "VENDOR", "INVENTORY_TOTAL"])
@pytest.mark.parametrize("reverse", ["false", "true"])
def test_lists_are_sorted(shopify: ShopifyClient, sort: str, reverse: str) -> None:
    member = {"ID": "id", "INVENTORY_TOTAL": "totalInventory"}.get(sort) or (
        sort.title().replace("_", "")[0].lower() + sort.title().replace("_", "")[1:]
    )
    found = shopify.all("products", f"id {member}", 6, sortKey=sort, reverse=reverse)
    keys = [(number(each["id"]) if sort == "ID" else each[member], number(each["id"])) for each in found]
    assert keys == sorted(keys, reverse=reverse == "true")


def test_the_last_pages_come_with_before(shopify: ShopifyClient) -> None:
    every = ids(shopify.all("products"))
    query = (
        "query($before: String) { products(last: 6, before: $before)"
        " { edges { cursor node { id } } pageInfo { hasPreviousPage startCursor } } }"
    )
    found: list[str] = []
    before = None
    while True:
        page = shopify.data(query, before=before)["products"]
        found = [each["node"]["id"] for each in page["edges"]] + found
        assert page["edges"][0]["cursor"] == page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
        before = page["pageInfo"]["startCursor"]
    assert found == every


def test_a_cursor_is_good_for_its_own_list_only(shopify: ShopifyClient) -> None:
    one = shopify.data("{ products(first: 2, sortKey: UPDATED_AT) { pageInfo { endCursor } } }")
    cursor = json.dumps(one["products"]["pageInfo"]["endCursor"])
    ask = "{{ products(first: 2, after: {}{}) {{ nodes {{ id }} }} }}"
    assert shopify.data(ask.format(cursor, ", sortKey: UPDATED_AT"))["products"]["nodes"]
    for other in ("", ", sortKey: UPDATED_AT, reverse: true", ', sortKey: UPDATED_AT, query: "vendor:Acme"'):
        assert "cursor" in shopify.errors(ask.format(cursor, other))[0]["message"]
    assert shopify.errors(ask.format('"nonsense"', ""))


def test_what_changes_in_the_middle_of_a_walk_moves_behind_the_cursor(small: ShopifyClient) -> None:
    made = [make(small, "product", created=1_700_000_000 + each)[0] for each in range(6)]
    query = (
        "query($after: String) { products(first: 3, after: $after, sortKey: UPDATED_AT)"
        " { nodes { id } pageInfo { hasNextPage endCursor } } }"
    )
    first = small.data(query)["products"]
    assert ids(first["nodes"]) == made[:3]
    change(small, "product", made[0], title="again")
    change(small, "product", made[4], event=False, title="unseen")
    rest = small.data(query, after=first["pageInfo"]["endCursor"])["products"]
    assert ids(rest["nodes"]) == made[3:6]
    assert rest["pageInfo"]["hasNextPage"] is True
    last = small.data(query, after=rest["pageInfo"]["endCursor"])["products"]
    assert ids(last["nodes"]) == [made[0]]
    # One that is gone is no less a place.
    remove(small, "product", made[2])
    assert ids(small.data(query, after=first["pageInfo"]["endCursor"])["products"]["nodes"]) == made[3:6]


def test_paging_ends_behind_so_many_objects(small: ShopifyClient) -> None:
    assert configure(small)["cap"] == 25_000
    make(small, "customer", 12)
    configure(small, cap=10)
    assert len(small.all("customers", size=4)) == 10
    assert small.data("{ customersCount { count precision } }")["customersCount"] == {
        "count": 12, "precision": "EXACT",
    }  # fmt: skip
    configure(small, cap=None)
    assert len(small.all("customers", size=4)) == 12


def test_a_count_stops_where_it_is_told_to(shopify: ShopifyClient) -> None:
    count = len(truth(shopify, "product"))
    found = shopify.data("{ a: productsCount(limit: 5) { count precision } b: productsCount { count } }")
    assert found["a"] == {"count": 5, "precision": "AT_LEAST"}
    assert found["b"]["count"] == count > 5


def test_closed_and_inactive_ones_are_left_out(small: ShopifyClient) -> None:
    make(small, "location", isActive=False)
    assert (len(small.all("locations")), len(small.all("locations", includeInactive="true"))) == (1, 2)
    order = make(small, "order")[0]
    make(small, "fulfillment_order", parent=order, status="CLOSED")
    make(small, "fulfillment_order", parent=order, status="OPEN")
    found = (len(small.all("fulfillmentOrders")), len(small.all("fulfillmentOrders", includeClosed="true")))
    assert found == (1, 2)


def test_nodes_are_found_by_their_ids(shopify: ShopifyClient) -> None:
    product, order = next(iter(truth(shopify, "product"))), next(iter(truth(shopify, "order")))
    gone = "gid://shopify/Product/1"
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Product { title } } }"
    found = shopify.data(query, ids=[product, gone, order])["nodes"]
    assert [each and each["__typename"] for each in found] == ["Product", None, "Order"]
    assert shopify.data(f'{{ product(id: "{gone}") {{ id }} }}') == {"product": None}
    assert shopify.errors(f'{{ product(id: "{order}") {{ id }} }}')
    assert shopify.errors('{ node(id: "17") { id } }')
    assert code(shopify.errors(query, ids=[product] * 251)) == "BAD_REQUEST"


def test_what_refers_to_another_shows_it_as_it_is_now(small: ShopifyClient) -> None:
    customer = make(small, "customer", firstName="Ada")[0]
    order = make(small, "order", customer={"id": customer})[0]
    query = (
        f'{{ order(id: "{order}") {{ customer {{ id firstName orders(first: 3) {{ nodes {{ id }} }} }} }} }}'
    )
    change(small, "customer", customer, firstName="Grace")
    found = small.data(query)["order"]["customer"]
    assert found == {"id": customer, "firstName": "Grace", "orders": {"nodes": [{"id": order}]}}
    remove(small, "customer", customer)
    assert small.data(query)["order"]["customer"] is None


# Searching


def found_by(shopify: ShopifyClient, field: str, query: str, **more: str) -> list[str]:
    return ids(shopify.all(field, query=json.dumps(query), **more))


def test_a_search_by_time_is_exact_to_the_second(small: ShopifyClient) -> None:
    start = 1_750_000_000
    made = [make(small, "order", created=start + each)[0] for each in range(5)]
    at = iso(start + 2)
    assert found_by(small, "orders", f"updated_at:>='{at}'") == made[2:]
    assert found_by(small, "orders", f"updated_at:>'{at}'") == made[3:]
    assert found_by(small, "orders", f'updated_at:<"{at}"') == made[:2]
    assert found_by(small, "orders", f"updated_at:<='{at}'") == made[:3]
    assert found_by(small, "orders", f"updated_at:'{at}'") == made[2:3]
    both = f"created_at:>='{iso(start + 1)}' AND created_at:<'{iso(start + 4)}'"
    assert found_by(small, "orders", both) == made[1:4]
    assert found_by(small, "orders", f"NOT updated_at:>='{at}'") == made[:2]
    either = f"(updated_at:<'{iso(start + 1)}' OR updated_at:>'{iso(start + 3)}')"
    assert found_by(small, "orders", either) == [made[0], made[4]]
    assert found_by(small, "orders", "created_at:'2025-06-15'") == made
    assert found_by(small, "orders", f"id:>={number(made[3])}") == made[3:]


def test_an_unquoted_time_loses_its_minutes(small: ShopifyClient) -> None:
    start = int(datetime(2026, 3, 4, 10, 0, 0, tzinfo=UTC).timestamp())
    made = [make(small, "order", created=start + 60 * each)[0] for each in range(4)]
    unquoted = "updated_at:>=2026-03-04T10:02:00Z"
    answer = small.ask(f"{{ orders(first: 9, query: {json.dumps(unquoted)}) {{ nodes {{ id }} }} }}").json
    assert set(ids(answer["data"]["orders"]["nodes"])) >= set(made[:2])
    assert answer["extensions"]["search"][0]["warnings"]


def test_an_unknown_field_is_left_out_with_a_warning(small: ShopifyClient) -> None:
    make(small, "customer", 3)
    # Customers can't be searched by when they were created: everything comes.
    query = (
        f"{{ customers(first: 9, query: \"created_at:>'{iso(now(small) + DAY)}'\") {{ nodes {{ id }} }} }}"
    )
    answer = small.ask(query).json
    assert "errors" not in answer
    assert len(answer["data"]["customers"]["nodes"]) == 3
    [said] = answer["extensions"]["search"]
    assert said["path"] == ["customers"]
    assert [(each["field"], each["code"]) for each in said["warnings"]] == [("created_at", "invalid_field")]
    known = (
        f"{{ customers(first: 9, query: \"updated_at:>'{iso(now(small) + DAY)}'\") {{ nodes {{ id }} }} }}"
    )
    answer = small.ask(known).json
    assert answer["data"]["customers"]["nodes"] == []
    assert "search" not in answer["extensions"]


def test_other_searches(small: ShopifyClient) -> None:
    one = make(small, "product", title="Green teapot", vendor="Acme", tags=["sale", "new"], status="ACTIVE")[
        0
    ]
    two = make(small, "product", title="Red teapot", vendor="Other", tags=[], status="DRAFT")[0]
    for query, expected in {
        "vendor:acme": [one], "status:draft": [two], "tag:sale": [one], "tag_not:sale": [two],
        "title:green*": [one], "-vendor:acme": [two], "teapot": [one, two], "tag:*": [one],
        "vendor:acme status:draft": [], "vendor:acme OR vendor:other": [one, two],
    }.items():  # fmt: skip
        assert found_by(small, "products", query) == expected, query


# What is deleted


def test_deletions_of_products_and_collections_are_listed(small: ShopifyClient) -> None:
    product, collection = make(small, "product")[0], make(small, "collection")[0]
    silent = make(small, "product")[0]
    advance(small, 10)
    since = iso(now(small))
    remove(small, "product", product)
    remove(small, "collection", collection)
    remove(small, "product", silent, event=False)
    fields = "subjectId subjectType occurredAt"
    found = small.all("deletionEvents", fields, query=json.dumps(f"occurred_at:>='{since}'"))
    shown = [(each["subjectId"], each["subjectType"]) for each in found]
    assert shown == [(product, "PRODUCT"), (collection, "COLLECTION")]
    found = small.all("deletionEvents", fields, subjectTypes="[COLLECTION]")
    assert [each["subjectId"] for each in found] == [collection]
    assert small.data(f'{{ product(id: "{product}") {{ id }} }}') == {"product": None}


def test_other_deletions_are_events_or_nothing_at_all(small: ShopifyClient) -> None:
    order, customer = make(small, "order")[0], make(small, "customer")[0]
    price_list = make(small, "price_list")[0]
    remove(small, "order", order)
    remove(small, "customer", customer)
    remove(small, "price_list", price_list)
    fields = "id action ... on BasicEvent { subjectId subjectType }"
    found = small.all("events", fields, query='"action:destroy"')
    assert [(each["subjectId"], each["subjectType"]) for each in found] == [
        (order, "ORDER"), (customer, "CUSTOMER"),
    ]  # fmt: skip
    assert small.all("deletionEvents", "subjectId") == []
    assert small.control("POST", "purge_events", {"provider": "shopify"})["purged"] == 4
    assert small.all("events") == []


def test_what_hangs_on_an_object_goes_with_it(small: ShopifyClient) -> None:
    product = make(small, "product")[0]
    make(small, "product_variant", 2, parent=product)
    make(small, "metafield", parent=product)
    assert len(truth(small, "inventory_level")) == len(truth(small, "inventory_item")) == 2
    remove(small, "product", product)
    for name in ("product", "product_variant", "inventory_item", "inventory_level", "metafield"):
        assert truth(small, name) == {}, name


def test_a_change_below_touches_the_parent_or_not(small: ShopifyClient) -> None:
    product = make(small, "product", created=1_700_000_000)[0]
    variant = make(small, "product_variant", parent=product, created=1_700_000_000)[0]
    metafield = make(small, "metafield", parent=product, created=1_700_000_000)[0]
    change(small, "metafield", metafield, value="other")
    assert truth(small, "product")[product]["updatedAt"] == iso(1_700_000_000)
    assert truth(small, "metafield")[metafield]["jsonValue"] == "other"
    change(small, "product_variant", variant, price="1.00")
    assert truth(small, "product")[product]["updatedAt"] > iso(1_700_000_000)


# Cost


def cost(answer: Answer) -> dict[str, Any]:
    return answer.json["extensions"]["cost"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ shop { id name } }", 1),
        ("{ shop { id primaryDomain { host } } }", 2),
        ("{ products(first: 10) { nodes { id title } } }", 12),
        ("{ products(first: 10) { edges { cursor node { id title } } pageInfo { hasNextPage } } }", 12),
        ("{ products(first: 10) { nodes { id variants(first: 5) { nodes { id } } } } }", 82),
        ("{ orders(first: 3) { nodes { totalPriceSet { shopMoney { amount } } } } }", 11),
        (
            '{ node(id: "gid://shopify/Product/1") { ... on Product { seo { title } } ... on Shop { id } } }',
            2,
        ),
        ("query($n: Int = 4) { products(first: $n) { nodes { id } } }", 6),
        ("{ shop @skip(if: true) { id } products(first: 1) { pageInfo { hasNextPage } } }", 3),
    ],
)
def test_a_query_costs_what_it_could_give(shopify: ShopifyClient, query: str, expected: int) -> None:
    found = cost(shopify.ask(query))
    assert found["requestedQueryCost"] == expected
    assert 0 <= found["actualQueryCost"] <= expected


def test_what_was_not_given_comes_back(small: ShopifyClient) -> None:
    configure(small, cost={"maximum": 500, "restore_rate": 0, "single": 400})
    make(small, "product", 3)
    found = cost(small.ask("{ products(first: 100) { nodes { id } } }"))
    assert found == {
        "requestedQueryCost": 102, "actualQueryCost": 5,
        "throttleStatus": {"maximumAvailable": 500, "currentlyAvailable": 495, "restoreRate": 0},
    }  # fmt: skip
    found = cost(small.ask('mutation { customerCreate(input: {firstName: "x"}) { customer { id } } }'))
    assert (found["requestedQueryCost"], found["throttleStatus"]["currentlyAvailable"]) == (10, 485)


def test_without_points_a_query_is_throttled_with_status_200(small: ShopifyClient) -> None:
    configure(small, cost={"maximum": 30, "restore_rate": 20, "single": 30})
    make(small, "product", 30)
    query = "{ products(first: 20) { nodes { id } } }"
    assert "errors" not in small.ask(query).json
    answer = small.ask(query)
    assert answer.status == 200
    assert "data" not in answer.json
    assert code(answer.json["errors"]) == "THROTTLED"
    found = cost(answer)
    assert found["actualQueryCost"] is None
    assert found["throttleStatus"]["currentlyAvailable"] < found["requestedQueryCost"] == 22
    assert configure(small)["throttled"] == 1
    # Another app's points are its own.
    assert "errors" not in as_(small, "shpat_fake_other").ask(query).json
    eventually(lambda: "errors" not in small.ask(query).json, what="the points have not come back")


def test_a_query_that_is_too_dear_is_refused(small: ShopifyClient) -> None:
    configure(small, cost="standard")
    assert configure(small)["cost"] == {"maximum": 2000, "restore_rate": 100, "single": 1000}
    dear = "{ orders(first: 250) { nodes { id lineItems(first: 10) { nodes { id } } } } }"
    answer = small.ask(dear)
    [error] = answer.json["errors"]
    assert (error["extensions"]["code"], error["extensions"]["cost"]) == ("MAX_COST_EXCEEDED", 3252)
    assert "data" not in answer.json
    assert cost(small.ask("{ shop { id } }"))["throttleStatus"]["currentlyAvailable"] >= 1999


# Bulk operations

RUN = (
    "mutation($query: String!, $grouped: Boolean! = false) {"
    " bulkOperationRunQuery(query: $query, groupObjects: $grouped)"
    " { bulkOperation { id status url } userErrors { field message code } } }"
)
STATUS = (
    "query($id: ID!) { node(id: $id) { ... on BulkOperation"
    " { id status errorCode objectCount rootObjectCount fileSize url partialDataUrl completedAt } } }"
)
VARIANTS = "{ products { edges { node { id title variants { edges { node { id sku } } } } } } }"


def run(shopify: ShopifyClient, query: str, grouped: bool = False) -> str:
    found = shopify.data(RUN, query=query, grouped=grouped)["bulkOperationRunQuery"]
    assert found["userErrors"] == []
    assert found["bulkOperation"]["url"] is None
    return found["bulkOperation"]["id"]


def status(shopify: ShopifyClient, id: str) -> dict[str, Any]:
    return shopify.data(STATUS, id=id)["node"]


def fetched(shopify: ShopifyClient, url: str, headers: dict[str, str] | None = None) -> Answer:
    return shopify.request("GET", urlsplit(url)._replace(scheme="", netloc="").geturl(), None, headers)


def lines(shopify: ShopifyClient, url: str) -> list[dict[str, Any]]:
    answer = fetched(shopify, url)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jsonl")
    return [json.loads(line) for line in answer.body.splitlines()]


@pytest.fixture
def bulky(small: ShopifyClient) -> ShopifyClient:
    for product in make(small, "product", 4):
        make(small, "product_variant", 2, parent=product)
    configure(small, bulk_seconds=100)
    return small


def test_a_bulk_operation_takes_its_time_and_leaves_a_file(bulky: ShopifyClient) -> None:
    id = run(bulky, VARIANTS)
    assert status(bulky, id)["status"] == "CREATED"
    advance(bulky, 50)
    running = status(bulky, id)
    assert (running["status"], running["url"]) == ("RUNNING", None)
    assert 0 < int(running["objectCount"]) < 12
    # What changes in the meantime isn't in it.
    change(bulky, "product", next(iter(truth(bulky, "product"))), title="changed since")
    advance(bulky, 51)
    done = status(bulky, id)
    assert (done["status"], done["objectCount"], done["rootObjectCount"]) == ("COMPLETED", "12", "4")
    found = lines(bulky, done["url"])
    assert int(done["fileSize"]) == len(fetched(bulky, done["url"]).body)
    roots = [each for each in found if "__parentId" not in each]
    assert {each["id"] for each in roots} == set(truth(bulky, "product"))
    assert "changed since" not in {each["title"] for each in roots}
    below = [each for each in found if "__parentId" in each]
    assert {each["id"] for each in below} == set(truth(bulky, "product_variant"))
    assert all(set(each) == {"id", "title"} for each in roots)
    # Not grouped: all parents, and then the children of them all.
    assert found[:4] == roots
    assert {each["id"] for each in bulky.data("{ currentBulkOperation { id } }").values()} == {id}
    assert ids(bulky.all("bulkOperations")) == [id]


def test_grouped_the_children_come_behind_their_parent(bulky: ShopifyClient) -> None:
    id = run(bulky, VARIANTS, grouped=True)
    advance(bulky, 101)
    parent = None
    for each in lines(bulky, status(bulky, id)["url"]):
        if "__parentId" in each:
            assert each["__parentId"] == parent
        else:
            parent = each["id"]


def test_a_file_is_kept_for_seven_days(bulky: ShopifyClient) -> None:
    id = run(bulky, VARIANTS)
    advance(bulky, 101)
    url = status(bulky, id)["url"]
    assert fetched(bulky, url.replace("signature=", "signature=0")).status == 403
    advance(bulky, 7 * DAY)
    assert status(bulky, id)["status"] == "EXPIRED"
    assert status(bulky, id)["url"] is None
    assert fetched(bulky, url).status == 403


def test_a_token_that_is_sent_along_for_a_file_is_a_leak(bulky: ShopifyClient) -> None:
    id = run(bulky, VARIANTS)
    advance(bulky, 101)
    url = status(bulky, id)["url"]
    assert lines(bulky, url)
    assert configure(bulky)["leaks"] == []
    fetched(bulky, url, {"X-Shopify-Access-Token": "shpat_fake"})
    assert [each["header"] for each in configure(bulky)["leaks"]] == ["x-shopify-access-token"]


def test_five_run_at_once_and_before_2026_one(bulky: ShopifyClient) -> None:
    started = [run(bulky, VARIANTS) for _ in range(5)]
    [error] = bulky.data(RUN, query=VARIANTS)["bulkOperationRunQuery"]["userErrors"]
    assert error["code"] == "LIMIT_REACHED"
    run(as_(bulky, "shpat_fake_other"), VARIANTS)
    cancel = (
        "mutation($id: ID!) { bulkOperationCancel(id: $id)"
        " { bulkOperation { status } userErrors { message } } }"
    )
    found = bulky.data(cancel, id=started[0])["bulkOperationCancel"]
    assert (found["bulkOperation"]["status"], found["userErrors"]) == ("CANCELING", [])
    advance(bulky, 2)
    assert status(bulky, started[0])["status"] == "CANCELED"
    assert bulky.data(cancel, id=started[0])["bulkOperationCancel"]["userErrors"]
    run(bulky, VARIANTS)
    old = as_(bulky, "shpat_fake_old", "2025-10")
    run(old, VARIANTS)
    query = RUN.replace(" code ", " ").replace("message code", "message")
    assert old.data(query, query=VARIANTS)["bulkOperationRunQuery"]["userErrors"]


def test_a_file_is_given_in_parts(bulky: ShopifyClient) -> None:
    id = run(bulky, VARIANTS)
    advance(bulky, 101)
    url = status(bulky, id)["url"]
    whole = fetched(bulky, url).body
    part = fetched(bulky, url, {"Range": "bytes=5-9"})
    assert (part.status, part.body) == (206, whole[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(whole)}"
    assert fetched(bulky, url, {"Range": "bytes=7-"}).body == whole[7:]
    assert fetched(bulky, url, {"Range": f"bytes={len(whole)}-"}).status == 416


def test_a_failed_one_leaves_a_part(bulky: ShopifyClient) -> None:
    configure(bulky, bulk_failure="TIMEOUT")
    id = run(bulky, VARIANTS)
    advance(bulky, 101)
    failed = status(bulky, id)
    assert (failed["status"], failed["errorCode"], failed["url"]) == ("FAILED", "TIMEOUT", None)
    assert len(lines(bulky, failed["partialDataUrl"])) == 6


def test_what_may_not_be_read_fails_in_bulk(bulky: ShopifyClient) -> None:
    configure(bulky, scopes=["read_orders"])
    id = run(bulky, VARIANTS)
    advance(bulky, 101)
    failed = status(bulky, id)
    assert (failed["status"], failed["errorCode"], failed["partialDataUrl"]) == (
        "FAILED", "ACCESS_DENIED", None,
    )  # fmt: skip


def test_nothing_found_leaves_no_file(bulky: ShopifyClient) -> None:
    id = run(bulky, "{ draftOrders { nodes { id } } }")
    advance(bulky, 101)
    done = status(bulky, id)
    assert (done["status"], done["objectCount"], done["url"]) == ("COMPLETED", "0", None)


@pytest.mark.parametrize(
    "query",
    [
        "{ shop { id } }",
        "{ products { edges { node { title variants { edges { node { id } } } } } } }",
        "{ products { nodes { nothing } } }",
        "mutation { customerDelete(input: {id: 1}) { deletedCustomerId } }",
        '{ node(id: "gid://shopify/Product/1") { id ... on Product { variants { nodes { id } } } } }',
        "{ a: products { nodes { id } } b: orders { nodes { id } } c: customers { nodes { id } }"
        " d: companies { nodes { id } } e: giftCards { nodes { id } } f: priceLists { nodes { id } } }",
    ],
)
def test_what_can_not_be_run_in_bulk(bulky: ShopifyClient, query: str) -> None:
    [error] = bulky.data(RUN, query=query)["bulkOperationRunQuery"]["userErrors"]
    assert error["code"] == "INVALID"


# Writes


def write(shopify: ShopifyClient, mutation: str, payload: str, **variables: Any) -> dict[str, Any]:
    """Runs a mutation, with its directive if it has one; the types of its variables come from the schema."""
    name, _, directive = mutation.partition(" ")
    types = schema().mutation_type.fields[name].args
    declared = ", ".join(f"${each}: {types[each].type}" for each in variables)
    given = ", ".join(f"{each}: ${each}" for each in variables)
    selection = f"{{ {payload} userErrors {{ field message }} }}"
    query = f"mutation({declared}) {{ {name}({given}) {directive} {selection} }}"
    return shopify.data(query, **variables)[name]


def test_products_are_written(small: ShopifyClient) -> None:
    given = {"title": "Kettle", "vendor": "Acme", "tags": ["new"]}
    made = write(
        small, "productCreate", "product { id title variants(first: 2) { nodes { id } } }", product=given
    )
    product = made["product"]
    assert (made["userErrors"], product["title"], len(product["variants"]["nodes"])) == ([], "Kettle", 1)
    advance(small, 5)
    changed = write(
        small, "productUpdate", "product { title vendor createdAt updatedAt }",
        product={"id": product["id"], "title": "Pot"},
    )["product"]  # fmt: skip
    assert (changed["title"], changed["vendor"]) == ("Pot", "Acme")
    assert changed["updatedAt"] > changed["createdAt"]
    wrong = write(small, "productCreate", "product { id }", product={"title": " "})
    assert wrong == {"product": None, "userErrors": [{"field": ["title"], "message": "Title can't be blank"}]}
    gone = write(small, "productDelete", "deletedProductId", input={"id": product["id"]})
    assert gone == {"deletedProductId": product["id"], "userErrors": []}
    again = write(small, "productDelete", "deletedProductId", input={"id": product["id"]})
    assert (again["deletedProductId"], again["userErrors"][0]["field"]) == (None, ["id"])
    assert [each["subjectId"] for each in small.all("deletionEvents", "subjectId")] == [product["id"]]


def test_variants_are_written(small: ShopifyClient) -> None:
    product, fields = (
        make(small, "product")[0],
        "productVariants { id title price sku inventoryItem { sku } }",
    )

    def option(name: str) -> list[dict[str, str]]:
        return [{"optionName": "Size", "name": name}]

    given = {"price": "7.50", "optionValues": option("S"), "inventoryItem": {"sku": "S-1"}}
    made = write(small, "productVariantsBulkCreate", fields, productId=product, variants=[given])
    [variant] = made["productVariants"]
    assert (variant["title"], variant["price"], variant["inventoryItem"]) == ("S", "7.50", {"sku": "S-1"})
    change = {"id": variant["id"], "inventoryItem": {"sku": "S-2"}}
    changed = write(small, "productVariantsBulkUpdate", fields, productId=product, variants=[change])
    [changed] = changed["productVariants"]
    assert (changed["title"], changed["sku"], changed["inventoryItem"]) == ("S", "S-2", {"sku": "S-2"})
    last = write(
        small, "productVariantsBulkDelete", "product { id }", productId=product, variantsIds=[variant["id"]]
    )
    assert last["userErrors"]
    more = [{"optionValues": option("M")}]
    write(small, "productVariantsBulkCreate", fields, productId=product, variants=more)
    for mutation, wrong in [
        ("productVariantsBulkCreate", {"variants": more}),
        ("productVariantsBulkCreate", {"variants": [{"price": "1.00"}]}),
        ("productVariantsBulkCreate", {"variants": [{"price": "-1.00", "optionValues": option("L")}]}),
        ("productVariantsBulkUpdate", {"variants": [{"id": product}]}),
    ]:
        refused = write(small, mutation, fields, productId=product, **wrong)
        assert refused["userErrors"] and refused["productVariants"] is None
    for owner, id in [(product, product), ("gid://shopify/Product/1", variant["id"])]:
        refused = write(
            small, "productVariantsBulkDelete", "product { id }", productId=owner, variantsIds=[id]
        )
        assert refused["userErrors"]
    write(
        small, "productVariantsBulkDelete", "product { id }", productId=product, variantsIds=[variant["id"]]
    )
    assert list(truth(small, "product_variant")) != [variant["id"]]
    assert len(truth(small, "product_variant")) == 1


def test_customers_are_written(small: ShopifyClient) -> None:
    made = write(small, "customerCreate", "customer { id email }", input={"email": "a@example.com"})
    customer = made["customer"]["id"]
    for wrong in ({}, {"email": "nonsense"}, {"email": "a@example.com"}):
        assert write(small, "customerCreate", "customer { id }", input=wrong)["userErrors"]
    write(small, "customerUpdate", "customer { id }", input={"id": customer, "note": "x"})
    assert truth(small, "customer")[customer]["note"] == "x"
    make(small, "order", customer={"id": customer})
    kept = write(small, "customerDelete", "deletedCustomerId", input={"id": customer})
    assert kept["deletedCustomerId"] is None
    assert kept["userErrors"]


def test_collections_draft_orders_and_orders_are_written(small: ShopifyClient) -> None:
    product = make(small, "product")[0]
    given = {"title": "Summer", "products": [product]}
    made = write(
        small, "collectionCreate", "collection { id products(first: 3) { nodes { id } } }", input=given
    )
    assert ids(made["collection"]["products"]["nodes"]) == [product]
    assert write(small, "collectionDelete", "deletedCollectionId", input={"id": made["collection"]["id"]})
    lines = [{"title": "x", "quantity": 2, "originalUnitPrice": "1.00"}]
    draft = write(
        small, "draftOrderCreate", "draftOrder { id note2 }", input={"lineItems": lines, "note": "n"}
    )
    assert draft["draftOrder"]["note2"] == "n"
    assert write(small, "draftOrderCreate", "draftOrder { id }", input={"note": "n"})["userErrors"]
    id = draft["draftOrder"]["id"]
    assert write(small, "draftOrderUpdate", "draftOrder { email }", id=id, input={"email": "d@example.com"})
    assert write(small, "draftOrderDelete", "deletedId", input={"id": id})["deletedId"] == id
    order = make(small, "order")[0]
    changed = write(small, "orderUpdate", "order { tags }", input={"id": order, "tags": ["a", "b"]})
    assert changed["order"]["tags"] == ["a", "b"]


def test_metafields_are_set_all_or_none(small: ShopifyClient) -> None:
    product = make(small, "product")[0]
    one = {
        "ownerId": product,
        "namespace": "custom",
        "key": "k",
        "type": "single_line_text_field",
        "value": "1",
    }
    made = write(small, "metafieldsSet", "metafields { id value compareDigest }", metafields=[one])
    [first] = made["metafields"]
    other = {**one, "key": "other", "ownerId": "gid://shopify/Product/1"}
    wrong = write(small, "metafieldsSet", "metafields { id }", metafields=[{**one, "value": "2"}, other])
    assert wrong["userErrors"][0]["field"] == ["metafields", "1", "ownerId"]
    assert truth(small, "metafield")[first["id"]]["value"] == "1"
    stale = {**one, "value": "3", "compareDigest": "stale"}
    assert write(small, "metafieldsSet", "metafields { id }", metafields=[stale])["userErrors"]
    fresh = {**one, "value": "3", "compareDigest": first["compareDigest"]}
    again = write(small, "metafieldsSet", "metafields { id value }", metafields=[fresh])
    assert again["metafields"] == [{"id": first["id"], "value": "3"}]


def test_inventory_is_adjusted_once_for_a_key(small: ShopifyClient) -> None:
    product = make(small, "product")[0]
    make(small, "product_variant", parent=product)
    [item], [place] = truth(small, "inventory_item"), truth(small, "location")
    quantities = 'inventoryLevels(first: 1) { nodes { quantities(names: ["available"]) { name quantity } } }'
    query = f'{{ inventoryItem(id: "{item}") {{ {quantities} }} }}'

    def available() -> int:
        [level] = small.data(query)["inventoryItem"]["inventoryLevels"]["nodes"]
        return {each["name"]: each["quantity"] for each in level["quantities"]}["available"]

    before = available()
    change = {"inventoryItemId": item, "locationId": place, "delta": 3}
    given = {"name": "available", "reason": "correction", "changes": [change]}
    payload = "inventoryAdjustmentGroup { id changes { delta } }"
    keyed = 'inventoryAdjustQuantities @idempotent(key: "k1")'
    first = write(small, keyed, payload, input=given)
    assert first["inventoryAdjustmentGroup"]["changes"] == [{"delta": 3}]
    assert write(small, keyed, payload, input=given) == first
    assert available() == before + 3
    other = {**given, "reason": "other"}
    assert write(small, keyed, payload, input=other)["userErrors"]
    unkeyed = (
        "mutation($input: InventoryAdjustQuantitiesInput!)"
        " { inventoryAdjustQuantities(input: $input) { userErrors { code } } }"
    )
    answer = small.ask(unkeyed, input=given)
    assert answer.json["data"] == {"inventoryAdjustQuantities": None}
    assert "@idempotent" in answer.json["errors"][0]["message"]
    # Before it was mandatory, it was not.
    assert as_(small, "shpat_fake", "2025-10").data(unkeyed, input=given)
    assert available() == before + 6
    stale = {**given, "changes": [{**change, "changeFromQuantity": before}]}
    wrong = write(small, 'inventoryAdjustQuantities @idempotent(key: "k2")', payload, input=stale)
    assert wrong["userErrors"]


def test_refunds_are_made_once_for_a_key(small: ShopifyClient) -> None:
    order = make(small, "order")[0]
    line = make(small, "line_item", parent=order, quantity=3, refundableQuantity=3)[0]
    given = {"orderId": order, "refundLineItems": [{"lineItemId": line, "quantity": 2}]}
    keyed = 'refundCreate @idempotent(key: "r1")'
    first = write(small, keyed, "refund { id }", input=given)
    assert write(small, keyed, "refund { id }", input=given) == first
    assert list(truth(small, "refund")) == [first["refund"]["id"]]
    assert truth(small, "line_item")[line]["refundableQuantity"] == 1
    wrong = write(small, 'refundCreate @idempotent(key: "r2")', "refund { id }", input=given)
    assert wrong["userErrors"][0]["field"] == ["refundLineItems", "0", "quantity"]


# Faults and odd objects


def fault(shopify: ShopifyClient, action: dict[str, Any], **match: Any) -> None:
    rule = {"match": {"provider": "shopify", **match}, "action": action}
    shopify.control("POST", "faults", rule)


@pytest.mark.parametrize("status", [402, 403, 423, 500, 502, 503])
def test_other_refusals_have_their_status(small: ShopifyClient, status: int) -> None:
    fault(small, {"type": "status", "status": status})
    answer = small.ask("{ shop { id } }")
    assert answer.status == status
    assert answer.json["errors"]


def test_its_own_failure_has_status_200_and_an_id(small: ShopifyClient) -> None:
    fault(small, {"type": "status", "status": 200})
    [error] = small.errors("{ shop { id } }")
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["requestId"] in error["message"]


def test_a_refusal_for_the_rate_says_how_long(small: ShopifyClient) -> None:
    fault(small, {"type": "rate_limit", "retry_after": 3})
    answer = small.ask("{ shop { id } }")
    assert code(answer.json["errors"]) == "THROTTLED"
    found = cost(answer)
    missing = found["requestedQueryCost"] - found["throttleStatus"]["currentlyAvailable"]
    assert missing / found["throttleStatus"]["restoreRate"] == 3


@pytest.mark.parametrize("selection", ["nodes { id title }", "edges { cursor node { id title } }"])
def test_faults_of_pages_work(small: ShopifyClient, selection: str) -> None:
    made = make(small, "product", 8)
    query = (
        "query($after: String) { products(first: 4, after: $after)"
        f" {{ {selection} pageInfo {{ hasNextPage endCursor }} }} }}"
    )

    def page(after: str | None = None) -> tuple[list[str], dict[str, Any]]:
        found = small.data(query, after=after)["products"]
        nodes = found.get("nodes") or [each["node"] for each in found["edges"]]
        return ids(nodes), found["pageInfo"]

    assert page()[0] == made[:4]
    fault(small, {"type": "truncate_page", "keep": 1}, nth=1)
    shown, info = page()
    assert (shown, info["hasNextPage"]) == (made[:1], True)
    assert page(info["endCursor"])[0] == made[1:5]
    small.control("DELETE", "faults")
    fault(small, {"type": "duplicate", "count": 2}, nth=2)
    shown, info = page()
    change(small, "product", made[3], title="changed in between")
    repeated, info = page(info["endCursor"])
    assert repeated == [*made[2:4], *made[4:6]]
    assert page(info["endCursor"])[0] == made[6:]
    small.control("DELETE", "faults")
    fault(small, {"type": "reorder", "keep_last": True}, nth=1)
    assert sorted(page()[0]) == made[:4]


def test_odd_objects_are_odd_in_lists(small: ShopifyClient) -> None:
    make(small, "product")
    make(small, "product", odd="not_an_object")
    found = small.data("{ products(first: 5) { nodes { id } } }")["products"]["nodes"]
    assert [type(each) for each in found] == [dict, str]


# The control


def test_what_shopify_would_not_show_does_not_get_in(small: ShopifyClient) -> None:
    for data in ({"nothing": 1}, {"status": "WRONG"}):
        body = {"collection": "shopify:product", "data": data}
        answer = small.request("POST", "/_control/create", json.dumps(body).encode())
        assert answer.status == 400, data
    late = json.dumps({"collection": "shopify:product", "event": {"late": 3}}).encode()
    assert small.request("POST", "/_control/create", late).status == 400


def test_a_backdated_change_turns_up_behind_a_cursor(small: ShopifyClient) -> None:
    one = make(small, "product", created=int(now(small)) - 500)[0]
    change(small, "product", one, event={"backdate": 100}, title="late")
    changed = truth(small, "product")[one]
    assert changed["title"] == "late"
    age = now(small) - datetime.fromisoformat(changed["updatedAt"]).timestamp()
    assert 100 <= age < 110
    change(small, "product", one, event=False, title="silent")
    assert truth(small, "product")[one] == {**changed, "title": "silent"}


def test_random_changes_are_changes(shopify: ShopifyClient) -> None:
    body = {"provider": "shopify", "n": 120, "seed": 5}
    done = shopify.control("POST", "mutate_random", body)
    assert all(done.values())
    names = [each.name for each in COLLECTIONS if each.name not in ("event", "deletion_event")]
    done = shopify.control("POST", "mutate_random", {**body, "n": 200, "collections": names})
    assert all(done.values())
    query = " ".join(leaves("Product"))
    assert sorted(shopify.all("products", query), key=json.dumps) == sorted(
        truth(shopify, "product").values(), key=json.dumps
    )


def test_every_field_of_the_schema_can_be_asked_for(shopify: ShopifyClient) -> None:
    """Whatever a type has, the answer has the shape that the schema promises."""
    for each in LISTED:
        fields = []
        for name, field in schema().type_map[each.type].fields.items():
            named = get_named_type(field.type)
            if any(is_required_argument(one) for one in field.args.values()):
                continue
            if is_leaf_type(named):
                fields.append(name)
            elif named.name.endswith("Connection"):
                fields.append(f"{name}(first: 1) {{ pageInfo {{ hasNextPage }} }}")
            else:
                fields.append(f"{name} {{ __typename }}")
        query = f"{{ {each.path}(first: 3) {{ nodes {{ {' '.join(fields)} }} }} }}"
        assert each.path in shopify.data(query)


def test_the_log_has_no_token(small: ShopifyClient) -> None:
    as_(small, "shpat_fake_and_secret").ask("{ shop { id } }")
    logged = json.dumps(small.control("GET", "requests"))
    assert "shpat_fake_and_secret" not in logged
    assert time.time() - now(small) < 60


def test_levels_of_a_location_are_searched_by_their_change(small: ShopifyClient) -> None:
    make(small, "product", count=3)
    make(small, "product_variant", count=3)
    [place] = truth(small, "location")
    levels = list(truth(small, "inventory_level"))
    since = now(small) + 100
    advance(small, 200)
    change(small, "inventory_level", levels[0], deactivationAlert="changed")
    query = f"""query($query: String) {{ location(id: "{place}") {{
        inventoryLevels(first: 9, query: $query) {{ nodes {{ id }} }} }} }}"""
    found = small.data(query, query=f"updated_at:>='{iso(since)}'")
    assert ids(found["location"]["inventoryLevels"]["nodes"]) == [levels[0]]
    warned = small.ask(query, query="colour:red").json
    assert len(warned["data"]["location"]["inventoryLevels"]["nodes"]) == len(levels)
    assert warned["extensions"]["search"][0]["warnings"][0]["field"] == "colour"
