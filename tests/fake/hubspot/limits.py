"""HubSpot's limits: ten seconds that slide, a day, and a second for searches, which no header tells of.

The numbers and the names of the policies are documented. That searches count among all requests, too, is
assumed, and so is that a day ends at midnight UTC: HubSpot's ends in the account's time zone.
"""

from __future__ import annotations

from collections import Counter

from ..core.clock import Clock
from ..core.http import Response
from ..core.limits import Windows
from .errors import ApiError, too_many

DAY = 86_400


class Limits:
    """bucket: a private app's token, or OAUTH for all tokens of the application."""

    OAUTH = "oauth"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.burst = Windows(100, 10)
        self.oauth_burst = Windows(110, 10)
        self.searches = Windows(5, 1)
        """Of the whole account, whoever asks."""
        self.daily: int | None = 250_000
        self._used: Counter[str] = Counter()
        self._day = 0

    def refusal(self, bucket: str, now: float, searching: bool) -> ApiError | None:
        """What exceeds a limit is refused, what does not is counted. `now` in monotonic seconds."""
        if self.daily is not None and self.used(bucket) >= self.daily:
            return too_many("DAILY")
        windows = self._windows(bucket)
        if windows.wait(bucket, now) > 0:
            return too_many("TEN_SECONDLY_ROLLING")
        if searching and self.searches.wait("", now) > 0:
            return too_many("SECONDLY")
        windows.take(bucket, now)
        if searching:
            self.searches.take("", now)
        self._used[bucket] += 1
        return None

    def used(self, bucket: str) -> int:
        """Requests of the day, by the fake clock."""
        day = int(self._clock.now()) // DAY
        if day != self._day:
            self._day = day
            self._used.clear()
        return self._used[bucket]

    def resets_at(self) -> int:
        """When the day ends, in milliseconds."""
        return (int(self._clock.now()) // DAY + 1) * DAY * 1000

    def dress(self, response: Response, bucket: str, now: float) -> None:
        """The headers; those of the day are missing where the token is OAuth's."""
        windows = self._windows(bucket)
        if self.daily is not None and bucket != self.OAUTH:
            response.headers["X-HubSpot-RateLimit-Daily"] = str(self.daily)
            remaining = str(max(0, self.daily - self.used(bucket)))
            response.headers["X-HubSpot-RateLimit-Daily-Remaining"] = remaining
        left = windows.left(bucket, now)
        if left is not None:
            response.headers["X-HubSpot-RateLimit-Max"] = str(windows.allowed)
            response.headers["X-HubSpot-RateLimit-Remaining"] = str(left)
            interval = str(int(windows.interval * 1000))
            response.headers["X-HubSpot-RateLimit-Interval-Milliseconds"] = interval

    def _windows(self, bucket: str) -> Windows:
        return self.oauth_burst if bucket == self.OAUTH else self.burst
