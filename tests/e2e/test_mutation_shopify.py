"""Changes of many kinds made at Shopify: what it refuses it says with a good status."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from harness import Database, Fake
from harness.fake import declaration
from harness.mutations import failing, mutate, reached, record_at
from harness.shopify import Shop, sync_shop, with_shopify

# Collection → what its creation needs. Each names only what was made before: `$order` stands for its id.
NEEDED: dict[str, dict[str, Any]] = {
    "location": {"name": "Zürich", "address": {"countryCode": "CH", "city": "Zürich"}},
    "customer": {"firstName": "Ada", "email": "ada@example.com"},
    "product": {"title": "thing"},
    "product_variant": {
        "productId": "$product",
        "variant": {"price": "12.50", "optionValues": [{"optionName": "Title", "name": "large"}]},
    },
    "collection": {"title": "things"},
    "draft_order": {"lineItems": [{"title": "thing", "quantity": 2, "originalUnitPrice": "5.00"}]},
    "company": {"company": {"name": "Lovelace & fils"}},
    "company_location": {"companyId": "$company", "input": {"name": "Paris"}},
    "page": {"title": "About"},
    "blog": {"title": "News"},
    "article": {"blogId": "$blog", "title": "Hello", "author": {"name": "Ada"}},
    "url_redirect": {"path": "/old", "target": "/new"},
    "segment": {"name": "regulars", "query": "number_of_orders > 5"},
    "price_list": {"name": "Switzerland", "currency": "CHF",
                   "parent": {"adjustment": {"type": "PERCENTAGE_DECREASE", "value": 10.0}}},
    "gift_card": {"initialValue": "50.00", "note": "for Ada"},
    "market": {"name": "Alps"},
    "metaobject_definition": {"type": "author", "name": "Author",
                              "fieldDefinitions": [{"key": "title", "type": "single_line_text_field"}]},
    "metaobject": {"type": "author", "handle": "ada", "fields": [{"key": "title", "value": "Ada"}]},
}  # fmt: skip
# Collection → what is changed, and the field that shows it.
CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    **dict.fromkeys(
        ("location", "company_location", "price_list", "segment", "metaobject_definition", "market"),
        ({"name": "changed"}, "name"),
    ),
    **dict.fromkeys(("product", "collection", "page", "blog", "article"), ({"title": "changed"}, "title")),
    "product_variant": ({"productId": "$product", "variant": {"barcode": "changed"}}, "barcode"),
    "customer": ({"note": "changed"}, "note"),
    "draft_order": ({"note": "changed"}, "note2"),
    "company": ({"note": "changed"}, "note"),
    "gift_card": ({"note": "changed"}, "note"),
    "url_redirect": ({"target": "/newer"}, "target"),
    "metaobject": ({"fields": [{"key": "title", "value": "changed"}]}, "displayName"),
    "order": ({"note": "changed"}, "note"),
    "inventory_item": ({"sku": "changed"}, "sku"),
}  # fmt: skip
# Collection → what its deletion needs.
LEFT = {"product_variant": {"productId": "$product"}}

CREATION = '"operationName":"create"'
UPDATE = '"operationName":"update"'
DELETION = '"operationName":"delete"'
ONE = '"operationName":"one"'


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Fake("--empty", "--no-limits", *with_shopify()) as fake:
        yield Shop(fake)


def filled(value: Any, made: dict[str, str]) -> Any:
    match value:
        case dict():
            return {name: filled(below, made) for name, below in value.items()}
        case list():
            return [filled(below, made) for below in value]
        case str() if value.startswith("$"):
            return made[value[1:]]
    return value


def operations(shop: Shop, name: str) -> int:
    """How often a change of this name was asked for."""
    return sum(f'"operationName":"{name}"' in each.body for each in shop.requests())


def writes(name: str) -> dict[str, Any]:
    return next(each for each in declaration("shopify")["collections"] if each["name"] == name)["writes"]


def test_objects_of_each_kind_are_made_changed_and_deleted(database: Database, shop: Shop) -> None:
    made = {"order": shop.create("order")[0]}
    shop.create("product_variant", parent=shop.create("product")[0])
    made["inventory_item"] = shop.ids("inventory_item")[0]
    sync = sync_shop(database, shop, *NEEDED, "order", "inventory_item").wait(60)
    for name, data in NEEDED.items():
        done = reached(database, mutate(database, name, "create", data=filled(data, made)))
        made[name] = done.upstream_id
        assert record_at(database, done.updated_idx).data["id"] == done.upstream_id
    assert sync.records("metaobject")[made["metaobject"]].parent_id == made["metaobject_definition"]
    for name, (data, field) in CHANGED.items():
        done = reached(database, mutate(database, name, "update", made[name], filled(data, made)))
        shown = record_at(database, done.updated_idx).data[field]
        assert shown == shop.objects(name)[made[name]][field] and shown in ("changed", "/newer"), name
    sync.converge()
    for name in reversed([name for name in made if "delete" in writes(name)]):
        reached(database, mutate(database, name, "delete", made[name], filled(LEFT.get(name), made)))
        assert made[name] not in shop.objects(name), name
        assert sync.records(name)[made[name]].deleted
    # What goes with a product is found by comparing.
    sync.collections.remove("inventory_item")
    sync.converge(60)


def test_what_hangs_on_something_is_set(database: Database, shop: Shop) -> None:
    [product] = shop.create("product")
    shop.create("metaobject_definition", type="author")
    sync = sync_shop(database, shop, "product", "product_metafield", "metaobject_definition", "metaobject")
    sync.wait()
    given = {"namespace": "custom", "key": "colour", "type": "single_line_text_field"}

    def colour(value: str) -> Any:
        data = {**given, "value": value}
        return reached(
            database, mutate(database, "product_metafield", "upsert", data=data, parent_id=product)
        )

    first, second = colour("red"), colour("blue")
    assert first.upstream_id == second.upstream_id
    record = record_at(database, second.updated_idx)
    assert (record.data["value"], record.parent_id) == ("blue", product)
    entry = {
        "handle": {"type": "author", "handle": "ada"},
        "metaobject": {"fields": [{"key": "title", "value": "Ada"}]},
    }
    ids = {
        reached(database, mutate(database, "metaobject", "upsert", data=entry)).upstream_id for _ in range(2)
    }
    assert len(ids) == 1
    sync.converge()


# What is wrong with the data


@pytest.mark.parametrize(
    ("collection", "action", "upstream_id", "data", "code", "words"),
    [
        ("product", "create", None, {"title": " "}, None, "Title can't be blank"),
        ("product", "update", "gid://shopify/Product/1", {"title": "x"}, None, "does not exist"),
        ("company", "create", None, {"company": {"name": ""}}, "BLANK", "Name can't be blank"),
        ("customer", "create", None, {}, None, "must be present"),
        # What the schema doesn't know is refused before anything is done.
        ("product", "create", None, {"colour": "red"}, "INVALID_VARIABLE", "colour"),
        ("draft_order", "create", None, {"lineItems": 7}, "INVALID_VARIABLE", "lineItems"),
    ],
)
def test_a_refusal_is_final_and_has_the_words_of_the_api(
    database: Database, shop: Shop, collection: str, action: str, upstream_id: str | None,
    data: dict[str, Any], code: str | None, words: str,
) -> None:  # fmt: skip
    sync = sync_shop(database, shop, "product", "company", "customer", "draft_order").wait()
    refused = reached(database, mutate(database, collection, action, upstream_id, data), "failed")
    assert (refused.status, refused.error_code, refused.attempts) == (200, code, 1)
    assert words in refused.error and words in str(refused.response)
    assert refused.updated_idx is None and sync.health(collection) == "healthy"
    # It is in nobody's way.
    reached(database, mutate(database, "product", "create", data={"title": "thing"}))
    sync.converge()


def test_a_deletion_of_what_is_gone_is_done(database: Database, shop: Shop) -> None:
    [product] = shop.create("product")
    sync = sync_shop(database, shop, "product").wait()
    shop.delete("product", product, event=False)
    reached(database, mutate(database, "product", "delete", product))
    assert sync.records("product")[product].deleted


def test_a_scope_for_writing_is_missing(database: Database, shop: Shop) -> None:
    shop.configure(tokens={shop.api_key: {"scopes": ["read_products"]}})
    sync_shop(database, shop, "product").wait()
    refused = reached(database, mutate(database, "product", "create", data={"title": "x"}), "failed")
    assert refused.error_class == "permission" and "write_products" in refused.error


# Once


def test_a_refund_is_made_once_however_often_it_is_asked_for(database: Database, shop: Shop) -> None:
    [order] = shop.create("order")
    sync = sync_shop(database, shop, "order", "refund").wait()
    # It is done, and the answer is lost.
    shop.fault("drop", match={"body": CREATION, "times": 1})
    id = mutate(database, "refund", "create", data={"note": str(uuid4())}, parent_id=order)
    done = reached(database, id, timeout=60)
    assert operations(shop, "create") == 2 and done.attempts == 2
    assert len(shop.objects("refund")) == 1
    assert record_at(database, done.updated_idx).parent_id == order
    sync.converge(60)


def test_what_has_no_key_is_uncertain_when_its_answer_is_lost(database: Database, shop: Shop) -> None:
    sync = sync_shop(database, shop, "page").wait()
    shop.fault("drop", match={"body": CREATION, "times": 1})
    id = mutate(database, "page", "create", data={"title": "About"})
    reached(database, id, "uncertain", timeout=60)
    assert len(shop.objects("page")) == 1 and operations(shop, "create") == 1
    sync.converge(60)
    database.sql("SELECT sequin.dismiss_mutation(%s)", id)


def test_what_was_done_is_seen_when_its_answer_is_lost(database: Database, shop: Shop) -> None:
    pages = shop.create("page", 2)
    sync = sync_shop(database, shop, "page").wait()
    shop.fault("drop", match={"body": UPDATE, "times": 1})
    shop.fault("drop", match={"body": DELETION, "times": 1})
    update = mutate(database, "page", "update", pages[0], {"title": "changed"})
    delete = mutate(database, "page", "delete", pages[1])
    done = reached(database, update, timeout=60)
    assert record_at(database, done.updated_idx).data["title"] == "changed"
    reached(database, delete, timeout=60)
    assert sync.records("page")[pages[1]].deleted
    assert (operations(shop, "update"), operations(shop, "delete")) == (1, 1)
    sync.converge(60)


def test_what_an_object_shows_otherwise_is_not_taken_for_done(database: Database, shop: Shop) -> None:
    [draft] = shop.create("draft_order", note2="before")
    sync_shop(database, shop, "draft_order").wait()
    shop.fault("status", status=200, match={"body": UPDATE, "times": 1})
    reached(database, mutate(database, "draft_order", "update", draft, {"note": ""}), timeout=60)
    assert shop.objects("draft_order")[draft]["note2"] == "" and operations(shop, "update") == 2


def test_what_others_have_used_up_is_waited_for(database: Database, shop: Shop) -> None:
    sync_shop(database, shop, "page").wait()
    shop.fault("rate_limit", retry_after=1, match={"body": CREATION, "times": 1})
    id = mutate(database, "page", "create", data={"title": "About"})
    done = reached(database, id, timeout=60)
    assert len(shop.objects("page")) == 1 and done.upstream_id in shop.objects("page")


def test_a_failure_of_shopifys_own_is_no_refusal(database: Database, shop: Shop) -> None:
    [page] = shop.create("page")
    sync_shop(database, shop, "page").wait()
    shop.fault("status", status=200, match={"body": UPDATE, "times": 1})
    # Nor can it be looked for at first.
    shop.fault("status", status=200, match={"body": ONE, "times": 1})
    id = mutate(database, "page", "update", page, {"title": "changed"})
    failing(database, id)
    reached(database, id, timeout=60)
    assert shop.objects("page")[page]["title"] == "changed"
    assert operations(shop, "update") == 2
