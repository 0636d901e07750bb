"""From a WHERE clause to a test of rows, with Salesforce's opinion on what may be compared with what."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import ids
from .fields import Field, SObject
from .org import Row
from .soql import Both, Comparison, Condition, Either, Literal, Not, refusal
from .view import View

Test = Callable[[Row], bool]
KINDS = {
    "datetime": "datetime",
    "date": "date",
    "boolean": "boolean",
    "int": "number",
    "double": "number",
    "currency": "number",
    "percent": "number",
}
"""A field's type → the literals that it is compared with; all others are texts."""
NAMES = {"datetime": "dateTime", "number": "double"}


class Conditions:
    """Of one query: `text` is what it says, for errors that quote it."""

    def __init__(self, view: View, sobject: SObject, text: str) -> None:
        self._view = view
        self._sobject = sobject
        self._text = text

    def test(self, condition: Condition) -> Test:
        match condition:
            case Not(inner):
                negated = self.test(inner)
                return lambda row: not negated(row)
            case Both(conditions):
                tests = [self.test(each) for each in conditions]
                return lambda row: all(test(row) for test in tests)
            case Either(conditions):
                tests = [self.test(each) for each in conditions]
                return lambda row: any(test(row) for test in tests)
        assert isinstance(condition, Comparison)
        return self._comparison(condition)

    def stamps(self, condition: Condition | None) -> tuple[str, str]:
        """From which SystemModstamp to which the rows are that can pass: what an index is good for."""
        low, high = "", "~"
        each: Condition | None
        for each in condition.conditions if isinstance(condition, Both) else (condition,):
            if isinstance(each, Comparison) and each.path.text.lower() == "systemmodstamp":
                value = each.values[0].value
                if each.operator in (">", ">=", "=") and isinstance(value, str):
                    low = max(low, value)
                if each.operator in ("<", "<=", "=") and isinstance(value, str):
                    high = min(high, value)
        return low, high

    def _comparison(self, comparison: Comparison) -> Test:
        field, get = self._view.get(self._sobject, comparison.path.text)
        if not field.filterable:
            raise self._refused(comparison, f"field '{field.name}' can not be filtered in a query call")
        values = [self._value(comparison, field, each) for each in comparison.values]
        operator = comparison.operator
        if operator == "LIKE":
            return self._like(comparison, field, get, values[0])
        folded = self._folding(field)
        if operator == "IN":
            wanted = {folded(each) for each in values}
            return lambda row: folded(get(row)) in wanted
        value = folded(values[0])
        if operator == "=":
            return lambda row: folded(get(row)) == value
        if operator == "!=":
            return lambda row: folded(get(row)) != value
        if value is None or field.type == "boolean":
            raise self._refused(comparison, f"invalid operator on {field.type} field")
        # What is null is neither less nor more than anything.
        match operator:
            case "<":
                return lambda row: (own := folded(get(row))) is not None and own < value
            case "<=":
                return lambda row: (own := folded(get(row))) is not None and own <= value
            case ">":
                return lambda row: (own := folded(get(row))) is not None and own > value
        return lambda row: (own := folded(get(row))) is not None and own >= value

    def _like(self, comparison: Comparison, field: Field, get: Callable[[Row], Any], value: Any) -> Test:
        if KINDS.get(field.type, "string") != "string" or not isinstance(value, str):
            raise self._refused(comparison, f"invalid operator on {field.type} field")
        # An escaped wildcard can't be told apart here from one that is not: the fake has no need of any.
        parts = (".*" if each == "%" else "." if each == "_" else re.escape(each) for each in value)
        pattern = re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
        return lambda row: pattern.fullmatch(get(row) or "") is not None

    def _value(self, comparison: Comparison, field: Field, literal: Literal) -> Any:
        if literal.kind == "null":
            return None
        wanted = KINDS.get(field.type, "string")
        if wanted != literal.kind:
            quoted = "should be" if wanted == "string" else "should not be"
            raise self._refused(
                comparison,
                f"value of filter criterion for field '{field.name}' must be of type "
                f"{NAMES.get(wanted, wanted)} and {quoted} enclosed in quotes",
            )
        if field.type in ("id", "reference"):
            id = ids.parse(literal.value)
            if id is None:
                raise refusal(
                    self._text,
                    comparison.path.at,
                    "INVALID_QUERY_FILTER_OPERATOR",
                    f"invalid ID field: {literal.value}",
                )
            return id
        return literal.value

    def _folding(self, field: Field) -> Callable[[Any], Any]:
        """Texts are compared whatever their case, except ids."""
        if KINDS.get(field.type, "string") != "string" or field.type in ("id", "reference"):
            return lambda value: value
        return lambda value: value.casefold() if isinstance(value, str) else value

    def _refused(self, comparison: Comparison, message: str) -> Exception:
        return refusal(self._text, comparison.path.at, "INVALID_FIELD", message)
