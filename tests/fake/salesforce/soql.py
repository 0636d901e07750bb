"""Reads SOQL: what connectors send of it, and refuses the rest as Salesforce refuses what it can't read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from . import moments
from .errors import ApiError, malformed

TOKEN = re.compile(
    r"""\s*(?:
    (?P<datetime>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)) | (?P<date>\d{4}-\d\d-\d\d(?![\dT])) |
    (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?) | (?P<string>'(?:[^'\\]|\\.)*') |
    (?P<name>[A-Za-z_][\w.]*) | (?P<sign><=|>=|!=|<>|[=<>(),:])
    )""",
    re.VERBOSE | re.DOTALL,
)
T = TypeVar("T")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
CLAUSES = ("FROM", "WHERE", "ORDER", "LIMIT", "OFFSET")
AGGREGATES = ("COUNT", "MIN", "MAX")


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    """kind: string, number, boolean, null, date or datetime. text: as it was written."""

    kind: str
    value: Any
    text: str


@dataclass(frozen=True, slots=True)
class Path:
    text: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Aggregate:
    """COUNT() has no path."""

    function: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class Every:
    """FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""

    which: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """values: one, or those of a list."""

    path: Path
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class Both:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    conditions: tuple[Condition, ...]


Condition = Comparison | Not | Both | Either


@dataclass(frozen=True, slots=True)
class Order:
    path: Path
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Query:
    """items: in the order in which they were asked for. text: of the whole query, for what errors show."""

    items: tuple[Path | Aggregate | Every | Query, ...]
    source: str
    where: Condition | None
    orders: tuple[Order, ...]
    limit: int | None
    offset: int
    text: str


def refusal(text: str, at: int, code: str, message: str) -> ApiError:
    """As Salesforce says it: a part of the query, an arrow below what is wrong, and where that is."""
    begin, end = max(0, at - 40), at + 40
    row, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    excerpt = text[begin:end].replace("\n", " ")
    arrow = " " * (at - begin) + "^"
    return ApiError(400, code, f"\n{excerpt}\n{arrow}\nERROR at Row:{row}:Column:{column}\n{message}")


def parse(text: str) -> Query:
    """Raises ApiError: MALFORMED_QUERY."""
    parser = _Parser(text)
    query = parser.query()
    parser.end()
    return query


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[Token] = []
        self._position = 0
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                message = f"unexpected token: '{text[at]}'"
                if text[at] == "'":
                    message = "unterminated string literal"
                raise refusal(text, at, "MALFORMED_QUERY", message)
            kind = str(found.lastgroup)
            self._tokens.append(Token(kind, found[kind], found.start(kind)))
            at = found.end()

    # -- the query ----------------------------------------------------------------------------------------

    def query(self) -> Query:
        self._expect("SELECT")
        items = self._list(self._item)
        self._expect("FROM")
        source = self._source()
        where = self._condition() if self._take("WHERE") else None
        orders: list[Order] = []
        if self._take("ORDER"):
            self._expect("BY")
            orders = self._list(self._order)
        limit = self._whole() if self._take("LIMIT") else None
        offset = self._whole() if self._take("OFFSET") else 0
        return Query(tuple(items), source.text, where, tuple(orders), limit, offset, self._text)

    def end(self) -> None:
        if self._position < len(self._tokens):
            raise self._unexpected()

    def _item(self) -> Path | Aggregate | Every | Query:
        if self._take("("):
            query = self.query()
            self._expect(")")
            return query
        name = self._name()
        if not self._take("("):
            return name
        function = name.text.upper()
        if function == "FIELDS":
            which = self._name().text.upper()
            if which not in ("ALL", "STANDARD", "CUSTOM"):
                raise malformed(f"FIELDS knows ALL, STANDARD and CUSTOM, not {which}")
            self._expect(")")
            return Every(which)
        if function not in AGGREGATES:
            raise refusal(self._text, name.at, "MALFORMED_QUERY", f"unknown function: {name.text}")
        path = None if function == "COUNT" and self._is(")") else self._name()
        self._expect(")")
        return Aggregate(function, path)

    def _order(self) -> Order:
        path = self._name()
        descending = not self._take("ASC") and self._take("DESC")
        first = True
        if self._take("NULLS"):
            first = self._take("FIRST")
            if not first:
                self._expect("LAST")
        return Order(path, descending, first)

    # -- conditions ---------------------------------------------------------------------------------------

    def _condition(self) -> Condition:
        conditions = [self._one()]
        word = next((each for each in ("AND", "OR") if self._is(each)), None)
        while word and self._take(word):
            conditions.append(self._one())
        # AND beside OR needs brackets: what follows is then an unexpected token.
        if self._is("AND") or self._is("OR"):
            raise self._unexpected()
        if len(conditions) == 1:
            return conditions[0]
        return Both(tuple(conditions)) if word == "AND" else Either(tuple(conditions))

    def _one(self) -> Condition:
        if self._take("NOT"):
            return Not(self._one())
        if self._take("("):
            condition = self._condition()
            self._expect(")")
            return condition
        path = self._name()
        if self._take("NOT"):
            self._expect("IN")
            return Not(Comparison(path, "IN", self._values()))
        if self._take("IN"):
            return Comparison(path, "IN", self._values())
        if self._take("LIKE"):
            return Comparison(path, "LIKE", (self._literal(),))
        token = self._next()
        if token is None or token.text not in ("=", "!=", "<>", "<", "<=", ">", ">="):
            self._position -= token is not None
            raise self._unexpected()
        operator = "!=" if token.text == "<>" else token.text
        return Comparison(path, operator, (self._literal(),))

    def _values(self) -> tuple[Literal, ...]:
        self._expect("(")
        values = self._list(self._literal)
        self._expect(")")
        return tuple(values)

    def _literal(self) -> Literal:
        token = self._next()
        if token is None:
            raise self._unexpected()
        text = token.text
        match token.kind:
            case "string":
                value = re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text[1:-1])
                return Literal("string", value, text)
            case "number":
                return Literal("number", float(text), text)
            case "date":
                return Literal("date", text, text)
            case "datetime":
                seconds = moments.parse(text)
                if seconds is not None:
                    return Literal("datetime", moments.exact(seconds), text)
            case "name" if text.upper() in ("TRUE", "FALSE"):
                return Literal("boolean", text.upper() == "TRUE", text)
            case "name" if text.upper() == "NULL":
                return Literal("null", None, text)
        self._position -= 1
        raise self._unexpected()

    # -- tokens -------------------------------------------------------------------------------------------

    def _list(self, one: Callable[[], T]) -> list[T]:
        found = [one()]
        while self._take(","):
            found.append(one())
        return found

    def _next(self) -> Token | None:
        if self._position >= len(self._tokens):
            return None
        self._position += 1
        return self._tokens[self._position - 1]

    def _is(self, text: str) -> bool:
        at = self._position
        return at < len(self._tokens) and self._tokens[at].text.upper() == text

    def _take(self, text: str) -> bool:
        found = self._is(text)
        self._position += found
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected()

    def _name(self) -> Path:
        token = self._next()
        if token is None or token.kind != "name" or token.text.upper() in CLAUSES:
            self._position -= token is not None
            raise self._unexpected()
        return Path(token.text, token.at)

    def _source(self) -> Path:
        """Behind FROM, `Order` and `Group` are objects like any other."""
        token = self._next()
        if token is None or token.kind != "name":
            self._position -= token is not None
            raise self._unexpected()
        return Path(token.text, token.at)

    def _whole(self) -> int:
        token = self._next()
        if token is None or not token.text.isdigit():
            self._position -= token is not None
            raise self._unexpected()
        return int(token.text)

    def _unexpected(self) -> ApiError:
        if self._position >= len(self._tokens):
            return refusal(self._text, len(self._text), "MALFORMED_QUERY", "unexpected token: '<EOF>'")
        token = self._tokens[self._position]
        return refusal(self._text, token.at, "MALFORMED_QUERY", f"unexpected token: '{token.text}'")
