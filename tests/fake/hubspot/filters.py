"""What a search looks for, and in which order it finds it.

Operators, limits and the case of values are documented. What comes of records without the property (they are
not unlike anything, and sorted last) is assumed, and that records that are alike are in no order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any
from zlib import crc32

from .errors import invalid, invalid_body
from .properties import Property
from .values import instant, number

Predicate = Callable[[dict[str, str]], bool]
Comparable = Any

GROUPS, FILTERS, ALL_FILTERS = 5, 6, 18
COMPARED: dict[str, Callable[[Comparable, Comparable], bool]] = {
    "EQ": lambda own, given: own == given,
    "NEQ": lambda own, given: own != given,
    "LT": lambda own, given: own < given,
    "LTE": lambda own, given: own <= given,
    "GT": lambda own, given: own > given,
    "GTE": lambda own, given: own >= given,
}


class Filters:
    """known: the properties of the type. lexicographic: ids are texts, though made of digits."""

    def __init__(self, known: dict[str, Property], lexicographic: bool) -> None:
        self._known = known
        self._lexicographic = lexicographic

    def groups(self, given: Any) -> Predicate:
        """Whether all filters of any group fit. Raises ApiError for what HubSpot refuses."""
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise invalid_body("filterGroups must be a list of objects")
        lists = [each.get("filters") for each in given]
        if not all(isinstance(each, list) and all(isinstance(one, dict) for one in each) for each in lists):
            raise invalid_body("filters must be a list of objects")
        counts = [len(each) for each in lists]
        if len(counts) > GROUPS or max(counts, default=0) > FILTERS or sum(counts) > ALL_FILTERS:
            raise invalid(
                f"There are too many filters: at most {GROUPS} groups of {FILTERS}, and {ALL_FILTERS} in all"
            )
        made = [[self._filter(each) for each in filters] for filters in lists]
        return lambda values: not made or any(all(fits(values) for fits in group) for group in made)

    def order(self, given: Any, default: str) -> tuple[str, bool]:
        """The property that is sorted by, and whether it is from the largest value on."""
        if not given:
            return default, False
        if not isinstance(given, list) or len(given) > 1:
            raise invalid("sorts: there can only be one")
        [sort] = given
        if isinstance(sort, str):
            name, descending = sort.removeprefix("-"), sort.startswith("-")
        elif isinstance(sort, dict) and sort.get("direction", "ASCENDING") in ("ASCENDING", "DESCENDING"):
            name, descending = sort.get("propertyName"), sort.get("direction") == "DESCENDING"
        else:
            raise invalid(f"sorts: {sort!r} is no sort")
        self._property(name)
        return name, descending

    def sorted(self, found: list[tuple[str, dict[str, str]]], name: str, descending: bool) -> list[str]:
        """The ids of the records in that order."""
        known = self._known[name]
        with_it, without = [], []
        for id, values in found:
            key = self._comparable(known, values[name]) if name in values else None
            if key is None:
                without.append((crc32(id.encode()), id))
            else:
                with_it.append((key, crc32(id.encode()), id))
        with_it.sort(reverse=descending)
        return [each[-1] for each in with_it] + [each[-1] for each in sorted(without)]

    def _property(self, name: Any) -> Property:
        if not isinstance(name, str) or name not in self._known:
            raise invalid(
                "There was a problem with the request.",
                errors=[
                    {
                        "message": f"Property {name!r} does not exist",
                        "code": "PROPERTY_DOESNT_EXIST",
                        "context": {"propertyName": [str(name)]},
                    }
                ],
            )
        return self._known[name]

    def _filter(self, given: dict[str, Any]) -> Predicate:
        known = self._property(given.get("propertyName"))
        name, operator = known.name, given.get("operator")
        match operator:
            case "HAS_PROPERTY":
                return lambda values: name in values
            case "NOT_HAS_PROPERTY":
                return lambda values: name not in values
            case "IN" | "NOT_IN":
                wanted = given.get("values")
                if not isinstance(wanted, list) or not wanted:
                    raise invalid(f"operator {operator} requires values")
                # Of texts the values must be in lower case: others are found nowhere.
                keys = {self._given(known, each, lower=False) for each in wanted}
                inside = operator == "IN"
                return lambda values: name in values and (self._own(known, values) in keys) == inside
            case "BETWEEN":
                low, high = self._given(known, given.get("value")), self._given(known, given.get("highValue"))
                return lambda values: (own := self._own(known, values)) is not None and low <= own <= high
            case "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN":
                words = str(given.get("value", "")).lower().split()
                inside = operator == "CONTAINS_TOKEN"
                return lambda values: name in values and contains(values[name], words) == inside
        compare = COMPARED.get(str(operator))
        if compare is None:
            raise invalid_body(f"{operator!r} is no operator")
        bound = self._given(known, given.get("value"))
        return lambda values: (own := self._own(known, values)) is not None and compare(own, bound)

    def _given(self, known: Property, value: Any, lower: bool = True) -> Comparable:
        if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
            raise invalid(f"{known.name}: {value!r} is no value to compare with")
        text = str(value)
        if known.type == "string" and not lower:
            return text
        found = self._comparable(known, text)
        if found is None:
            raise invalid(f"{known.name}: {text!r} is no {known.type}")
        return found

    def _own(self, known: Property, values: dict[str, str]) -> Comparable:
        return self._comparable(known, values[known.name]) if known.name in values else None

    def _comparable(self, known: Property, text: str) -> Comparable:
        """None for what is not of the property's type."""
        if known.name == "hs_object_id" and self._lexicographic:
            return text
        match known.type:
            case "number":
                return number(text)
            case "datetime" | "date":
                return instant(text)
            case "enumeration":
                return text
        return text.lower()


def contains(text: str, words: list[str]) -> bool:
    """Whether each of the words is one of the text's; `*` stands for any letters."""
    own = {*re.findall(r"\w+", text.lower()), *text.lower().split()}
    return all(any(fnmatchcase(each, word) for each in own) for word in words)
