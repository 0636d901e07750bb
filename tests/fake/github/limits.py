"""GitHub's limits: requests an hour, and the secondary ones that nothing reports before they are met.

The numbers are documented. That whoever goes on asking is refused altogether is the documentation's threat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.clock import Clock
from ..core.http import Request, Response
from ..core.limits import Windows
from .errors import SECONDARY, ApiError

HOUR, MINUTE = 3600, 60
READS = ("GET", "HEAD", "OPTIONS")


@dataclass(slots=True)
class Hour:
    """A budget that begins with the first request and is whole again at `reset`, by the fake clock."""

    reset: int
    used: int = 0


class Limits:
    """bucket: what shares a budget: a token, or an installation whatever token it has just now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hours: dict[str, Hour] = {}
        self._paused: dict[str, float] = {}
        self.rate: int | None = 5000
        self.anonymous_rate: int | None = 60
        self.points = Windows(900, MINUTE)
        self.writes = Windows(80, MINUTE)
        self.concurrency: int | None = 100
        self.pause = 60
        """`retry-after` of a secondary limit, in seconds."""
        self.status = 403
        """Of a refusal: the documentation promises 403 or 429."""

    def refusal(
        self, request: Request, bucket: str | None, now: float, in_flight: int, free: bool
    ) -> Response | None:
        """What exceeds a limit is refused, what does not is counted. free: it costs nothing of the hour."""
        key = bucket or ""
        reads = request.method in READS
        weight = 1 if reads else 5
        if self._paused.get(key, 0) > now:
            return self._secondary(key, now)
        if (
            self.points.wait(key, now, weight) > 0
            or (not reads and self.writes.wait(key, now) > 0)
            or (self.concurrency is not None and in_flight > self.concurrency)
        ):
            self._paused[key] = now + self.pause
            return self._secondary(key, now)
        allowed, hour = self._allowed(bucket), self._hour(key)
        if not free and allowed is not None and hour.used >= allowed:
            response = ApiError(
                self.status,
                "API rate limit exceeded for user ID 1. If you reach out to GitHub Support for help, please "
                "include the request ID.",
            ).response()
            response.headers.update(self.headers(bucket))
            return response
        self.points.take(key, now, weight)
        if not reads:
            self.writes.take(key, now)
        hour.used += not free
        return None

    def refund(self, bucket: str) -> None:
        """The answer was a 304, which is free for those who have said who they are."""
        hour = self._hour(bucket)
        hour.used = max(0, hour.used - 1)

    def report(self, bucket: str | None) -> dict[str, int]:
        allowed, hour = self._allowed(bucket), self._hour(bucket or "")
        limit = allowed if allowed is not None else 5000
        used = hour.used if allowed is not None else 0
        return {
            "limit": limit,
            "remaining": max(0, limit - used),
            "reset": hour.reset,
            "used": min(used, limit),
        }

    def headers(self, bucket: str | None) -> dict[str, str]:
        report = self.report(bucket)
        return {f"x-ratelimit-{name}": str(value) for name, value in report.items()} | {
            "x-ratelimit-resource": "core"
        }

    def _allowed(self, bucket: str | None) -> int | None:
        return self.anonymous_rate if bucket is None else self.rate

    def _hour(self, key: str) -> Hour:
        now = self._clock.now()
        hour = self._hours.get(key)
        if hour is None or hour.reset <= now:
            hour = self._hours[key] = Hour(int(now) + HOUR)
        return hour

    def _secondary(self, key: str, now: float) -> Response:
        """Whoever goes on asking is told again, until the pause is over."""
        wait = max(1, math.ceil(self._paused[key] - now))
        return ApiError(self.status, SECONDARY, headers={"retry-after": str(wait)}).response()
