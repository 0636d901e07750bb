"""Up to a hundred records at once. What was asked for comes in an order of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from zlib import crc32

from ..core.http import Request, Response
from .catalog import ObjectType
from .errors import ApiError, invalid_body, invalid_parameter
from .parameters import body, flag, inputs, texts
from .portal import Portal
from .records import render, shown_properties
from .values import iso
from .writes import Values, Writes, no_duplicates

Errors = list[dict[str, Any]]
Do = Callable[[ObjectType, dict[str, Any], dict[str, Any]], bytes]


class Batches:
    def __init__(self, portal: Portal, writes: Writes) -> None:
        self._portal = portal
        self._writes = writes

    def answer(self, request: Request, type: ObjectType, verb: str) -> Response:
        given = body(request)
        wanted = inputs(given)
        match verb:
            case "read":
                return self._read(request, type, given, wanted)
            case "create" if _are_traced(wanted):
                return self._each(type, wanted, 201, self._make)
            case "create":
                # What is wrong with one of them is known before any is made, but for what is taken.
                checked = [self._writes.checked(type, each) for each in wanted]
                made = [self._writes.make(type, *each) for each in checked]
                shown = zip(made, wanted, strict=True)
                return self._answer(
                    201, [self._writes.shown(type, id, each["properties"]) for id, each in shown]
                )
            case "update":
                no_duplicates([_id(each) for each in wanted])
                if _are_traced(wanted):
                    return self._each(type, wanted, 200, self._change)
                return self._update(type, wanted)
            case "upsert":
                return self._upsert(type, wanted)
        for id in [_id(each) for each in wanted]:
            if self._portal.shelves[type.name].live(id) is not None:
                self._portal.archive(type.name, id, self._portal.now())
        return Response(204)

    def _read(
        self, request: Request, type: ObjectType, given: dict[str, Any], wanted: list[dict[str, Any]]
    ) -> Response:
        shelf, archived, now = self._portal.shelves[type.name], flag(request, "archived"), self._portal.now()
        properties = shown_properties(self._portal, type, texts(given, "properties"))
        key = given.get("idProperty")
        found, missing = {}, []
        for id in [_id(each) for each in wanted]:
            document = shelf.archived(id, now) if archived else self._live(type, id, key)
            if document is None:
                missing.append(id)
            else:
                found[document["id"]] = document
        order = sorted(found, key=lambda id: crc32(id.encode()))
        shown = [render(self._portal, type, found[id], properties) for id in order]
        return self._answer(200, shown, _not_there(type, missing))

    def _live(self, type: ObjectType, id: str, key: str | None) -> dict[str, Any] | None:
        try:
            return self._portal.existing(type.name, self._writes.found(type, id, key))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def _each(self, type: ObjectType, wanted: list[dict[str, Any]], status: int, do: Do) -> Response:
        """Each by itself: what is wrong with one is told beside what came of the others."""
        results: list[tuple[int, bytes]] = []
        errors: Errors = []
        for each in wanted:
            trace = each["objectWriteTraceId"]
            try:
                results.append((crc32(trace.encode()), do(type, each, {"objectWriteTraceId": trace})))
            except ApiError as error:
                # Who is not there is told by id, as without a trace.
                ids = {"ids": [_id(each)]} if error.status == 404 else {"objectWriteTraceId": [trace]}
                told = {"status": "error", "category": error.category, "message": str(error), "context": ids}
                errors.append({**told, **error.members})
        return self._answer(status, [shown for _, shown in sorted(results)], errors)

    def _make(self, type: ObjectType, given: dict[str, Any], more: dict[str, Any]) -> bytes:
        id = self._writes.make(type, *self._writes.checked(type, given))
        return self._writes.shown(type, id, given["properties"], **more)

    def _change(self, type: ObjectType, given: dict[str, Any], more: dict[str, Any]) -> bytes:
        id = self._writes.found(type, _id(given), given.get("idProperty"))
        values = self._writes.values(type, given.get("properties"))
        self._writes.update(type, id, values)
        return self._writes.shown(type, id, values, **more)

    def _put(self, type: ObjectType, given: dict[str, Any], more: dict[str, Any]) -> bytes:
        key, value = given["idProperty"], _id(given)
        values = self._writes.values(type, given.get("properties", {}))
        values |= self._writes.values(type, {key: value})
        document = self._live(type, value, key)
        if document is None:
            id = self._writes.make(type, values, [])
        else:
            id = document["id"]
            self._writes.update(type, id, values)
        return self._writes.shown(type, id, values, new=document is None, **more)

    def _update(self, type: ObjectType, wanted: list[dict[str, Any]]) -> Response:
        changes: list[tuple[str, Values]] = []
        missing = []
        for each in wanted:
            values = self._writes.values(type, each.get("properties"))
            document = self._live(type, _id(each), each.get("idProperty"))
            if document is None:
                missing.append(_id(each))
            else:
                changes.append((document["id"], values))
        for id, values in changes:
            self._writes.update(type, id, values)
        return self._answer(
            200, [self._writes.shown(type, id, values) for id, values in changes], _not_there(type, missing)
        )

    def _upsert(self, type: ObjectType, wanted: list[dict[str, Any]]) -> Response:
        """By a property with unique values: what is not there is made."""
        no_duplicates([_id(each).lower() for each in wanted])
        key = self._writes.unique(type, wanted[0].get("idProperty"))
        if any(each.get("idProperty") != key for each in wanted):
            raise invalid_parameter("idProperty", "each input must name the same one")
        if _are_traced(wanted):
            return self._each(type, wanted, 200, self._put)
        for each in wanted:
            # What is wrong with one of them is known before anything is done, but for what is taken.
            self._writes.values(type, each.get("properties", {}))
            self._writes.values(type, {key: _id(each)})
        return self._answer(200, [self._put(type, each, {}) for each in wanted])

    def _answer(self, status: int, results: list[bytes], errors: Errors | None = None) -> Response:
        return answer(self._portal, status, results, errors or [])


def answer(portal: Portal, status: int, results: list[bytes], errors: Errors) -> Response:
    """With errors, 207: a success for whoever looks no further."""
    now = iso(portal.now())
    rest: dict[str, Any] = {"status": "COMPLETE", "startedAt": now, "completedAt": now}
    if errors:
        status, rest = 207, rest | {"numErrors": len(errors), "errors": errors}
    return Response(status, b'{"results":[%b],%b' % (b",".join(results), json.dumps(rest).encode()[1:]))


def _not_there(type: ObjectType, ids: list[str]) -> Errors:
    """One error, however many are missing."""
    if not ids:
        return []
    message = (
        f"Could not get some {type.name.upper()} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    return [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": ids}}]


def _id(given: dict[str, Any]) -> str:
    if not isinstance(given.get("id"), str | int):
        raise invalid_body("each input must have an id")
    return str(given["id"])


def _are_traced(wanted: list[dict[str, Any]]) -> bool:
    """Whether each input has a name of its own, by which the answer tells what came of it."""
    traces = [each.get("objectWriteTraceId") for each in wanted]
    if not all(isinstance(trace, str) and trace for trace in traces):
        return False
    if len(set(traces)) < len(traces):
        raise invalid_parameter("inputs", "each objectWriteTraceId must be unique")
    return True
