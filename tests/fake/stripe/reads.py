"""Lists and single objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..core.http import Page, Request, Response
from ..core.store import Item, Store, bounds, position, position_after
from . import params, versions
from .account import Account
from .catalog import ALIASES, REFERENCES
from .collection import PAGING, RANGES, Collection
from .errors import ApiError, bad_value, no_such, unknown_parameter
from .expand import expand
from .routes import Route

EVENT_FILTERS = {"created": "range", "type": "str", "types": "list", "delivery_success": "bool"}
ENDED = ("canceled", "incomplete_expired")
SUBSCRIPTION_STATUSES = {
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
}


class Reads:
    """GET requests."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def list(self, request: Request, route: Route, version: str) -> Response:
        collection = route.collection
        assert collection is not None
        if route.kind == "alias":
            _, field, extra = ALIASES[route.action or ""]
            known = {name: collection.filters.get(name, "str") for name in extra.split()}
        else:
            field, known = None, collection.filters
        given = self._parameters(request, known)
        store = self._account.stores[collection.name]
        if route.kind == "list":
            params.check_required(given, collection.required)
        items = self._candidates(collection, store, route, given, field)
        filters = {name: value for name, value in given.items() if name in known}
        if route.kind == "alias" and collection.name == "subscription":
            filters.setdefault("status", "")
        wants = self._wants(collection, filters)
        page, has_more = self._page(store, items, given, wants, collection.object)
        url = route.template if route.parent is None else _fill(route.template, route.parent)
        response = self._respond(page, has_more, url, given, version)

        def still(id: str | None) -> Item | None:
            item = store.by_id.get(id) if id else None
            listed = item is not None and position_after(items, item) > position(items, item)
            return item if listed and (wants is None or wants(item)) else None

        render = self._renderer(given, version)
        response.renew = lambda shown: [render(item) for item in map(still, map(_id_of, shown)) if item]
        return response

    def events(self, request: Request, version: str) -> Response:
        given = self._parameters(request, EVENT_FILTERS)
        types = given.get("types", [])
        if len(types) > 20:
            raise bad_value("types", f"types may name 20 event types, not {len(types)}")
        if types and "type" in given:
            raise bad_value("type", "You may not provide both `type` and `types`.")
        wanted = [given["type"]] if "type" in given else types
        store = self._account.events.visible()
        page, has_more = self._page(store, store.items, given, _of_types(wanted), "event")
        # An event's object stays as it was rendered, whatever version is asked for.
        return self._respond(page, has_more, "/v1/events", given, versions.DEFAULT)

    def event(self, request: Request, id: str) -> Response:
        self._parameters(request, {})
        item = self._account.events.get(id)
        if item is None:
            raise no_such("event", id, "id")
        return Response(200, item.raw)

    def object(self, request: Request, route: Route, version: str) -> Response:
        collection, id = route.collection, route.id
        assert collection is not None and id is not None
        query = params.tree(request.query_pairs())
        params.check_known(query, {"expand"})
        item = self._account.get(collection.name, id)
        if item is not None and route.parent is not None and item.parent != route.parent:
            item = None
        if item is None:
            if collection.name == "customer" and id in self._account.stores["customer"].deleted:
                return Response.of_json(200, {"id": id, "object": "customer", "deleted": True})
            raise no_such(collection.object, id, collection.name if collection.name != "customer" else "id")
        return self.show(item, version, query.get("expand", []))

    def show(self, item: Item, version: str, paths: list[str]) -> Response:
        """One object, spaced as Stripe spaces its answers."""
        if item.odd is not None:
            return Response(200, item.shown)
        document = expand(self._account, versions.render(item.document(), version), paths)
        return Response(200, json.dumps(document, ensure_ascii=False, indent=2).encode())

    # -- the parts of a list ------------------------------------------------------------------------------

    def _parameters(self, request: Request, filters: dict[str, str]) -> dict[str, Any]:
        given = params.tree(request.query_pairs())
        for name, value in given.items():
            if name in filters:
                params.check_kind(name, value, filters[name])
            elif name not in PAGING:
                raise unknown_parameter(name)
        return given

    def _candidates(
        self, collection: Collection, store: Store, route: Route, given: dict[str, Any], field: str | None
    ) -> list[Item]:
        """The shortest list that an index gives: of the parent, of one filter, or all."""
        account = self._account
        if route.kind == "alias":
            assert field is not None and route.parent is not None
            if account.get(field, route.parent) is None:
                raise no_such(field, route.parent, field)
            return store.where(field, route.parent, lambda item: _id_in(item, field))
        if route.parent is not None:
            assert collection.parent is not None
            if account.get(collection.parent, route.parent) is None:
                raise no_such(collection.parent, route.parent, collection.parent)
            return store.children(route.parent)
        for name, value in given.items():
            if name not in collection.filters:
                continue
            target = collection.parent if name == collection.by else REFERENCES.get(name)
            if target is None:
                continue
            if account.get(target, value) is None and value not in account.stores[target].deleted:
                raise no_such(target, value, name, status=400)
            if name == collection.by:
                return store.children(value)
            return store.where(name, value, lambda item, name=name: _id_in(item, name))
        return store.items

    def _wants(self, collection: Collection, filters: dict[str, Any]) -> Callable[[Item], bool] | None:
        """A predicate for the filters that no index has served, or None when every object will do."""
        rest = {name: value for name, value in filters.items() if name not in ("created", collection.by)}
        if collection.name == "subscription":
            status = rest.pop("status", "")
            if status and status not in SUBSCRIPTION_STATUSES:
                raise bad_value("status", f"Invalid status: {status}")
            if status != "all":
                # Without a status, the list leaves out what has ended.
                by_status = _status_filter(status)
                others = _matches(rest) if rest else None
                return lambda item: by_status(item) and (others is None or others(item))
        return _matches(rest) if rest else None

    def _page(
        self,
        store: Store,
        items: list[Item],
        given: dict[str, Any],
        wants: Callable[[Item], bool] | None,
        object: str,
    ) -> tuple[list[Item], bool]:
        size = params.page_size(given)
        low, high = (
            bounds(items, *params.bounds("created", given["created"]))
            if "created" in given
            else (0, len(items))
        )
        after, before = given.get("starting_after"), given.get("ending_before")
        if after is not None and before is not None:
            raise ApiError(
                400, "You cannot use both starting_after and ending_before.", param="ending_before"
            )
        if before is not None:
            low = max(low, position_after(items, self._cursor(store, before, "ending_before", object)))
            found = _collect(items, range(low, high), size + 1, wants)
            return found[:size][::-1], len(found) > size
        if after is not None:
            high = min(high, position(items, self._cursor(store, after, "starting_after", object)))
        if wants is None:
            bottom = max(low, high - size)
            return items[bottom:high][::-1], bottom > low
        found = _collect(items, range(high - 1, low - 1, -1), size + 1, wants)
        return found[:size], len(found) > size

    def _cursor(self, store: Store, id: str, param: str, object: str) -> Item:
        item = store.by_id.get(id)
        if item is None:
            raise no_such(object, id, param, status=400)
        return item

    def _respond(
        self, page: list[Item], has_more: bool, url: str, given: dict[str, Any], version: str
    ) -> Page:
        render = self._renderer(given, version)
        quoted = json.dumps(url).encode()

        def wrap(items: list[bytes], more: bool) -> bytes:
            return b'{"object":"list","data":[%b],"has_more":%b,"url":%b}' % (
                b",".join(items),
                b"true" if more else b"false",
                quoted,
            )

        return Page(200, items=[render(item) for item in page], has_more=has_more, wrap=wrap)

    def _renderer(self, given: dict[str, Any], version: str) -> Callable[[Item], bytes]:
        """How the objects of a list are shown."""
        paths = given.get("expand", [])
        if not paths and versions.plain(version):
            return lambda item: item.raw if item.odd is None else item.shown
        inner = [path.removeprefix("data.") for path in paths]
        if any(path == short for path, short in zip(paths, inner, strict=True)):
            raise bad_value("expand", "On a list, what to expand begins with `data.`.")
        return lambda item: json.dumps(
            expand(self._account, versions.render(item.document(), version), inner), ensure_ascii=False
        ).encode()


def _id_of(shown: bytes) -> str | None:
    """The id in what was shown of an object, which may be an odd one."""
    try:
        return json.loads(shown)["id"]
    except (ValueError, TypeError, KeyError):
        return None


def _fill(template: str, parent: str) -> str:
    start, _, rest = template.partition("{")
    return start + parent + rest.partition("}")[2]


def _collect(
    items: list[Item], positions: range, count: int, wants: Callable[[Item], bool] | None
) -> list[Item]:
    found: list[Item] = []
    for at in positions:
        if wants is None or wants(items[at]):
            found.append(items[at])
            if len(found) == count:
                break
    return found


def _of_types(types: list[str]) -> Callable[[Item], bool] | None:
    """Exact types, or `customer.*`."""
    if not types:
        return None
    exact = {type for type in types if not type.endswith("*")}
    starts = tuple(type[:-1] for type in types if type.endswith("*"))

    def wants(item: Item) -> bool:
        # The type is the last member of an event: no need to read the rest.
        type = json.loads(item.raw[item.raw.rindex(b'"type": ') + 8 : -1])
        return type in exact or (bool(starts) and type.startswith(starts))

    return wants


def _status_filter(status: str) -> Callable[[Item], bool]:
    if status == "ended":
        return lambda item: item.document()["status"] in ENDED
    if status:
        return lambda item: item.document()["status"] == status
    return lambda item: item.document()["status"] not in ENDED


def _matches(filters: dict[str, Any]) -> Callable[[Item], bool]:
    def wants(item: Item) -> bool:
        document = item.document()
        return all(_equal(document, name, value) for name, value in filters.items())

    return wants


def _id_in(item: Item, name: str) -> str | None:
    """The id that a member holds, be it the id itself or the whole object."""
    value = item.document().get(name)
    return value.get("id") if isinstance(value, dict) else value


def _equal(document: dict[str, Any], name: str, value: Any) -> bool:
    match name:
        case "ids":
            return document["id"] in value
        case "lookup_keys":
            return document.get("lookup_key") in value
        case "price":
            return any(item["price"]["id"] == value for item in document["items"]["data"])
        case "archived":
            return document.get("active") == (value != "true")
        case "status" if value == "all":
            return True
        case "order_by":
            return True
        case "pending":
            return (document.get("invoice") is None) == (value == "true")
        case "contains":
            return any(
                value in item.get("value", "") for item in document.get("list_items", {}).get("data", ())
            )
    found = document.get(name)
    if isinstance(found, bool):
        return found == (value == "true")
    if isinstance(found, dict):
        if isinstance(value, str):
            return found.get("id") == value
        return all(_equal(found, inner, wanted) for inner, wanted in value.items())
    if name in RANGES:
        low, high = params.bounds(name, value)
        return found is not None and (low is None or found >= low) and (high is None or found < high)
    return str(found) == value if found is not None else False
