"""Shopify: queries whose costs are known beforehand, on real workers, against the fake."""

from collections.abc import Iterator

import psycopg
import pytest
from fake.shopify.tokens import CLIENT
from harness import Database, Fake, eventually
from harness.fake import declaration
from harness.shopify import Shop, sync_shop, with_shopify
from harness.sync import GENEROUS
from psycopg.types.json import Jsonb

COLLECTIONS = [each["name"] for each in declaration("shopify")["collections"]]
# Deletions are looked at each half minute.
PATIENCE = 90


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop with one location and nothing else, and no limits."""
    with Fake("--empty", "--no-limits", *with_shopify()) as fake:
        shop = Shop(fake)
        shop.create("location", name="Zürich")
        yield shop


def read_anew(database: Database) -> None:
    """Has everything compared with what the API lists, as each day."""
    database.sql("SELECT sequin.pause_sync('main')")
    database.sql("UPDATE sequin._sync_collections SET swept_at = swept_at - interval '1 week'")
    database.sql("SELECT sequin.resume_sync('main')")


def test_a_shop_with_all_that_is_in_it(database: Database) -> None:
    with Fake("--seed", "6", "--no-limits", *with_shopify()) as fake:
        shop = Shop(fake)
        sync = sync_shop(database, shop, *COLLECTIONS).wait(120)
        sync.converge(60)
        assert sync.count() > 2000
        changed = ["order", "customer", "product", "product_variant", "draft_order", "company", "discount",
                   "gift_card", "line_item", "refund", "inventory_level", "metaobject"]  # fmt: skip
        shop.mutate_random(80, 1, changed, {"create": 2, "update": 5})
        sync.converge(PATIENCE)
        shop.mutate_random(60, 2, changed, {"update": 2, "delete": 1})
        # What goes with a product or an order is found by comparing.
        read_anew(database)
        sync.converge(PATIENCE)
        assert not database.sql("SELECT reason FROM sequin.rejected_records")
        assert database.value("SELECT health FROM sequin.status WHERE sync = 'main'") == "healthy"


def test_changes_come_in_their_order_and_from_where_the_last_look_ended(
    database: Database, shop: Shop
) -> None:
    shop.seed(customer=250, product=60)
    sync = sync_shop(database, shop, "customer", "product", "product_variant").wait()
    sync.converge()
    # More than a page has, in one second.
    shop.update("customer", *shop.ids("customer")[:230], note="imported")
    shop.update("product", shop.ids("product")[0], title="changed")
    shop.create("customer", count=7)
    sync.converge()
    gone = shop.ids("product")[1]
    shop.delete("product", gone)
    sync.converge(PATIENCE)
    assert sync.records("product")[gone].deleted


def test_what_an_order_contains_comes_with_it_and_what_is_too_much_behind_it(
    database: Database, shop: Shop
) -> None:
    [order] = shop.create("order")
    shop.create("order", count=12)
    shop.create("line_item", parent=order, count=75)
    shop.create("transaction", parent=order, count=3)
    sync = sync_shop(database, shop, "order", "line_item", "transaction", "fulfillment", "refund", "return")
    sync.wait().converge()
    assert {row.parent_id for row in sync.records("line_item").values()} == {order}
    shop.create("refund", parent=order)
    shop.create("fulfillment", parent=shop.ids("order")[3])
    shop.update("line_item", shop.ids("line_item")[70], sku="changed")
    sync.converge(PATIENCE)


def test_inventory_is_looked_at_by_location(database: Database, shop: Shop) -> None:
    shop.create("location")
    shop.create("product", count=5)
    shop.create("product_variant", count=9)
    sync = sync_shop(database, shop, "inventory_item", "inventory_level", "location").wait()
    sync.converge()
    shop.update("inventory_level", shop.ids("inventory_level")[4], deactivationAlert="sold out")
    sync.converge(PATIENCE)


def test_a_metafield_leaves_no_trace_and_is_found_by_comparing(database: Database, shop: Shop) -> None:
    owners = shop.create("product", count=3)
    for owner in owners:
        shop.create("metafield", parent=owner, count=30)
    sync = sync_shop(database, shop, "product_metafield").wait()
    sync.converge()
    first, second = shop.ids("metafield")[:2]
    shop.update("metafield", first, event=False, value="changed")
    shop.delete("metafield", second, event=False)
    read_anew(database)
    sync.converge(PATIENCE)
    assert sync.records("product_metafield")[second].deleted


def test_points_are_never_used_up(database: Database) -> None:
    """Promise 7, where requests cost points."""
    sizes = ("--shopify-order", "60", "--shopify-customer", "300", "--shopify-product", "100")
    with Fake("--seed", "3", *sizes, *with_shopify()) as fake:
        shop = Shop(fake)
        shop.configure(cost={"maximum": 2000, "restore_rate": 400, "single": 1000})
        fake.set_latency(50, 100)
        sync = sync_shop(
            database, shop, "order", "line_item", "transaction", "customer", "product", "product_variant",
            rate_limit=None,
        )  # fmt: skip
        sync.wait(120).converge(60)
        shop.mutate_random(40, 1, ["order", "customer", "product"], {"create": 1, "update": 3})
        sync.converge(PATIENCE)
        assert shop.configure()["throttled"] == 0
        # There is more than one under way once it is known how many points there are.
        open_at_once = max(
            sum(other.received < each.received < (other.answered or 0) for other in shop.requests())
            for each in shop.requests()
        )
        assert open_at_once >= 1


def test_others_use_the_points_up(database: Database, shop: Shop) -> None:
    shop.seed(customer=120)
    shop.fault("rate_limit", retry_after=2, match={"times": 3})
    sync = sync_shop(database, shop, "customer").wait()
    sync.converge(60)
    assert database.value("SELECT health FROM sequin.status WHERE sync = 'main'") == "healthy"


def test_failures_with_a_good_status_are_failures(database: Database, shop: Shop) -> None:
    shop.seed(customer=250)
    shop.fault("status", status=200, match={"times": 2})
    shop.fault("cut", at=0.5, match={"times": 1})
    sync_shop(database, shop, "customer").wait().converge(60)


def test_a_scope_that_is_missing_stops_what_needs_it(database: Database, shop: Shop) -> None:
    [customer] = shop.create("customer")
    shop.create("order", customer={"id": customer})
    shop.create("product", count=3)
    scopes = ["read_orders", "read_all_orders", "read_products", "read_inventory"]
    shop.configure(tokens={shop.api_key: {"scopes": scopes}})
    sync = sync_shop(database, shop, "order", "product", "customer")
    eventually(lambda: len(sync.live("product")) == 3, 30, what=database.status)
    for name in ("customer", "order"):
        eventually(lambda name=name: sync.health(name) == "failing", 30, what=database.status)
    # Half of an order is none: its customer would seem to be nobody.
    assert not sync.live("order") and sync.health("product") == "healthy"
    assert "read_customers" in database.status()


def test_tokens_that_expire_are_renewed(database: Database, shop: Shop) -> None:
    shop.configure(issue_refresh_token="shprt_first", lifetime=20)
    shop.create("product", count=3)
    given = {**CLIENT, "kind": "oauth", "refresh_token": "shprt_first", "base_url": shop.url}
    database.sql("SELECT sequin.create_credential('upstream', 'shopify', %s)", Jsonb(given))
    sync = sync_shop(database, shop, "product", rate_limit=GENEROUS).wait()
    sync.converge()
    eventually(lambda: shop.configure()["granted"] >= 3, 60, what=database.status)
    shop.update("product", shop.ids("product")[0], title="changed")
    sync.converge()
    assert not [each for each in shop.requests() if each.status == 401]


def test_an_app_of_ones_own_needs_no_refresh_token(database: Database, shop: Shop) -> None:
    shop.create("product", count=3)
    given = {**CLIENT, "kind": "client_credentials", "base_url": shop.url}
    database.sql("SELECT sequin.create_credential('upstream', 'shopify', %s)", Jsonb(given))
    sync_shop(database, shop, "product").wait().converge()
    found = database.value("SELECT sequin.check_credential('upstream')")
    assert found["account"] == "fake.myshopify.com"


def test_a_credential_says_which_shop_it_is_for(database: Database) -> None:
    given = Jsonb({"kind": "token", "token": "shpat_fake"})
    with pytest.raises(psycopg.Error, match="needs a base_url") as refused:
        database.sql("SELECT sequin.create_credential('upstream', 'shopify', %s)", given)
    assert "myshopify.com" in (refused.value.diag.message_hint or "")


def test_a_view_has_columns_with_types(database: Database, shop: Shop) -> None:
    shop.create("order", count=3)
    sync_shop(database, shop, "order").wait().converge()
    database.sql("SELECT sequin.create_view('shopify:order')")
    columns = dict(
        database.sql(
            """SELECT column_name, data_type FROM information_schema.columns
               WHERE table_schema = 'shopify' AND table_name = 'order'
               AND column_name IN ('total_price', 'created_at', 'fully_paid')"""
        )
    )
    assert columns == {
        "total_price": "numeric",
        "created_at": "timestamp with time zone",
        "fully_paid": "boolean",
    }
