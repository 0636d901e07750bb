"""The way of a request: provider by prefix, log, limits, faults, answer."""

from __future__ import annotations

import random
import sys
import traceback
from typing import Any, Protocol

from . import faults as fault_rules
from .clock import Clock
from .control import Control
from .faults import Faults, Rule
from .http import Request, Response
from .requestlog import Entry, RequestLog
from .server import Wire


class Provider(Protocol):
    """One faked API. It answers at /<name>/…, and at the root for the paths that start with a `root`."""

    name: str
    roots: tuple[str, ...]

    def endpoint(self, request: Request) -> str:
        """The request's endpoint, as rate limits count it: `GET /v1/customers/{id}`."""
        ...

    def credential(self, request: Request) -> str:
        """A mask that tells credentials apart and reveals none."""
        ...

    def limited(self, request: Request, endpoint: str, now: float, in_flight: int) -> Response | None:
        """The refusal of a request that exceeds a limit; None lets it in. `now` in monotonic seconds."""
        ...

    def handle(self, request: Request) -> Response: ...

    def failure(self, status: int, retry_after: float | None = None) -> Response:
        """An error in the API's own words."""
        ...

    def failed(self, request: Request, response: Response) -> None:
        """A fault answers `request` with `response`: an API with idempotency notes it."""
        ...

    data: Any
    """What the control endpoint works on: see core.data.Upstream."""


class Fake:
    """All providers behind one server."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.seed = seed
        self.log = RequestLog()
        self.faults = Faults(seed)
        self.providers: dict[str, Provider] = {}
        self.latency = 0.0
        self.jitter = 0.0
        self.latency_rng = random.Random(f"{seed}:latency")
        self._control = Control(self)

    def mount(self, provider: Provider) -> None:
        self.providers[provider.name] = provider

    def begin(self, request: Request) -> UpstreamExchange | LocalExchange:
        first, _, rest = request.path.lstrip("/").partition("/")
        if first == "_control":
            return LocalExchange(self._control.handle(request))
        provider = self.providers.get(first)
        if provider is not None:
            request.path, request.mount = "/" + rest, "/" + first
        else:
            provider = next((each for each in self.providers.values() if first in each.roots), None)
        if provider is None:
            known = ", ".join(f"/{name}" for name in self.providers)
            return LocalExchange(
                Response.of_json(404, {"error": f"nothing is mounted there; there are {known}"})
            )
        return UpstreamExchange(self, provider, request)

    def wait(self) -> float:
        """Seconds of latency of one request."""
        if not self.latency and not self.jitter:
            return 0.0
        return self.latency + self.latency_rng.random() * self.jitter


class LocalExchange:
    """An answer of the server itself: not logged, never faulty."""

    before = after = 0.0

    def __init__(self, response: Response) -> None:
        self._response = response

    def answer(self) -> Wire:
        return Wire(self._response.encode())

    def finish(self) -> None:
        pass


class UpstreamExchange:
    """One request to a provider: logged when it arrives, judged by limits and rules, answered, closed."""

    def __init__(self, fake: Fake, provider: Provider, request: Request) -> None:
        self._fake = fake
        self._provider = provider
        self._request = request
        self._endpoint = provider.endpoint(request)
        self._entry: Entry = fake.log.begin(
            provider.name, self._endpoint, provider.credential(request), request
        )
        self._refusal = provider.limited(request, self._endpoint, request.received, fake.log.in_flight)
        self._rules: list[Rule] = []
        if self._refusal is None and fake.faults.rules:
            self._rules = fake.faults.matching(provider.name, request)
            self._entry.rules = [rule.number for rule in self._rules]
        # Half of the latency is the way in, half the way out: an answer is as stale as on a real network.
        self.before = self.after = fake.wait() / 2
        for rule in self._rules:
            if rule.action["type"] == "delay":
                seconds = (
                    rule.action.get("ms", 100) / 1000
                    + rule.rng.random() * rule.action.get("jitter", 0) / 1000
                )
                if rule.action.get("when", "after") == "before":
                    self.before += seconds
                else:
                    self.after += seconds

    def answer(self) -> Wire:
        response = self._refusal or self._respond()
        wire = fault_rules.send(self._rules, response)
        self._entry.status = response.status if wire.data and wire.cut != 0 else 0
        self._entry.sent = len(wire.data) if wire.cut is None else min(wire.cut, len(wire.data))
        return wire

    def finish(self) -> None:
        self._fake.log.finish(self._entry)

    def _respond(self) -> Response:
        for rule in self._rules:
            kind, action = rule.action["type"], rule.action
            if kind == "rate_limit":
                return self._provider.failure(429, action.get("retry_after", 1))
            if kind == "status":
                return self._fail(action)
            if kind in ("drop", "hang") and not action.get("apply", True):
                return Response(0)
        response = self._handle()
        for rule in self._rules:
            response = fault_rules.rewrite(rule, response, self._fake.faults.previous(self._endpoint))
        if self._fake.faults.rules:
            self._fake.faults.remember(self._endpoint, response)
        return response

    def _handle(self) -> Response:
        try:
            return self._provider.handle(self._request)
        except Exception:
            # A bug of the fake must not pass for a fault that a test asked for.
            traceback.print_exc(file=sys.stderr)
            return Response(500, traceback.format_exc().encode(), {"X-Fake-Bug": "true"}, "text/plain")

    def _fail(self, action: dict[str, Any]) -> Response:
        if action.get("apply"):
            # The change happens, its success gets lost: the case that idempotency keys exist for.
            self._handle()
        response = self._provider.failure(action.get("status", 500), action.get("retry_after"))
        if "body" in action:
            body = action["body"]
            response.body = body.encode() if isinstance(body, str) else Response.of_json(0, body).body
        response.headers.update(action.get("headers", {}))
        response.content_type = action.get("content_type", response.content_type)
        self._provider.failed(self._request, response)
        return response
