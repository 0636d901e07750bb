"""Up to 200 records in one request, with a result for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ids
from .errors import ApiError
from .fields import SObject
from .selection import Selection
from .view import View
from .writes import Writes

MOST = 200
MOST_READ = 2000


class _RolledBack(Exception):
    """One record of a request that is all or nothing was refused."""


class Composite:
    def __init__(self, view: View) -> None:
        self._view = view
        self._writes = Writes(view)

    def create(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        def one(record: dict[str, Any]) -> dict[str, Any]:
            return _done(self._writes.create(self._sobject(record), record))

        return self._each(_records(body), one, bool(body.get("allOrNone")))

    def update(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        def one(record: dict[str, Any]) -> dict[str, Any]:
            id = str(record.get("id") or record.get("Id") or "")
            data = {name: value for name, value in record.items() if name.lower() != "id"}
            if not id:
                raise ApiError(400, "MISSING_ARGUMENT", "Id not specified in an update call")
            self._writes.update(self._sobject(record), id, data)
            return _done(str(ids.parse(id)))

        return self._each(_records(body), one, bool(body.get("allOrNone")))

    def upsert(self, sobject: SObject, field: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        key = self._writes.external(sobject, field).name

        def one(record: dict[str, Any]) -> dict[str, Any]:
            data = {name: value for name, value in record.items() if name.lower() != key.lower()}
            value = next((value for name, value in record.items() if name.lower() == key.lower()), None)
            if value is None:
                raise ApiError(400, "MISSING_ARGUMENT", f"{key} not specified")
            id, created = self._writes.upsert(sobject, key, str(value), data)
            return {**_done(id), "created": created}

        return self._each(_records(body), one, bool(body.get("allOrNone")))

    def delete(self, wanted: list[str], all_or_none: bool) -> list[dict[str, Any]]:
        def one(id: str) -> dict[str, Any]:
            found = next((each for each in self._view.objects if each.prefix == id[:3]), None)
            if found is None:
                raise ApiError(400, "MALFORMED_ID", f"malformed id {id}")
            self._writes.delete(found, id)
            return _done(str(ids.parse(id)))

        return self._each(_few(wanted, MOST), one, all_or_none)

    def retrieve(self, sobject: SObject, wanted: list[str], fields: list[str]) -> list[dict[str, Any] | None]:
        """null in the place of what is not there."""
        selection = Selection(self._view, sobject)
        # The id comes along, asked for or not.
        for name in dict.fromkeys(["Id", *fields]):
            if name.lower() != "id" or name == "Id":
                selection.add(name)
        table = self._view.org.tables[sobject.name]
        rows = [table.rows.get(ids.parse(id) or "") for id in _few(wanted, MOST_READ)]
        return [None if row is None or table.is_deleted(row) else selection.document(row) for row in rows]

    def _sobject(self, record: dict[str, Any]) -> SObject:
        attributes = record.get("attributes")
        if not isinstance(attributes, dict) or not isinstance(attributes.get("type"), str):
            raise ApiError(400, "INVALID_INPUT", "The record has no attributes.type.")
        return self._view.sobject(attributes["type"])

    def _each(
        self, records: list[Any], one: Callable[[Any], dict[str, Any]], all_or_none: bool
    ) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        try:
            with self._view.org.transaction():
                for record in records:
                    try:
                        results.append(one(record))
                    except ApiError as error:
                        results.append({"success": False, "errors": [error.result()]})
                if all_or_none and not all(each["success"] for each in results):
                    raise _RolledBack
        except _RolledBack:
            message = "Record rolled back because not all records were valid and the request was using "
            undone = ApiError(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", f"{message}AllOrNone header")
            for at, each in enumerate(results):
                if each["success"]:
                    results[at] = {"success": False, "errors": [undone.result()]}
        return results


def _done(id: str) -> dict[str, Any]:
    return {"id": id, "success": True, "errors": []}


def _records(body: dict[str, Any]) -> list[Any]:
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise ApiError(400, "JSON_PARSER_ERROR", "records is a list of records")
    return _few(records, MOST)


def _few(wanted: list[Any], most: int) -> list[Any]:
    if len(wanted) > most:
        message = f"record limit reached. cannot submit more than {most} records"
        raise ApiError(400, "EXCEEDED_MAX_SIZE_REQUEST", message)
    return wanted
