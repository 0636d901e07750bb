"""Lists of ids: what was deleted, and what was changed, between two instants."""

from __future__ import annotations

from typing import Any

from . import moments
from .errors import ApiError
from .fields import SObject
from .org import KEPT, Org

MINUTE = 60
LISTED = 30 * 86_400
"""How far back, in seconds, changes are listed. What was deleted is forgotten earlier."""


class Replication:
    """most: ids in one answer."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self.most = 600_000

    def deleted(self, sobject: SObject, query: dict[str, str]) -> dict[str, Any]:
        table = self._org.tables[sobject.name]
        self._org.expire(table)
        start, end = self._between(sobject, query, KEPT)
        found = [
            {"id": id, "deletedDate": moments.shown(deletion.moment)}
            for id, deletion in table.bin.items()
            if start <= deletion.moment < end
        ]
        earliest = max(table.earliest, self._org.now() - KEPT)
        return {
            "deletedRecords": self._few(found),
            "earliestDateAvailable": moments.shown(earliest),
            "latestDateCovered": moments.shown(end),
        }

    def updated(self, sobject: SObject, query: dict[str, str]) -> dict[str, Any]:
        table = self._org.tables[sobject.name]
        start, end = self._between(sobject, query, LISTED)
        first, last = moments.shown(start), moments.shown(end)
        found = [
            id for stamp, id in table.stamps if first <= stamp < last and not table.is_deleted(table.rows[id])
        ]
        return {"ids": self._few(found), "latestDateCovered": last}

    def _few(self, found: list[Any]) -> list[Any]:
        if len(found) > self.most:
            message = f"There are more than {self.most} IDs: ask for a shorter time."
            raise ApiError(400, "EXCEEDED_ID_LIMIT", message)
        return found

    def _between(self, sobject: SObject, query: dict[str, str], kept: int) -> tuple[int, int]:
        """The whole minutes that are asked for and are over: seconds are ignored."""
        if not sobject.replicateable:
            message = f"entity type {sobject.name} does not support replication"
            raise ApiError(400, "INVALID_TYPE_FOR_OPERATION", message)
        found = []
        for name in ("start", "end"):
            seconds = moments.parse(query.get(name, ""))
            if seconds is None:
                message = f"{name} is no dateTime: {query.get(name)}"
                raise ApiError(400, "INVALID_REPLICATION_DATE", message)
            found.append(int(seconds) // MINUTE * MINUTE)
        start, end = found
        now = self._org.now()
        if end - start < MINUTE:
            message = "endDate must be at least one minute greater than startDate"
            raise ApiError(400, "INVALID_REPLICATION_DATE", message)
        if start < now - kept - MINUTE:
            message = f"startDate cannot be more than {kept // 86_400} days ago"
            raise ApiError(400, "INVALID_REPLICATION_DATE", message)
        return start, max(start, min(end, now // MINUTE * MINUTE))
