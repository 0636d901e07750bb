"""Makers of plausible objects, one function a collection, found by its name.

They say what matters of an object. Its other scalar fields get the plainest value of their type.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .catalog import gid
from .times import iso

if TYPE_CHECKING:
    from .shop import Shop

WORDS = (
    "apron", "basket", "candle", "doormat", "espresso cup", "façade paint", "grinder", "hammock", "kettle",
    "lamp", "naïve print", "pillow", "rug", "sofa", "teapot", "wörkbench", "茶壺", "🪑 chair",
)  # fmt: skip
FIRST = ("Ada", "Björn", "Chloé", "Dmitri", "Edsger", "Grace", "İbrahim", "Katherine", "Radia", "紫")
LAST = ("Codd", "Dijkstra", "Hopper", "Johnson", "Liskov", "Müller", "O'Neil", "Perlman", "Şahin", "式部")
CITIES = (("Ottawa", "Canada", "CA"), ("Zürich", "Switzerland", "CH"), ("Osaka", "Japan", "JP"))


class Maker:
    """One object in the making. `parent` is what the parent shows of itself, `data` what is fixed already."""

    __slots__ = ("created", "data", "number", "parent", "rng", "shop")

    def __init__(
        self,
        shop: Shop,
        rng: random.Random,
        number: int,
        created: int,
        parent: dict[str, Any],
        data: dict[str, Any],
    ) -> None:
        self.shop = shop
        self.rng = rng
        self.number = number
        self.created = created
        self.parent = parent
        self.data = data

    @property
    def when(self) -> str:
        return iso(self.created)

    def pick(self, values: Sequence[Any]) -> Any:
        return values[int(self.rng.random() * len(values))]

    def maybe(self, value: Any, probability: float = 0.5) -> Any:
        return value if self.rng.random() < probability else None

    def words(self, count: int = 2) -> str:
        return " ".join(self.pick(WORDS) for _ in range(count))

    def below(self, limit: int) -> int:
        return int(self.rng.random() * limit)

    def token(self, bits: int = 64) -> str:
        return f"{self.rng.getrandbits(bits):0{bits // 4}x}"

    def amount(self, most: int = 500) -> str:
        return f"{self.below(most * 100) / 100:.2f}"

    def tags(self) -> list[str]:
        return sorted({self.pick(("sale", "new", "vip", "b2b", "très chic")) for _ in range(self.below(3))})

    def some(self, collection: str) -> dict[str, str] | None:
        """A reference to any object of a collection; None while there is none."""
        items = self.shop.stores[collection].items
        return {"id": self.pick(items).id} if items else None

    def address(self) -> dict[str, Any]:
        city, country, code = self.pick(CITIES)
        return {
            "id": gid("MailingAddress", f"{self.number}?model_name=CustomerAddress"),
            "address1": f"{1 + self.below(99)} Rue de l'Église", "address2": None, "city": city,
            "country": country, "countryCode": code, "countryCodeV2": code, "zip": f"{self.below(99999):05}",
            "firstName": self.pick(FIRST), "lastName": self.pick(LAST), "formatted": [city, country],
        }  # fmt: skip


def money(amount: str, currency: str = "USD") -> dict[str, str]:
    """A MoneyV2: a text with as few digits behind the point as it needs, but one."""
    return {"amount": str(float(amount)), "currencyCode": currency}


def bag(amount: str) -> dict[str, Any]:
    return {"shopMoney": money(amount), "presentmentMoney": money(amount)}


def location(m: Maker) -> dict[str, Any]:
    city, country, code = m.pick(CITIES)
    return {
        "name": f"{city} {m.number % 1000}", "isActive": True, "fulfillsOnlineOrders": True,
        "shipsInventory": True, "hasActiveInventory": True,
        "address": {"city": city, "country": country, "countryCode": code, "formatted": [city, country]},
    }  # fmt: skip


def customer(m: Maker) -> dict[str, Any]:
    first, last = m.pick(FIRST), m.pick(LAST)
    email = f"c{m.number}@example.com"
    address = m.address()
    return {
        "firstName": first, "lastName": last, "displayName": f"{first} {last}", "email": email,
        "phone": m.maybe(f"+4179{m.below(10**7):07}"), "note": m.maybe(m.words()), "tags": m.tags(),
        "state": m.pick(("DISABLED", "ENABLED", "INVITED", "DECLINED")), "verifiedEmail": True,
        "numberOfOrders": str(m.below(9)), "locale": m.pick(("en", "fr-CA", "ja")), "validEmailAddress": True,
        "lifetimeDuration": "about 1 year", "amountSpent": money(m.amount(2000)),
        "defaultEmailAddress": {"emailAddress": email}, "defaultAddress": address, "addresses": [address],
    }  # fmt: skip


def product(m: Maker) -> dict[str, Any]:
    title = m.words()
    active = m.pick((True, True, True, False))
    return {
        "title": title, "handle": f"product-{m.number}", "vendor": m.pick(("Acme", "Œuvre & Co", "日本製")),
        "productType": m.pick(("furniture", "kitchen", "")), "status": "ACTIVE" if active else "DRAFT",
        "publishedAt": m.when if active else None, "tags": m.tags(), "totalInventory": m.below(100),
        "description": f"A {title}.", "descriptionHtml": f"<p>A <b>{title}</b>.</p>",
        "tracksInventory": True, "totalVariants": 1, "hasOnlyDefaultVariant": True,
        "bodyHtml": f"<p>A <b>{title}</b>.</p>", "storefrontId": gid("Product", m.number),
        "options": [{"name": "Title", "position": 1, "values": ["Default Title"],
                     "id": gid("ProductOption", m.number)}],
    }  # fmt: skip


def product_variant(m: Maker) -> dict[str, Any]:
    title = m.pick(("Default Title", "S", "M", "L / red"))
    price = m.amount()
    return {
        "title": title, "displayName": f"{m.parent['title']} - {title}", "price": price,
        "compareAtPrice": m.maybe(m.amount(900), 0.3), "sku": m.maybe(f"SKU-{m.number % 10**6}", 0.8),
        "barcode": None, "position": 1, "taxable": True, "inventoryPolicy": "DENY",
        "inventoryQuantity": m.below(40), "sellableOnlineQuantity": m.below(40), "availableForSale": True,
        "storefrontId": gid("ProductVariant", m.number), "product": {"id": m.parent["id"]},
        "selectedOptions": [{"name": "Title", "value": title}],
    }  # fmt: skip


def inventory_item(m: Maker) -> dict[str, Any]:
    return {
        "sku": m.data.get("sku"), "tracked": True, "requiresShipping": True,
        "countryCodeOfOrigin": m.maybe("CH", 0.3), "unitCost": money(m.amount(90)),
    }  # fmt: skip


def inventory_level(m: Maker) -> dict[str, Any]:
    available = m.below(40)
    return {
        "isActive": True, "canDeactivate": True, "item": {"id": m.parent["id"]},
        "quantities": [
            {"id": gid("InventoryQuantity", f"{m.number}?name={name}"), "name": name, "quantity": quantity,
             "updatedAt": m.when}
            for name, quantity in (("available", available), ("committed", 0), ("incoming", 0),
                                   ("on_hand", available), ("reserved", 0))
        ],
    }  # fmt: skip


def collection(m: Maker) -> dict[str, Any]:
    products = m.shop.stores["product"].items
    return {
        "title": m.words(1), "handle": f"collection-{m.number}", "sortOrder": "BEST_SELLING",
        "description": m.words(4), "descriptionHtml": f"<p>{m.words(3)}</p>",
        "storefrontId": gid("Collection", m.number),
        "products": sorted({m.pick(products).id for _ in range(m.below(9))}) if products else [],
    }  # fmt: skip


def order(m: Maker) -> dict[str, Any]:
    customer = m.data.get("customer", m.some("customer") if m.rng.random() < 0.8 else None)
    total, tax = m.amount(900), m.amount(50)
    number = m.shop.next_number("order")
    paid = m.pick((True, True, False))
    return {
        "name": f"#{number}", "number": number, "customer": customer, "email": f"o{m.number}@example.com",
        "processedAt": m.when, "confirmed": True, "currencyCode": "USD", "presentmentCurrencyCode": "USD",
        "displayFinancialStatus": "PAID" if paid else "PENDING", "displayFulfillmentStatus": "UNFULFILLED",
        "fullyPaid": paid, "unpaid": not paid, "confirmationNumber": m.token(32).upper(), "note": None,
        "tags": m.tags(), "totalPrice": total, "totalTax": tax, "subtotalPrice": total, "netPayment": total,
        "totalPriceSet": bag(total), "currentTotalPriceSet": bag(total), "totalTaxSet": bag(tax),
        "subtotalPriceSet": bag(total), "sourceName": m.pick(("web", "pos", "shopify_draft_order")),
        "statusPageUrl": f"https://fake.example/orders/{m.token()}", "returnStatus": "NO_RETURN",
        "requiresShipping": True, "refundable": True, "shippingAddress": m.address(),
        "customAttributes": [{"key": "gift", "value": m.pick(("yes", None))}],
    }  # fmt: skip


def line_item(m: Maker) -> dict[str, Any]:
    quantity, price, title = 1 + m.below(5), m.amount(), m.words()
    total = f"{quantity * float(price):.2f}"
    return {
        "name": title, "title": title, "quantity": quantity, "currentQuantity": quantity,
        "unfulfilledQuantity": quantity, "fulfillableQuantity": quantity, "refundableQuantity": quantity,
        "originalUnitPrice": price, "discountedUnitPrice": price, "originalTotal": total,
        "discountedTotal": total, "originalUnitPriceSet": bag(price), "originalTotalSet": bag(total),
        "discountedTotalSet": bag(total), "sku": m.maybe(f"SKU-{m.below(10**6)}"), "taxable": True,
        "fulfillmentStatus": "unfulfilled", "requiresShipping": True, "variant": m.some("product_variant"),
    }  # fmt: skip


def transaction(m: Maker) -> dict[str, Any]:
    amount = m.parent.get("totalPrice", "0.00")
    return {
        "kind": m.pick(("SALE", "AUTHORIZATION")), "status": "SUCCESS", "gateway": "bogus", "amount": amount,
        "amountSet": bag(amount), "formattedGateway": "Bogus", "processedAt": m.when, "test": True,
        "authorizationCode": m.token(32), "amountV2": money(amount),
    }  # fmt: skip


def fulfillment(m: Maker) -> dict[str, Any]:
    return {
        "name": f"{m.parent.get('name', '#')}-F1", "status": "SUCCESS", "displayStatus": "FULFILLED",
        "totalQuantity": 1 + m.below(5), "requiresShipping": True, "order": {"id": m.parent["id"]},
        "trackingInfo": [{"company": "La Poste", "number": m.token(32), "url": None}],
    }  # fmt: skip


def refund(m: Maker) -> dict[str, Any]:
    amount = m.amount(50)
    return {
        "note": m.maybe(m.words()), "processedAt": m.when, "order": {"id": m.parent["id"]},
        "totalRefunded": money(amount), "totalRefundedSet": bag(amount),
    }  # fmt: skip


def fulfillment_order(m: Maker) -> dict[str, Any]:
    return {
        "status": m.pick(("OPEN", "OPEN", "CLOSED")), "requestStatus": "UNSUBMITTED",
        "order": {"id": m.parent["id"]}, "orderId": m.parent["id"], "orderName": m.parent["name"],
        "orderProcessedAt": m.parent["processedAt"],
    }  # fmt: skip


def draft_order(m: Maker) -> dict[str, Any]:
    total = m.amount()
    return {
        "name": f"#D{m.shop.next_number('draft_order')}", "status": m.pick(("OPEN", "INVOICE_SENT")),
        "currencyCode": "USD", "presentmentCurrencyCode": "USD", "email": f"d{m.number}@example.com",
        "customer": m.some("customer"), "totalPrice": total, "subtotalPrice": total, "ready": True,
        "totalPriceSet": bag(total), "subtotalPriceSet": bag(total), "tags": m.tags(), "note2": None,
        "invoiceUrl": f"https://fake.example/invoices/{m.token()}", "totalQuantityOfLineItems": 1,
    }  # fmt: skip


def discount(m: Maker) -> dict[str, Any]:
    title = m.data.pop("title", None) or m.words(1)
    return {"discount": {
        "__typename": m.pick(("DiscountCodeBasic", "DiscountAutomaticBasic", "DiscountCodeFreeShipping")),
        "title": title, "status": "ACTIVE", "startsAt": m.when, "endsAt": None, "createdAt": m.when,
        "updatedAt": m.when, "summary": f"10% off {title}", "shortSummary": "10% off", "tags": [],
    }}  # fmt: skip


def price_list(m: Maker) -> dict[str, Any]:
    return {"name": f"{m.words(1)} {m.number % 1000}", "currency": m.pick(("CAD", "EUR", "JPY"))}


def gift_card(m: Maker) -> dict[str, Any]:
    code, value = m.token(64), m.amount(100)
    return {
        "enabled": True, "isRedeemable": True, "lastCharacters": code[-4:], "note": m.maybe(m.words()),
        "maskedCode": f"•••• •••• •••• {code[-4:]}", "expiresOn": m.maybe("2031-12-31"),
        "initialValue": money(value), "balance": money(value), "customer": m.some("customer"),
    }  # fmt: skip


def metaobject_definition(m: Maker) -> dict[str, Any]:
    type = m.data.get("type") or f"kind_{m.number % 10**6}"
    return {"type": type, "name": type.title(), "displayNameKey": "title"}


def metaobject(m: Maker) -> dict[str, Any]:
    title = m.words()
    return {
        "type": m.parent["type"], "handle": f"entry-{m.number}", "displayName": title,
        "definition": {"id": m.parent["id"]}, "values": {"title": title},
        "fields": [{"key": "title", "value": title, "type": "single_line_text_field", "jsonValue": title}],
    }  # fmt: skip


def abandoned_checkout(m: Maker) -> dict[str, Any]:
    total = m.amount()
    return {
        "name": f"#{m.number}", "note": m.words(), "lineItemsQuantity": 1 + m.below(4),
        "abandonedCheckoutUrl": f"https://fake.example/checkouts/{m.token()}", "customer": m.some("customer"),
        "totalPriceSet": bag(total), "subtotalPriceSet": bag(total), "totalLineItemsPriceSet": bag(total),
    }  # fmt: skip


def company(m: Maker) -> dict[str, Any]:
    return {
        "name": f"{m.pick(LAST)} & fils", "note": m.maybe(m.words()), "externalId": m.maybe(m.token(32)),
        "customerSince": m.when, "lifetimeDuration": "about 1 year", "totalSpent": money(m.amount(9000)),
    }  # fmt: skip


def return_(m: Maker) -> dict[str, Any]:
    return {
        "name": f"{m.parent.get('name', '#')}-R1", "status": m.pick(("OPEN", "REQUESTED", "CLOSED")),
        "totalQuantity": 1 + m.below(3), "order": {"id": m.parent["id"]},
    }  # fmt: skip


def company_location(m: Maker) -> dict[str, Any]:
    city, _, code = m.pick(CITIES)
    address = {"address1": f"{m.below(99)} Quai", "city": city, "countryCode": code, "zip": "8000"}
    return {
        "name": f"{city} {m.number % 1000}", "note": m.maybe(m.words()), "externalId": m.maybe(m.token(32)),
        "currency": "USD", "company": {"id": m.parent["id"]}, "shippingAddress": address,
        "totalSpent": money(m.amount(9000)),
    }  # fmt: skip


def market(m: Maker) -> dict[str, Any]:
    return {"name": m.words(1), "handle": f"market-{m.number}", "status": "ACTIVE"}


def publication(m: Maker) -> dict[str, Any]:
    return {"autoPublish": m.pick((True, False)), "supportsFuturePublishing": True}


def page(m: Maker) -> dict[str, Any]:
    title = m.words()
    return {
        "title": title, "handle": f"page-{m.number}", "body": f"<p>{title}</p>", "bodySummary": title,
        "isPublished": True, "publishedAt": m.when,
    }  # fmt: skip


def blog(m: Maker) -> dict[str, Any]:
    return {"title": m.words(1), "handle": f"blog-{m.number}", "commentPolicy": "MODERATED", "tags": m.tags()}


def article(m: Maker) -> dict[str, Any]:
    title = m.words()
    return {
        "title": title, "handle": f"article-{m.number}", "body": f"<p>{title}</p>", "tags": m.tags(),
        "isPublished": True, "publishedAt": m.when, "blog": {"id": m.parent["id"]},
        "author": {"name": f"{m.pick(FIRST)} {m.pick(LAST)}"},
    }  # fmt: skip


def comment(m: Maker) -> dict[str, Any]:
    text = m.words()
    return {
        "body": text, "bodyHtml": f"<p>{text}</p>", "status": "PUBLISHED", "article": {"id": m.parent["id"]},
        "author": {"name": m.pick(FIRST), "email": f"r{m.number}@example.com"},
    }  # fmt: skip


def url_redirect(m: Maker) -> dict[str, Any]:
    return {"path": f"/old/{m.number}", "target": f"/products/{m.number}"}


def segment(m: Maker) -> dict[str, Any]:
    return {
        "name": m.words(1), "query": "number_of_orders > 5", "creationDate": m.when, "lastEditDate": m.when,
    }  # fmt: skip


def selling_plan_group(m: Maker) -> dict[str, Any]:
    name = m.words(1)
    return {"name": name, "merchantCode": f"plan-{m.number}", "options": ["Delivery every"], "position": 1}


def menu(m: Maker) -> dict[str, Any]:
    title = m.words(1)
    items = [
        {"id": gid("MenuItem", m.number), "title": title, "type": "HTTP", "url": "/", "resourceId": None}
    ]
    return {"title": title, "handle": f"menu-{m.number}", "isDefault": False, "items": items}


def theme(m: Maker) -> dict[str, Any]:
    return {"name": m.words(1), "role": m.pick(("MAIN", "UNPUBLISHED")), "prefix": f"/t/{m.number % 100}"}


def metafield(m: Maker) -> dict[str, Any]:
    value = m.data.get("value", m.words())
    return {
        "namespace": "custom", "key": f"key_{m.number % 10**6}", "type": "single_line_text_field",
        "value": value, "jsonValue": value, "compareDigest": m.token(128), "sizeInBytes": len(value.encode()),
        "ownerType": m.shop.kind(m.parent["id"]).name.replace("_", "").upper(),
        "owner": {"id": m.parent["id"]},
    }  # fmt: skip


def event(m: Maker) -> dict[str, Any]:
    return {"appTitle": "Fake", "attributeToApp": True, "message": m.data["action"]}


def deletion_event(m: Maker) -> dict[str, Any]:
    return {"occurredAt": m.when}
