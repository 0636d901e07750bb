"""The search syntax of the argument `query`, over the fields that the schema documents for each list.

Who asks by a field that a list has not got is not refused: the term is left out, and a warning says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .catalog import Collection, of_gid
from .errors import NotHere
from .shop import Record
from .times import seconds

Test = Callable[[Record], bool]

TOKEN = re.compile(
    r"""\s*(?:(?P<open>-?\()|(?P<close>\))|(?P<word>AND|OR|NOT)(?=[\s(])|
    (?P<minus>-)?(?:(?P<name>[\w.]+)\s*:\s*(?P<comparator><=|>=|<|>)?\s*)?
    (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[^\s:()"']+)))""",
    re.X,
)
DAY = 86_400
MEMBERS = {
    "financial_status": "displayFinancialStatus", "fulfillment_status": "displayFulfillmentStatus",
    "inventory_total": "totalInventory", "orders_count": "numberOfOrders", "gift_card": "isGiftCard",
    "total_spent": "amountSpent", "since_date": "customerSince",
}  # fmt: skip
"""Search fields that are not called as the member is."""


@dataclass(slots=True)
class Search:
    """A query that has been understood, as far as it could be."""

    test: Test
    warnings: list[dict[str, str]] = field(default_factory=list)


def parse(query: str, collection: Collection, documented: dict[str, str]) -> Search:
    """documented: the fields that the list knows → their kind."""
    return _Parser(query, collection, documented).search()


class _Parser:
    def __init__(self, query: str, collection: Collection, documented: dict[str, str]) -> None:
        self._text = query
        self._at = 0
        self._collection = collection
        self._documented = documented
        self._warnings: list[dict[str, str]] = []

    def search(self) -> Search:
        tests: list[Test] = []
        while self._text[self._at :].strip():
            before = self._at
            found = self._any()
            if found is not None:
                tests.append(found)
            if self._at == before:
                # A stray bracket or colon: what can't be read is passed over, as all else is.
                self._warn("", "parse_error", "The query could not be understood from here on.")
                self._at += 1
        return Search(lambda record: all(test(record) for test in tests), self._warnings)

    def _any(self) -> Test | None:
        tests = [self._all()]
        while self._taken("OR"):
            tests.append(self._all())
        known = [each for each in tests if each is not None]
        return (lambda record: any(test(record) for test in known)) if known else None

    def _all(self) -> Test | None:
        tests: list[Test] = []
        while (match := self._peek()) and not match["close"] and match["word"] != "OR":
            if match["word"] == "AND":
                self._at = match.end()
                continue
            found = self._term()
            if found is not None:
                tests.append(found)
        return (lambda record: all(test(record) for test in tests)) if tests else None

    def _term(self) -> Test | None:
        match = self._peek()
        assert match is not None
        self._at = match.end()
        if match["word"] == "NOT":
            return _negated(self._term() if self._peek() else None)
        if match["open"]:
            inner = self._any()
            closing = self._peek()
            if closing and closing["close"]:
                self._at = closing.end()
            return _negated(inner) if match["open"].startswith("-") else inner
        value = next(match[each] for each in ("double", "single", "bare") if match[each] is not None)
        value = re.sub(r"\\(.)", r"\1", value)
        bare = match["bare"] is not None
        found = self._compared(match["name"], match["comparator"] or "", value, bare)
        return _negated(found) if match["minus"] else found

    def _compared(self, name: str | None, comparator: str, value: str, bare: bool) -> Test | None:
        if name is None:
            wanted = value.rstrip("*").lower()
            return lambda record: wanted in record.item.raw.decode().lower()
        kind = self._documented.get(name)
        if kind is None:
            return self._warn(name, "invalid_field", "Invalid search field for this query.")
        get = _getter(self._collection, name)
        if bare and value == "*":
            return lambda record: get(record) not in (None, "", [])
        try:
            return _comparison(kind, name, get, comparator, value, bare)
        except ValueError:
            # That this is no error either is assumed.
            return self._warn(name, "invalid_value", f"Invalid value {value!r} for this search field.")

    def _warn(self, name: str, code: str, message: str) -> None:
        self._warnings.append({"field": name, "message": message, "code": code})

    def _peek(self) -> re.Match[str] | None:
        return TOKEN.match(self._text, self._at)

    def _taken(self, word: str) -> bool:
        match = self._peek()
        if match is None or match["word"] != word:
            return False
        self._at = match.end()
        return True


def _negated(test: Test | None) -> Test | None:
    return None if test is None else lambda record: not test(record)


def _getter(collection: Collection, name: str) -> Callable[[Record], Any]:
    """What a search field is compared with."""
    if name == "id":
        return lambda record: of_gid(record.item.id)[1]
    if name in ("created_at", "occurred_at"):
        return lambda record: record.item.created
    if name in ("tag", "tag_not"):
        return lambda record: record.fields.get("tags") or []
    if name == "status" and collection.name == "order":
        return _order_status
    if name == "active" and collection.name == "location":
        return lambda record: "active" if record.fields["isActive"] else "inactive"
    if name.endswith("_id"):
        member = name.removesuffix("_id")
        return lambda record: of_gid(((record.fields.get(member) or {}).get("id")) or "")[1]
    camel = MEMBERS.get(name) or re.sub(r"_(\w)", lambda match: match[1].upper(), name)

    def get(record: Record) -> Any:
        fields = record.fields.get("discount", record.fields)
        if camel not in fields:
            raise NotHere(f"the fake can't search {collection.path} by {name}")
        value = fields[camel]
        return value["amount"] if isinstance(value, dict) and "amount" in value else value

    return get


def _order_status(record: Record) -> str:
    if record.fields["cancelledAt"]:
        return "cancelled"
    return "closed" if record.fields["closed"] else "open"


def _comparison(
    kind: str, name: str, get: Callable[[Record], Any], comparator: str, value: str, bare: bool
) -> Test:
    """Raises ValueError for a value that is none of the kind."""
    match kind:
        case "time" | "date":
            return _of_time(get, comparator, value, bare)
        case "id":
            number = of_gid(value)[1] or int(value)
            return lambda record: _holds(get(record), comparator, number)
        case "integer" | "float" | "bigdecimal":
            wanted = float(value)
            return lambda record: get(record) is not None and _holds(float(get(record)), comparator, wanted)
        case "boolean":
            if value not in ("true", "false"):
                raise ValueError(value)
            return lambda record: get(record) is (value == "true")
    text, prefix = value.lower(), bare and value.endswith("*")
    text = text.rstrip("*") if prefix else text
    if name == "status" and text == "any":
        return lambda record: True

    def test(record: Record) -> bool:
        found = get(record)
        values = (
            [str(each).lower() for each in found] if isinstance(found, list) else [str(found or "").lower()]
        )
        if comparator:
            return any(_holds(each, comparator, text) for each in values)
        hit = any(each.startswith(text) if prefix else each == text for each in values)
        return not hit if name == "tag_not" else hit

    return test


def _of_time(get: Callable[[Record], Any], comparator: str, value: str, bare: bool) -> Test:
    """A value is a whole day if it is a date. Unquoted, a time ends at its first colon: minutes are lost."""
    start = seconds(value)
    length = DAY if len(value) == 10 else 1

    def test(record: Record) -> bool:
        found = get(record)
        if found is None:
            return False
        moment = found if isinstance(found, int) else seconds(found)
        # What `>` and `<=` mean of a day is assumed: its beginning.
        return _holds(moment, comparator, start) if comparator else start <= moment < start + length

    return test


def _holds(one: Any, comparator: str, other: Any) -> bool:
    match comparator:
        case "<":
            return one < other
        case "<=":
            return one <= other
        case ">":
            return one > other
        case ">=":
            return one >= other
    return one == other
