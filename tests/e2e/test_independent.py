"""Against servers that nobody here wrote: what arrives is compared with what they list themselves."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from harness import Database, eventually
from harness.independent import LocalStripe, Server, StatefulMock
from harness.mutations import mutate, reached
from harness.sync import Sync, start_sync
from house.bodies import validate_body
from psycopg.types.json import Jsonb

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"}
NESTED = ["subscription_item", "invoice_line_item"]
# What localstripe announces with an event each time that it changes.
ANNOUNCED = ["customer", "product", "plan", "subscription", "invoice", "payment_intent", "payout", *NESTED]


@pytest.fixture
def localstripe() -> Iterator[LocalStripe]:
    with LocalStripe() as server:
        yield server


@pytest.fixture
def mock() -> Iterator[StatefulMock]:
    with StatefulMock() as server:
        yield server


def subscribe(server: LocalStripe, number: int) -> str:
    """A customer with a card, a plan of its own, and a subscription to it, paid; returns the customer."""
    product = server.create("/v1/products", name=f"product {number}")
    price = {"amount": 100 + number, "currency": "eur", "interval": "month"}
    plan = server.create("/v1/plans", product=product, **price)
    customer = server.create("/v1/customers", name=f"subscriber {number}")
    card = server.create("/v1/tokens", card=CARD)
    server.post(f"/v1/customers/{customer}/sources", source=card)
    server.post("/v1/subscriptions", customer=customer, items=[{"plan": plan, "quantity": number + 1}])
    # A customer shows its cards and subscriptions there, and no event says that they have changed.
    server.post(f"/v1/customers/{customer}", metadata={"subscribed": "yes"})
    return customer


def nothing_was_set_aside(sync: Sync) -> None:
    assert not sync.database.sql("SELECT reason FROM sequin.rejected_records")


# The proxy


def test_the_proxy_passes_on_what_it_does_not_correct(localstripe: LocalStripe, mock: StatefulMock) -> None:
    def fetch(base: str, path: str) -> tuple[int, bytes]:
        request = urllib.request.Request(base + path, headers={"Authorization": f"Bearer {Server.api_key}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    customer = subscribe(localstripe, 1)
    paths = ["/v1/customers?limit=2", f"/v1/customers/{customer}", "/v1/events?limit=3&created[gte]=1",
             "/v1/subscriptions?status=all", "/v1/nothing"]  # fmt: skip
    for path in paths:
        assert fetch(localstripe.url, path) == fetch(localstripe.direct, path)
    customer = mock.create("/v1/customers", email="ada@example.com")
    paths = ["/v1/customers?limit=2", f"/v1/customers/{customer}", "/v1/customers/cus_none", "/v1/nothing"]
    for path in paths:
        assert fetch(mock.url, path) == fetch(mock.direct, path)
    mock.remove(customer)
    refused, words = fetch(mock.url, f"/v1/customers/{customer}")
    assert (refused, json.loads(words)["error"]["code"]) == (404, "resource_missing")
    assert json.loads(fetch(mock.url, "/v1/customers?limit=2")[1])["data"] == []


# localstripe


def test_everything_that_localstripe_has_arrives(database: Database, localstripe: LocalStripe) -> None:
    for number in range(240):
        metadata = {"n": number, "text": "ä ☃ \\u0041"}
        localstripe.post("/v1/customers", name=f"customer {number}", metadata=metadata)
    for number in range(110):
        localstripe.post("/v1/products", name=f"only a product {number}")
        localstripe.post("/v1/tax_rates", display_name="VAT", inclusive=False, percentage=number / 2)
    for number in range(12):
        customer = subscribe(localstripe, number)
        charge = localstripe.create("/v1/charges", customer=customer, amount=500 + number, currency="eur")
        localstripe.post("/v1/refunds", charge=charge)
        localstripe.post("/v1/payouts", amount=1 + number, currency="eur")
        localstripe.post("/v1/coupons", id=f"{number} off/#?", duration="once", percent_off=number)
        localstripe.post("/v1/setup_intents")
    collections = [*localstripe.lists, *NESTED]
    assert all(localstripe.objects(collection) for collection in collections)

    sync = start_sync(database, localstripe, collections).wait(60)
    sync.converge()
    assert sync.count() > 600
    nothing_was_set_aside(sync)
    assert len(localstripe.asked("/v1/customers", "starting_after")) >= 2
    assert len(localstripe.asked("/v1/tax_rates", "starting_after")) >= 1
    refused = [each for each in localstripe.relayed if each.status != 200]
    assert not refused, f"{len(refused)} requests were refused, the first {refused[0]}"


def test_changes_of_localstripe_arrive(database: Database, localstripe: LocalStripe) -> None:
    kept, gone = (localstripe.create("/v1/customers", name=name) for name in ("kept", "gone"))
    sync = start_sync(database, localstripe, ANNOUNCED).wait(30)
    sync.converge()
    before = sync.records("customer")

    # One that comes, one that changes, one that goes.
    came = localstripe.create("/v1/customers", name="came")
    localstripe.post(f"/v1/customers/{kept}", email="ada@example.com", metadata={"plan": "gold"})
    localstripe.delete(f"/v1/customers/{gone}")
    sync.converge()
    after = sync.records("customer")
    assert after.keys() == {kept, gone, came}
    assert after[kept].data["metadata"] == {"plan": "gold"}
    assert after[gone].deleted
    assert after[gone].data == before[gone].data
    assert all(after[each].id == before[each].id for each in (kept, gone))
    assert all(after[each].updated_idx > before[each].updated_idx for each in (kept, gone))

    # One request that makes objects in five collections, two of them nested.
    customer = subscribe(localstripe, 1)
    sync.converge()
    [subscription] = sync.live("subscription").values()
    [item] = sync.records("subscription_item").values()
    [line] = sync.records("invoice_line_item").values()
    [invoice] = sync.live("invoice").values()
    assert (subscription["customer"], invoice["status"]) == (customer, "paid")
    assert (item.parent_id, line.parent_id) == (subscription["id"], invoice["id"])

    # What ends without disappearing.
    localstripe.delete(f"/v1/subscriptions/{subscription['id']}")
    localstripe.post(f"/v1/customers/{customer}", metadata={"subscribed": "no"})
    payout = localstripe.create("/v1/payouts", amount=700, currency="eur")
    localstripe.post(f"/v1/payouts/{payout}/cancel")
    sync.converge()
    assert sync.live("subscription")[subscription["id"]]["status"] == "canceled"
    assert sync.live("payout")[payout]["status"] == "canceled"
    nothing_was_set_aside(sync)


def test_changes_of_localstripe_during_the_backfill_arrive(
    database: Database, localstripe: LocalStripe
) -> None:
    """Its lists begin with the oldest, and begin anew after an object that is gone: neither may matter."""
    ids = [localstripe.create("/v1/customers", name=f"customer {number}") for number in range(360)]
    sync = start_sync(
        database, localstripe, ["customer"],
        rate_limit={"allowed_requests": 50, "interval": 1, "max_concurrent_requests": 2},
    )  # fmt: skip
    eventually(lambda: sync.count() >= 100, 20, what=database.status)
    for each in ids[::40]:
        localstripe.post(f"/v1/customers/{each}", name="changed while it was read")
    # The last of each page among them: the cursor of the page after.
    for each in ids[99::100]:
        localstripe.delete(f"/v1/customers/{each}")
    for number in range(10):
        localstripe.post("/v1/customers", name=f"new {number}")
    sync.wait(60).converge()
    assert sync.count() == 367
    assert len(localstripe.asked("/v1/customers", "starting_after")) >= 3


def test_a_second_walk_through_localstripe_writes_nothing(
    database: Database, localstripe: LocalStripe
) -> None:
    """Its JSON is indented by depth: one object has other white space in a list than by itself."""
    customers = [subscribe(localstripe, number) for number in range(3)]
    sync = start_sync(database, localstripe, ANNOUNCED).wait(30)
    sync.converge()
    for customer in customers:
        localstripe.post(f"/v1/customers/{customer}", description="fetched by itself")
    sync.converge()

    def versions() -> dict[str, dict[str, str]]:
        return {name: {key: row.row_version for key, row in sync.records(name).items()} for name in ANNOUNCED}

    before = versions()
    for collection in ANNOUNCED:
        database.sql("SELECT sequin.start_backfill('main', %s)", collection)
    left = "SELECT count(*) = 0 FROM sequin.backfills WHERE kind = 'manual' AND state <> 'completed'"
    eventually(lambda: database.value(left), 30, what=database.status)
    assert versions() == before


# stripe-stateful-mock


def test_everything_that_the_mock_has_arrives_by_its_cursors(database: Database, mock: StatefulMock) -> None:
    for number in range(230):
        mock.post("/v1/customers", email=f"{number}@example.com", metadata={"n": number})
    customers = list(mock.objects("customer"))
    for number in range(105):
        product = mock.create("/v1/products", name=f"product {number}")
        monthly = {"currency": "eur", "unit_amount": number, "recurring": {"interval": "month"}}
        mock.post("/v1/prices", product=product, **monthly)
    plan = mock.create("/v1/plans", product=product, currency="eur", amount=5, interval="month")
    items = [{"plan": plan}, {"plan": plan, "quantity": 3}]
    for customer in customers[:7]:
        mock.post("/v1/subscriptions", customer=customer, items=items)
        mock.post("/v1/accounts", type="custom")
        charge = mock.create("/v1/charges", amount=900, currency="usd", source="tok_visa")
        mock.post("/v1/refunds", charge=charge)
        mock.post("/v1/tax_rates", display_name="VAT", inclusive=False, percentage=20)
    collections = [*mock.lists, "subscription_item"]
    assert all(mock.objects(collection) for collection in collections)

    sync = start_sync(database, mock, collections).wait(60)
    sync.converge()
    assert sync.count() > 460
    nothing_was_set_aside(sync)
    for path, pages in {"/v1/customers": 3, "/v1/products": 2, "/v1/prices": 2}.items():
        assert len(mock.asked(path, "starting_after")) == pages - 1
    refused = [each for each in mock.relayed if each.status != 200]
    assert not refused, f"{len(refused)} requests were refused, the first {refused[0]}"


# Up to three objects are kept to go on from; after that the walk begins anew.
@pytest.mark.parametrize("vanish", [1, 2, 3, 4])
def test_a_walk_goes_on_when_its_cursor_is_missing(
    database: Database, mock: StatefulMock, vanish: int
) -> None:
    for number in range(230):
        mock.post("/v1/customers", email=f"{number}@example.com")
    mock.vanish_cursors(vanish)
    sync = start_sync(database, mock, ["customer"]).wait(30)
    sync.converge()
    assert sync.count() == 230 - vanish
    missing = [each for each in mock.asked("/v1/customers", "starting_after") if each.status == 404]
    assert len({each.ask.get("starting_after") for each in missing}) == vanish == len(missing)


def test_an_announced_object_that_never_was_leaves_no_record(database: Database, mock: StatefulMock) -> None:
    customer = mock.create("/v1/customers", email="ada@example.com")
    sync = start_sync(database, mock, ["customer"]).wait(20)
    mock.announce("customer.updated", {"id": mock.UNKNOWN, "object": "customer"})
    mock.post(f"/v1/customers/{customer}", description="changed")
    mock.announce("customer.updated", {"id": customer, "object": "customer"})
    sync.converge()
    eventually(lambda: mock.asked(f"/v1/customers/{mock.UNKNOWN}"), 10, what=database.status)
    eventually(lambda: sync.live("customer")[customer]["description"] == "changed", 10, what=database.status)
    assert sync.records("customer").keys() == {customer}


def test_an_account_that_was_disconnected_is_deleted(database: Database, mock: StatefulMock) -> None:
    """Of an account that is gone Stripe says not 404 and resource_missing, but 403 and account_invalid."""
    stays, goes = (mock.create("/v1/accounts", type="custom") for _ in range(2))
    sync = start_sync(database, mock, ["account"]).wait(20)
    sync.converge()
    mock.delete(f"/v1/accounts/{goes}")
    # As if the last sweep was long ago; a sync that is resumed looks at its tables anew.
    database.sql("SELECT sequin.pause_sync('main')")
    database.sql("UPDATE sequin._sync_collections SET swept_at = swept_at - interval '1 week'")
    database.sql("SELECT sequin.resume_sync('main')")
    eventually(lambda: sync.records("account")[goes].deleted, 20, what=database.status)
    assert sync.live("account").keys() == {stays}


# Both


@pytest.mark.parametrize("kind", [LocalStripe, StatefulMock])
def test_a_key_that_is_refused_and_then_replaced(database: Database, kind: type[Server]) -> None:
    def properties(key: str) -> Jsonb:
        found: dict[str, Any] = {"kind": "api_key", "api_key": key, "base_url": server.url}
        return Jsonb(found)

    with kind() as server:
        server.post("/v1/customers", email="ada@example.com")
        create = "SELECT sequin.create_credential('upstream', 'stripe', %s)"
        database.sql(create, properties("pk_refused_by_both"))
        sync = start_sync(database, server, ["customer"])
        eventually(lambda: sync.health("customer") == "failing", 15, what=database.status)
        assert {each.status for each in server.relayed} == {401}
        [failure] = database.sql("SELECT failure_class, error FROM sequin.sync_collections")
        assert failure.failure_class == "credential"
        assert "pk_refused_by_both" not in failure.error
        database.sql(create, properties(server.api_key))
        sync.wait(20).converge()
        eventually(lambda: sync.health("customer") == "healthy", 15, what=database.status)


# What a transaction asks for


def in_step_after(sync: Sync, server: Server, asked: list[tuple[Any, ...]]) -> None:
    """Asks for (collection, action, upstream id, data) one after another, and waits until each is done."""
    for each in asked:
        reached(sync.database, mutate(sync.database, *each))
    sync.converge()
    nothing_was_set_aside(sync)
    problems = [
        problem
        for each in server.written()
        for problem in validate_body(
            each.ask.method,
            each.ask.path,
            dict(each.ask.headers).get("content-type", ""),
            each.ask.body.decode(),
        )
    ]
    assert not problems, problems
    assert [each.status for each in server.written()] == [200] * len(asked)


def test_what_is_asked_of_localstripe_is_done(database: Database, localstripe: LocalStripe) -> None:
    kept, gone = (localstripe.create("/v1/customers", name=name) for name in ("kept", "gone"))
    sync = start_sync(database, localstripe, ["customer", "product", "plan", "coupon"]).wait(20)
    price = {"amount": 900, "currency": "eur", "interval": "month", "product": {"name": "within a plan"}}
    odd = "10 % off/§"
    in_step_after(
        sync,
        localstripe,
        [
            ("customer", "create", None, {"name": "Ada ☃", "email": "ada@example.com", "metadata": {"n": 1}}),
            ("customer", "update", kept, {"description": "a & b = c", "metadata": {"plan": "gold"}}),
            ("customer", "delete", gone),
            ("product", "create", None, {"name": "thing", "active": False}),
            ("coupon", "create", None, {"id": odd, "duration": "once", "percent_off": 12.5}),
            ("plan", "create", None, price),
        ],
    )
    [ada] = [each for each in localstripe.objects("customer").values() if each["name"] == "Ada ☃"]
    assert (ada["email"], ada["metadata"]) == ("ada@example.com", {"n": "1"})
    assert localstripe.objects("customer")[kept]["metadata"] == {"plan": "gold"}
    assert gone not in localstripe.objects("customer")
    assert localstripe.objects("coupon")[odd]["percent_off"] == 12.5
    [plan] = localstripe.objects("plan").values()
    assert (plan["amount"], plan["name"]) == (900, "within a plan")
    # A key that it has been sent is lost on it, and none was sent twice.
    keys = [dict(each.ask.headers).get("idempotency-key") for each in localstripe.written()]
    assert len({key for key in keys if key}) == len([key for key in keys if key]) >= 5


def test_what_is_asked_of_the_mock_is_done(database: Database, mock: StatefulMock) -> None:
    known = mock.create("/v1/customers", email="known@example.com")
    sync = start_sync(database, mock, ["customer", "price", "product", "tax_rate", "charge"]).wait(20)
    in_step_after(
        sync,
        mock,
        [
            ("customer", "create", None, {"email": "ada@example.com", "metadata": {"n": 1, "yes": True}}),
            ("customer", "update", known, {"description": "changed", "address": {"city": "Köln"}}),
            ("tax_rate", "create", None, {"display_name": "VAT", "inclusive": True, "percentage": 12.5}),
            ("charge", "create", None, {"amount": 900, "currency": "usd", "source": "tok_visa"}),
        ],
    )
    found = {each["email"]: each for each in mock.objects("customer").values()}
    assert found["ada@example.com"]["metadata"] == {"n": "1", "yes": "true"}
    assert found["known@example.com"]["description"] == "changed"
    [charge] = mock.objects("charge").values()
    assert charge["amount"] == 900


@pytest.mark.parametrize(
    ("collection", "data", "code", "says"),
    [
        ("charge", {"amount": 5, "currency": "usd", "source": "tok_visa"}, "amount_too_small", "at least 50"),
        ("plan", {"amount": 5}, "parameter_missing", "currency"),
        (
            "charge",
            {"amount": 900, "currency": "usd", "source": "tok_chargeDeclined"},
            "card_declined",
            "declined",
        ),
    ],
)
def test_what_the_mock_refuses_has_its_words(
    database: Database, mock: StatefulMock, collection: str, data: dict[str, Any], code: str, says: str
) -> None:
    start_sync(database, mock, ["charge", "plan"]).wait(20)
    refused = reached(database, mutate(database, collection, "create", data=data), "failed")
    assert refused.error_code == code
    assert says in refused.error
    assert refused.response["error"]["code"] == code
    assert len(mock.written()) == 1


def test_what_the_mock_has_done_is_not_done_again(database: Database, mock: StatefulMock) -> None:
    """It knows keys: the answer is lost on its way, and what was asked is asked again under the same one."""
    sync = start_sync(database, mock, ["customer"]).wait(20)
    mock.lose_answers(2)
    done = reached(database, mutate(database, "customer", "create", data={"email": "ada@example.com"}))
    assert {dict(each.ask.headers)["idempotency-key"] for each in mock.written()} == {str(done.id)}
    assert len(mock.written()) == 3
    assert len(mock.objects("customer")) == 1
    sync.converge()
