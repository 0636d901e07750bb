"""Requests and responses as the providers see them; nothing here knows about sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    206: "Partial Content",
    207: "Multi-Status",
    301: "Moved Permanently",
    302: "Found",
    304: "Not Modified",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class BadRequest(Exception):
    """The bytes on the connection are not an HTTP/1.1 request that this server can read."""


@dataclass(slots=True)
class Request:
    """One HTTP request. `path` and `query` are raw (still percent-encoded); header names are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    received: float = 0.0
    """Seconds on the monotonic clock when the last byte had arrived."""
    mount: str = ""
    """What the provider's prefix took from the front of the path: an API that links to itself needs it."""

    @property
    def segments(self) -> list[str]:
        return [unquote(part) for part in self.path.strip("/").split("/")]

    def query_pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query, keep_blank_values=True)

    def query_dict(self) -> dict[str, str]:
        """The query with one value a name (the last one wins): for the control endpoint."""
        return dict(self.query_pairs())

    def json(self) -> Any:
        return json.loads(self.body or b"null")


@dataclass(slots=True)
class Response:
    """A whole answer. `headers` come on top of Content-Length, which the server writes."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def of_json(cls, status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
        return cls(status, json.dumps(value, ensure_ascii=False).encode(), headers or {})

    def encode(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}"]
        if self.body or self.status not in (204, 304):
            lines.append(f"Content-Type: {self.content_type}")
            lines.append(f"Content-Length: {len(self.body)}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


@dataclass(slots=True)
class Page(Response):
    """An answer that lists objects. Faults rewrite `items` and `has_more` before `wrap` makes the body.

    renew: what was shown of a list before as it is now, without what this list no longer has: no API repeats
    what it has forgotten. id: what the objects call their id.
    """

    items: list[bytes] = field(default_factory=list)
    has_more: bool = False
    wrap: Callable[[list[bytes], bool], bytes] | None = None
    renew: Callable[[list[bytes]], list[bytes]] = list
    id: str = "id"

    def encode(self) -> bytes:
        if self.wrap is not None:
            self.body = self.wrap(self.items, self.has_more)
        # Not super(): slots=True replaces the class that a bare super() closes over.
        return Response.encode(self)
