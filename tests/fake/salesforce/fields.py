"""Fields and objects, and the short notation in which the catalog has them.

`Name:string(255)!` is a field: its type, in brackets a length or the values of a list (`+` for a space) or
the objects that it refers to. Behind it `!`: it is required; `*`: it is unique, an external id; `^`: the
record goes with the one that it refers to; `>Contacts`: what the records are called as children of that one;
`=Account.Phone`: it is a formula.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

NOTATION = re.compile(r"(\w+):(\w+)(?:\(([^)]*)\))?([!*^]*)(?:>(\w+))?(?:=([\w.]+))?")
LENGTHS = {"string": 255, "textarea": 32_000, "phone": 40, "email": 80, "url": 255, "picklist": 255}
# fmt: off
COMPONENTS = {
    "address": (
        "Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy"
    ),
    "location": ("__Latitude__s", "__Longitude__s"),
}
# fmt: on
ACCURACY = ("Address", "NearAddress", "Street", "City", "Unknown")
SYSTEM = {
    "usual": "IsDeleted:boolean CreatedDate:datetime CreatedById:reference(User) LastModifiedDate:datetime "
    "LastModifiedById:reference(User) SystemModstamp:datetime",
    "setup": "CreatedDate:datetime CreatedById:reference(User) LastModifiedDate:datetime "
    "LastModifiedById:reference(User) SystemModstamp:datetime",
    "unborn": "LastModifiedDate:datetime LastModifiedById:reference(User) SystemModstamp:datetime",
    "history": "IsDeleted:boolean CreatedById:reference(User) CreatedDate:datetime",
    "bare": "",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field.

    length: of texts. values: of lists. refers: the objects that a reference may lead to. child: what the
    other side calls these records. path: of a formula, where it takes its value. compound: of a part of an
    address or a location, the whole. system: Salesforce sets it.
    """

    name: str
    type: str
    length: int = 0
    values: tuple[str, ...] = ()
    refers: tuple[str, ...] = ()
    child: str | None = None
    path: str | None = None
    compound: str | None = None
    required: bool = False
    external: bool = False
    cascades: bool = False
    system: bool = False

    @property
    def stored(self) -> bool:
        return self.path is None and self.type not in COMPONENTS and self.type != "name"

    @property
    def writable(self) -> bool:
        return self.stored and not self.system

    @property
    def custom(self) -> bool:
        return self.name.endswith(("__c", "__s"))

    @property
    def relationship(self) -> str | None:
        """What a path to the other record begins with."""
        if self.type != "reference":
            return None
        if self.name.endswith("__c"):
            return self.name[:-1] + "r"
        return self.name.removesuffix("Id")

    @property
    def filterable(self) -> bool:
        return self.type not in ("textarea", "base64", *COMPONENTS)

    @property
    def sortable(self) -> bool:
        return self.filterable and self.type != "multipicklist"


@dataclass(frozen=True)
class SObject:
    """A kind of record.

    count: how many there are to begin with. bulk: whether the Bulk API knows it. writable: whether its
    records can be made, changed and deleted. refusal: the field that must not be negative.
    """

    name: str
    prefix: str
    count: int
    fields: tuple[Field, ...]
    queryable: bool = True
    bulk: bool = True
    writable: bool = True
    refusal: str | None = None

    @property
    def parent(self) -> None:
        """No object is below another one in a path."""

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Whatever their case."""
        return {field.name.lower(): field for field in self.fields}

    @cached_property
    def by_relationship(self) -> dict[str, Field]:
        return {field.relationship.lower(): field for field in self.fields if field.relationship}

    @cached_property
    def stored(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.stored)

    @cached_property
    def at(self) -> dict[str, int]:
        """Where a row has the value of a field."""
        return {field.name: position for position, field in enumerate(self.stored)}

    @property
    def deletable(self) -> bool:
        return self.writable and "IsDeleted" in self.at

    @property
    def replicateable(self) -> bool:
        """Whether the API lists what was changed or deleted."""
        return "SystemModstamp" in self.at and "IsDeleted" in self.at

    @property
    def changing(self) -> str:
        """The field that random changes change."""
        names = ("Description", "Description__c", "Body", "Subject", "Note__c", "Title", "Name")
        return next((name for name in names if name in self.at), "")


def fields(notation: str, system: str = "usual") -> tuple[Field, ...]:
    """The fields that a text in the notation above stands for, between the id and those that all have."""
    own = [part for each in notation.split() for part in _parsed(each)]
    common = [_field(each, system=True) for each in SYSTEM[system].split()]
    return (Field("Id", "id", 18, system=True), *own, *common)


def _parsed(text: str) -> list[Field]:
    whole = _field(text)
    if whole.type not in COMPONENTS:
        return [whole]
    # ShippingAddress has ShippingStreet, and Site__c has Site__Latitude__s.
    stem = whole.name.removesuffix("Address" if whole.type == "address" else "__c")
    types = {
        "Street": "textarea",
        "Latitude": "double",
        "Longitude": "double",
        "GeocodeAccuracy": "picklist",
    }
    parts = []
    for component in COMPONENTS[whole.type]:
        kind = types.get(component.strip("_").removesuffix("__s"), "string")
        length = 255 if kind != "double" else 0
        values = ACCURACY if kind == "picklist" else ()
        parts.append(Field(stem + component, kind, length, values, compound=whole.name))
    return [*parts, whole]


def _field(text: str, system: bool = False) -> Field:
    found = NOTATION.fullmatch(text)
    if found is None:
        raise ValueError(f"not a field: {text}")
    name, type, argument, flags, child, path = found.groups()
    words = tuple(each.replace("+", " ") for each in (argument or "").split("/") if each)
    length = int(argument) if argument and argument.isdigit() else LENGTHS.get(type, 0)
    return Field(
        name,
        type,
        length if type != "reference" else 18,
        values=words if type in ("picklist", "multipicklist") else (),
        refers=words if type == "reference" else (),
        child=child,
        path=path,
        required="!" in flags,
        external="*" in flags,
        cascades="^" in flags,
        system=system,
    )
