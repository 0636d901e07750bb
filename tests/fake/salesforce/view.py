"""What somebody may see: objects and fields, less what is hidden from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from operator import itemgetter
from typing import Any

from .catalog import BY_LOWER, BY_PREFIX, CHILDREN, OBJECTS
from .errors import ApiError, invalid_type
from .fields import COMPONENTS, Field, SObject
from .org import Org, Row

Hidden = dict[str, list[str] | None]
"""Object → fields that can't be seen; None: nor can the object."""
Get = Callable[[Row], Any]


class View:
    """version: of the API that was asked, for the addresses in answers."""

    def __init__(self, org: Org, user: str, version: str, hidden: Hidden) -> None:
        self.org = org
        self.user = user
        self.version = version
        self._hidden = hidden

    @property
    def root(self) -> str:
        return f"/services/data/v{self.version}"

    @cached_property
    def objects(self) -> list[SObject]:
        return [each for each in OBJECTS if self._hidden.get(each.name, ()) is not None]

    def name(self, sobject: SObject) -> str:
        """What it is called by now."""
        return self.org.renamed.get(sobject.name, sobject.name)

    def sobject(self, name: str) -> SObject:
        renamed = {new.lower(): old for old, new in self.org.renamed.items()}
        if name.lower() in {old.lower() for old in self.org.renamed} - renamed.keys():
            raise invalid_type(name)
        found = BY_LOWER.get(renamed.get(name.lower(), name).lower())
        if found is None or found not in self.objects:
            raise invalid_type(name)
        return found

    def fields(self, sobject: SObject) -> Iterator[Field]:
        hidden = self._hidden.get(sobject.name) or ()
        return (each for each in sobject.fields if each.name not in hidden)

    def field(self, sobject: SObject, name: str) -> Field:
        """What can't be seen does not exist."""
        found = sobject.by_name.get(name.lower())
        if found is None or found.name in (self._hidden.get(sobject.name) or ()):
            raise ApiError(
                400,
                "INVALID_FIELD",
                f"No such column '{name}' on entity '{sobject.name}'. If you are attempting to use a custom "
                "field, be sure to append the '__c' after the custom field name. Please reference your WSDL "
                "or the describe call for the appropriate names.",
            )
        return found

    def parent(self, sobject: SObject, relationship: str) -> Field:
        """The reference that a path begins with."""
        found = sobject.by_relationship.get(relationship.lower())
        if found is None or found not in self.fields(sobject):
            raise ApiError(
                400,
                "INVALID_FIELD",
                f"Didn't understand relationship '{relationship}' in field path. If you are attempting to "
                "use a custom relationship, be sure to append the '__r' after the custom relationship name.",
            )
        return found

    def children(self, sobject: SObject) -> list[tuple[SObject, Field]]:
        """The objects with a field that refers to this one and calls its records children, and the field."""
        found = [(each, each.by_name[name.lower()]) for each, name in CHILDREN.get(sobject.name, ())]
        return [
            (below, field)
            for below, field in found
            if field.child and below in self.objects and field in self.fields(below)
        ]

    def child(self, sobject: SObject, relationship: str) -> tuple[SObject, Field]:
        """The object of a subquery."""
        for below, field in self.children(sobject):
            if str(field.child).lower() == relationship.lower():
                return below, field
        message = f"Didn't understand relationship '{relationship}' in FROM part of query call."
        raise ApiError(400, "INVALID_TYPE", message)

    def get(self, sobject: SObject, path: str) -> tuple[Field, Get]:
        """The field at the end of a path (`Account.Owner.Name`), and how a row gives its value."""
        first, dot, rest = path.partition(".")
        if not dot:
            field = self.field(sobject, path)
            return field, self.value(sobject, field)
        reference = self.parent(sobject, first)
        targets = [BY_LOWER[each.lower()] for each in reference.refers]
        # Of records that may be of several objects, only what all of these have can be asked for.
        found = {each.name: self.get(each, rest) for each in targets}
        lookup, own = self.record(reference), sobject.at[reference.name]

        def value(row: Row) -> Any:
            above = lookup(row[own])
            return None if above is None else found[above[0]][1](above[1])

        return next(iter(found.values()))[0], value

    def record(self, reference: Field) -> Callable[[str | None], tuple[str, Row] | None]:
        """Finds the object and the row that a reference leads to."""
        tables = self.org.tables

        def find(id: str | None) -> tuple[str, Row] | None:
            if id is None or id[:3] not in BY_PREFIX:
                return None
            name = BY_PREFIX[id[:3]].name
            row = tables[name].rows.get(id)
            return None if row is None else (name, row)

        return find

    def value(self, sobject: SObject, field: Field) -> Get:
        if field.path is not None:
            # A formula sees what its reader may not.
            return View(self.org, self.user, self.version, {}).get(sobject, field.path)[1]
        if field.type in COMPONENTS:
            return self._compound(sobject, field)
        at = sobject.at
        if field.type == "name":
            first, last = at["FirstName"], at["LastName"]
            return lambda row: " ".join(filter(None, (row[first], row[last])))
        if field.type == "base64":
            return lambda row: f"{self.root}/sobjects/{self.name(sobject)}/{row[0]}/{field.name}"
        return itemgetter(at[field.name])

    def _compound(self, sobject: SObject, field: Field) -> Get:
        parts = [each for each in sobject.stored if each.compound == field.name]
        positions = [sobject.at[each.name] for each in parts]
        names = [
            name.strip("_").removesuffix("__s")[0].lower() + name.strip("_").removesuffix("__s")[1:]
            for name in COMPONENTS[field.type]
        ]

        def value(row: Row) -> dict[str, Any] | None:
            found = [row[position] for position in positions]
            if all(each is None for each in found):
                return None
            return dict(zip(names, found, strict=True))

        return value
