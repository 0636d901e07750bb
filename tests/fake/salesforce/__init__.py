"""Salesforce's REST API and its Bulk API 2.0, for reading.

What is marked as assumed, and all words of errors that the documentation does not have, are as they are
known from use.
"""

from __future__ import annotations

from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from ..core.requestlog import masked
from .catalog import BY_NAME
from .errors import ApiError, failure
from .limits import Daily
from .org import Org
from .resources import Resources
from .routes import NEWEST, OLDEST, VERSION, resolve
from .seed import populate
from .sessions import DEFAULT_TOKEN, Sessions, bearer
from .upstream import Administrator
from .view import View

__all__ = ["DEFAULT_TOKEN", "Salesforce"]

LONGEST = 16_384
"""Bytes of the path and the query."""


class Salesforce:
    """core.app.Provider. Answers at /salesforce/services/… and at /services/…, as the URLs in answers say."""

    name = "salesforce"
    roots = ("services",)

    def __init__(self, clock: Clock, seed: int, counts: dict[str, int] | None = None) -> None:
        self._org = Org(clock, seed)
        populate(self._org, counts or {}, seed)
        self.data = Administrator(self._org, self)
        self._sessions = Sessions(self._org, seed)
        self._resources = Resources(self._org)
        self._daily = Daily(clock)
        self.concurrency: int | None = 25

    # -- core.app.Provider --------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> str:
        parts = request.segments
        found = resolve(parts[3:]) if parts[:2] == ["services", "data"] and len(parts) > 2 else None
        return f"{request.method} /{'/'.join([*parts[:3], found[0]]) if found else '/'.join(parts)}"

    def credential(self, request: Request) -> str:
        token = bearer(request)
        return masked(token) if token else ""

    def limited(self, request: Request, endpoint: str, now: float, in_flight: int) -> Response | None:
        if request.path.startswith("/services/oauth2/"):
            return None
        if self.concurrency is not None and in_flight > self.concurrency:
            # Only those that take 20 seconds count in life.
            message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
            return self._dress(ApiError(403, "REQUEST_LIMIT_EXCEEDED", message).response())
        return None if self._daily.take() else self._dress(failure(403).response())

    def handle(self, request: Request) -> Response:
        try:
            response = self._answer(request)
        except ApiError as error:
            response = error.response()
        except Refused as error:
            response = ApiError(400, "API_ERROR", str(error)).response()
        return self._dress(response)

    def failure(self, status: int, retry_after: float | None = None) -> Response:
        """Salesforce never says when to come again, except where a rule of a test has it so."""
        response = failure(status).response()
        if retry_after is not None and response.status >= 500:
            response.headers["Retry-After"] = f"{retry_after:g}"
        return response

    def failed(self, request: Request, response: Response) -> None:
        """Nothing is remembered of a request."""

    # -- settings -----------------------------------------------------------------------------------------

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings: see the README. Raises Refused for unknown ones."""
        sessions, cursors, bulk = self._sessions, self._resources.cursors, self._resources.bulk
        for name, value in settings.items():
            match name:
                case "session_life":
                    sessions.life = float(value)
                case "rotate":
                    sessions.rotate = bool(value)
                case "public_key":
                    sessions.set_key(value)
                case "instance_url":
                    sessions.instance = value
                case "hidden":
                    unknown = {each for each in value or {} if each not in BY_NAME and each[:3] != "00D"}
                    if unknown:
                        raise Refused(f"there is no object or token {', '.join(sorted(unknown))}")
                    sessions.set_hidden(value)
                case "renamed":
                    for each in value or {}:
                        self._org.table(each)
                    self._org.renamed = dict(value or {})
                case "revoke":
                    sessions.revoke(value)
                case "daily":
                    self._daily.allowed = None if value is None else int(value["allowed"])
                    self._daily.forget()
                case "concurrency":
                    self.concurrency = value
                case "cursor_life":
                    cursors.life = float(value)
                case "child_size":
                    cursors.child_size = int(value)
                case "snapshot":
                    cursors.snapshot = bool(value)
                case "bulk_seconds":
                    bulk.seconds = float(value)
                case "bulk_page":
                    bulk.page = int(value)
                case "bulk_fails":
                    bulk.fails = value
                case "id_limit":
                    self._resources.replication.most = int(value)
                case _:
                    raise Refused(f"Salesforce has no setting {name!r}")
        return {
            **sessions.settings(),
            "renamed": self._org.renamed,
            "daily": None if self._daily.allowed is None else {"allowed": self._daily.allowed},
            "used": self._daily.used(),
            "beyond": self._daily.beyond,
            "concurrency": self.concurrency,
            "cursor_life": cursors.life,
            "child_size": cursors.child_size,
            "snapshot": cursors.snapshot,
            "bulk_seconds": bulk.seconds,
            "bulk_page": bulk.page,
            "bulk_fails": bulk.fails,
            "id_limit": self._resources.replication.most,
        }

    # -- a request ----------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Response:
        if len(request.path) + len(request.query) > LONGEST:
            return Response(414, b"<h1>URI Too Long</h1>", {}, "text/html")
        match request.segments:
            case ["services", "oauth2", "token"] if request.method == "POST":
                return self._sessions.grant(request)
            case ["services", "oauth2", "revoke"] if request.method == "POST":
                return self._sessions.end(request)
            case ["services", "data"]:
                return Response.of_json(200, [_version(each) for each in range(NEWEST - 4, NEWEST + 1)])
            case ["services", "oauth2", "userinfo"]:
                self._sessions.caller(request)
                return Response.of_json(200, self._sessions.who())
        caller = self._sessions.caller(request)
        match request.segments:
            case ["services", "data", version, *rest] if found := VERSION.fullmatch(version):
                route = resolve(rest)
                if route is not None and OLDEST <= int(found[1]) <= NEWEST:
                    view = View(self._org, caller.user, version[1:], self._sessions.hidden(caller))
                    return self._resources.answer(request, view, *route, self._limits())
        raise failure(404)

    def _limits(self) -> dict[str, dict[str, int]]:
        allowed = self._daily.allowed or 15_000_000
        return {
            "DailyApiRequests": {"Max": allowed, "Remaining": max(0, allowed - self._daily.used())},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
        }

    def _dress(self, response: Response) -> Response:
        response.headers["Sforce-Limit-Info"] = self._daily.header()
        return response


def _version(number: int) -> dict[str, str]:
    return {"label": f"Release {number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
