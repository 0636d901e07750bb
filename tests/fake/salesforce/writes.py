"""Creates, changes and deletes records, one at a time, with what Salesforce checks before."""

from __future__ import annotations

from typing import Any

from . import ids, moments
from .errors import ApiError, not_found
from .fields import Field, SObject
from .org import Org, Row
from .view import View

NUMBERS = {"int": (int,), "double": (int, float), "currency": (int, float), "percent": (int, float)}


class Writes:
    """On behalf of one caller."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._org: Org = view.org

    def create(self, sobject: SObject, body: dict[str, Any]) -> str:
        """A new record; its id."""
        self._check_allowed(sobject, "created", sobject.writable)
        data = self._checked(sobject, body)
        if "OwnerId" in sobject.at:
            data.setdefault("OwnerId", self._org.user)
        missing = [
            field.name
            for field in sobject.fields
            if field.required and data.get(field.name) is None and not field.system
        ]
        if missing:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            raise ApiError(400, "REQUIRED_FIELD_MISSING", message, missing)
        self._check_unique(sobject, data, None)
        return self._org.insert(sobject.name, data)

    def update(self, sobject: SObject, id: str, body: dict[str, Any]) -> None:
        self._check_allowed(sobject, "updated", sobject.writable)
        row = self.row(sobject, id)
        data = self._checked(sobject, body)
        for name, value in data.items():
            field = sobject.by_name[name.lower()]
            if field.required and value is None:
                message = f"Required fields are missing: [{name}]"
                raise ApiError(400, "REQUIRED_FIELD_MISSING", message, [name])
            if field.required and field.cascades:
                raise _unwritable([name])
        self._check_unique(sobject, data, row[0])
        # Salesforce notes a change also where nothing differs.
        self._org.update(sobject.name, row[0], data, self._org.now())

    def delete(self, sobject: SObject, id: str) -> None:
        self._check_allowed(sobject, "deleted", sobject.deletable)
        row = self.row(sobject, id)
        self._org.delete(sobject.name, row[0], self._org.now())

    def upsert(self, sobject: SObject, field: str, value: str, body: dict[str, Any]) -> tuple[str, bool]:
        """By an external id: the record's id, and whether it is new."""
        key = self.external(sobject, field)
        body = {**body, key.name: value}
        found = self._org.tables[sobject.name].holder(key.name, value)
        if found is None:
            return self.create(sobject, body), True
        self.update(sobject, found, body)
        return found, False

    def external(self, sobject: SObject, name: str) -> Field:
        field = sobject.by_name.get(name.lower())
        if field is None or not field.external or field not in self._view.fields(sobject):
            raise not_found("Provided external ID field does not exist or is not accessible: " + name)
        return field

    def row(self, sobject: SObject, id: str) -> Row:
        """A record that is there. Raises ApiError, another one for what is in the recycle bin."""
        whole = ids.parse(id)
        table = self._org.tables[sobject.name]
        if whole is None or whole[:3] != sobject.prefix:
            message = f"{sobject.name} ID: id value of incorrect type: {id}"
            raise ApiError(400, "MALFORMED_ID", message, ["Id"])
        self._org.expire(table)
        if whole not in table.rows:
            raise not_found("The requested resource does not exist")
        if table.is_deleted(table.rows[whole]):
            raise ApiError(404, "ENTITY_IS_DELETED", "entity is deleted", [])
        return table.rows[whole]

    # -- checks -------------------------------------------------------------------------------------------

    def _check_allowed(self, sobject: SObject, action: str, allowed: bool) -> None:
        if not allowed:
            message = f"entity type cannot be {action}: {sobject.name}"
            raise ApiError(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, [])

    def _checked(self, sobject: SObject, body: dict[str, Any]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        closed = []
        for name, value in body.items():
            if name == "attributes":
                continue
            if name.lower() == "id":
                message = "The Id field should not be specified in the sobject data."
                raise ApiError(400, "INVALID_FIELD", message, ["Id"])
            field = sobject.by_name.get(name.lower())
            if field is None or field not in self._view.fields(sobject):
                message = f"No such column '{name}' on sobject of type {sobject.name}"
                raise ApiError(400, "INVALID_FIELD", message)
            if field.writable:
                data[field.name] = self._value(field, value)
            else:
                closed.append(field.name)
        if closed:
            raise _unwritable(closed)
        if sobject.refusal and (data.get(sobject.refusal) or 0) < 0:
            message = f"{sobject.refusal} must not be negative"
            raise ApiError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", message, [sobject.refusal])
        return data

    def _value(self, field: Field, value: Any) -> Any:
        """As it is stored: texts without spaces around them, and null for an empty one."""
        if value is None:
            return False if field.type == "boolean" else None
        if field.type == "boolean" or field.type in NUMBERS:
            fits = isinstance(value, NUMBERS.get(field.type, (bool,)))
            if not fits or isinstance(value, bool) != (field.type == "boolean"):
                raise _unreadable(field, value)
            return value if field.type in ("boolean", "int") else float(value)
        if not isinstance(value, str):
            raise _unreadable(field, value)
        value = value.strip()
        if not value:
            return None
        if field.type == "datetime":
            seconds = moments.parse(value)
            if seconds is None:
                raise _unreadable(field, value)
            return moments.shown(seconds)
        if field.type == "date" and (len(value) != 10 or moments.parse(f"{value}T00:00:00Z") is None):
            raise _unreadable(field, value)
        if field.type == "reference":
            return self._reference(field, value)
        if field.type == "email" and "@" not in value:
            message = f"{field.name}: invalid email address: {value}"
            raise ApiError(400, "INVALID_EMAIL_ADDRESS", message, [field.name])
        if field.type == "picklist" and value not in field.values:
            message = f"{field.name}: bad value for restricted picklist field: {value}"
            raise ApiError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [field.name])
        if field.length and len(value) > field.length:
            message = f"{field.name}: data value too large: {value[:50]} (max length={field.length})"
            raise ApiError(400, "STRING_TOO_LONG", message, [field.name])
        return value

    def _reference(self, field: Field, value: str) -> str:
        id = ids.parse(value)
        if id is None:
            message = f"{field.name}: id value of incorrect type: {value}"
            raise ApiError(400, "MALFORMED_ID", message, [field.name])
        tables = [self._org.tables[each] for each in field.refers]
        if not any(id in each.rows and not each.is_deleted(each.rows[id]) for each in tables):
            raise ApiError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [field.name])
        return id

    def _check_unique(self, sobject: SObject, data: dict[str, Any], id: str | None) -> None:
        table = self._org.tables[sobject.name]
        for name, value in data.items():
            field = sobject.by_name[name.lower()]
            holder = table.holder(name, value) if field.external and value is not None else None
            if holder not in (None, id):
                message = f"duplicate value found: {name} duplicates value on record with id: {holder}"
                raise ApiError(400, "DUPLICATE_VALUE", message, [])


def _unwritable(names: list[str]) -> ApiError:
    message = f"Unable to create/update fields: {', '.join(names)}. Please check their security settings."
    return ApiError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, names)


def _unreadable(field: Field, value: Any) -> ApiError:
    message = f"Cannot deserialize instance of {field.type} from value {value!r}"
    return ApiError(400, "JSON_PARSER_ERROR", message)
