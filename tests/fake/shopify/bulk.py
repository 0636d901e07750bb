"""Bulk operations: a query that is carried out once, and whose result is a file some time later."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)

from ..core.clock import Clock
from ..core.http import Request, Response
from ..core.store import dump
from .catalog import gid
from .schema import is_connection
from .times import iso

AT_ONCE, AT_ONCE_BEFORE = 5, 1
"""Of one app; the second before version 2026-01."""
KEPT = 7 * 86_400
MOST_CONNECTIONS, MOST_LEVELS = 5, 2
SECRETS = ("x-shopify-access-token", "authorization")
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(slots=True)
class Result:
    """What a query gives: one object a line, those below another with its id.

    failure: the code of what keeps it from giving more.
    """

    lines: list[bytes]
    roots: int
    failure: str | None = None


@dataclass(slots=True)
class Operation:
    """failure: the code that it ends with; the half of the lines is there then."""

    number: int
    app: str
    query: str
    token: str
    created: float
    seconds: float
    result: Result
    failure: str | None
    canceled: float | None = None

    @property
    def finished(self) -> float:
        return self.created + self.seconds

    def status(self, now: float) -> str:
        if self.canceled is not None:
            return "CANCELING" if now < self.canceled + 1 else "CANCELED"
        if now < self.finished:
            return "CREATED" if now < self.created + self.seconds / 4 else "RUNNING"
        if self.failure:
            return "FAILED"
        return "EXPIRED" if now > self.finished + KEPT else "COMPLETED"

    @property
    def lines(self) -> list[bytes]:
        lines = self.result.lines
        return lines[: len(lines) // 2] if self.failure else lines

    def fields(self, now: float, files: str) -> dict[str, Any]:
        """As the type BulkOperation; files: where the files are, from the client's point of view."""
        status, count, roots = self.status(now), len(self.lines), self.result.roots
        if status in ("CREATED", "RUNNING", "CANCELING", "CANCELED") and self.seconds:
            done = min(1.0, max(0.0, ((self.canceled or now) - self.created) / self.seconds))
            count, roots = int(count * done), int(roots * done)
        done = status in ("COMPLETED", "FAILED", "EXPIRED")
        there = bool(self.lines) and done and now <= self.finished + KEPT
        url = f"{files}/_files/{self.path}" if there else None
        ended = self.canceled if status == "CANCELED" else self.finished if done else None
        return {
            "__typename": "BulkOperation", "id": gid("BulkOperation", self.number), "status": status,
            "type": "QUERY", "query": self.query, "createdAt": iso(self.created),
            "completedAt": None if ended is None else iso(ended), "errorCode": self.failure if done else None,
            "objectCount": str(count), "rootObjectCount": str(roots),
            "fileSize": str(sum(len(each) + 1 for each in self.lines)) if there else None,
            "url": None if self.failure else url, "partialDataUrl": url if self.failure else None,
        }  # fmt: skip

    @property
    def path(self) -> str:
        return f"bulk-{self.number}.jsonl?signature={self.token}"


class Bulk:
    """leaks: requests for files that came with a secret, which is for another server."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._rng = random.Random(f"{seed}:bulk")
        self._operations: list[Operation] = []
        self.seconds = 2.0
        self.failure: str | None = None
        self.leaks: list[dict[str, str]] = []

    def all(self, app: str, files: str) -> list[dict[str, Any]]:
        """Of an app, the oldest first."""
        now = self._clock.now()
        return [each.fields(now, files) for each in self._operations if each.app == app]

    def find(self, id: str, app: str, files: str) -> dict[str, Any] | None:
        return next((each for each in self.all(app, files) if each["id"] == id), None)

    def full(self, app: str, version: str) -> bool:
        """Whether no more can be under way."""
        now = self._clock.now()
        busy = sum(
            each.app == app and each.status(now) in ("CREATED", "RUNNING", "CANCELING")
            for each in self._operations
        )
        return busy >= (AT_ONCE if version >= "2026-01" else AT_ONCE_BEFORE)

    def add(self, app: str, query: str, result: Result) -> str:
        number = 3_100_000_000_000 + len(self._operations)
        token = f"{self._rng.getrandbits(128):032x}"
        failure = result.failure or self.failure
        now = self._clock.now()
        self._operations.append(Operation(number, app, query, token, now, self.seconds, result, failure))
        return gid("BulkOperation", number)

    def cancel(self, id: str) -> str | None:
        """Says why it can't be."""
        now = self._clock.now()
        found = next(each for each in self._operations if gid("BulkOperation", each.number) == id)
        if found.status(now) not in ("CREATED", "RUNNING"):
            return f"A bulk operation cannot be canceled when it is {found.status(now).lower()}"
        found.canceled = now
        return None

    def file(self, request: Request) -> Response:
        """As a store of files answers, which is another server and knows no tokens."""
        for name in SECRETS:
            if name in request.headers:
                self.leaks.append({"path": request.path, "header": name})
        wanted = f"{request.path.removeprefix('/_files/')}?{request.query}"
        found = next((each for each in self._operations if each.path == wanted), None)
        now = self._clock.now()
        if found is None or now < found.finished or now > found.finished + KEPT or found.canceled:
            body = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>AccessDenied</Code></Error>"
            return Response(403, body, {}, "application/xml; charset=UTF-8")
        body = b"".join(each + b"\n" for each in found.lines)
        return _part(body, request.headers.get("range")) or Response(200, body, {}, "application/jsonl")


def _part(body: bytes, range: str | None) -> Response | None:
    """The bytes that a request asks for (RFC 9110, section 14); None where it asks for all."""
    wanted = RANGE.fullmatch(range or "")
    if wanted is None:
        return None
    first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
    if first > last:
        return Response(416, b"", {"Content-Range": f"bytes */{len(body)}"}, "application/xml; charset=UTF-8")
    place = {"Content-Range": f"bytes {first}-{last}/{len(body)}"}
    return Response(206, body[first : last + 1], place, "application/jsonl")


# What a query may be, and what becomes of its answer


def objection(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDefinitionNode],
) -> str | None:
    """Why a query can't be run in bulk. The rules are documented."""
    if operation.operation.value != "query":
        return "Bulk queries must be queries"
    assert schema.query_type is not None
    connections: list[int] = []
    names = {
        each.name.value for each, _ in _fields(operation.selection_set, schema.query_type, fragments, schema)
    }
    if names & {"node", "nodes"}:
        return "Bulk queries cannot contain a top-level `node` or `nodes` field"
    refusal = _walk(schema, operation.selection_set, schema.query_type, fragments, 0, connections, True)
    if refusal:
        return refusal
    if not connections:
        return "Bulk queries must contain at least one connection"
    if len(connections) > MOST_CONNECTIONS:
        return f"Bulk queries cannot contain more than {MOST_CONNECTIONS} connections"
    if max(connections) > MOST_LEVELS:
        return f"Bulk queries cannot contain connections with a nesting depth greater than {MOST_LEVELS}"
    return None


def _walk(
    schema: GraphQLSchema,
    selections: SelectionSetNode | None,
    parent: GraphQLNamedType,
    fragments: dict[str, FragmentDefinitionNode],
    level: int,
    connections: list[int],
    named: bool,
) -> str | None:
    """level: of connections around. named: what is around has an id in the file, or needs none."""
    found = list(_fields(selections, parent, fragments, schema))
    # An object's own id, without an alias: what is below it says so whose it is.
    if any(each.name.value == "id" and each.alias is None for each, _ in found):
        named = True
    for each, type in found:
        if is_connection(type.name):
            if not named:
                return "The parent of a nested connection must select the 'id' field without an alias"
            connections.append(level)
            inner = level + 1
        else:
            inner = level
        beneath = named and each.name.value not in ("node", "nodes")
        refusal = _walk(schema, each.selection_set, type, fragments, inner, connections, beneath)
        if refusal:
            return refusal
    return None


def _fields(
    selections: SelectionSetNode | None,
    parent: GraphQLNamedType,
    fragments: dict[str, FragmentDefinitionNode],
    schema: GraphQLSchema,
) -> Iterator[tuple[FieldNode, GraphQLNamedType]]:
    for each in selections.selections if selections else ():
        if isinstance(each, FieldNode):
            field = getattr(parent, "fields", {}).get(each.name.value)
            if field is not None:
                yield each, get_named_type(field.type)
            continue
        part = fragments[each.name.value] if isinstance(each, FragmentSpreadNode) else each
        condition = part.type_condition
        inner = schema.type_map[condition.name.value] if condition else parent
        yield from _fields(part.selection_set, inner, fragments, schema)


def lines(data: dict[str, Any], grouped: bool) -> Result:
    """The objects of all connections, without what is below them, which comes behind.

    grouped: right behind its parent. Otherwise all that a parent stands for may lie between, and it does.
    """
    levels: list[list[bytes]] = []
    in_order: list[bytes] = []

    def add(node: dict[str, Any], parent: str | None, level: int) -> None:
        below: list[dict[str, Any]] = []
        own = _apart(node, below) | ({"__parentId": parent} if parent is not None else {})
        line = dump(own)
        in_order.append(line)
        if len(levels) <= level:
            levels.append([])
        levels[level].append(line)
        for each in below:
            add(each, node.get("id"), level + 1)

    roots: list[dict[str, Any]] = []
    for value in data.values():
        # An object at the root that is no connection has a line of its own.
        roots.extend([value] if (found := _nodes(value)) is None and value else found or ())
    for each in roots:
        add(each, None, 0)
    return Result(in_order if grouped else [each for level in levels for each in level], len(roots))


def _apart(node: dict[str, Any], below: list[dict[str, Any]]) -> dict[str, Any]:
    """The object without its connections, whose objects go into `below`."""
    own: dict[str, Any] = {}
    for name, value in node.items():
        nodes = _nodes(value)
        if nodes is not None:
            below.extend(nodes)
        else:
            own[name] = _apart(value, below) if isinstance(value, dict) else value
    return own


def _nodes(value: Any) -> list[dict[str, Any]] | None:
    """The objects of a connection, None for what is none."""
    if not isinstance(value, dict) or not {"edges", "nodes"} & set(value):
        return None
    return [each["node"] for each in value.get("edges") or ()] + list(value.get("nodes") or ())
