"""Objects of many kinds, made, changed and deleted at the fake, which knows what Stripe needs for each."""

from typing import Any

from harness import Database, Upstream
from harness.mutations import mutate, reached, record_at
from harness.sync import start_sync

# Collection → what its creation needs. Each names only what was made before: `$customer` stands for its id.
NEEDED: dict[str, dict[str, Any]] = {
    "customer": {"name": "Ada"},
    "product": {"name": "thing"},
    "price": {"currency": "eur", "unit_amount": 900, "product": "$product",
              "recurring": {"interval": "month"}},
    "plan": {"currency": "eur", "amount": 900, "interval": "month", "product": "$product"},
    "coupon": {"percent_off": 12.5, "duration": "once"},
    "promotion_code": {"coupon": "$coupon"},
    "tax_rate": {"display_name": "VAT", "inclusive": False, "percentage": 19},
    "shipping_rate": {"display_name": "by air", "type": "fixed_amount",
                      "fixed_amount": {"amount": 500, "currency": "eur"}},
    "subscription": {"customer": "$customer", "items": [{"price": "$price", "quantity": 2}]},
    "subscription_item": {"subscription": "$subscription", "price": "$price", "quantity": 3},
    "invoice": {"customer": "$customer", "auto_advance": False},
    "invoice_item": {"customer": "$customer", "amount": 100, "currency": "eur"},
    "payment_intent": {"amount": 2000, "currency": "eur", "payment_method_types": ["card"]},
    "setup_intent": {"customer": "$customer", "usage": "off_session"},
    "charge": {"amount": 900, "currency": "eur", "source": "tok_visa"},
    "refund": {"charge": "$charge", "amount": 100},
    "payment_link": {"line_items": [{"price": "$price", "quantity": 1}]},
    "webhook_endpoint": {"url": "https://example.com/hook", "enabled_events": ["charge.failed"]},
}  # fmt: skip
DELETABLE = ("webhook_endpoint", "invoice_item", "coupon", "subscription_item", "subscription", "customer")


def filled(value: Any, made: dict[str, str]) -> Any:
    match value:
        case dict():
            return {name: filled(below, made) for name, below in value.items()}
        case list():
            return [filled(below, made) for below in value]
        case str() if value.startswith("$"):
            return made[value[1:]]
    return value


def test_objects_of_each_kind_are_made_changed_and_deleted(database: Database, stripe: Upstream) -> None:
    sync = start_sync(database, stripe, list(NEEDED)).wait(60)
    made: dict[str, str] = {}
    for collection, data in NEEDED.items():
        done = reached(database, mutate(database, collection, "create", data=filled(data, made)))
        made[collection] = done.upstream_id
        assert record_at(database, done.updated_idx).data["id"] == done.upstream_id
    for collection, key in made.items():
        changed = {"metadata": {"changed": "yes"}}
        reached(database, mutate(database, collection, "update", key, changed))
        assert stripe.objects(collection)[key]["metadata"]["changed"] == "yes", collection
    sync.converge()
    # Another item than the subscription's last one can be deleted.
    for collection in DELETABLE:
        reached(database, mutate(database, collection, "delete", made[collection]))
        assert collection == "subscription" or made[collection] not in stripe.objects(collection)
    assert stripe.objects("subscription")[made["subscription"]]["status"] == "canceled"
    sync.converge()
