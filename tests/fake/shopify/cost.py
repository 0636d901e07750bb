"""What a query costs, and the bucket that it is paid from.

Documented: scalars and enums nothing, an object 1, a mutation 10, an abstract type what the dearest of its
types costs, a connection by its size. That a connection costs 2 beside is told elsewhere by Shopify; what a
list costs that is no connection is assumed: 1, or one of its size where it is asked for with `first`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_argument_values,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)

from .schema import is_connection

MUTATION, CONNECTION = 10, 2


class Estimate:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDefinitionNode],
        variables: dict[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def of(self, operation: OperationDefinitionNode) -> int:
        root = self._schema.get_root_type(operation.operation)
        assert root is not None
        return self._selected(operation.selection_set, root)

    def _selected(self, selections: SelectionSetNode | None, parent: GraphQLNamedType) -> int:
        shared, apart = 0, {}
        for each in selections.selections if selections else ():
            if self._skipped(each):
                continue
            if isinstance(each, FieldNode):
                shared += self._field(each, parent)
                continue
            if isinstance(each, InlineFragmentNode):
                condition, inner = each.type_condition, each.selection_set
            else:
                fragment = self._fragments[each.name.value]
                condition, inner = fragment.type_condition, fragment.selection_set
            found = self._schema.type_map[condition.name.value] if condition else parent
            cost = self._selected(inner, found)
            if found is parent or is_abstract_type(found):
                shared += cost
            else:
                apart[found.name] = apart.get(found.name, 0) + cost
        return shared + max(apart.values(), default=0)

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> int:
        field = self._definition(parent, node.name.value)
        if field is None:
            return 0
        named = get_named_type(field.type)
        if is_leaf_type(named):
            return 0
        if parent is self._schema.mutation_type:
            # Of what it gives back nothing is counted: that an answer is cheap is assumed.
            return MUTATION
        size = self._size(field, node)
        if is_connection(named.name):
            return CONNECTION + size * (1 + self._of_one(node.selection_set, named))
        return size * (1 + self._selected(node.selection_set, named))

    def _of_one(self, selections: SelectionSetNode | None, connection: GraphQLNamedType) -> int:
        """What one object of a connection costs beside itself; that `pageInfo` is free is a part of the 2."""
        cost = 0
        for each in self._flat(selections):
            if each.name.value == "nodes":
                cost += self._selected(each.selection_set, self._type_of(connection, "nodes"))
            elif each.name.value == "edges":
                edge = self._type_of(connection, "edges")
                cost += sum(
                    self._selected(inner.selection_set, self._type_of(edge, "node"))
                    for inner in self._flat(each.selection_set)
                    if inner.name.value == "node"
                )
        return cost

    def _flat(self, selections: SelectionSetNode | None) -> Iterator[FieldNode]:
        """The fields of connections and edges, which are of one type whatever a fragment says."""
        for each in selections.selections if selections else ():
            if self._skipped(each):
                continue
            if isinstance(each, FieldNode):
                yield each
            elif isinstance(each, InlineFragmentNode):
                yield from self._flat(each.selection_set)
            else:
                yield from self._flat(self._fragments[each.name.value].selection_set)

    def _type_of(self, parent: GraphQLNamedType, name: str) -> GraphQLNamedType:
        field = self._definition(parent, name)
        assert field is not None
        return get_named_type(field.type)

    def _size(self, field: GraphQLField, node: FieldNode) -> int:
        if "first" not in field.args:
            return 1
        try:
            given = get_argument_values(field, node, self._variables)
        except GraphQLError:
            return 1
        size = next((given[name] for name in ("first", "last") if given.get(name) is not None), 0)
        return max(0, size) if is_connection(get_named_type(field.type).name) else size or 1

    def _definition(self, parent: GraphQLNamedType, name: str) -> GraphQLField | None:
        return getattr(parent, "fields", {}).get(name)

    def _skipped(self, node: Any) -> bool:
        for each in node.directives:
            if each.name.value in ("skip", "include"):
                value = each.arguments[0].value
                given = self._variables.get(value.name.value) if value.kind == "variable" else value.value
                if given is (each.name.value == "skip"):
                    return True
        return False


@dataclass
class Bucket:
    """So many points at most, of which some come back each second. `maximum` None: nobody is refused.

    `beyond` counts the queries that there were no points for.
    """

    maximum: float | None = 2000.0
    restore_rate: float = 100.0
    single: int | None = 1000
    beyond: int = 0

    def __post_init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str, cost: int, now: float) -> bool:
        """`now` in monotonic seconds."""
        left = self.available(key, now)
        if self.maximum is not None and left < cost:
            self.beyond += 1
            return False
        self._left[key] = (now, left - cost)
        return True

    def give_back(self, key: str, cost: int, now: float) -> None:
        """What was asked for and not used."""
        self._left[key] = (now, min(self._most, self.available(key, now) + cost))

    def empty(self, key: str, now: float) -> None:
        self._left[key] = (now, 0.0)

    def available(self, key: str, now: float) -> float:
        moment, left = self._left.get(key, (now, self._most))
        return min(self._most, left + max(0.0, now - moment) * self.restore_rate)

    def report(self, key: str, requested: int, actual: int | None, now: float) -> dict[str, Any]:
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self._most,
                "currentlyAvailable": int(self.available(key, now)),
                "restoreRate": self.restore_rate,
            },
        }

    @property
    def _most(self) -> float:
        return ENDLESS[0] if self.maximum is None else self.maximum


ENDLESS = (100_000_000.0, 10_000_000.0)
"""What is shown where there are no limits: a client that saw less would wait."""
PLANS = {
    "standard": (2000, 100),
    "advanced": (4000, 200),
    "plus": (20_000, 1000),
    "enterprise": (40_000, 2000),
}
"""The rates are documented; that a bucket holds what comes back in 20 seconds has been seen."""
