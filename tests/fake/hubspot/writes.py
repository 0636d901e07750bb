"""What people write through the API. No write can be told from its repetition."""

from __future__ import annotations

import json
from typing import Any

from ..core.data import Refused
from ..core.http import Request, Response
from .associations import kinds
from .catalog import ObjectType
from .errors import ApiError, conflict, invalid, invalid_body, invalid_parameter, invalid_values, not_found
from .parameters import body, flag, names
from .portal import Portal, Taken
from .properties import Property
from .records import associated_types, render, shown_properties
from .values import instant, iso, number

Values = dict[str, str | None]
DAY = 86_400_000


class Writes:
    """Also reads single records: what a write answers is what a read shows."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    # -- one record ---------------------------------------------------------------------------------------

    def answer(self, request: Request, type: ObjectType, id: str) -> Response:
        match request.method:
            case "GET":
                return self._read(request, type, id)
            case "PATCH":
                found = self.found(type, id, request.query_dict().get("idProperty"))
                values = self.values(type, body(request).get("properties"))
                self.update(type, found, values)
                return Response(200, self.shown(type, found, values))
            case "DELETE":
                # Nothing says whether there was anything to archive; that is assumed.
                if self._portal.shelves[type.name].live(id) is not None:
                    self._portal.archive(type.name, id, self._portal.now())
                return Response(204)
        raise method_not_allowed()

    def _read(self, request: Request, type: ObjectType, id: str) -> Response:
        properties = shown_properties(self._portal, type, names(request, "properties"))
        targets = associated_types(self._portal, type, names(request, "associations"))
        shelf = self._portal.shelves[type.name]
        if flag(request, "archived"):
            document = shelf.archived(id, self._portal.now())
        else:
            document = shelf.live(self.found(type, id, request.query_dict().get("idProperty")))
        if document is None:
            raise not_found()
        return Response(200, render(self._portal, type, document, properties, targets))

    def create(self, request: Request, type: ObjectType) -> Response:
        given = body(request)
        id = self.make(type, *self.checked(type, given))
        return Response(201, self.shown(type, id, given["properties"]))

    def merge(self, request: Request, type: ObjectType) -> Response:
        given = body(request)
        if not type.mergeable:
            raise invalid(f"{type.plural} can't be merged")
        winner, loser = (
            self.found(type, str(given.get(name))) for name in ("primaryObjectId", "objectIdToMerge")
        )
        try:
            self._portal.merge(type.name, winner, loser, self._portal.now())
        except Refused as error:
            raise invalid(str(error)) from None
        return Response(200, self.shown(type, winner, ["hs_merged_object_ids"]))

    def forget(self, request: Request, type: ObjectType) -> Response:
        """For good, as the law has it; there is such a thing for contacts only."""
        if type.name != "contact":
            raise not_found()
        given = body(request)
        id = self.found(type, str(given.get("objectId")), given.get("idProperty"))
        self._portal.forget(type.name, id)
        return Response(204)

    # -- of use to batches, too ---------------------------------------------------------------------------

    def found(self, type: ObjectType, id: str, property: str | None = None) -> str:
        """The id of the live record that `id` names, be it by a unique property or by what went into it."""
        shelf = self._portal.shelves[type.name]
        if property is not None and property != "hs_object_id":
            id = shelf.unique.get((self.unique(type, property), id.lower()), "")
        id = shelf.winner(id)
        if shelf.live(id) is None:
            raise not_found()
        return id

    def unique(self, type: ObjectType, name: Any) -> str:
        """A property that tells records apart. Raises ApiError for another."""
        known = self._portal.directory.properties[type.name].get(str(name))
        if known is None or not known.unique:
            raise invalid(f"The property {name!r} of {type.plural} does not have unique values")
        return known.name

    def checked(self, type: ObjectType, given: dict[str, Any]) -> tuple[Values, list[tuple[str, str, bool]]]:
        """Of a new record the properties, and what it is associated with."""
        values = self.values(type, given.get("properties"))
        missing = [name for name in type.required if not values.get(name)]
        if missing:
            raise invalid(
                f"Error creating {type.name.upper()}. Some required properties were not set.",
                context={"properties": missing},
            )
        return values, self._associations(type, given.get("associations") or [])

    def values(self, type: ObjectType, given: Any) -> Values:
        if not isinstance(given, dict):
            raise invalid_body("properties must be an object")
        known, values = self._portal.directory.properties[type.name], {}
        problems = []
        for name, value in given.items():
            if isinstance(value, dict | list):
                raise invalid_body(f"{name} must be a text, not {json.dumps(value)}")
            text = json.dumps(value) if isinstance(value, bool | int | float) else value or ""
            if name not in known:
                problems.append((name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
            elif known[name].calculated:
                problems.append((name, "READ_ONLY_VALUE", f'"{name}" is a read only property'))
            elif text and (found := problem(known[name], text)):
                problems.append((name, *found))
            else:
                values[name] = normal(known[name], text) if text else None
        if problems:
            raise invalid_values(problems)
        return values

    def make(self, type: ObjectType, values: Values, links: list[tuple[str, str, bool]]) -> str:
        now = self._portal.now()
        try:
            item = self._portal.create(type.name, values, now, now, made_up=False)
        except Taken as error:
            raise taken(type, error) from None
        for target, id, primary in links:
            self._portal.associate((type.name, item.id), (target, id), primary)
        return item.id

    def update(self, type: ObjectType, id: str, values: Values) -> None:
        try:
            self._portal.update(type.name, id, values, self._portal.now())
        except Taken as error:
            raise taken(type, error) from None

    def shown(self, type: ObjectType, id: str, given: Any, **more: Any) -> bytes:
        """With the properties that come by default, and those that were given."""
        usual = shown_properties(self._portal, type, None)
        properties = shown_properties(self._portal, type, [*usual, *given])
        document = self._portal.existing(type.name, id)
        return render(self._portal, type, document, properties, **more)

    def _associations(self, type: ObjectType, given: Any) -> list[tuple[str, str, bool]]:
        """(type, id, whether it is the primary one) of each."""
        found = []
        try:
            for each in given:
                id = str(each["to"]["id"])
                numbers = {int(kind["associationTypeId"]) for kind in each["types"]}
                found += [(*self._target(type, id, number), id) for number in numbers]
        except (TypeError, KeyError, ValueError):
            raise invalid_body('an association is {"to": {"id": …}, "types": [{…}]}') from None
        return [(target, id, primary) for target, primary, id in found]

    def _target(self, type: ObjectType, id: str, number: int) -> tuple[str, bool]:
        for target in self._portal.types.values():
            primary = kinds(type, target, True) or []
            if number in [kind.id for kind in primary] and self._portal.shelves[target.name].live(id):
                return target.name, len(primary) == 2 and primary[0].id == number
        raise invalid(f"One or more associations are not valid: {number} to {id}")


def taken(type: ObjectType, error: Taken) -> ApiError:
    if (type.name, error.name) == ("contact", "email"):
        return conflict(f"Contact already exists. Existing ID: {error.id}")
    return invalid_values([(error.name, "CONFLICTING_UNIQUE_VALUE", f"{error.id} already has that value.")])


def method_not_allowed() -> ApiError:
    return ApiError(405, "HTTP 405 Method Not Allowed")


def problem(property: Property, text: str) -> tuple[str, str] | None:
    """(code, message) for a value that is not of the property's type."""
    name = property.name
    match property.type:
        case "number" if number(text) is None:
            return "INVALID_INTEGER", f"{text} was not a valid number."
        case "bool" if text not in ("true", "false"):
            return "INVALID_BOOLEAN", f"{text} is neither true nor false."
        case "datetime" | "date" if (moment := instant(text)) is None or (
            property.type == "date" and moment % DAY
        ):
            return "INVALID_DATE", f"{text} was not a valid {property.type} for {name}."
        case "enumeration" if property.options:
            given = text.split(";") if property.several else [text]
            if set(given) - set(property.options):
                return (
                    "INVALID_OPTION",
                    f"{text} was not one of the allowed options: {list(property.options)}",
                )
        case "string" if name == "email" and "@" not in text.strip("@"):
            return "INVALID_EMAIL", f"Email address {text} is invalid"
    return None


def normal(property: Property, text: str) -> str:
    """As it is kept: times in one form, whichever they came in."""
    moment = instant(text) if property.type in ("datetime", "date") else None
    if moment is not None:
        return iso(moment) if property.type == "datetime" else iso(moment)[:10]
    return text.lower() if property.name == "email" else text


def no_duplicates(ids: list[str]) -> None:
    twice = sorted({id for id in ids if ids.count(id) > 1})
    if twice:
        raise invalid_parameter("inputs", f"Duplicate IDs found in batch input: {twice}")
