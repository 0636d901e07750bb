"""Runs queries: which rows they find, in which order, and how they are answered."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from ..core import odd as odd_records
from ..core.store import dump
from . import soql
from .conditions import Conditions
from .errors import ApiError, malformed
from .fields import SObject
from .org import Row, Table
from .selection import Child, Selection
from .soql import Aggregate, Every, Path, Query
from .view import View

LONGEST = 100_000
"""Characters of a query."""
FARTHEST = 2000
"""The greatest OFFSET."""
MOST_EVERY = 200
"""The greatest LIMIT with FIELDS(ALL) and FIELDS(CUSTOM), which need one."""


class Listing:
    """Rows as they were when a query found them, and how they are shown.

    every: whether what is in the recycle bin is found, too.
    """

    def __init__(self, selection: Selection, rows: list[Row], every: bool) -> None:
        self.selection = selection
        self.rows = rows
        self.every = every
        self._table = selection.view.org.tables[selection.sobject.name]

    def current(self, row: Row) -> Row | None:
        """The row as it is now; None when a query would not find it any more."""
        now = self._table.rows.get(row[0])
        return None if now is None or (self._table.is_deleted(now) and not self.every) else now

    def documents(self, rows: list[Row], nest: Callable[[Listing], dict[str, Any]]) -> list[dict[str, Any]]:
        """`nest` answers a subquery."""
        found = [self.selection.document(row) for row in rows]
        for child in self.selection.children.values():
            below = self._below(child)
            for row, document in zip(rows, found, strict=True):
                own = below.get(row[0])
                # Without any children there is no list either.
                document[child.name] = nest(Listing(child.selection, own, self.every)) if own else None
        return found

    def show(self, rows: list[Row], nest: Callable[[Listing], dict[str, Any]]) -> list[bytes]:
        odd, shown = self._table.odd, [dump(each) for each in self.documents(rows, nest)]
        if not odd:
            return shown
        return [
            odd_records.make(odd[row[0]], raw, "Id") if row[0] in odd else raw
            for row, raw in zip(rows, shown, strict=True)
        ]

    def renew(self, shown: list[bytes]) -> list[bytes]:
        """Records that were shown before, as they are now."""
        ids = [json.loads(each).get("Id") for each in shown]
        rows = [row for id in ids if (row := self._table.rows.get(id)) and self.current(row) is row]
        return self.show(rows, lambda listing: {"totalSize": 0, "done": True, "records": []})

    def _below(self, child: Child) -> dict[str, list[Row]]:
        """The rows of a subquery by the record that they are below, as they are now."""
        view = self.selection.view
        position = child.selection.sobject.at[child.field.name]
        found: dict[str, list[Row]] = {}
        for row in find(view, child.selection.sobject, child.query, self.every, below=True):
            found.setdefault(row[position], []).append(row)
        limit = child.query.limit
        return {id: rows[:limit] for id, rows in found.items()}


def run(view: View, text: str, every: bool) -> Listing | dict[str, Any]:
    """What a query finds; with aggregates, the whole answer. every: what is in the recycle bin, too."""
    if len(text) > LONGEST:
        raise malformed(f"SOQL statements cannot be longer than {LONGEST} characters.")
    query = soql.parse(text)
    sobject = view.sobject(query.source)
    if not sobject.queryable:
        message = f"entity type {sobject.name} does not support query"
        raise ApiError(400, "INVALID_TYPE_FOR_OPERATION", message)
    if any(isinstance(item, Aggregate) for item in query.items):
        return _aggregated(view, sobject, query, find(view, sobject, query, every))
    selection = _selection(view, sobject, query)
    return Listing(selection, find(view, sobject, query, every), every)


def _aggregated(view: View, sobject: SObject, query: Query, rows: list[Row]) -> dict[str, Any]:
    if query.items == (Aggregate("COUNT", None),):
        return {"totalSize": len(rows), "done": True, "records": []}
    record: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
    for number, item in enumerate(query.items):
        if not isinstance(item, Aggregate) or item.path is None:
            raise malformed("Grouped query and COUNT() beside a field are not supported")
        get = view.get(sobject, item.path.text)[1]
        values = [each for each in map(get, rows) if each is not None]
        results = {"COUNT": len(values), "MIN": min(values, default=None), "MAX": max(values, default=None)}
        record[f"expr{number}"] = results[item.function]
    return {"totalSize": 1, "done": True, "records": [record]}


def _selection(view: View, sobject: SObject, query: Query) -> Selection:
    selection = Selection(view, sobject)
    for item in query.items:
        match item:
            case Path(text):
                selection.add(text)
            case Every(which):
                if which != "STANDARD" and (query.limit is None or query.limit > MOST_EVERY):
                    raise malformed(f"The SOQL FIELDS function must have a LIMIT of at most {MOST_EVERY}")
                selection.add_every(which)
            case Query():
                below, field = view.child(sobject, item.source)
                selection.children[str(field.child)] = Child(
                    str(field.child), item, field, _selection(view, below, item)
                )
    return selection


def find(view: View, sobject: SObject, query: Query, every: bool, below: bool = False) -> list[Row]:
    """The rows that a query finds, sorted. below: of a subquery, whose LIMIT is for each parent."""
    table = view.org.tables[sobject.name]
    view.org.expire(table)
    conditions = Conditions(view, sobject, query.text)
    test = conditions.test(query.where) if query.where is not None else None
    rows = _candidates(table, *conditions.stamps(query.where))
    if not every:
        rows = [row for row in rows if not table.is_deleted(row)]
    if test is not None:
        rows = [row for row in rows if test(row)]
    _sort(view, sobject, query, rows)
    if query.offset > FARTHEST:
        message = f"Maximum SOQL offset allowed is {FARTHEST}"
        raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", message)
    if below or query.limit is None:
        return rows[query.offset :]
    return rows[query.offset : query.offset + query.limit]


def _candidates(table: Table, low: str, high: str) -> list[Row]:
    if (low, high) == ("", "~"):
        return list(table.rows.values())
    first = bisect_left(table.stamps, (low, ""))
    last = bisect_right(table.stamps, (high, "~"))
    return [table.rows[id] for _, id in table.stamps[first:last]]


def _sort(view: View, sobject: SObject, query: Query, rows: list[Row]) -> None:
    # What nothing is said about comes in another order each time, as it may in life.
    if rows:
        cut = view.org.rng.randrange(len(rows))
        rows[:] = rows[cut:] + rows[:cut]
    for order in reversed(query.orders):
        field, get = view.get(sobject, order.path.text)
        if not field.sortable:
            message = f"field '{field.name}' can not be sorted in a query call"
            raise soql.refusal(query.text, order.path.at, "MALFORMED_QUERY", message)
        folds = field.type not in ("id", "reference", "datetime", "date")

        def key(row: Row, get: Callable[[Row], Any] = get, folds: bool = folds) -> Any:
            value = get(row)
            return value.casefold() if folds and isinstance(value, str) else value

        nulls = [row for row in rows if get(row) is None]
        others = [row for row in rows if get(row) is not None] if nulls else list(rows)
        others.sort(key=key, reverse=order.descending)
        rows[:] = nulls + others if order.nulls_first else others + nulls
