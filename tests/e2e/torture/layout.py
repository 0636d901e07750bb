"""The account, the syncs and the consumers: each way in which the engine notices changes is among them."""

from dataclasses import dataclass
from typing import Any

from harness.fake import declaration

from .world import Consumer, World

# Each is told of by an event, of itself or of the object that shows it.
TOLD = (
    "charge",
    "coupon",
    "customer",
    "invoice",
    "invoice_line_item",
    "price",
    "product",
    "refund",
    "subscription",
    "subscription_item",
)
# Each is told of by an event of the customer only.
OF_CUSTOMER = ("customer_source", "customer_balance_transaction")
# New ones are looked for, and no event tells of any.
POLLED = ("balance_transaction",)
# Only a sweep finds all that happens to these. Objects of the first three can be deleted by themselves.
SWEPT = (
    "webhook_endpoint",
    "product_feature",
    "radar_value_list_item",
    "radar_value_list",
    "entitlement_feature",
)

OBJECTS = {
    "balance_transaction": 150,
    "charge": 700,
    "coupon": 6,
    "customer": 30,
    "customer_balance_transaction": 30,
    "customer_source": 30,
    "entitlement_feature": 8,
    "invoice": 50,
    "invoice_line_item": 90,
    "price": 25,
    "product": 20,
    "product_feature": 30,
    "radar_value_list": 5,
    "radar_value_list_item": 25,
    "refund": 30,
    "subscription": 25,
    "subscription_item": 30,
    "webhook_endpoint": 10,
}


@dataclass(frozen=True)
class Planned:
    """A sync. `collections` are there from the start, `later` ones are added."""

    stream: str
    credential: str
    rate_limit: dict[str, Any]
    collections: tuple[str, ...]
    later: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        return [*self.collections, *self.later]


SHARED = {"allowed_requests": 80, "interval": 1, "max_concurrent_requests": 8}
# So slow that a worker that has just been started could not know by itself how long ago the last request was.
SLOW = {"allowed_requests": 3, "interval": 3, "max_concurrent_requests": 1}

SYNCS = {
    "sales": Planned(
        "main",
        "shared",
        SHARED,
        ("customer", "price", "plan", "invoice", "invoice_line_item", "subscription", *OF_CUSTOMER),
        ("charge", "subscription_item", "refund"),
    ),
    "catalogue": Planned(
        "main", "shared", SHARED, ("product", "coupon", *POLLED, *SWEPT[:3]), ("customer", *SWEPT[3:])
    ),
    "aside": Planned("aside", "slow", SLOW, ("coupon",)),
}
CONSUMERS = {
    "everything": Consumer(2, {}),
    "some": Consumer(2, {"collection_id": ["stripe:customer", "stripe:invoice", "stripe:product"]}, 40),
    "of one sync": Consumer(1, {"sync": "catalogue"}),
}


def _declared() -> list[dict[str, Any]]:
    return declaration("stripe")["collections"]


def ways_of_notice() -> dict[str, set[str]]:
    """Of each declared collection: `object` and `parent_object` of a feed, `poll`, `sweep`."""
    return {each["name"]: set(each["changes"]) - {"feed", "lookback"} for each in _declared()}


def parent_places() -> dict[str, str]:
    """The member of its objects that names their parent, of each collection that has one."""
    parents = {each["name"]: each.get("parent", {}) for each in _declared()}
    return {name: parent["id_from"].strip("/") for name, parent in parents.items() if "id_from" in parent}


def check_coverage() -> None:
    """Every way of noticing changes that a declaration can name is among the collections."""
    ways = ways_of_notice()
    synced = {name for planned in SYNCS.values() for name in planned.all}
    missing = set().union(*ways.values()) - set().union(*(ways[name] for name in synced))
    assert not missing, f"no collection of the torture test is noticed by {missing}"


def populate(world: World) -> None:
    """Fills the account."""
    for collection, count in OBJECTS.items():
        if collection in ("customer", "product", "invoice", "subscription", "radar_value_list"):
            world.upstream.seed(**{collection: count})
    for collection, count in OBJECTS.items():
        if collection not in ("customer", "product", "invoice", "subscription", "radar_value_list"):
            world.upstream.seed(**{collection: count})
    # More than what the parent's own object shows.
    for parent, child in (("invoice", "invoice_line_item"), ("subscription", "subscription_item")):
        world.upstream.create(child, count=14, parent=world.upstream.ids(parent)[0], event=False)
