"""Mutations, for what apps write. What is wrong with the input is in `userErrors`, and no HTTP error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphql import GraphQLResolveInfo, get_directive_values, get_named_type

from ..core.store import Item
from .bulk import Bulk, Result
from .catalog import BY_NAME, gid
from .errors import NotHere, access_denied, bad_request
from .objects import bag, money
from .shop import Shop
from .times import iso

if TYPE_CHECKING:
    from .execution import Run

DAY = 86_400
IDEMPOTENT = {"inventoryAdjustQuantities", "refundCreate"}
"""These need a key from version 2026-04 on, and take one before."""
MOST_METAFIELDS = 25
WRITTEN = re.compile(
    "(product|customer|collection|draftOrder|order|companyLocation|company|page|blog|article|urlRedirect|priceList|"
    "giftCard|market|metaobjectDefinition|metaobject|segment|location|inventoryItem|comment)"
    "(Create|Add|Update|Edit|Delete)"
)
# What an input's member is called in the object, where it is not called the same.
RENAMED = {
    "note": {"draft_order": "note2"}, "publishDate": {"page": "publishedAt", "article": "publishedAt"},
}  # fmt: skip
# What an object is beneath, and which member of the arguments or of the input says that.
BENEATH = {"company_location": "companyId", "article": "blogId"}
TITLED = ("product", "collection", "page", "blog", "article")
ADJUSTABLE = ("available", "damaged", "incoming", "quality_control", "reserved", "safety_stock")
SCOPES = {
    "metafieldsSet": "", "inventoryAdjustQuantities": "write_inventory", "refundCreate": "write_orders",
    "bulkOperationRunQuery": "", "bulkOperationCancel": "", "metaobjectUpsert": "",
    "productVariantsBulkCreate": "write_products", "productVariantsBulkUpdate": "write_products",
    "productVariantsBulkDelete": "write_products",
}  # fmt: skip


class Invalid(Exception):
    """What is wrong with the input, and where."""

    def __init__(self, field: list[str], message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.error = {"field": field, "message": message, **({"code": code} if code else {})}


class Writes:
    def __init__(self, shop: Shop, bulk: Bulk, in_bulk: Callable[[Run, str, bool], Result | str]) -> None:
        self._shop = shop
        self._bulk = bulk
        self._in_bulk = in_bulk
        self._done: dict[tuple[str, str, str], tuple[float, str, dict[str, Any]]] = {}
        """(app, mutation, key) → when, with which arguments, and what came of it."""

    def answer(self, run: Run, info: GraphQLResolveInfo, arguments: dict[str, Any]) -> dict[str, Any]:
        name = info.field_name
        handler = getattr(self, f"_{re.sub(r'([A-Z])', lambda m: '_' + m[1].lower(), name)}", None)
        written = WRITTEN.fullmatch(name)
        if handler is None and written is None:
            raise NotHere(f"the fake has no mutation {name}")
        kind = re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), written[1]) if written else ""
        scope = f"write_{BY_NAME[kind].scope}" if written else SCOPES[name]
        if scope and not run.viewer.may(scope):
            raise access_denied(name, scope)
        key = self._key(run, info)
        if key is not None:
            return self._once(run, name, key, arguments, lambda: handler(run, arguments))
        with self._shop.clock.held():
            try:
                if handler is not None:
                    return handler(run, arguments)
                assert written is not None
                return self._written(kind, written[1], written[2], arguments, info)
            except Invalid as error:
                return {"userErrors": [error.error]}

    # -- once ---------------------------------------------------------------------------------------------

    def _key(self, run: Run, info: GraphQLResolveInfo) -> str | None:
        """The key of `@idempotent`. The words of the refusal are assumed."""
        directive = run.schema.graphql.get_directive("idempotent")
        given = directive and get_directive_values(directive, info.field_nodes[0], info.variable_values)
        if info.field_name not in IDEMPOTENT:
            return None
        if not given and run.schema.version >= "2026-04":
            raise bad_request("The @idempotent directive is required for this mutation but was not provided.")
        return given["key"] if given else ""

    def _once(
        self, run: Run, name: str, key: str, arguments: dict[str, Any], write: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        now, said = self._shop.clock.now(), json.dumps(arguments, sort_keys=True, default=str)
        found = self._done.get((run.viewer.bucket, name, key)) if key else None
        if found is not None and found[0] > now - DAY:
            if found[1] == said:
                return found[2]
            error = {"field": None, "message": "The idempotency key was used with other parameters."}
            return {"userErrors": [{**error, "code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"}]}
        with self._shop.clock.held():
            try:
                answer = write()
            except Invalid as error:
                return {"userErrors": [error.error]}
        self._done[run.viewer.bucket, name, key] = (now, said, answer)
        return answer

    # -- objects ------------------------------------------------------------------------------------------

    def _written(
        self, kind: str, name: str, verb: str, arguments: dict[str, Any], info: GraphQLResolveInfo
    ) -> dict[str, Any]:
        inputs = [each for each in arguments.values() if isinstance(each, dict)]
        given = inputs[0] if inputs else {each: arguments[each] for each in arguments if each != "id"}
        if kind in ("product", "collection") and not inputs:
            raise Invalid(["input"], "The input is missing")
        if len(given.get("tags") or ()) > 250:
            raise bad_request("The input array size is greater than the maximum allowed of 250.")
        if verb in ("Create", "Add"):
            return {name: self._created(kind, given, arguments), "userErrors": []}
        identifier = arguments.get("identifier") or {}
        id = arguments.get("id") or arguments.get(f"{name}Id") or given.get("id") or identifier.get("id")
        item = self._existing(kind, id)
        if verb in ("Update", "Edit"):
            self._check(kind, given, item)
            data = self._data(kind, {member: value for member, value in given.items() if member != "id"})
            if data:
                self._shop.update(kind, item.id, data, self._shop.clock.now())
            return {name: self._shop.record(item), "userErrors": []}
        if kind == "customer" and self._shop.referring("order", "customer", item.id):
            raise Invalid(["id"], "Customer can\u2019t be deleted because they have associated orders")
        self._shop.delete(kind, item.id, self._shop.clock.now())
        payload = get_named_type(info.return_type).fields
        gone = next(each for each in payload if re.fullmatch(r"deleted\w*Id", each))
        return {gone: item.id, "userErrors": []}

    def _created(self, kind: str, given: dict[str, Any], arguments: dict[str, Any]) -> Any:
        if kind == "company":
            if set(given) != {"company"}:
                raise NotHere("the fake makes companies without contacts and locations")
            given = given["company"]
        self._check(kind, given, None)
        parent = self._parent(kind, given, arguments)
        plain = {"draft_order": {"customer": None}, "collection": {"products": []}}.get(kind, {})
        data = {**plain, **self._data(kind, given)}
        now = int(self._shop.clock.now())
        item = self._shop.create(kind, data, parent=parent, created=now, told=now)
        if kind == "product":
            self._shop.create(
                "product_variant", {"title": "Default Title"}, parent=item.id, created=now, told=None
            )
        return self._shop.record(item)

    def _parent(self, kind: str, given: dict[str, Any], arguments: dict[str, Any]) -> str | None:
        if kind == "metaobject":
            for each in self._shop.stores["metaobject_definition"]:
                if each.document()["type"] == given["type"]:
                    return each.id
            message = f'No metaobject definition exists for type "{given["type"]}"'
            raise Invalid(["metaobject", "type"], message, "UNDEFINED_OBJECT_TYPE")
        if kind not in BENEATH:
            return None
        member = BENEATH[kind]
        above = BY_NAME[kind].parent or ""
        return self._existing(above, arguments.get(member) or given.get(member), member).id

    def _data(self, kind: str, given: dict[str, Any]) -> dict[str, Any]:
        """The input in the object's own words."""
        data: dict[str, Any] = {}
        fields = self._shop.schema.leaves(BY_NAME[kind].type)
        for member, value in given.items():
            own = RENAMED.get(member, {}).get(kind, member)
            if member == "customerId":
                data["customer"] = (
                    None if value is None else {"id": self._existing("customer", value, member).id}
                )
            elif member == "lineItems":
                data["totalQuantityOfLineItems"] = sum(each["quantity"] for each in value)
            elif member == "products":
                data["products"] = [self._existing("product", each, member).id for each in value]
            elif member in ("author", "address", "parent"):
                data[member] = value
            elif member == BENEATH.get(kind):
                continue
            elif member in ("initialValue", "cost"):
                amount = money(value)
                data |= (
                    {"initialValue": amount, "balance": amount}
                    if kind == "gift_card"
                    else {"unitCost": amount}
                )
            elif member == "code" and kind == "gift_card":
                data["lastCharacters"] = value[-4:]
            elif member == "fields":
                values = {each["key"]: each["value"] for each in value}
                data |= {"values": values, "displayName": values.get("title", ""), "fields": [
                    {"key": key, "value": said, "jsonValue": said, "type": "single_line_text_field"}
                    for key, said in values.items()
                ]}  # fmt: skip
            elif member == "fieldDefinitions":
                data[member] = [
                    {"key": each["key"], "name": each.get("name") or each["key"],
                     "required": bool(each.get("required")), "type": {"name": each["type"]}}
                    for each in value
                ]  # fmt: skip
            elif own in fields and own != "id":
                data[own] = value
            elif value is not False:
                # What is false is so by the schema's default.
                raise NotHere(f"the fake can't write {member} of a {kind}")
        if "descriptionHtml" in data:
            data["description"] = re.sub(r"<[^>]*>", "", data["descriptionHtml"] or "")
        if kind == "customer" and {"firstName", "lastName"} & set(data):
            data["displayName"] = " ".join(filter(None, (data.get("firstName"), data.get("lastName"))))
        return data

    def _check(self, kind: str, given: dict[str, Any], item: Item | None) -> None:
        """The messages are as they have been seen."""
        if kind == "company" and (item is None or "name" in given) and not given.get("name"):
            raise Invalid(["input", "company", "name"], "Name can't be blank", "BLANK")
        titled = kind in TITLED and (item is None or "title" in given)
        if titled and not (given.get("title") or "").strip():
            raise Invalid(["title"], "Title can't be blank")
        if kind == "draft_order" and (item is None or "lineItems" in given) and not given.get("lineItems"):
            raise Invalid(["lineItems"], "Add at least 1 product")
        if kind != "customer":
            return
        names = ("firstName", "lastName", "email", "phone")
        if item is None and not any(given.get(each) for each in names):
            raise Invalid([], "A name, phone number, or email address must be present")
        email = given.get("email")
        if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            raise Invalid(["email"], "Email is invalid")
        for member in ("email", "phone"):
            if given.get(member) and any(
                each is not item and each.document()[member] == given[member]
                for each in self._shop.stores["customer"]
            ):
                raise Invalid([member], f"{member.title()} has already been taken")

    def _existing(self, kind: str, id: str | None, member: str = "id", code: str | None = None) -> Item:
        item = self._shop.stores[kind].by_id.get(id or "")
        if item is None:
            raise Invalid([member], f"{BY_NAME[kind].type} does not exist", code)
        return item

    def _metaobject_upsert(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        if not run.viewer.may("write_metaobjects"):
            raise access_denied("metaobjectUpsert", "write_metaobjects")
        named, given = arguments["handle"], arguments.get("metaobject") or {}
        for each in self._shop.stores["metaobject"]:
            document = each.document()
            if (document["type"], document["handle"]) == (named["type"], named["handle"]):
                data = self._data("metaobject", given)
                if data:
                    self._shop.update("metaobject", each.id, data, self._shop.clock.now())
                return {"metaobject": self._shop.record(each), "userErrors": []}
        made = self._created("metaobject", {**given, **named}, arguments)
        return {"metaobject": made, "userErrors": []}

    # -- variants -----------------------------------------------------------------------------------------

    def _product_variants_bulk_create(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        product = self._product(arguments)
        found = [
            self._variant(product, each, None, ["variants", str(place)])
            for place, each in enumerate(arguments["variants"])
        ]
        now = int(self._shop.clock.now())
        made = [
            self._shop.create("product_variant", data, parent=product.id, created=now, told=now)
            for data in found
        ]
        return {"productVariants": [self._shop.record(each) for each in made], "userErrors": []}

    def _product_variants_bulk_update(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        product, found = self._product(arguments), []
        for place, each in enumerate(arguments["variants"]):
            at = ["variants", str(place)]
            item = self._shop.stores["product_variant"].by_id.get(each.get("id") or "")
            if item is None or item.parent != product.id:
                message = "Product variant does not exist"
                raise Invalid([*at, "id"], message, "PRODUCT_VARIANT_DOES_NOT_EXIST")
            found.append((item, self._variant(product, each, item, at)))
        now = self._shop.clock.now()
        for item, data in found:
            self._shop.update("product_variant", item.id, data, now)
            if "sku" in data:
                stock = self._shop.inner[item.id]["inventoryItem"]["id"]
                self._shop.update("inventory_item", stock, {"sku": data["sku"]}, now)
        return {"productVariants": [self._shop.record(item) for item, _ in found], "userErrors": []}

    def _product_variants_bulk_delete(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        product = self._product(arguments)
        own = {each.id for each in self._shop.stores["product_variant"].children(product.id)}
        wanted = set(arguments["variantsIds"])
        if not wanted <= own:
            code = "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT"
            raise Invalid(["variantsIds"], "At least one variant does not belong to the product", code)
        if wanted == own:
            message = "Cannot delete the last variant of a product"
            raise Invalid(["variantsIds"], message, "CANNOT_DELETE_LAST_VARIANT")
        for id in sorted(wanted):
            self._shop.delete("product_variant", id, self._shop.clock.now())
        return {"product": self._shop.record(product), "userErrors": []}

    def _product(self, arguments: dict[str, Any]) -> Item:
        return self._existing("product", arguments["productId"], "productId", "PRODUCT_DOES_NOT_EXIST")

    def _variant(
        self, product: Item, given: dict[str, Any], item: Item | None, at: list[str]
    ) -> dict[str, Any]:
        """The words of the refusals are assumed; their codes are the schema's."""
        apart = ("id", "optionValues", "inventoryItem")
        data = self._data(
            "product_variant", {name: said for name, said in given.items() if name not in apart}
        )
        if float(data.get("price") or 0) < 0:
            raise Invalid([*at, "price"], "Price can't be negative", "NEGATIVE_PRICE_VALUE")
        stock = dict(given.get("inventoryItem") or {})
        if "sku" in stock:
            data["sku"] = stock.pop("sku")
        if stock:
            raise NotHere(f"the fake can't write {', '.join(stock)} with a variant")
        if "optionValues" in given:
            options = [{"name": each["optionName"], "value": each["name"]} for each in given["optionValues"]]
            for each in self._shop.stores["product_variant"].children(product.id):
                if each is not item and self._shop.inner[each.id]["selectedOptions"] == options:
                    raise Invalid(at, "The variant already exists", "VARIANT_ALREADY_EXISTS")
            data |= {"selectedOptions": options, "title": " / ".join(each["value"] for each in options)}
        elif item is None:
            raise Invalid(at, "Option values are needed", "NEED_TO_ADD_OPTION_VALUES")
        return data

    # -- others -------------------------------------------------------------------------------------------

    def _metafields_set(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        """All of them, or none."""
        given = arguments["metafields"]
        if len(given) > MOST_METAFIELDS:
            raise Invalid(
                ["metafields"], f"Exceeded the maximum metafields input limit of {MOST_METAFIELDS}.",
                "LESS_THAN_OR_EQUAL_TO",
            )  # fmt: skip
        found: list[Item | None] = []
        for place, each in enumerate(given):
            at = ["metafields", str(place)]
            owner = self._shop.item(each["ownerId"])
            if owner is None:
                raise Invalid([*at, "ownerId"], "Owner does not exist.", "INVALID")
            scope = f"write_{self._shop.kind(owner.id).scope}"
            if not run.viewer.may(scope):
                raise access_denied("metafieldsSet", scope)
            if not each["value"]:
                raise Invalid([*at, "value"], "may not be empty", "BLANK")
            same = self._metafield(owner, each)
            if same is None and not each.get("type"):
                raise Invalid([*at, "type"], "can't be blank", "BLANK")
            digest = same.document()["compareDigest"] if same else None
            if "compareDigest" in each and each["compareDigest"] != digest:
                raise Invalid(at, "The resource has been updated since it was loaded.", "STALE_OBJECT")
            found.append(same)
        now, done = int(self._shop.clock.now()), []
        for each, same in zip(given, found, strict=True):
            data = {"value": each["value"], "compareDigest": f"{self._shop.rng.getrandbits(256):064x}"}
            if each.get("type"):
                data["type"] = each["type"]
            if same is not None:
                done.append(self._shop.update("metafield", same.id, data, now))
                continue
            data |= {"namespace": each.get("namespace") or "app--1", "key": each["key"]}
            owner = each["ownerId"]
            done.append(self._shop.create("metafield", data, parent=owner, created=now, told=None))
        return {"metafields": [self._shop.record(each) for each in done], "userErrors": []}

    def _metafield(self, owner: Item, given: dict[str, Any]) -> Item | None:
        namespace = given.get("namespace") or "app--1"
        for each in self._shop.stores["metafield"].children(owner.id):
            document = each.document()
            if (document["namespace"], document["key"]) == (namespace, given["key"]):
                return each
        return None

    def _inventory_adjust_quantities(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        given = arguments["input"]
        name, changes = given["name"], []
        if name not in ADJUSTABLE:
            message = f"The quantity name must be one of {', '.join(ADJUSTABLE)}."
            raise Invalid(["input", "name"], message, "INVALID_QUANTITY_NAME")
        for place, each in enumerate(given["changes"]):
            at = ["input", "changes", str(place)]
            item = self._shop.stores["inventory_item"].by_id.get(each["inventoryItemId"])
            if item is None:
                message = "The specified inventory item could not be found."
                raise Invalid([*at, "inventoryItemId"], message, "INVALID_INVENTORY_ITEM")
            levels = self._shop.stores["inventory_level"].children(item.id)
            level = next(
                (one for one in levels if self._shop.inner[one.id]["location"]["id"] == each["locationId"]),
                None,
            )
            if level is None:
                message = "The specified location could not be found."
                raise Invalid([*at, "locationId"], message, "INVALID_LOCATION")
            quantities = [dict(one) for one in self._shop.inner[level.id]["quantities"]]
            now = {one["name"]: one["quantity"] for one in quantities}.get(name, 0)
            if each.get("changeFromQuantity") not in (None, now):
                message = "The quantity has changed since it was read."
                raise Invalid([*at, "changeFromQuantity"], message, "CHANGE_FROM_QUANTITY_STALE")
            changes.append((item, level, quantities, each))
        moment = self._shop.clock.now()
        for _, level, quantities, each in changes:
            for one in quantities:
                if one["name"] == name or (one["name"] == "on_hand" and name != "incoming"):
                    one["quantity"] += each["delta"]
                    one["updatedAt"] = iso(moment)
            self._shop.update("inventory_level", level.id, {"quantities": quantities}, moment)
        group = {
            "id": gid("InventoryAdjustmentGroup", self._shop.next_number("adjustment")),
            "createdAt": iso(moment), "reason": given["reason"],
            "referenceDocumentUri": given.get("referenceDocumentUri"),
            "changes": [
                {"name": name, "delta": each["delta"], "item": {"id": item.id},
                 "location": {"id": each["locationId"]}}
                for item, _, _, each in changes
            ],
        }  # fmt: skip
        return {"inventoryAdjustmentGroup": group, "userErrors": []}

    def _refund_create(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        given = arguments["input"]
        order = self._existing("order", given["orderId"], "orderId")
        moment = int(self._shop.clock.now())
        lines = []
        for place, each in enumerate(given.get("refundLineItems") or ()):
            at = ["refundLineItems", str(place)]
            line = self._shop.stores["line_item"].by_id.get(each["lineItemId"])
            if line is None or line.parent != order.id:
                raise Invalid([*at, "lineItemId"], "Line item does not exist")
            left = line.document()["refundableQuantity"]
            if not 0 < each["quantity"] <= left:
                raise Invalid([*at, "quantity"], "Quantity cannot refund more items than were purchased")
            lines.append((line, left - each["quantity"]))
        amount = f"{sum(float(each['amount']) for each in given.get('transactions') or ()):.2f}"
        data = {"note": given.get("note"), "totalRefunded": money(amount), "totalRefundedSet": bag(amount)}
        for line, left in lines:
            self._shop.update(
                "line_item", line.id, {"refundableQuantity": left, "currentQuantity": left}, moment
            )
        refund = self._shop.create("refund", data, parent=order.id, created=moment, told=None)
        self._shop.update(
            "order", order.id, {"totalRefunded": amount, "totalRefundedSet": bag(amount)}, moment
        )
        return {"refund": self._shop.record(refund), "order": self._shop.record(order), "userErrors": []}

    # -- bulk operations ----------------------------------------------------------------------------------

    def _bulk_operation_run_query(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        app, query = run.viewer.bucket, arguments["query"]
        if self._bulk.full(app, run.schema.version):
            message = "A bulk query operation for this app and shop is already in progress"
            code = "LIMIT_REACHED" if run.schema.version >= "2026-01" else "OPERATION_IN_PROGRESS"
            raise Invalid([], message, code)
        found = self._in_bulk(run, query, arguments["groupObjects"])
        if isinstance(found, str):
            raise Invalid(["query"], found, "INVALID")
        id = self._bulk.add(app, query, found)
        return {"bulkOperation": self._bulk.find(id, app, run.files), "userErrors": []}

    def _bulk_operation_cancel(self, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
        app, id = run.viewer.bucket, arguments["id"]
        if self._bulk.find(id, app, run.files) is None:
            raise Invalid(["id"], "Bulk operation does not exist")
        refusal = self._bulk.cancel(id)
        shown = self._bulk.find(id, app, run.files)
        errors = [{"field": None, "message": refusal}] if refusal else []
        return {"bulkOperation": shown, "userErrors": errors}
