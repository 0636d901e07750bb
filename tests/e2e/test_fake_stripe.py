"""The fake's own strictness: what a friendlier fake would let pass."""

from collections import Counter
from collections.abc import Iterator

import pytest
from fake.client import Client
from fake.stripe.catalog import COLLECTIONS, REFERENCES
from fake.stripe.collection import Collection
from harness import Fake

DAY = 86_400


@pytest.fixture(scope="module")
def stripe() -> Iterator[Client]:
    with Fake("--seed", "11", "--no-limits") as fake:
        yield Client(fake.url)


def truth(stripe: Client, collection: str) -> dict[str, dict]:
    return stripe.control("GET", f"truth?collection=stripe:{collection}")["objects"]


# Authentication and versions


@pytest.mark.parametrize(
    "header", [None, "Bearer ", "Bearer sk_test_other", "Bearer pk_test_fake", "Nonsense x"]
)
def test_a_wrong_key_is_refused(stripe: Client, header: str | None) -> None:
    nobody = Client(f"http://{stripe.host}:{stripe.port}", None)
    answer = nobody.get("customers", headers={"Authorization": header} if header else None)
    assert answer.status == 401
    assert answer.error["type"] == "invalid_request_error"
    assert "sk_test_other" not in answer.error["message"]


def test_a_restricted_key_is_refused_what_it_may_not_see(stripe: Client) -> None:
    stripe.control("POST", "settings", {"keys": {"rk_test_fake": ["customer"], "sk_test_fake": None}})
    try:
        restricted = Client(f"http://{stripe.host}:{stripe.port}", "rk_test_fake")
        assert restricted.get("customers").status == 200
        assert restricted.get("charges").status == 403
        assert restricted.get("events").status == 403
    finally:
        stripe.control("POST", "settings", {"keys": None})


def test_the_version_is_echoed_and_checked(stripe: Client) -> None:
    version = {"Stripe-Version": "2023-10-16"}
    assert stripe.get("customers", headers=version).headers["stripe-version"] == "2023-10-16"
    assert stripe.get("customers").headers["stripe-version"] == "2024-04-10"
    assert stripe.get("customers", headers={"Stripe-Version": "latest"}).status == 400
    assert stripe.get("customers").headers["request-id"].startswith("req_")


# Lists


def path_of(stripe: Client, collection: Collection) -> tuple[str, dict[str, str], str | None]:
    """A list of the collection: path, query, and the parent's id; under a parent that has objects of it."""
    if collection.parent is None:
        return collection.path, {"status": "all"} if collection.name == "subscription" else {}, None
    under: Counter[str] = Counter()
    for parent in truth(stripe, collection.parent):
        path, query = collection.path, {}
        if collection.by:
            query = {collection.by: parent}
        else:
            path = path.replace(f"{{{collection.parent}}}", parent)
        under[parent] = len(stripe.get(path, limit=100, **query).json["data"])
        if under[parent] > 1:
            break
    parent = under.most_common(1)[0][0]
    query = {collection.by: parent} if collection.by else {}
    return collection.path.replace(f"{{{collection.parent}}}", parent), query, parent


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda each: each.name)
def test_every_collection_pages_newest_first_and_whole(stripe: Client, collection: Collection) -> None:
    path, query, parent = path_of(stripe, collection)
    size = 100 if parent is None else 3
    found = list(stripe.all(path, limit=size, **query))
    ids = [each["id"] for each in found]
    assert ids, "there is nothing in it"
    assert len(set(ids)) == len(ids)
    expected = truth(stripe, collection.name)
    if parent is None:
        assert set(ids) == set(expected)
    assert all(expected[each["id"]] == each for each in found)
    if "created" in found[0]:
        moments = [each["created"] for each in found]
        assert moments == sorted(moments, reverse=True)
    answer = stripe.get(path, limit=1, **query).json
    assert set(answer) == {"object", "data", "has_more", "url"}
    assert answer["object"] == "list"
    assert answer["url"] == f"/v1/{path}"
    assert answer["has_more"] == (len(ids) > 1)
    one = stripe.get(f"{path}/{ids[0]}")
    assert one.status == (200 if collection.retrievable else 404)
    if collection.retrievable:
        assert one.json == found[0]
        assert stripe.get(f"{path}/nothing").error["code"] == "resource_missing"


@pytest.mark.parametrize("collection", [each for each in COLLECTIONS if each.by], ids=lambda each: each.name)
def test_a_list_that_needs_its_parent_says_so(stripe: Client, collection: Collection) -> None:
    missing = stripe.get(collection.path)
    assert (missing.status, missing.error["code"]) == (400, "parameter_missing")
    assert missing.error["param"] == collection.by
    unknown = stripe.get(collection.path, **{collection.by or "": "nobody"})
    assert (unknown.status, unknown.error["code"]) == (400, "resource_missing")


def test_a_path_with_an_unknown_parent_is_not_found(stripe: Client) -> None:
    for path in (
        "customers/cus_none/tax_ids",
        "invoices/in_none/lines",
        "customers/cus_none/payment_methods",
    ):
        assert stripe.get(path).status == 404, path
    for path in ("nothing", "customers/", "customers/x/y", "subscription_items/x/y/z"):
        assert stripe.get(path).status == 404, path


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"nonsense": 1}, "nonsense", "parameter_unknown"),
        ({"updated_gte": 1}, "updated", "parameter_unknown"),
        ({"created[since]": 1}, "created[since]", "parameter_unknown"),
        ({"created_gte": "2024-01-01"}, "created[gte]", "parameter_invalid_integer"),
        ({"created_gte": "1.5"}, "created[gte]", "parameter_invalid_integer"),
        ({"limit": 0}, "limit", "parameter_invalid_integer"),
        ({"limit": 101}, "limit", "parameter_invalid_integer"),
        ({"limit": "all"}, "limit", "parameter_invalid_integer"),
        ({"starting_after": "cus_none"}, "starting_after", "resource_missing"),
        ({"ending_before": "cus_none"}, "ending_before", "resource_missing"),
        ({"starting_after": ""}, "starting_after", "resource_missing"),
        ({"starting_after": "a", "ending_before": "b"}, "ending_before", None),
        ({"expand[]": "data.nonsense"}, "expand", None),
        ({"expand[]": "test_clock"}, "expand", None),
    ],
)
def test_a_bad_parameter_is_refused(stripe: Client, query: dict, param: str, code: str | None) -> None:
    answer = stripe.get("customers", **query)
    assert answer.status == 400
    assert answer.error.get("code") == code
    assert answer.error["param"] == param
    assert answer.headers["stripe-should-retry"] == "false"


def test_limit_is_ten_unless_given(stripe: Client) -> None:
    assert len(stripe.get("customers").json["data"]) == 10


def test_many_customers_share_a_second(stripe: Client) -> None:
    moments = Counter(each["created"] for each in truth(stripe, "customer").values())
    assert max(moments.values()) > 5


def test_created_bounds_are_exact(stripe: Client) -> None:
    moments = sorted(each["created"] for each in truth(stripe, "customer").values())
    middle = moments[len(moments) // 2]
    count = {
        name: sum(1 for _ in stripe.all("customers", **{name: middle}))
        for name in ("created_gt", "created_gte", "created_lt", "created_lte", "created")
    }
    assert count["created"] == moments.count(middle)
    assert count["created_gt"] + count["created_lte"] == len(moments)
    assert count["created_gte"] + count["created_lt"] == len(moments)
    assert count["created_gte"] - count["created_gt"] == moments.count(middle)
    assert list(stripe.all("customers", created_gt=middle, created_lt=middle + 1)) == []


def test_ending_before_gives_the_neighbours_newest_first(stripe: Client) -> None:
    ids = [each["id"] for each in stripe.all("customers")]
    page = stripe.get("customers", limit=5, ending_before=ids[20]).json
    assert [each["id"] for each in page["data"]] == ids[15:20]
    assert page["has_more"] is True
    page = stripe.get("customers", limit=5, ending_before=ids[5]).json
    assert ([each["id"] for each in page["data"]], page["has_more"]) == (ids[:5], False)


def test_the_id_of_a_deleted_object_is_no_cursor(stripe: Client) -> None:
    gone = stripe.control("POST", "create", {"collection": "customer"})["id"]
    stripe.control("POST", "delete", {"collection": "customer", "id": gone})
    answer = stripe.get("customers", starting_after=gone)
    assert (answer.status, answer.error["code"]) == (400, "resource_missing")


@pytest.mark.parametrize(
    ("collection", "name"),
    [
        (each, name)
        for each in COLLECTIONS
        for name in each.filters
        if REFERENCES.get(name) and not each.parent
    ],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_filters_by_reference(stripe: Client, collection: Collection, name: str) -> None:
    assert stripe.get(collection.path, **{name: "none"}).error["code"] == "resource_missing"
    every = "all" if collection.name == "subscription" else None
    values = Counter()
    for each in truth(stripe, collection.name).values():
        value = each.get(name)
        values[value["id"] if isinstance(value, dict) else value] += 1
    del values[None]
    for value, count in values.most_common(3):
        query = {name: value} | ({"status": every} if every else {})
        assert sum(1 for _ in stripe.all(collection.path, **query)) == count


@pytest.mark.parametrize(
    ("path", "name"), [("prices", "active"), ("tax_rates", "inclusive"), ("products", "active")]
)
def test_boolean_filters(stripe: Client, path: str, name: str) -> None:
    whole = sum(1 for _ in stripe.all(path))
    yes = [each[name] for each in stripe.all(path, **{name: "true"})]
    no = [each[name] for each in stripe.all(path, **{name: "false"})]
    assert set(yes) == {True}
    assert set(no) == {False}
    assert len(yes) + len(no) == whole
    assert stripe.get(path, **{name: "1"}).status == 400


def test_subscriptions_hide_what_has_ended(stripe: Client) -> None:
    states = Counter(each["status"] for each in truth(stripe, "subscription").values())
    assert states["canceled"]
    assert sum(1 for _ in stripe.all("subscriptions")) == sum(states.values()) - states["canceled"]
    assert sum(1 for _ in stripe.all("subscriptions", status="all")) == sum(states.values())
    assert sum(1 for _ in stripe.all("subscriptions", status="canceled")) == states["canceled"]
    assert stripe.get("subscriptions", status="gone").status == 400


@pytest.mark.parametrize(("path", "field"), [("subscriptions", "items"), ("invoices", "lines")])
def test_embedded_lists_show_the_first_ten(stripe: Client, path: str, field: str) -> None:
    parents = list(stripe.all(path))
    overflowing = [each for each in parents if each[field]["has_more"]]
    assert overflowing
    assert all(len(each[field]["data"]) == 10 for each in overflowing)
    url = overflowing[0][field]["url"].removeprefix("/v1/")
    path, _, query = url.partition("?")
    rest = list(stripe.all(path, **dict([query.split("=")] if query else [])))
    assert len(rest) > 10
    assert rest[:10] == overflowing[0][field]["data"]


def test_objects_are_spaced_differently_alone_and_in_lists(stripe: Client) -> None:
    [first] = stripe.get("customers", limit=1).json["data"]
    alone = stripe.get(f"customers/{first['id']}")
    assert alone.json == first
    assert b"\n  " in alone.body
    assert b"\n" not in stripe.get("customers", limit=1).body


def test_expand(stripe: Client) -> None:
    page = stripe.get(
        "invoices", limit=5, **{"expand[]": ["data.customer", "data.subscription.customer"]}
    ).json
    assert all(each["customer"]["object"] == "customer" for each in page["data"])
    subscriptions = [each["subscription"] for each in page["data"] if each["subscription"]]
    assert all(each["customer"]["object"] == "customer" for each in subscriptions)


# Writes


def test_a_customer_lives_and_dies(stripe: Client) -> None:
    made = stripe.post("customers", {"name": "Ada", "metadata[k]": "v", "address[city]": "London"}).json
    assert made["address"]["city"] == "London"
    assert made["address"]["line1"] is None
    assert made["metadata"] == {"k": "v"}
    changed = stripe.post(f"customers/{made['id']}", {"metadata[k]": "", "metadata[l]": "w", "name": ""}).json
    assert (changed["metadata"], changed["name"]) == ({"l": "w"}, None)
    assert stripe.post(f"customers/{made['id']}", {"metadata": ""}).json["metadata"] == {}
    gone = {"id": made["id"], "object": "customer", "deleted": True}
    assert stripe.delete(f"customers/{made['id']}").json == gone
    assert stripe.get(f"customers/{made['id']}").json == gone
    assert made["id"] not in {each["id"] for each in stripe.all("customers")}
    assert stripe.delete(f"customers/{made['id']}").status == 404
    assert stripe.get(f"customers/{made['id']}/tax_ids").status == 404


def test_other_deleted_objects_are_just_missing(stripe: Client) -> None:
    product = stripe.post("products", {"name": "Thing"}).json["id"]
    assert stripe.delete(f"products/{product}").json["deleted"] is True
    assert stripe.get(f"products/{product}").status == 404


@pytest.mark.parametrize(
    ("path", "form", "param"),
    [
        ("customers", {"nam": "x"}, "nam"),
        ("customers", {"address[town]": "x"}, "address[town]"),
        ("customers", {"balance": "1.5"}, "balance"),
        ("customers", {"metadata[" + "k" * 41 + "]": "x"}, "metadata"),
        ("products", {}, "name"),
        ("products", {"name": "x", "active": "yes"}, "active"),
        ("prices", {"currency": "usd", "unit_amount": 1}, "product"),
        ("prices", {"currency": "usd", "unit_amount": 1, "product": "prod_none"}, "product"),
        ("coupons", {"percent_off": 5, "amount_off": 5, "currency": "usd"}, "percent_off"),
        ("subscriptions", {"customer": "cus_none"}, "customer"),
        ("invoices", {"customer": "cus_none"}, "customer"),
    ],
)
def test_a_bad_write_is_refused_and_changes_nothing(
    stripe: Client, path: str, form: dict, param: str
) -> None:
    before = stripe.control("GET", "counts")
    answer = stripe.post(path, form)
    assert answer.status == 400
    assert answer.error["param"] == param
    assert stripe.control("GET", "counts") == before


def test_a_json_body_is_refused(stripe: Client) -> None:
    typed = {"Content-Type": "application/json"}
    assert stripe.request("POST", "/stripe/v1/customers", b'{"name": "x"}', typed).status == 400


def test_prices_appear_as_plans(stripe: Client) -> None:
    product = stripe.post("products", {"name": "Thing"}).json["id"]
    form = {"product": product, "currency": "usd", "unit_amount": 100}
    price = stripe.post("prices", {**form, "recurring[interval]": "month"}).json
    assert price["recurring"]["interval_count"] == 1
    assert stripe.get(f"plans/{price['id']}").json["amount"] == 100
    once = stripe.post("prices", form).json
    assert once["type"] == "one_time"
    assert stripe.get(f"plans/{once['id']}").status == 404
    stripe.post(f"prices/{price['id']}", {"nickname": "gold"})
    assert stripe.get(f"plans/{price['id']}").json["nickname"] == "gold"


def test_a_changed_item_changes_its_subscription(stripe: Client) -> None:
    item = next(iter(truth(stripe, "subscription_item").values()))
    answer = stripe.post(f"subscription_items/{item['id']}", {"quantity": 77})
    assert answer.json["quantity"] == 77
    shown = stripe.get(f"subscriptions/{item['subscription']}").json["items"]["data"]
    assert 77 in {each["quantity"] for each in shown if each["id"] == item["id"]} or len(shown) == 10
    event = stripe.get("events", limit=1).json["data"][0]
    assert event["type"] == "customer.subscription.updated"
    assert event["data"]["object"]["id"] == item["subscription"]


# Idempotency


def test_a_key_replays_its_first_answer(stripe: Client) -> None:
    key = {"Idempotency-Key": "first"}
    first = stripe.post("customers", {"name": "Once"}, key)
    again = stripe.post("customers", {"name": "Once"}, key)
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    other = stripe.post("customers", {"name": "Twice"}, key)
    assert (other.status, other.error["type"]) == (400, "idempotency_error")
    assert stripe.post("customers", {"name": "x"}, {"Idempotency-Key": "k" * 256}).status == 400


def test_a_refusal_does_not_use_a_key_up(stripe: Client) -> None:
    key = {"Idempotency-Key": "second"}
    assert stripe.post("customers", {"nam": "x"}, key).status == 400
    assert stripe.post("customers", {"name": "x"}, key).status == 200


@pytest.mark.parametrize("applied", [True, False])
def test_a_key_replays_a_500(stripe: Client, applied: bool) -> None:
    action = {"type": "status", "status": 500, "apply": applied}
    stripe.control("POST", "faults", {"match": {"method": "POST", "times": 1}, "action": action})
    before = stripe.control("GET", "counts")["stripe"]["customer"]["count"]
    key = {"Idempotency-Key": f"third {applied}"}
    failed = stripe.post("customers", {"name": "Lost"}, key)
    again = stripe.post("customers", {"name": "Lost"}, key)
    assert (failed.status, again.status) == (500, 500)
    # The change may have happened all the same; a replay does not make it happen again.
    assert stripe.control("GET", "counts")["stripe"]["customer"]["count"] == before + applied


# Events


def test_a_change_is_announced_with_what_was(stripe: Client) -> None:
    made = stripe.post("customers", {"name": "Old"}, {"Idempotency-Key": "told"}).json
    stripe.post(f"customers/{made['id']}", {"name": "New", "metadata[k]": "v"})
    stripe.delete(f"customers/{made['id']}")
    deleted, updated, created = stripe.get("events", limit=3).json["data"]
    assert [each["type"] for each in (created, updated, deleted)] == [
        "customer.created", "customer.updated", "customer.deleted",
    ]  # fmt: skip
    assert created["data"] == {"object": made}
    assert created["request"]["idempotency_key"] == "told"
    assert updated["data"]["previous_attributes"] == {"name": "Old", "metadata": {"k": None}}
    assert updated["data"]["object"]["name"] == "New"
    assert deleted["data"]["object"]["id"] == made["id"]
    assert stripe.get(f"events/{updated['id']}").json == updated


def test_events_filter_by_type(stripe: Client) -> None:
    stripe.control("POST", "create", {"collection": "product"})
    stripe.control("POST", "create", {"collection": "coupon"})
    types = {
        each["type"] for each in stripe.all("events", **{"types[]": ["product.created", "coupon.created"]})
    }
    assert types == {"product.created", "coupon.created"}
    assert {each["type"] for each in stripe.all("events", type="coupon.*")} == {"coupon.created"}
    many = stripe.get("events", **{"types[]": [f"x.{number}" for number in range(21)]})
    assert (many.status, many.error["param"]) == (400, "types")
    assert stripe.get("events", type="a.b", **{"types[]": ["a.b"]}).status == 400


def test_a_canceled_subscription_is_announced_as_deleted_and_stays(stripe: Client) -> None:
    id = next(id for id, each in truth(stripe, "subscription").items() if each["status"] == "active")
    assert stripe.delete(f"subscriptions/{id}").json["status"] == "canceled"
    assert stripe.delete(f"subscriptions/{id}").status == 404
    event = stripe.get("events", limit=1).json["data"][0]
    assert event["type"] == "customer.subscription.deleted"
    assert stripe.get(f"subscriptions/{id}").json["status"] == "canceled"
    assert truth(stripe, "subscription")[id]["status"] == "canceled"


def test_a_deleted_customer_takes_along_what_belongs_to_it(stripe: Client) -> None:
    customer = stripe.control("POST", "create", {"collection": "customer"})["id"]
    data = {"customer": customer, "status": "active"}
    subscription = stripe.control("POST", "create", {"collection": "subscription", "data": data})["id"]
    method = stripe.control("POST", "create", {"collection": "payment_method", "parent": customer})["id"]
    tax_id = stripe.control("POST", "create", {"collection": "tax_id", "parent": customer})["id"]
    stripe.delete(f"customers/{customer}")
    types = [each["type"] for each in stripe.get("events", limit=3).json["data"]]
    assert types == ["customer.deleted", "payment_method.detached", "customer.subscription.deleted"]
    assert truth(stripe, "subscription")[subscription]["status"] == "canceled"
    assert truth(stripe, "payment_method")[method]["customer"] is None
    assert tax_id not in truth(stripe, "tax_id")


def test_some_changes_are_never_announced(stripe: Client) -> None:
    """Of these collections no event tells at all; or not of updates."""
    before = [each["id"] for each in stripe.get("events", limit=5).json["data"]]
    for name in ("balance_transaction", "tax_code", "terminal_location", "file_link", "webhook_endpoint"):
        stripe.control("POST", "create", {"collection": name})
    intent = next(iter(truth(stripe, "payment_intent")))
    change = {"collection": "payment_intent", "id": intent, "data": {"metadata": {"k": "v"}}}
    stripe.control("POST", "update", change)
    assert [each["id"] for each in stripe.get("events", limit=5).json["data"]] == before


def test_an_event_is_rendered_in_the_version_of_its_time() -> None:
    with Fake("--empty", "--api-version", "2019-12-03") as fake:
        stripe = Client(fake.url)
        made = stripe.control("POST", "create", {"collection": "customer"})["id"]
        stripe.control("POST", "settings", {"api_version": "2024-04-10"})
        pinned = {"Stripe-Version": "2024-04-10"}
        event = stripe.get("events", headers=pinned).json["data"][0]
        assert event["api_version"] == "2019-12-03"
        assert "subscriptions" in event["data"]["object"]
        assert "subscriptions" not in stripe.get(f"customers/{made}", headers=pinned).json
        assert (
            "subscriptions" in stripe.get(f"customers/{made}", headers={"Stripe-Version": "2019-12-03"}).json
        )


# Limits


def test_limits_are_measured_where_requests_arrive() -> None:
    with Fake("--empty") as fake:
        stripe = Client(fake.url)
        answers = [stripe.get("customers") for _ in range(25)] + [stripe.get("products")]
        assert {each.status for each in answers} == {200}
        refused = stripe.get("customers")
        assert (refused.status, refused.error["code"]) == (429, "rate_limit")
        assert refused.headers["stripe-rate-limited-reason"] == "endpoint-rate"
        assert refused.headers["stripe-should-retry"] == "true"
        assert int(refused.headers["retry-after"]) >= 1
        stripe.control("POST", "settings", {"global_rate": 5, "endpoint_rate": None})
        answers = [
            stripe.get(path) for path in ("customers", "products", "prices", "plans", "coupons", "quotes")
        ]
        assert [each.status for each in answers] == [200] * 5 + [429]
        assert answers[-1].headers["stripe-rate-limited-reason"] == "global-rate"


def test_credentials_have_limits_of_their_own() -> None:
    with Fake("--empty") as fake:
        first, second = Client(fake.url), Client(fake.url, "sk_test_fake_second")
        fake.control("POST", "settings", {"global_rate": 1})
        assert [first.get("customers").status, second.get("customers").status] == [200, 200]
        assert [first.get("customers").status, second.get("customers").status] == [429, 429]
