"""What the shop has: each collection's type, and the connection or list that shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Collection:
    """Objects of one type.

    path: the field of the query root that lists them, or `parent's path.field`; `*` is any owner's.
    scope: the resource that an access scope names: `read_…` shows it, `write_…` changes it.
    subject: the type under which `events` tells of it. deletion: the one of `deletionEvents`.
    label: the member that a random change changes; empty where there is none.
    own: made by the shop itself, and not by who asks for one.
    """

    name: str
    type: str
    path: str
    count: int
    parent: str | None = None
    scope: str = ""
    subject: str = ""
    deletion: str = ""
    label: str = ""
    deletable: bool = True
    own: bool = False

    @property
    def field(self) -> str:
        return self.path.rpartition(".")[2]


ANY = "*"
"""The parent of what hangs on objects of several types."""

# fmt: off
# In the order in which they are filled: what an object refers to comes first.
COLLECTIONS: tuple[Collection, ...] = (
    Collection("location", "Location", "locations", 3, scope="locations", label="name", deletable=False),
    Collection("customer", "Customer", "customers", 120, scope="customers", subject="CUSTOMER", label="note"),
    Collection("product", "Product", "products", 80, scope="products", subject="PRODUCT", deletion="PRODUCT",
        label="title"),
    Collection("product_variant", "ProductVariant", "productVariants", 4, "product", "products",
        "PRODUCT_VARIANT", label="barcode"),
    Collection("inventory_item", "InventoryItem", "inventoryItems", 0, scope="inventory", label="sku",
        deletable=False, own=True),
    Collection("inventory_level", "InventoryLevel", "inventoryItems.inventoryLevels", 0, "inventory_item",
        "inventory", label="deactivationAlert", deletable=False, own=True),
    Collection("collection", "Collection", "collections", 15, scope="products", subject="COLLECTION",
        deletion="COLLECTION", label="title"),
    Collection("order", "Order", "orders", 150, scope="orders", subject="ORDER", label="note"),
    Collection("line_item", "LineItem", "orders.lineItems", 4, "order", "orders", label="sku"),
    Collection("transaction", "OrderTransaction", "orders.transactions", 2, "order", "orders",
        label="authorizationCode", deletable=False),
    Collection("fulfillment", "Fulfillment", "orders.fulfillments", 2, "order", "fulfillments", label="name",
        deletable=False),
    Collection("refund", "Refund", "orders.refunds", 1, "order", "orders", label="note", deletable=False),
    Collection("return", "Return", "orders.returns", 1, "order", "returns", label="name", deletable=False),
    Collection("fulfillment_order", "FulfillmentOrder", "fulfillmentOrders", 1, "order",
        "merchant_managed_fulfillment_orders", label="fulfillBy", deletable=False),
    Collection("draft_order", "DraftOrder", "draftOrders", 30, scope="draft_orders", subject="DRAFT_ORDER",
        label="note2"),
    Collection("discount", "DiscountNode", "discountNodes", 20, scope="discounts", subject="DISCOUNT_NODE"),
    Collection("price_list", "PriceList", "priceLists", 5, scope="products", label="name"),
    Collection("gift_card", "GiftCard", "giftCards", 15, scope="gift_cards", label="note", deletable=False),
    Collection("metaobject_definition", "MetaobjectDefinition", "metaobjectDefinitions", 2,
        scope="metaobject_definitions", label="name"),
    Collection("metaobject", "Metaobject", "metaobjectDefinitions.metaobjects", 12, "metaobject_definition",
        "metaobjects", label="displayName"),
    Collection("abandoned_checkout", "AbandonedCheckout", "abandonedCheckouts", 20, scope="orders",
        label="note"),
    Collection("company", "Company", "companies", 10, scope="companies", subject="COMPANY", label="note"),
    Collection("company_location", "CompanyLocation", "companyLocations", 2, "company", "companies",
        "COMPANY_LOCATION", label="note"),
    Collection("market", "Market", "markets", 3, scope="markets", label="name"),
    Collection("publication", "Publication", "publications", 3, scope="publications"),
    Collection("page", "Page", "pages", 10, scope="content", subject="PAGE", label="title"),
    Collection("blog", "Blog", "blogs", 3, scope="content", subject="BLOG", label="title"),
    Collection("article", "Article", "articles", 6, "blog", "content", "ARTICLE", label="title"),
    Collection("comment", "Comment", "comments", 2, "article", "content", "COMMENT", label="body"),
    Collection("url_redirect", "UrlRedirect", "urlRedirects", 8, scope="online_store_navigation",
        label="target"),
    Collection("segment", "Segment", "segments", 4, scope="customers", label="name"),
    Collection("selling_plan_group", "SellingPlanGroup", "sellingPlanGroups", 4, scope="products",
        label="name"),
    Collection("menu", "Menu", "menus", 3, scope="online_store_navigation", label="title"),
    Collection("theme", "OnlineStoreTheme", "themes", 3, scope="themes", label="name"),
    Collection("metafield", "Metafield", "*.metafields", 2, ANY, label="value"),
    Collection("event", "BasicEvent", "events", 0, deletable=False, own=True),
    Collection("deletion_event", "DeletionEvent", "deletionEvents", 0, scope="products", deletable=False,
        own=True),
)
# fmt: on
BY_NAME = {each.name: each for each in COLLECTIONS}
BY_TYPE = {each.type: each for each in COLLECTIONS}
ROOTS = {each.path: each for each in COLLECTIONS if "." not in each.path} | {
    "metaobjects": BY_NAME["metaobject"]
}
"""Fields of the query root that list a collection."""
NESTED: dict[tuple[str, str], Collection] = {
    (BY_NAME[each.parent].type, each.field): each
    for each in COLLECTIONS
    if each.parent and each.parent != ANY
} | {
    ("Product", "variants"): BY_NAME["product_variant"],
    ("Order", "fulfillmentOrders"): BY_NAME["fulfillment_order"],
    ("Company", "locations"): BY_NAME["company_location"],
    ("Article", "comments"): BY_NAME["comment"],
}
"""(type, field) → what the parent's field lists."""
REFERRING: dict[tuple[str, str], tuple[str, str]] = {
    ("Customer", "orders"): ("order", "customer"),
    ("Location", "inventoryLevels"): ("inventory_level", "location"),
}
"""(type, field) → the collection that it lists, and the member of that by which its objects refer to it."""
OWNERS = ("customer", "product", "product_variant", "collection", "order", "company", "location")
"""Whose metafields are made up to start with."""


def find(name: str) -> Collection:
    """By name, type or path. Raises KeyError with what there is."""
    for each in COLLECTIONS:
        if name in (each.name, each.type, each.path):
            return each
    raise KeyError(f"Shopify has no collection {name!r}; there are {', '.join(BY_NAME)}")


def gid(type: str, number: int | str) -> str:
    return f"gid://shopify/{type}/{number}"


def of_gid(id: str) -> tuple[Collection | None, int]:
    """The collection and the number that a global id names; (None, 0) for what is none."""
    head, _, tail = id.removeprefix("gid://shopify/").partition("/")
    number = tail.partition("?")[0]
    if not id.startswith("gid://shopify/") or not number.isdecimal():
        return None, 0
    return BY_TYPE.get(head), int(number)
