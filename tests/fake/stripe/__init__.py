"""Stripe, as its documentation and its OpenAPI document of 2024-04-10 describe it."""

from __future__ import annotations

import base64
import math
import random
import re
from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from ..core.limits import Windows
from ..core.requestlog import masked
from . import versions
from .account import Account
from .errors import ApiError, failure, unknown_url
from .events import Cause
from .idempotency import Idempotency
from .objects.maker import token
from .reads import Reads
from .routes import Route, resolve
from .seed import populate
from .upstream import Owner
from .writes import Writes

DEFAULT_KEY = "sk_test_fake"
GLOBAL_RATE, ENDPOINT_RATE = 100, 25


class Stripe:
    """core.app.Provider. Answers at /stripe/v1/… and, for clients that can't have a prefix, at /v1/…"""

    name = "stripe"
    roots = ("v1",)

    def __init__(
        self,
        clock: Clock,
        seed: int,
        counts: dict[str, int] | None = None,
        *,
        events: bool = True,
        api_version: str = versions.DEFAULT,
    ) -> None:
        self.account = Account(clock, seed, api_version)
        populate(self.account, counts or {}, seed, events)
        self.data = Owner(self.account, self)
        self._reads = Reads(self.account)
        self._writes = Writes(self.account, self._reads)
        self._idempotency = Idempotency(clock)
        self._rng = random.Random(f"{seed}:requests")
        self._overall = Windows(GLOBAL_RATE)
        self._by_endpoint = Windows(ENDPOINT_RATE)
        self._concurrency: int | None = None
        self._keys: dict[str, list[str] | None] | None = None

    # -- core.app.Provider --------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> str:
        route = resolve(request.path)
        return f"{request.method} {route.template if route else request.path}"

    def credential(self, request: Request) -> str:
        key = _key(request)
        return masked(key) if key else ""

    def limited(self, request: Request, endpoint: str, now: float, in_flight: int) -> Response | None:
        key = _key(request) or ""
        checks = (
            (self._overall.wait(key, now), "global-rate"),
            (self._by_endpoint.wait(f"{key} {endpoint}", now), "endpoint-rate"),
            (
                1.0 if self._concurrency is not None and in_flight > self._concurrency else 0.0,
                "global-concurrency",
            ),
        )
        for wait, reason in checks:
            if wait > 0:
                response = self.failure(429, max(1, math.ceil(wait)))
                response.headers["Stripe-Rate-Limited-Reason"] = reason
                return response
        self._overall.take(key, now)
        self._by_endpoint.take(f"{key} {endpoint}", now)
        return None

    def handle(self, request: Request) -> Response:
        request_id = "req_" + token(self._rng, 14)
        version = request.headers.get("stripe-version", self.account.api_version)
        try:
            response = self._answer(request, request_id, version)
        except ApiError as error:
            response = error.response()
        except Refused as error:
            response = ApiError(400, str(error)).response()
        self._idempotency.keep(request, _key(request) or "", response, request_id)
        return self._dress(response, request_id, version)

    def failure(self, status: int, retry_after: float | None = None) -> Response:
        response = failure(status).response()
        if status == 429:
            response.headers["Stripe-Rate-Limited-Reason"] = "global-rate"
        if retry_after is not None:
            response.headers["Retry-After"] = f"{retry_after:g}"
        if status in (409, 429) or status >= 500:
            response.headers["Stripe-Should-Retry"] = "true"
        return self._dress(response, "req_" + token(self._rng, 14), self.account.api_version)

    def failed(self, request: Request, response: Response) -> None:
        # What the client gets is what a repetition gets, even if the work was done (`apply`).
        self._idempotency.forget(request, _key(request) or "")
        self._idempotency.keep(request, _key(request) or "", response, response.headers.get("Request-Id", ""))

    # -- settings -----------------------------------------------------------------------------------------

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings: see the README. Raises Refused for unknown ones."""
        for name, value in settings.items():
            match name:
                case "global_rate":
                    self._overall.configure(value, self._overall.interval)
                case "endpoint_rate":
                    self._by_endpoint.configure(value, self._by_endpoint.interval)
                case "concurrency":
                    self._concurrency = value
                case "keys":
                    self._keys = dict.fromkeys(value) if isinstance(value, list) else value
                case "api_version":
                    if not versions.valid(value):
                        raise Refused(f"no API version looks like {value!r}")
                    self.account.api_version = value
                case "event_lag":
                    self.account.events.lag_probability = float(value.get("probability", 0))
                    self.account.events.lag_seconds = float(value.get("seconds", 0))
                case _:
                    raise Refused(f"Stripe has no setting {name!r}")
        events = self.account.events
        return {
            "global_rate": self._overall.allowed,
            "endpoint_rate": self._by_endpoint.allowed,
            "concurrency": self._concurrency,
            "keys": f"{DEFAULT_KEY}*" if self._keys is None else self._keys,
            "api_version": self.account.api_version,
            "event_lag": {"probability": events.lag_probability, "seconds": events.lag_seconds},
            "events": len(events.visible()),
            "events_waiting": events.waiting,
        }

    # -- a request ----------------------------------------------------------------------------------------

    def _answer(self, request: Request, request_id: str, version: str) -> Response:
        route = resolve(request.path)
        key = self._authenticate(request, route)
        if not versions.valid(version):
            raise ApiError(400, f"Invalid Stripe API version: {version}")
        if route is None:
            raise unknown_url(request.method, request.path)
        if request.method == "GET":
            return self._get(request, route, version)
        if request.method == "POST":
            replayed = self._idempotency.replay(request, key)
            if replayed is not None:
                return replayed
        cause = Cause(request_id, request.headers.get("idempotency-key"))
        if request.method == "POST":
            return self._writes.post(request, route, version, cause)
        if request.method == "DELETE":
            return self._writes.delete(request, route, version, cause)
        raise unknown_url(request.method, request.path)

    def _get(self, request: Request, route: Route, version: str) -> Response:
        match route.kind:
            case "list" | "alias":
                return self._reads.list(request, route, version)
            case "object" if route.collection and route.collection.retrievable:
                return self._reads.object(request, route, version)
            case "events":
                return self._reads.events(request, version)
            case "event":
                return self._reads.event(request, route.id or "")
            case "singleton":
                return self._singleton(route.id or "")
        raise unknown_url(request.method, request.path)

    def _singleton(self, name: str) -> Response:
        if name == "balance":
            funds = [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
            return Response.of_json(
                200, {"object": "balance", "available": funds, "pending": funds, "livemode": False}
            )
        return Response.of_json(
            200,
            {
                "id": "acct_1Fake",
                "object": "account",
                "charges_enabled": True,
                "country": "US",
                "default_currency": "usd",
                "details_submitted": True,
                "email": "owner@example.com",
                "payouts_enabled": True,
                "type": "standard",
            },
        )

    def _authenticate(self, request: Request, route: Route | None) -> str:
        key = _key(request)
        if not key:
            raise ApiError(401, "You did not provide an API key in the Authorization header (Bearer).")
        if not (key.startswith(DEFAULT_KEY) if self._keys is None else key in self._keys):
            shown = f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}"
            raise ApiError(401, f"Invalid API Key provided: {shown}")
        allowed = self._keys[key] if self._keys else None
        name = route.collection.name if route and route.collection else (route.template[4:] if route else "")
        if allowed is not None and name.partition("/")[0] not in allowed:
            raise ApiError(
                403, f"The provided key does not have the required permissions for {request.path}."
            )
        return key

    def _dress(self, response: Response, request_id: str, version: str) -> Response:
        response.headers.setdefault("Request-Id", request_id)
        response.headers["Stripe-Version"] = version if versions.valid(version) else self.account.api_version
        response.headers["Cache-Control"] = "no-cache, no-store"
        if response.status in (400, 401, 402, 403, 404):
            response.headers["Stripe-Should-Retry"] = "false"
        return response


def _key(request: Request) -> str | None:
    """The secret key: a bearer token, or the user name of Basic authentication."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic" and re.fullmatch(r"[A-Za-z0-9+/=]+", value):
        return base64.b64decode(value + "==").decode("utf-8", "replace").partition(":")[0]
    return None
