"""What the records' properties are called, and of which kind they are.

The names and types are HubSpot's as its documentation and the settings of an account show them, a selection
of the hundreds that each type has; the rest is of a user's making.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .values import iso

FIELD_TYPES = {
    "string": "text",
    "number": "number",
    "bool": "booleancheckbox",
    "datetime": "date",
    "date": "date",
    "enumeration": "select",
}
DEFINED_AT = iso(1_577_934_245_678)


@dataclass(frozen=True, slots=True)
class Property:
    """A property.

    default: it comes without being asked for. unique: no two records have the same value. hidden: people
    don't see it. calculated: HubSpot's own, which nobody can write. options: of an enumeration; several: it
    may have several of them, with semicolons between.
    """

    name: str
    type: str
    default: bool = False
    unique: bool = False
    hidden: bool = False
    calculated: bool = False
    custom: bool = False
    several: bool = False
    options: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As the API of the properties shows it."""
        label = self.name.removeprefix("hs_").replace("_", " ").capitalize()
        field = "checkbox" if self.several else "calculation_equation" if self.calculated else None
        options = [
            {"label": each.capitalize(), "value": each, "displayOrder": at, "hidden": False}
            for at, each in enumerate(self.options)
        ]
        if self.type == "bool":
            options = [
                {"label": each.capitalize(), "value": each, "displayOrder": at, "hidden": False}
                for at, each in enumerate(("true", "false"))
            ]
        shown = {
            "updatedAt": DEFINED_AT, "createdAt": DEFINED_AT, "name": self.name, "label": label,
            "type": self.type, "fieldType": field or FIELD_TYPES[self.type], "description": "",
            "groupName": "custom" if self.custom else "information", "options": options, "displayOrder": -1,
            "calculated": self.calculated, "externalOptions": self.name == "hubspot_owner_id",
            "archived": False, "hasUniqueValue": self.unique, "hidden": self.hidden,
            "modificationMetadata": {
                "archivable": self.custom, "readOnlyDefinition": not self.custom,
                "readOnlyValue": self.calculated,
            },
            "formField": not self.calculated and not self.hidden,
        }  # fmt: skip
        if not self.custom:
            shown["hubspotDefined"] = True
        return shown


def parse(text: str) -> tuple[Property, ...]:
    """Properties, one a line: name, flags, type, options.

    Flags: `*` comes by default, `!` unique, `-` hidden, `=` calculated, `+` custom, `&` several options.
    """
    found = []
    for line in text.splitlines():
        if not line:
            continue
        name, type, *options = line.split()
        flags = name.lstrip("abcdefghijklmnopqrstuvwxyz_0123456789")
        found.append(
            Property(
                name.removesuffix(flags) if flags else name,
                type,
                default="*" in flags,
                unique="!" in flags,
                hidden="-" in flags,
                calculated="=" in flags,
                custom="+" in flags,
                several="&" in flags,
                options=tuple(options[0].split("|")) if options else (),
            )
        )
    return tuple(found)


COMMON = """
hs_object_id*= number
hs_merged_object_ids&= enumeration
hs_all_owner_ids&= enumeration
hs_user_ids_of_all_owners&= enumeration
hs_created_by_user_id= number
hs_updated_by_user_id= number
hs_object_source= string
hs_object_source_label= string
hs_object_source_id=- string
hs_object_source_user_id=- number
hs_read_only= bool
hs_was_imported=- bool
hs_unique_creation_key=- string
hs_shared_team_ids&= enumeration
hs_pinned_engagement_id number
hubspot_owner_id enumeration
hubspot_owner_assigneddate= datetime
hubspot_team_id= enumeration
"""
