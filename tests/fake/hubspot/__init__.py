"""HubSpot's CRM API, as its official client, its documentation and those who use it describe it.

What none of them says is marked as assumed where it is done.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from ..core.limits import Windows
from .batches import Batches
from .catalog import DIRECTORY
from .credentials import CLIENT, DEFAULT_TOKEN, Credentials, check_scope
from .errors import PORTAL, TOO_LONG, ApiError, failure, not_found
from .limits import Limits
from .listing import Lists
from .portal import Portal
from .relations import Relations
from .routes import ROOTS, Route, resolve
from .search import CAP, Searches
from .seed import populate
from .upstream import Staff
from .writes import Writes, method_not_allowed

__all__ = ["CLIENT", "DEFAULT_TOKEN", "HubSpot"]

LONGEST_URL = 8192
DETAILS = {
    "portalId": PORTAL, "accountType": "STANDARD", "timeZone": "UTC", "companyCurrency": "EUR",
    "additionalCurrencies": [], "utcOffset": "+00:00", "utcOffsetMilliseconds": 0,
    "uiDomain": "app.hubspot.com", "dataHostingLocation": "eu1",
}  # fmt: skip


class HubSpot:
    """core.app.Provider. Answers at /hubspot/… and, for clients that can't have a prefix, at the root."""

    name = "hubspot"
    roots = ROOTS

    def __init__(self, clock: Clock, seed: int, counts: dict[str, int] | None = None) -> None:
        self._portal = Portal(clock, seed)
        populate(self._portal, counts or {}, seed)
        self.data = Staff(self._portal, self)
        self._lists = Lists(self._portal, seed)
        self._searches = Searches(self._portal, seed)
        self._writes = Writes(self._portal)
        self._batches = Batches(self._portal, self._writes)
        self._relations = Relations(self._portal, seed)
        self._credentials = Credentials(clock, seed)
        self._limits = Limits(clock)
        self._rng = random.Random(f"{seed}:hubspot requests")

    # -- core.app.Provider --------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> str:
        route = self._route(request)
        return f"{request.method} {route.template if route else request.path}"

    def credential(self, request: Request) -> str:
        return self._credentials.mask(request)

    def limited(self, request: Request, endpoint: str, now: float, in_flight: int) -> Response | None:
        if request.segments[0] == "oauth":
            return None
        refusal = self._limits.refusal(self._credentials.bucket(request), now, _searching(request))
        return refusal and self._dress(request, refusal.response(self._correlation()))

    def handle(self, request: Request) -> Response:
        try:
            response = self._answer(request)
        except ApiError as error:
            response = error.response(self._correlation())
        return self._dress(request, response)

    def failure(self, status: int, retry_after: float | None = None) -> Response:
        """A fault says how long to wait, as proxies before HubSpot do; a limit of HubSpot's does not."""
        response = failure(status).response(self._correlation())
        if retry_after is not None:
            response.headers["Retry-After"] = f"{retry_after:g}"
        return response

    def failed(self, request: Request, response: Response) -> None:
        """Nothing to note: no request can be repeated under a key."""

    # -- settings -----------------------------------------------------------------------------------------

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings: see the README. Raises Refused for unknown ones."""
        limits, credentials, index = self._limits, self._credentials, self._portal.index
        for name, value in settings.items():
            match name:
                case "burst" | "oauth_burst":
                    window = {"allowed": None} if value is None else value
                    setattr(limits, name, Windows(**{"interval": 10, **window}))
                case "search_rate":
                    limits.searches = Windows(value)
                case "daily":
                    limits.daily = value
                case "tokens":
                    credentials.set_tokens(value, {*self._portal.types, *DIRECTORY})
                case "token_life":
                    credentials.token_life = float(value)
                case "issue_refresh_token":
                    credentials.issue_refresh_token(value)
                case "revoke":
                    credentials.revoke(value)
                case "index_lag":
                    lag = {"probability": 0, "seconds": 0} if value is None else value
                    index.probability, index.seconds = float(lag["probability"]), float(lag["seconds"])
                case "empty_pages":
                    self._lists.empty_pages = self._searches.empty_pages = float(value or 0)
                case "lexicographic_ids":
                    self._searches.lexicographic_ids = bool(value)
                case "search_cap":
                    self._searches.cap = CAP if value is None else int(value)
                case "total_cap":
                    self._searches.total_cap = value
                case _:
                    raise Refused(f"HubSpot has no setting {name!r}")
        return {
            "burst": _window(limits.burst),
            "oauth_burst": _window(limits.oauth_burst),
            "search_rate": limits.searches.allowed,
            "daily": limits.daily,
            "index_lag": {"probability": index.probability, "seconds": index.seconds},
            "empty_pages": self._lists.empty_pages,
            "lexicographic_ids": self._searches.lexicographic_ids,
            "search_cap": self._searches.cap,
            "total_cap": self._searches.total_cap,
            **credentials.settings(),
        }

    # -- a request ----------------------------------------------------------------------------------------

    def _route(self, request: Request) -> Route | None:
        return resolve(request, self._portal.type_called)

    def _answer(self, request: Request) -> Response:
        if len(request.mount + request.path + request.query) > LONGEST_URL:
            return Response(414, TOO_LONG, {}, "text/html")
        route = self._route(request)
        if route is not None and route.kind in ("authorize", "token"):
            return self._oauth(request, route)
        seen = self._credentials.check(request)
        if route is None:
            raise not_found()
        if route.kind in ("details", "usage", "owner", "schema", "pipeline", "property", "associations"):
            _check_method(request, "GET")
        match route.kind:
            case "details":
                return Response.of_json(200, DETAILS)
            case "usage":
                return Response.of_json(200, self._usage(request))
            case "owner":
                check_scope(seen, "owner")
                if route.id:
                    return self._lists.owner(request, route.id)
                return self._lists.owners(request)
            case "schema":
                check_scope(seen, "schema")
                return self._lists.whole(request, "schema", None, route.id)
        type = route.typed()
        check_scope(seen, type.name, *([route.other.name] if route.other else []))
        return self._of_type(request, route)

    def _of_type(self, request: Request, route: Route) -> Response:
        type = route.typed()
        match route.kind:
            case "pipeline" | "property":
                return self._lists.whole(request, route.kind, type, route.id)
            case "records" if request.method == "GET":
                return self._lists.records(request, type)
            case "record":
                return self._writes.answer(request, type, route.id)
            case "associations" if route.other:
                return self._relations.of(request, type, route.id, route.other)
        _check_method(request, "POST")
        match route.kind:
            case "records":
                return self._writes.create(request, type)
            case "search":
                return self._searches.find(request, type)
            case "merge":
                return self._writes.merge(request, type)
            case "gdpr-delete":
                return self._writes.forget(request, type)
            case "batch associations" if route.other:
                return self._relations.batch(request, type, route.other)
        return self._batches.answer(request, type, route.kind.removeprefix("batch "))

    def _oauth(self, request: Request, route: Route) -> Response:
        if route.kind == "authorize":
            _check_method(request, "GET")
            return self._credentials.authorize(request)
        _check_method(request, "POST")
        return self._credentials.token(request, self._correlation())

    def _usage(self, request: Request) -> dict[str, Any]:
        usage = {
            "name": "private-apps-api-calls-daily", "usageLimit": self._limits.daily,
            "currentUsage": self._limits.used(self._credentials.bucket(request)),
            "collectedAt": self._portal.now(), "fetchStatus": "SUCCESS",
            "resetsAt": self._limits.resets_at(),
        }  # fmt: skip
        return {"results": [usage]}

    def _correlation(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _dress(self, request: Request, response: Response) -> Response:
        if not _searching(request) and request.segments[0] != "oauth":
            self._limits.dress(response, self._credentials.bucket(request), request.received)
        response.headers["X-HubSpot-Correlation-Id"] = self._correlation()
        if response.content_type == "application/json":
            response.content_type = "application/json;charset=utf-8"
        return response


def _searching(request: Request) -> bool:
    return request.method == "POST" and request.segments[-1] == "search"


def _check_method(request: Request, method: str) -> None:
    if request.method != method:
        raise method_not_allowed()


def _window(windows: Windows) -> dict[str, float] | None:
    return None if windows.allowed is None else {"allowed": windows.allowed, "interval": windows.interval}
