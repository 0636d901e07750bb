"""What is not a record: owners, pipelines, properties and the schemas of custom types."""

from __future__ import annotations

import random
from typing import Any

from ..core.data import Refused
from ..core.store import Item, Store, dump
from .catalog import DIRECTORY, STAGES, ObjectType
from .errors import PORTAL
from .objects import FIRST, LAST
from .properties import FIELD_TYPES, Property
from .values import iso

FIRST_OWNER, FIRST_USER = 41_629_779, 9_586_504
METADATA: dict[str, tuple[str, str]] = {
    "closedwon": ("true", "1.0"),
    "closedlost": ("true", "0.0"),
    "4": ("true", ""),
}


class Directory:
    """In the control, an id is HubSpot's: of a property or a pipeline with the type of record in front."""

    def __init__(self, rng: random.Random) -> None:
        self.stores = {name: Store() for name in DIRECTORY}
        self.properties: dict[str, dict[str, Property]] = {}
        """Of each type of record those that there are, by name."""
        self._types: dict[str, ObjectType] = {}
        self._rng = rng

    # -- making -------------------------------------------------------------------------------------------

    def add_type(self, type: ObjectType, moment: int) -> None:
        self._types[type.name] = type
        self.properties[type.name] = {}
        for each in type.properties:
            self._add_property(type.name, each, each.document())
        if type.name in STAGES:
            self._pipeline(type.name, {}, moment)
        if type.key is not None:
            self.stores["schema"].insert(type.id, moment // 1000, dump(self._schema(type, moment)))

    def create(self, name: str, data: dict[str, Any], parent: str | None, moment: int) -> str:
        """Schemas come with their types. Raises Refused for what makes no sense."""
        if name == "owner":
            return self._owner(data, moment).id
        if parent not in self._types:
            raise Refused(f"a {name} needs a parent, one of {', '.join(self._types)}, and not {parent!r}")
        if name == "pipeline":
            return self._pipeline(parent, data, moment).id
        if not str(data.get("name", "")).isidentifier() or data.get("type", "string") not in FIELD_TYPES:
            raise Refused(f"a property has a name and a type, one of {', '.join(FIELD_TYPES)}, not {data!r}")
        if data["name"] in self.properties[parent]:
            raise Refused(f"{parent} has a property {data['name']!r} already")
        options = tuple(each["value"] for each in data.get("options", ()))
        unique = bool(data.get("hasUniqueValue"))
        made = Property(data["name"], data.get("type", "string"), unique=unique, custom=True, options=options)
        shown = {**made.document(), **data, "createdAt": iso(moment), "updatedAt": iso(moment)}
        item = self._add_property(parent, made, shown)
        self._refresh(parent)
        return item.id

    def _add_property(self, type: str, made: Property, shown: dict[str, Any]) -> Item:
        self.properties[type][made.name] = made
        return self.stores["property"].insert(f"{type}/{made.name}", 0, dump(shown), type)

    def _owner(self, data: dict[str, Any], moment: int) -> Item:
        store = self.stores["owner"]
        number = len(store) + len(store.deleted)
        id = str(data.get("id", FIRST_OWNER + 37 * number))
        shown = {
            "id": id, "email": f"owner{number}@example.com", "type": "PERSON",
            "firstName": self._rng.choice(FIRST), "lastName": self._rng.choice(LAST),
            "userId": FIRST_USER + number, "userIdIncludingInactive": FIRST_USER + number,
            "createdAt": iso(moment), "updatedAt": iso(moment), "archived": False,
            "teams": [{"id": "178588", "name": "Größen-Team", "primary": True}], **data,
        }  # fmt: skip
        return store.insert(id, moment // 1000, dump({**shown, "id": id}))

    def _pipeline(self, type: str, data: dict[str, Any], moment: int) -> Item:
        names = STAGES.get(type, "new|done").split("|")
        there = len(self.stores["pipeline"].children(type))
        first = {"deal": "default", "ticket": "0"}.get(type, "1")
        id = str(data.get("id", first if not there else 75_000_000 + there))
        stages = []
        for at, name in enumerate(names):
            closed, probability = METADATA.get(name, ("false", f"0.{at + 1}"))
            metadata = {"isClosed": closed, "probability": probability}
            stages.append(
                {
                    "label": f"Stage {name}", "displayOrder": at, "metadata": metadata,
                    "id": name if not there else f"{75_100_000 + 10 * there + at}",
                    "createdAt": iso(moment), "updatedAt": iso(moment), "archived": False,
                    "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                }
            )  # fmt: skip
        shown = {
            "label": f"Pipeline {there + 1}", "displayOrder": there, "id": id, "stages": stages,
            "createdAt": iso(moment), "updatedAt": iso(moment), "archived": False, **data,
        }  # fmt: skip
        return self.stores["pipeline"].insert(f"{type}/{id}", moment // 1000, dump(shown), type)

    def _schema(self, type: ObjectType, moment: int) -> dict[str, Any]:
        named = [each.name for each in type.properties if each.custom]
        label = type.name.capitalize()
        return {
            "labels": {"singular": label, "plural": f"{label}s"}, "requiredProperties": list(type.required),
            "searchableProperties": named[:1], "primaryDisplayProperty": named[0],
            "secondaryDisplayProperties": named[1:2], "archived": False, "restorable": True,
            "metaType": "PORTAL_SPECIFIC", "id": type.id.partition("-")[2], "fullyQualifiedName": type.key,
            "createdAt": iso(moment), "updatedAt": iso(moment), "createdByUserId": FIRST_USER,
            "updatedByUserId": FIRST_USER, "objectTypeId": type.id, "portalId": PORTAL, "name": type.name,
            "properties": self._shown_properties(type.name),
            "associations": [
                {
                    "fromObjectTypeId": type.id, "toObjectTypeId": "0-1", "name": f"{type.name}_to_contact",
                    "id": "51", "createdAt": None, "updatedAt": None,
                }
            ],
        }  # fmt: skip

    # -- changing -----------------------------------------------------------------------------------------

    def update(self, name: str, id: str, data: dict[str, Any], moment: int | None) -> None:
        """Without a moment (milliseconds), nothing says that it has changed."""
        item = self._existing(name, id)
        document = {**item.document(), **data}
        if moment is not None:
            document["updatedAt"] = iso(moment)
        self.stores[name].replace(item, dump(document))
        if name == "property":
            self._refresh(str(item.parent))

    def delete(self, name: str, id: str, moment: int) -> None:
        """It is archived, and among the archived ones where the API lists them."""
        item = self._existing(name, id)
        document = {**item.document(), "archived": True, "archivedAt": iso(moment), "updatedAt": iso(moment)}
        if name == "owner":
            # Whoever is not there any more has no user id, and one that says so.
            document["userId"] = None
            del document["archivedAt"]
        self.stores[name].replace(item, dump(document))
        self.stores[name].remove(id)
        if name == "property":
            type = str(item.parent)
            del self.properties[type][id.partition("/")[2]]
            self._refresh(type)

    def _existing(self, name: str, id: str) -> Item:
        item = self.stores[name].by_id.get(id)
        if item is None:
            raise Refused(f"there is no {name} {id!r}")
        return item

    def _refresh(self, type: str) -> None:
        """A schema shows the properties of its type."""
        item = self.stores["schema"].by_id.get(self._types[type].id)
        if item is not None:
            shown = self._shown_properties(type)
            self.stores["schema"].replace(item, dump({**item.document(), "properties": shown}))

    def _shown_properties(self, type: str) -> list[dict[str, Any]]:
        return [each.document() for each in self.stores["property"].children(type)]

    # -- looking ------------------------------------------------------------------------------------------

    def owner_ids(self) -> list[str]:
        return [each.id for each in self.stores["owner"]]

    def listed(self, name: str, parent: str | None, archived: bool) -> list[dict[str, Any]]:
        """Those below a parent (None: all), the archived ones or the others."""
        store = self.stores[name]
        items = store.deleted.values() if archived else store.items
        return [each.document() for each in items if parent is None or each.parent == parent]
