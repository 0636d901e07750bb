"""What arrived, when, and how much at once: the evidence in a test's hands."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from .http import Request

SECRET_HEADERS = {
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-shopify-access-token",
    "stripe-signature",
    "x-hub-signature",
    "x-hub-signature-256",
    "x-hubspot-signature-v3",
}
BODY_KEPT = 64 * 1024


def masked(key: str) -> str:
    """What the log shows of a key."""
    return f"{key[:8]}…{key[-4:]}"


@dataclass(slots=True)
class Entry:
    """One request. Times are monotonic seconds; `credential` is a mask that tells credentials apart."""

    number: int
    provider: str
    endpoint: str
    credential: str
    request: Request
    concurrent: int
    status: int | None = None
    sent: int = 0
    answered: float | None = None
    rules: list[int] = field(default_factory=list)

    def describe(self, epoch: float) -> dict[str, Any]:
        request = self.request
        return {
            "number": self.number,
            "provider": self.provider,
            "endpoint": self.endpoint,
            "credential": self.credential,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": {
                name: "<masked>" if name in SECRET_HEADERS else value
                for name, value in request.headers.items()
            },
            "body": request.body[:BODY_KEPT].decode("utf-8", "replace"),
            "received": round(request.received + epoch, 6),
            "answered": None if self.answered is None else round(self.answered + epoch, 6),
            "status": self.status,
            "sent": self.sent,
            "concurrent": self.concurrent,
            "rules": self.rules,
        }


class RequestLog:
    """The last `capacity` requests, and every arrival time of the last `arrivals` ones."""

    def __init__(self, capacity: int = 100_000, arrivals: int = 2_000_000) -> None:
        self.capacity = capacity
        self._arrivals_kept = arrivals
        self._epoch = time.time() - time.monotonic()
        self.reset()

    def reset(self) -> None:
        """Forgets the past; requests in flight still count as such."""
        self.entries: deque[Entry] = deque(maxlen=self.capacity)
        self.arrivals: deque[tuple[float, str, str]] = deque(maxlen=self._arrivals_kept)
        self.statuses: Counter[str] = Counter()
        self.total = getattr(self, "total", 0)
        self.since = self.total
        self.in_flight = getattr(self, "in_flight", 0)
        self.peak = self.in_flight

    def begin(self, provider: str, endpoint: str, credential: str, request: Request) -> Entry:
        self.total += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        entry = Entry(self.total, provider, endpoint, credential, request, self.in_flight)
        self.entries.append(entry)
        self.arrivals.append((request.received, f"{provider} {endpoint}", credential))
        return entry

    def finish(self, entry: Entry) -> None:
        self.in_flight -= 1
        entry.answered = time.monotonic()
        self.statuses[str(entry.status)] += 1

    def select(
        self,
        after: int = 0,
        limit: int = 1000,
        path: str | None = None,
        method: str | None = None,
        status: int | None = None,
    ) -> list[dict[str, Any]]:
        """Entries numbered above `after`, oldest first; `path` is a regular expression on path?query."""
        pattern = re.compile(path) if path else None
        found: list[dict[str, Any]] = []
        for entry in self.entries:
            request = entry.request
            if entry.number <= after or (method and request.method != method.upper()):
                continue
            if status is not None and entry.status != status:
                continue
            if pattern and not pattern.search(f"{request.path}?{request.query}"):
                continue
            found.append(entry.describe(self._epoch))
            if len(found) >= limit:
                break
        return found

    def rates(self, interval: float) -> dict[str, Any]:
        """The most requests within any window of `interval` seconds: overall, by endpoint, by credential."""
        groups: dict[str, dict[str, list[float]]] = {"endpoints": {}, "credentials": {}}
        every: list[float] = []
        for moment, endpoint, credential in self.arrivals:
            every.append(moment)
            groups["endpoints"].setdefault(endpoint, []).append(moment)
            groups["credentials"].setdefault(credential, []).append(moment)
        return {
            "interval": interval,
            "requests": self.total - self.since,
            "overall": _most_within(every, interval),
            **{
                group: {name: _most_within(times, interval) for name, times in sorted(members.items())}
                for group, members in groups.items()
            },
            "statuses": dict(self.statuses),
            "concurrent": self.in_flight,
            "concurrent_peak": self.peak,
        }


def _most_within(times: list[float], interval: float) -> int:
    most = low = 0
    # They are noted in the order in which they are read, which is not quite that of their arrival.
    times = sorted(times)
    for high, moment in enumerate(times):
        while times[low] <= moment - interval:
            low += 1
        most = max(most, high - low + 1)
    return most
