"""A query carried out over the shop: one resolver for all fields, which the schema tells apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLError,
    GraphQLResolveInfo,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)

from ..core.store import Item
from .bulk import Bulk
from .catalog import BY_NAME, BY_TYPE, NESTED, REFERRING, ROOTS, Collection, gid, of_gid
from .errors import NotHere, access_denied, bad_request
from .listing import Lists, Page, Sorted, Wanted
from .schema import Schema, is_connection
from .search import parse
from .shop import Record, Shop
from .tokens import Viewer
from .values import plain

OLD_ORDERS = 60 * 86_400
"""Older orders are for those with `read_all_orders`, and to others as if they weren't there."""
SHOP_NUMBER = 548_380_009


@dataclass(slots=True)
class Edge:
    entry: Any
    cursor: str


@dataclass(slots=True)
class Run:
    """One operation in the making: graphql-core's context.

    cap: how many objects a list shows by paging. everything: a bulk operation, which pages through nothing.
    shown: the root's lists with entries that have been chosen already.
    """

    shop: Shop
    lists: Lists
    bulk: Bulk
    schema: Schema
    viewer: Viewer
    cap: int | None
    write: Callable[[Run, GraphQLResolveInfo, dict[str, Any]], Any]
    files: str = ""
    everything: bool = False
    shown: dict[str, Page] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    spent: int = 0

    # -- a field ------------------------------------------------------------------------------------------

    def value(self, source: Any, info: GraphQLResolveInfo, arguments: dict[str, Any]) -> Any:
        parent, name = info.parent_type.name, info.field_name
        if info.parent_type is self.schema.graphql.mutation_type:
            return self._counted(info, self.write(self, info, arguments))
        if isinstance(source, Page):
            return self._of_page(source, info)
        if isinstance(source, Edge):
            return self._shown(source.entry) if name == "node" else source.cursor
        named = get_named_type(info.return_type)
        wanted = None
        if is_connection(named.name) and not self.everything:
            wanted = Wanted.of(f"{parent}.{name}", arguments)
        if info.parent_type is self.schema.query:
            return self._counted(info, self._root(info, arguments, wanted))
        fields = source.fields if isinstance(source, Record) else source
        found = self._below(source, info, arguments, wanted) if isinstance(source, Record) else None
        if found is None:
            found = fields.get(name)
        if found is None:
            return self._counted(info, plain(self.schema.graphql, info.return_type))
        return found if is_leaf_type(named) else self._counted(info, self._referred(info, found))

    def type_of(self, value: Any, abstract: GraphQLAbstractType) -> str:
        if isinstance(value, Record):
            return value.type
        return value.get("__typename") or self.schema.graphql.get_possible_types(abstract)[0].name

    def _counted(self, info: GraphQLResolveInfo, value: Any) -> Any:
        """What is given is paid for, by the rules of the estimate."""
        if isinstance(value, Page):
            self.spent += 2 + len(value.entries)
        elif not is_leaf_type(get_named_type(info.return_type)) and value is not None:
            first = "first" in info.parent_type.fields[info.field_name].args
            self.spent += len(value) if isinstance(value, list) and first else 1
        return value

    def _of_page(self, page: Page, info: GraphQLResolveInfo) -> Any:
        match info.field_name:
            case "nodes":
                return [self._shown(each) for each in page.entries]
            case "edges":
                return [Edge(*each) for each in zip(page.entries, page.cursors, strict=True)]
            case "pageInfo":
                ends = (page.cursors[0], page.cursors[-1]) if page.cursors else (None, None)
                return {
                    "hasNextPage": page.has_next, "hasPreviousPage": page.has_previous,
                    "startCursor": ends[0], "endCursor": ends[1],
                }  # fmt: skip
        return plain(self.schema.graphql, info.return_type)

    def _shown(self, entry: Any) -> Any:
        return self.shop.record(entry) if isinstance(entry, Item) else entry

    def _referred(self, info: GraphQLResolveInfo, value: Any) -> Any:
        """A hash that has only an id is another object, as that is now, if it still is."""
        if isinstance(value, dict) and set(value) == {"id"} and of_gid(value["id"])[0]:
            item = self.shop.item(value["id"])
            if item is None:
                return plain(self.schema.graphql, info.return_type)
            return self._permitted(item, info.field_name)
        return value

    # -- what hangs on an object --------------------------------------------------------------------------

    def _below(
        self, source: Record, info: GraphQLResolveInfo, arguments: dict[str, Any], wanted: Wanted | None
    ) -> Any:
        """The objects of other collections that a field shows; None where it shows no such."""
        items = self._items_below(source, info.field_name, arguments)
        if items is None:
            return self._metafield(source, arguments) if info.field_name == "metafield" else None
        if arguments.get("query"):
            items = self._searched(items, info, arguments["query"])
        if is_list_type(get_nullable_type(info.return_type)):
            chosen = items if self.everything else items[: arguments.get("first")]
            return [self.shop.record(each) for each in chosen]
        return self._page(self.lists.of(items, arguments.get("sortKey")), wanted, None)

    def _searched(self, items: list[Item], info: GraphQLResolveInfo, query: str) -> list[Item]:
        """What of a list that hangs on an object is meant: those are searched as those of the root are."""
        known = self.schema.search_fields_of(info.parent_type.fields[info.field_name])
        if not items:
            return items
        search = parse(query, self.shop.kind(items[0].id), known)
        if search.warnings:
            said = {"path": info.path.as_list(), "query": query, "warnings": search.warnings}
            self.warnings.append(said)
        return [each for each in items if search.test(self.shop.record(each))]

    def _items_below(self, source: Record, name: str, arguments: dict[str, Any]) -> list[Item] | None:
        id, key = source.item.id, (source.type, name)
        if key in NESTED:
            self._check(NESTED[key], name)
            return self.shop.stores[NESTED[key].name].children(id)
        if key in REFERRING:
            self._check(BY_NAME[REFERRING[key][0]], name)
            return self.shop.referring(*REFERRING[key], id)
        match name:
            case "metafields":
                namespace, keys = arguments.get("namespace"), arguments.get("keys")
                return [
                    each
                    for each in self.shop.stores["metafield"].children(id)
                    if _of_names(each, namespace, keys)
                ]
            case "events":
                return self.shop.events_of(id)
            case "products" if source.type == "Collection":
                found = (self.shop.item(each) for each in self.shop.inner[id].get("products", ()))
                return [each for each in found if each is not None]
            case "collections" if source.type == "Product":
                every = self.shop.stores["collection"].items
                return [each for each in every if id in self.shop.inner[each.id].get("products", ())]
        return None

    def _metafield(self, source: Record, arguments: dict[str, Any]) -> Record | None:
        namespace, key = arguments.get("namespace"), arguments["key"]
        if namespace is None and "." in key:
            namespace, _, key = key.partition(".")
        found = self.shop.stores["metafield"].children(source.item.id)
        chosen = [each for each in found if _of_names(each, namespace, [f"{namespace}.{key}"])]
        return self.shop.record(chosen[0]) if chosen else None

    # -- the root -----------------------------------------------------------------------------------------

    def _root(self, info: GraphQLResolveInfo, arguments: dict[str, Any], wanted: Wanted | None) -> Any:
        name = info.field_name
        if name in ROOTS:
            key = str(info.path.key)
            page = self.shown.get(key) or self._listed(info, arguments, wanted)
            self.pages[key] = page
            return page
        match name:
            case "node":
                return self._node(info, arguments["id"])
            case "nodes":
                if len(arguments["ids"]) > 250:
                    raise bad_request("The input array size is greater than the maximum allowed of 250.")
                return [self._node(info, each) for each in arguments["ids"]]
            case "shop":
                return {
                    "id": gid("Shop", SHOP_NUMBER), "name": "Fake", "myshopifyDomain": "fake.myshopify.com",
                    "currencyCode": "USD", "ianaTimezone": "Etc/UTC",
                }  # fmt: skip
            case "currentAppInstallation":
                scopes = [{"handle": each, "description": each} for each in sorted(self.viewer.scopes)]
                return {"id": gid("AppInstallation", 1), "accessScopes": scopes}
            case "bulkOperations":
                shown = self.bulk.all(self.viewer.bucket, self.files)
                keyed = Sorted.by(shown, lambda each: (True, each["createdAt"], _number(each)))
                return self._page(keyed, wanted, None)
            case "currentBulkOperation":
                return next(iter(reversed(self.bulk.all(self.viewer.bucket, self.files))), None)
            case "bulkOperation":
                return self.bulk.find(arguments["id"], self.viewer.bucket, self.files)
        listed = ROOTS.get(re.sub(r"Count$", "", name))
        if name.endswith("Count") and listed is not None:
            return self._count(info, arguments, listed)
        collection = BY_TYPE.get(get_named_type(info.return_type).name)
        if collection is not None and set(arguments) == {"id"}:
            known, _ = of_gid(arguments["id"])
            if known is not collection:
                raise GraphQLError(
                    f"Invalid id: {arguments['id']}", extensions={"code": "RESOURCE_NOT_FOUND"}
                )
            return self._node(info, arguments["id"])
        return plain(self.schema.graphql, info.return_type)

    def _node(self, info: GraphQLResolveInfo, id: str) -> Any:
        if id.startswith(gid("BulkOperation", "")):
            return self.bulk.find(id, self.viewer.bucket, self.files)
        if not re.match(r"gid://shopify/\w+/\w", id):
            raise GraphQLError(
                f"Invalid global id '{id}'", extensions={"code": "argumentLiteralsIncompatible"}
            )
        item = self.shop.item(id)
        return None if item is None else self._permitted(item, info.field_name)

    def _permitted(self, item: Item, field: str) -> Record:
        record = self.shop.record(item)
        self._check(BY_TYPE[record.type], field)
        return record

    def _check(self, collection: Collection, field: str) -> None:
        scope = f"read_{collection.scope}"
        if collection.scope and not self.viewer.may(scope):
            raise access_denied(field, scope)

    # -- lists --------------------------------------------------------------------------------------------

    def _listed(self, info: GraphQLResolveInfo, arguments: dict[str, Any], wanted: Wanted | None) -> Page:
        collection = ROOTS[info.field_name]
        self._check(collection, info.field_name)
        if arguments.get("savedSearchId"):
            raise NotHere("the fake has no saved searches")
        identity, keep = self._test(info, arguments, collection, info.field_name)
        return self._page(
            self.lists.sorted(collection, arguments.get("sortKey"), identity, keep), wanted, self.cap
        )

    def _page(self, found: Sorted, wanted: Wanted | None, cap: int | None) -> Page:
        if wanted is None:
            return Page(found.entries, [""] * len(found.entries))
        return found.page(wanted, cap)

    def _test(
        self, info: GraphQLResolveInfo, arguments: dict[str, Any], collection: Collection, field: str
    ) -> tuple[str, Callable[[Record], bool] | None]:
        """Which objects a list has, and what tells this test from others."""
        tests: list[Callable[[Record], bool]] = []
        identity: list[Any] = [field]
        query = (arguments.get("query") or "").strip()
        if query:
            search = parse(query, collection, self.schema.search_fields(field))
            identity.append(query)
            tests.append(search.test)
            if search.warnings:
                said = {"path": info.path.as_list(), "query": query, "warnings": search.warnings}
                self.warnings.append(said)
        if collection.name == "order" and not self.viewer.may("read_all_orders"):
            oldest = int(self.shop.clock.now() - OLD_ORDERS)
            identity.append(oldest)
            tests.append(lambda record: record.item.created >= oldest)
        if collection.name == "location" and not arguments.get("includeInactive"):
            identity.append("active")
            tests.append(lambda record: record.fields["isActive"])
        if collection.name == "fulfillment_order" and not arguments.get("includeClosed"):
            identity.append("open")
            tests.append(lambda record: record.fields["status"] != "CLOSED")
        if collection.name == "metaobject":
            type = arguments["type"]
            identity.append(type)
            tests.append(lambda record: record.fields["type"] == type)
        if arguments.get("subjectTypes"):
            subjects = list(arguments["subjectTypes"])
            identity.append(subjects)
            tests.append(lambda record: record.fields["subjectType"] in subjects)
        if not tests:
            return repr(identity), None
        return repr(identity), lambda record: all(test(record) for test in tests)

    def _count(self, info: GraphQLResolveInfo, arguments: dict[str, Any], collection: Collection) -> Any:
        self._check(collection, info.field_name)
        field = re.sub(r"Count$", "", info.field_name)
        identity, keep = self._test(info, {**arguments}, collection, field)
        count = len(self.lists.sorted(collection, None, identity, keep).entries)
        limit = arguments.get("limit")
        over = limit is not None and count > limit
        return {"count": limit if over else count, "precision": "AT_LEAST" if over else "EXACT"}


def resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    return info.context.value(source, info, arguments)


def resolve_type(value: Any, info: GraphQLResolveInfo, abstract: GraphQLAbstractType) -> str:
    return info.context.type_of(value, abstract)


def _of_names(item: Item, namespace: str | None, keys: list[str] | None) -> bool:
    """keys: each with its namespace in front, or without where `namespace` says it."""
    document = item.document()
    if namespace is not None and document["namespace"] != namespace:
        return False
    full = f"{document['namespace']}.{document['key']}"
    return keys is None or full in keys or (namespace is not None and document["key"] in keys)


def _number(shown: dict[str, Any]) -> int:
    return int(shown["id"].rpartition("/")[2])
