"""POST and DELETE."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from ..core.data import Announcement
from ..core.http import Request, Response
from ..core.store import Item
from . import params
from .account import Account
from .catalog import BY_NAME
from .collection import Collection
from .errors import ApiError, bad_value, missing_parameter, no_such, unknown_parameter, unknown_url
from .events import Cause
from .reads import Reads
from .routes import Route
from .writes_table import ACTIONS, ADDRESS, DELETABLE_BY_API, DELETE_PARAMETERS, NESTED, WRITES

TOLD = Announcement()
SUFFIXES = "#?.{}[]~"


@lru_cache(maxsize=512)
def parameters(spec: str) -> tuple[dict[str, str], frozenset[str]]:
    """name → type suffix, and the required names."""
    kinds, required = {}, set()
    for word in spec.split():
        name = word.strip("*" + SUFFIXES)
        kinds[name] = word.lstrip("*")[len(name) :]
        if word.startswith("*"):
            required.add(name)
    return {**kinds, "expand": "[]"}, frozenset(required)


class Writes:
    """Requests that change something. Each change is announced by its events."""

    def __init__(self, account: Account, reads: Reads) -> None:
        self._account = account
        self._reads = reads

    def post(self, request: Request, route: Route, version: str, cause: Cause) -> Response:
        collection = route.collection
        if collection is None or collection.name not in WRITES:
            raise unknown_url(request.method, request.path)
        given = self._body(request)
        create, update = WRITES[collection.name]
        if route.kind == "list":
            if not create:
                raise unknown_url(request.method, request.path)
            item = self._create(collection, self._checked(given, create), route, cause)
        elif route.kind == "object":
            if not update:
                raise unknown_url(request.method, request.path)
            item = self._existing(route)
            item = self._update(collection, item, self._checked(given, update), cause)
        elif route.kind == "action":
            item = self._act(collection, route, given, cause)
        else:
            raise unknown_url(request.method, request.path)
        return self._reads.show(item, version, given.get("expand", []))

    def delete(self, request: Request, route: Route, version: str, cause: Cause) -> Response:
        collection = route.collection
        if route.kind != "object" or collection is None or collection.name not in DELETABLE_BY_API:
            raise unknown_url(request.method, request.path)
        given = {**params.tree(request.query_pairs()), **self._body(request)}
        self._checked(given, DELETE_PARAMETERS.get(collection.name, ""))
        item = self._existing(route)
        if collection.name == "invoice" and item.document()["status"] != "draft":
            raise ApiError(400, "You can only delete draft invoices.")
        if collection.name == "subscription" and item.document()["status"] == "canceled":
            raise no_such(collection.object, item.id, "id")
        if collection.name == "product" and self._has_prices(item.id):
            raise ApiError(
                400, "This product cannot be deleted because it has one or more user-created prices."
            )
        if (
            collection.name == "subscription_item"
            and len(self._account.stores["subscription_item"].children(item.parent or "")) == 1
        ):
            raise ApiError(400, "A subscription must have at least one active plan.")
        self._account.delete(collection, item.id, TOLD, cause)
        if collection.name == "subscription":
            return self._reads.show(item, version, given.get("expand", []))
        return Response.of_json(200, {"id": item.id, "object": collection.object, "deleted": True})

    # -- what is asked ------------------------------------------------------------------------------------

    def _body(self, request: Request) -> dict[str, Any]:
        if not request.body:
            return {}
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise ApiError(
                400, f"The body has to be application/x-www-form-urlencoded, not {kind or 'untyped'}."
            )
        return params.tree(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))

    def _checked(self, given: dict[str, Any], spec: str) -> dict[str, Any]:
        """The parameters with their types; an empty string becomes None, which unsets."""
        kinds, required = parameters(spec)
        params.check_known(given, kinds)
        params.check_required(given, required)
        return {
            name: self._typed(name, value, kinds[name]) for name, value in given.items() if name != "expand"
        }

    def _typed(self, name: str, value: Any, kind: str) -> Any:
        if name == "metadata":
            return self._metadata(value)
        if value == "":
            return None
        if kind == "#":
            return params.integer(name, value)
        if kind == "?":
            return params.boolean(name, value)
        if kind == ".":
            try:
                return float(value)
            except (TypeError, ValueError):
                raise bad_value(name, f"Invalid decimal: {value}") from None
        if kind == "{}" and not isinstance(value, dict):
            raise bad_value(name, f"Invalid object: {name}")
        if kind == "[]" and not isinstance(value, list):
            raise bad_value(name, f"Invalid array: {name}")
        if kind == "" and not isinstance(value, str):
            raise bad_value(name, f"Invalid string: {name}")
        self._nested(name, value)
        return value

    def _nested(self, name: str, value: Any) -> None:
        if isinstance(value, dict) and name in NESTED:
            for inner, below in value.items():
                if inner not in NESTED[name]:
                    raise unknown_parameter(f"{name}[{inner}]")
                self._nested(f"{name}[{inner}]", below)

    def _metadata(self, value: Any) -> dict[str, str | None] | None:
        if value == "":
            return None
        if not isinstance(value, dict):
            raise bad_value("metadata", "Invalid object: metadata")
        for key, text in value.items():
            if len(key) > 40 or not isinstance(text, str) or len(text) > 500:
                raise bad_value(
                    "metadata", "Metadata: keys of at most 40, string values of at most 500 characters."
                )
        if len(value) > 50:
            raise bad_value("metadata", "Metadata may have 50 keys.")
        return {key: text or None for key, text in value.items()}

    def _existing(self, route: Route) -> Item:
        collection, id = route.collection, route.id
        assert collection is not None and id is not None
        item = self._account.get(collection.name, id)
        if item is None or (route.parent is not None and item.parent != route.parent):
            raise no_such(collection.object, id, "id")
        return item

    def _has_prices(self, product: str) -> bool:
        prices = self._account.stores["price"]
        return bool(prices.where("product", product, lambda item: item.document().get("product")))

    # -- what is done -------------------------------------------------------------------------------------

    def _create(self, collection: Collection, given: dict[str, Any], route: Route, cause: Cause) -> Item:
        account = self._account
        for name in (
            "customer",
            "subscription",
            "invoice",
            "charge",
            "coupon",
            "price",
            "payment_intent",
            "product",
        ):
            if isinstance(given.get(name), str) and account.get(name, given[name]) is None:
                raise no_such(name, given[name], name, status=400)
        if route.parent is not None:
            assert collection.parent is not None
            if account.get(collection.parent, route.parent) is None:
                raise no_such(collection.parent, route.parent, collection.parent)
        if "id" in given and given["id"] in account.stores[collection.name].by_id:
            raise ApiError(
                400,
                f"{collection.object} already exists: {given['id']}",
                code="resource_already_exists",
                param="id",
            )
        if collection.name in ("subscription_item", "invoice_item") and given.get("price"):
            given["price"] = account.stores["price"].by_id[given["price"]].document()
        items = given.pop("items", None)
        self._before(collection, given, items, cause)
        data = self._members(collection, given, create=True)
        item = account.create(collection, data, TOLD, cause, parent=route.parent)
        for tax_id in given.get("tax_id_data") or ():
            account.create(BY_NAME["tax_id"], dict(tax_id), TOLD, cause, parent=item.id)
        if collection.name == "subscription":
            self._subscribe(item, items or [], cause)
        return item

    def _before(
        self, collection: Collection, given: dict[str, Any], items: list[Any] | None, cause: Cause
    ) -> None:
        """What an endpoint demands beyond its required parameters."""
        if collection.name == "coupon":
            if (given.get("percent_off") is None) == (given.get("amount_off") is None):
                raise bad_value("percent_off", "You must pass either `amount_off` or `percent_off`.")
            if given.get("amount_off") is not None and not given.get("currency"):
                raise missing_parameter("currency")
        if collection.name == "price":
            if given.get("product_data"):
                product = self._account.create(
                    BY_NAME["product"], dict(given.pop("product_data")), TOLD, cause
                )
                given["product"] = product.id
            elif not given.get("product"):
                raise missing_parameter("product")
            if (
                given.get("unit_amount") is None
                and not given.get("unit_amount_decimal")
                and not given.get("tiers")
            ):
                raise missing_parameter("unit_amount")
        if collection.name == "refund" and not (given.get("charge") or given.get("payment_intent")):
            raise missing_parameter("charge")
        if collection.name == "subscription":
            for at, item in enumerate(items or []):
                price = item.get("price") if isinstance(item, dict) else None
                if price is None or self._account.get("price", price) is None:
                    raise no_such("price", str(price), f"items[{at}][price]", status=400)
            if not items:
                raise missing_parameter("items")

    def _subscribe(self, subscription: Item, items: list[dict[str, Any]], cause: Cause) -> None:
        silent = Announcement(silent=True)
        for item in items:
            price = self._account.get("price", item["price"])
            assert price is not None
            data = {
                "price": price.document(),
                "quantity": params.integer("quantity", item.get("quantity", "1")),
                "metadata": item.get("metadata", {}),
            }
            self._account.create(BY_NAME["subscription_item"], data, silent, cause, parent=subscription.id)

    def _update(self, collection: Collection, item: Item, given: dict[str, Any], cause: Cause) -> Item:
        document = item.document()
        if collection.name == "subscription" and document["status"] == "canceled":
            raise ApiError(
                400, "A canceled subscription can only update its cancellation_details and metadata."
            )
        if collection.name == "invoice" and document["status"] != "draft" and set(given) - {"metadata"}:
            raise ApiError(400, "Finalized invoices can't be updated in this way.")
        if isinstance(given.get("price"), str) and collection.name == "subscription_item":
            price = self._account.get("price", given["price"])
            if price is None:
                raise no_such("price", given["price"], "price", status=400)
            given["price"] = price.document()
        if collection.name == "subscription":
            self._change_items(item, given.pop("items", None) or [], cause)
        return self._account.update(
            collection, item.id, self._members(collection, given, create=False), TOLD, cause
        )

    def _change_items(self, subscription: Item, items: list[dict[str, Any]], cause: Cause) -> None:
        known = BY_NAME["subscription_item"]
        for at, change in enumerate(items):
            id = change.get("id")
            if id is None:
                self._before(BY_NAME["subscription"], {}, [change], cause)
                self._subscribe(subscription, [change], cause)
            elif self._account.get(known.name, id) is None:
                raise no_such("subscription_item", id, f"items[{at}][id]", status=400)
            elif change.get("deleted") == "true":
                self._account.delete(known, id, TOLD, cause)
            elif "quantity" in change:
                quantity = params.integer(f"items[{at}][quantity]", change["quantity"])
                self._account.update(known, id, {"quantity": quantity}, TOLD, cause)

    def _act(self, collection: Collection, route: Route, given: dict[str, Any], cause: Cause) -> Item:
        statuses, changes, spec = ACTIONS[collection.name, route.action or ""]
        checked = self._checked(given, spec)
        item = self._existing(route)
        document = item.document()
        if statuses and document["status"] not in statuses:
            raise ApiError(
                400,
                f"A {collection.object} that is {document['status']} can't {route.action}; it may "
                f"be {', '.join(statuses)}.",
                code=f"{collection.name}_unexpected_state",
            )
        if route.action == "attach" and self._account.get("customer", checked["customer"]) is None:
            raise no_such("customer", checked["customer"], "customer", status=400)
        now = int(self._account.clock.now())
        data = {name: now if value == "now" else value for name, value in changes.items()}
        if collection.name == "invoice" and route.action == "pay":
            data |= {"amount_paid": document["amount_due"], "amount_remaining": 0}
        if collection.name == "payment_method":
            data["customer"] = checked.get("customer")
            self._account.update(collection, item.id, data, Announcement(silent=True), cause)
            type = collection.events["created" if route.action == "attach" else "detached"]
            self._account.announce(type, item.document(), None, TOLD, cause)
            return item
        return self._account.update(collection, item.id, data, TOLD, cause)

    def _members(self, collection: Collection, given: dict[str, Any], create: bool) -> dict[str, Any]:
        """The object's members that the parameters set; those that only steer the request are left out."""
        sample = self._sample(collection)
        members = {name: _like(sample[name], value, name) for name, value in given.items() if name in sample}
        if isinstance(members.get("address"), dict):
            members["address"] = {**dict.fromkeys(ADDRESS), **members["address"]}
        if members.get("recurring"):
            members["recurring"] = {"interval_count": 1, "usage_type": "licensed", **members["recurring"]}
            members["type"] = "recurring"
        if members.get("unit_amount") is not None and "unit_amount_decimal" in sample:
            members["unit_amount_decimal"] = str(members["unit_amount"])
        if not create:
            return members
        if "metadata" in sample:
            members["metadata"] = {
                name: value for name, value in (members.get("metadata") or {}).items() if value
            }
        return {**BLANK.get(collection.name, {}), **members}

    def _sample(self, collection: Collection) -> dict[str, Any]:
        """An object of the collection, for the names and types of its members."""
        items = self._account.stores[collection.name].items
        if items:
            return items[-1].document()
        return self._account.make(collection, random.Random(0), 0, None)


def _like(sample: Any, value: Any, name: str) -> Any:
    """A form's strings with the types of the member that they go to."""
    if isinstance(value, dict):
        inner = sample if isinstance(sample, dict) else {}
        return {key: _like(inner.get(key), below, f"{name}[{key}]") for key, below in value.items()}
    if isinstance(sample, bool) and isinstance(value, str):
        return params.boolean(name, value)
    if isinstance(sample, int) and isinstance(value, str):
        return params.integer(name, value)
    return None if value == "" else value


# What a new object has when the request does not say so (what makers make up is for seeds).
BLANK: dict[str, dict[str, Any]] = {
    "customer": {
        "address": None,
        "balance": 0,
        "currency": None,
        "delinquent": False,
        "description": None,
        "email": None,
        "name": None,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
    },
    "product": {"active": True, "description": None},
    "price": {"active": True, "lookup_key": None, "nickname": None, "recurring": None, "type": "one_time"},
    "coupon": {"duration": "once", "duration_in_months": None, "name": None, "percent_off": None},
    "subscription": {"status": "active", "canceled_at": None, "ended_at": None},
    "invoice": {
        "status": "draft",
        "amount_due": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "subtotal": 0,
        "total": 0,
        "subtotal_excluding_tax": 0,
        "total_excluding_tax": 0,
        "paid": False,
        "attempted": False,
        "number": None,
        "subscription": None,
        "attempt_count": 0,
        "auto_advance": False,
        "billing_reason": "manual",
        "status_transitions": {"finalized_at": None, "paid_at": None},
    },
    "payment_intent": {
        "status": "requires_payment_method",
        "amount_received": 0,
        "canceled_at": None,
        "invoice": None,
        "payment_method": None,
        "customer": None,
    },
    "quote": {"status": "draft", "number": None},
    "payment_method": {"customer": None},
}
