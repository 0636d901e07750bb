"""What a field has of which nobody says anything: the plainest value that its type allows."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLOutputType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from .catalog import gid

PLAIN: dict[str, Any] = {
    "Boolean": False, "Int": 0, "Float": 0.0, "String": "", "HTML": "", "FormattedString": "", "JSON": {},
    "Money": "0.00", "Decimal": "0.0", "BigInt": "0", "UnsignedInt64": "0", "Date": "2024-01-02",
    "DateTime": "2024-01-02T03:04:05Z", "URL": "https://fake.example/", "ID": gid("Thing", 1),
    "StorefrontID": gid("Thing", 1), "ARN": "", "Color": "#000000", "UtcOffset": "+00:00",
}  # fmt: skip


def plain(schema: GraphQLSchema, type: GraphQLOutputType) -> Any:
    """null where that may be; an object is empty, as its own fields are made up in their turn."""
    if not is_non_null_type(type):
        return None
    if is_list_type(type.of_type):
        return []
    named = get_named_type(type)
    if isinstance(named, GraphQLEnumType):
        # The first that is in force, and none of the many that say that something is wrong.
        values = {name: each for name, each in named.values.items() if not each.deprecation_reason}
        return "USD" if named.name == "CurrencyCode" else next(iter(values or named.values))
    if is_leaf_type(named):
        return PLAIN[named.name]
    if is_abstract_type(named):
        return {"__typename": schema.get_possible_types(named)[0].name}
    return {}
