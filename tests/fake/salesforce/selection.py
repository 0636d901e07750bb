"""What a query selects, and how a row of it looks in JSON and in CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from . import soql
from .catalog import BY_NAME
from .errors import ApiError, malformed
from .fields import COMPONENTS, Field, SObject
from .org import Row
from .view import View

DEEPEST = 5
"""So many relationships a path may follow."""

# How a table has values that the other answers have otherwise.
IN_TABLES: dict[str, Callable[[Any], Any]] = {
    "boolean": {True: "true", False: "false"}.get,
    "datetime": lambda value: value and value.replace("+0000", "Z"),
    **dict.fromkeys(("double", "currency", "percent"), lambda value: None if value is None else float(value)),
}


@dataclass(slots=True)
class Column:
    """A field of the query's own object or, by a path, of one above; `name` as Salesforce spells it."""

    name: str
    field: Field
    get: Callable[[Row], Any]


@dataclass(slots=True)
class Parent:
    """What is selected of a record above."""

    name: str
    reference: Field
    members: dict[str, Selection]
    """By object: a reference may lead to several."""


@dataclass(slots=True)
class Child:
    """A subquery: name of the relationship, the query, and the field of its object that refers here."""

    name: str
    query: soql.Query
    field: Field
    selection: Selection


class Selection:
    """What is selected of one object."""

    def __init__(self, view: View, sobject: SObject) -> None:
        self.view = view
        self.sobject = sobject
        self.columns: dict[str, Column] = {}
        self.parents: dict[str, Parent] = {}
        self.children: dict[str, Child] = {}

    def add(self, path: str, depth: int = 0) -> None:
        """Raises ApiError for what can't be selected."""
        first, dot, rest = path.partition(".")
        if not dot:
            self._add_field(self.view.field(self.sobject, path))
            return
        if depth == DEEPEST:
            raise malformed(f"a path follows {DEEPEST} relationships at the most: {path}")
        if first.lower() == self.sobject.name.lower() and first.lower() not in self.sobject.by_relationship:
            self.add(rest, depth)
            return
        reference = self.view.parent(self.sobject, first)
        name = str(reference.relationship)
        parent = self.parents.setdefault(
            name.lower(),
            Parent(name, reference, {each: Selection(self.view, BY_NAME[each]) for each in reference.refers}),
        )
        for each in parent.members.values():
            each.add(rest, depth + 1)

    def add_every(self, which: str) -> None:
        for field in self.view.fields(self.sobject):
            if which == "ALL" or (which == "CUSTOM") == field.custom:
                self._add_field(field)

    def _add_field(self, field: Field) -> None:
        if field.name in self.columns:
            raise ApiError(400, "INVALID_FIELD", f"duplicate field selected: {field.name}")
        self.columns[field.name] = Column(field.name, field, self.view.value(self.sobject, field))

    # -- JSON ---------------------------------------------------------------------------------------------

    def document(self, row: Row) -> dict[str, Any]:
        """A record without its children."""
        name = self.view.name(self.sobject)
        url = f"{self.view.root}/sobjects/{name}/{row[0]}"
        found: dict[str, Any] = {"attributes": {"type": name, "url": url}}
        for column in self.columns.values():
            found[column.name] = column.get(row)
        for parent in self.parents.values():
            above = self.view.record(parent.reference)(row[self.sobject.at[parent.reference.name]])
            found[parent.name] = None if above is None else parent.members[above[0]].document(above[1])
        return found

    # -- CSV ----------------------------------------------------------------------------------------------

    def check_flat(self) -> None:
        """Raises ApiError for what a table can't have."""
        if self.children:
            raise malformed("Nested queries are not supported in the Bulk API")
        columns = chain(self.columns.values(), *(
            member.columns.values() for parent in self.parents.values() for member in parent.members.values()
        ))  # fmt: skip
        for column in columns:
            if column.field.type in COMPONENTS:
                message = "Selecting compound data not supported in Bulk Query"
                raise ApiError(400, "FUNCTIONALITY_NOT_ENABLED", message)
            if column.field.type == "base64":
                message = "Selecting binary data not supported in Bulk Query"
                raise ApiError(400, "FUNCTIONALITY_NOT_ENABLED", message)

    def flat(self) -> list[Column]:
        """All columns, those of records above under their path."""
        found = list(self.columns.values())
        for parent in self.parents.values():
            for column in next(iter(parent.members.values())).flat():
                path = f"{parent.name}.{column.name}"
                found.append(Column(path, *self.view.get(self.sobject, path)))
        return found

    def csv(self, rows: list[Row], delimiter: str, ending: str) -> str:
        """With a head; everything is in quotes, and what is null is as empty as an empty text would be."""
        columns = self.flat()
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
        writer.writerow([column.name for column in columns])
        # A column at a time: a call a row would take as long as all the rest.
        values: list[Iterable[Any]] = []
        for column in columns:
            found = map(column.get, rows)
            if column.field.type in IN_TABLES:
                found = map(IN_TABLES[column.field.type], found)
            values.append(found)
        writer.writerows(zip(*values, strict=True))
        return text.getvalue()
