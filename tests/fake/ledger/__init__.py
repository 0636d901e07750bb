"""A bookkeeping API of nobody's: what a user may have to declare, with the habits of many real ones."""

from __future__ import annotations

import math
from email.utils import formatdate
from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from ..core.requestlog import masked
from .books import Books
from .catalog import BY_PATH
from .errors import ApiError, failure, not_found
from .limits import Points, Quota
from .lists import Lists
from .seed import populate
from .upstream import Bookkeeper

DEFAULT_KEY = "key_fake"
GONE = "invoice"
"""Of these the API remembers that they existed: 410, and not 404."""


class Ledger:
    """core.app.Provider. Answers at /ledger/…"""

    name = "ledger"
    roots = ()

    def __init__(self, clock: Clock, seed: int, counts: dict[str, int] | None = None) -> None:
        self._books = Books(clock, seed)
        populate(self._books, counts or {}, seed)
        self.data = Bookkeeper(self._books, self)
        self._lists = Lists(self._books, seed)
        self._quota = Quota()
        self._points = Points()

    # -- core.app.Provider --------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> str:
        template, _ = _route(request)
        # The further pages of the entries are of the same list.
        template = "/entries" if template == "/e" else template
        return f"{request.method} {template or request.path}"

    def credential(self, request: Request) -> str:
        key = request.headers.get("x-api-key", "")
        return masked(key) if key else ""

    def limited(self, request: Request, endpoint: str, now: float, in_flight: int) -> Response | None:
        key = request.headers.get("x-api-key", "")
        if endpoint == "GET /reports":
            if self._points.take(key, now):
                return None
            # With the status of a success: who looks no further takes it for an empty list. Old clients find
            # the same error where all others are.
            error = {"code": "THROTTLED", "message": "There are not enough points for this."}
            body = {"errors": [error], "error": error, "cost": self._cost(request)}
            return self._dress(request, Response.of_json(200, body))
        if self._quota.take(key, now):
            return None
        refusal = ApiError(403, "quota_exceeded", "The quota of this key is used up.").response()
        return self._dress(request, refusal)

    def handle(self, request: Request) -> Response:
        try:
            response = self._answer(request)
        except ApiError as error:
            response = error.response()
        return self._dress(request, response)

    def failure(self, status: int, retry_after: float | None = None) -> Response:
        if status != 429:
            return failure(status).response()
        response = ApiError(403, "quota_exceeded", "The quota of this key is used up.").response()
        reset = math.ceil(self._books.clock.now() + (retry_after or 1))
        response.headers |= {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
        return response

    def failed(self, request: Request, response: Response) -> None:
        """Nothing is remembered of a request."""

    # -- settings -----------------------------------------------------------------------------------------

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings: see the README. Raises Refused for unknown ones."""
        for name, value in settings.items():
            match name:
                case "quota":
                    self._quota = Quota(None) if value is None else Quota(**value)
                case "cost":
                    self._points = Points(maximum=None) if value is None else Points(**value)
                case "cursor_life":
                    self._lists.cursor_life = float(value)
                case "payment_links":
                    if value not in ("relative", "absolute") and not value.startswith("http"):
                        raise Refused(f"payment_links is relative, absolute or a URL, not {value!r}")
                    self._lists.payment_links = value
                case _:
                    raise Refused(f"the ledger has no setting {name!r}")
        quota, points = self._quota, self._points
        return {
            "quota": None
            if quota.allowed is None
            else {"allowed": quota.allowed, "interval": quota.interval},
            "beyond_quota": quota.beyond,
            "cost": None
            if points.maximum is None
            else {
                "requested": points.requested,
                "maximum": points.maximum,
                "restore_rate": points.restore_rate,
            },
            "throttled": points.beyond,
            "cursor_life": self._lists.cursor_life,
            "payment_links": self._lists.payment_links,
            "deletions": len(self._books.deletions()),
        }

    # -- a request ----------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Response:
        if not request.headers.get("x-api-key", "").startswith(DEFAULT_KEY):
            raise failure(401)
        if request.method != "GET":
            raise ApiError(405, "method_not_allowed", "This API can only be read.")
        template, id = _route(request)
        if template == "/reports":
            return self._lists.reports(request, self._cost(request))
        if template in self._lists.by_path:
            find = self._lists.by_path[template]
            return find(request) if id is None else find(request, id)
        if template is None or id is None:
            raise ApiError(404, "unknown_path", f"{request.path} is no path of this API.")
        return self._object(BY_PATH[template.removesuffix("/{id}")].name, id)

    def _object(self, name: str, id: str) -> Response:
        store = self._books.shelves[name].store
        if name == GONE and id in store.deleted:
            raise ApiError(410, "gone", f"The {name} {id} has been deleted.")
        if id not in store.by_id:
            raise not_found(f"{name} {id}")
        return Response(200, store.by_id[id].shown)

    def _cost(self, request: Request) -> dict[str, float]:
        key = request.headers.get("x-api-key", "")
        return {
            "requested": self._points.requested,
            "available": round(self._points.available(key, request.received), 3),
            "restore_rate": self._points.restore_rate,
        }

    def _dress(self, request: Request, response: Response) -> Response:
        now = self._books.clock.now()
        response.headers["Date"] = formatdate(now, usegmt=True)
        if self._quota.allowed is not None and request.path != "/reports":
            left, seconds = self._quota.left(request.headers.get("x-api-key", ""), request.received)
            response.headers["X-RateLimit-Remaining"] = str(left)
            response.headers["X-RateLimit-Reset"] = str(math.ceil(now + seconds))
        return response


def _route(request: Request) -> tuple[str | None, str | None]:
    """The path with `{id}` in it, and the id."""
    match request.segments:
        case [("accounts" | "entries" | "invoices" as first), id]:
            return f"/{first}/{{id}}", id
        case ["accounts", id, "notes"]:
            return "/accounts/{id}/notes", id
        case [only] if f"/{only}" in BY_PATH or only in ("e", "deleted"):
            return f"/{only}", None
    return None, None
