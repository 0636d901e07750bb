"""Writes providers/shopify.fields.json: what the queries ask for, with the types of Shopify's schema."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    parse,
)

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "providers" / "shopify.fields.json"
DOCUMENTS = ROOT / "providers" / "shopify"
DECLARATION = json.loads((ROOT / "providers" / "shopify.json").read_text(encoding="utf-8"))

TYPES = {
    "Boolean": "boolean", "Date": "date", "DateTime": "timestamptz", "Decimal": "numeric",
    "Float": "double precision", "Int": "bigint", "Money": "numeric",
    "UnsignedInt64": "bigint", "BigInt": "bigint", "JSON": "jsonb",
}  # fmt: skip

Found = dict[str, Any]


def fields(schema: GraphQLSchema) -> dict[str, dict[str, Any]]:
    """Collection → column → type and place, as a declaration has it."""
    return {
        collection["name"]: dict(sorted(_fields_of(schema, document_of(collection)).items()))
        for collection in DECLARATION["collections"]
    }


def document_of(collection: dict[str, Any]) -> str:
    return (DOCUMENTS / f"{collection['body']['query']['$document']}.graphql").read_text(encoding="utf-8")


def _fields_of(schema: GraphQLSchema, text: str) -> Found:
    [fragment] = [each for each in parse(text).definitions if isinstance(each, FragmentDefinitionNode)]
    return dict(
        _columns(schema, schema.type_map[fragment.type_condition.name.value], fragment.selection_set, "")
    )


def _columns(
    schema: GraphQLSchema, parent: GraphQLNamedType, selected: SelectionSetNode, at: str
) -> Iterator[tuple[str, Any]]:
    """A column for each field; an id, an amount or a discount within an object has one of its own."""
    for each in selected.selections:
        if isinstance(each, InlineFragmentNode):
            # What types of objects have in common is of one type, or their queries would be refused.
            found = schema.type_map[each.type_condition.name.value]
            yield from _columns(schema, found, each.selection_set, at)
            continue
        assert isinstance(each, FieldNode)
        name = each.name.value
        if name == "__typename":
            yield _snake(f"{at[1:]}_type"), {"type": "text", "at": f"{at}/{name}"}
            continue
        field = parent.fields[name]
        named, place = get_named_type(field.type), f"{at}/{name}"
        if is_list_type(get_nullable_type(field.type)):
            yield _snake(name), {"type": "jsonb", "at": place}
        elif is_leaf_type(named):
            kind = "text" if is_enum_type(named) else TYPES.get(named.name, "text")
            yield _snake(name), {"type": kind, "at": place}
        else:
            yield from _within(schema, named, each, place)


def _within(
    schema: GraphQLSchema, named: GraphQLNamedType, field: FieldNode, place: str
) -> Iterator[tuple[str, Any]]:
    name = field.name.value
    inner = {each.name.value for each in field.selection_set.selections if isinstance(each, FieldNode)}
    if name == "discount":
        yield from _columns(schema, named, field.selection_set, place)
        return
    if named.name in ("MoneyBag", "MoneyV2"):
        amount = f"{place}/shopMoney/amount" if named.name == "MoneyBag" else f"{place}/amount"
        yield _snake(name.removesuffix("Set")), {"type": "numeric", "at": amount}
    if "id" in inner:
        yield f"{_snake(name)}_id", {"type": "text", "at": f"{place}/id"}
    if inner != {"id"} and named.name != "MoneyV2":
        yield _snake(name), {"type": "jsonb", "at": place}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def written(fields: dict[str, dict[str, Any]]) -> str:
    """As the file has it: a line a field, so that a difference shows which."""
    collections = []
    for name, types in fields.items():
        members = [f"    {json.dumps(field)}: {json.dumps(kind)}" for field, kind in types.items()]
        collections.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(members) + "\n  }")
    return "{\n" + ",\n".join(collections) + "\n}\n"


def main() -> None:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]
    from house.test_shopify import schema

    FILE.write_text(written(fields(schema().graphql)), encoding="utf-8")


if __name__ == "__main__":
    main()
