"""What an org may ask: requests in any 24 hours, and so many at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..core.clock import Clock

DAY = 86_400


@dataclass
class Daily:
    """Requests of the whole org in the last 24 hours, by the fake clock; None as `allowed` lets all in.

    beyond: what was asked in spite of a refusal.
    """

    clock: Clock
    allowed: int | None = 100_000
    beyond: int = 0
    _times: deque[float] = field(default_factory=deque)

    def take(self) -> bool:
        """Whether a request is let in."""
        if self.allowed is not None and self.used() >= self.allowed:
            self.beyond += 1
            return False
        self._times.append(self.clock.now())
        return True

    def used(self) -> int:
        oldest = self.clock.now() - DAY
        while self._times and self._times[0] <= oldest:
            self._times.popleft()
        return len(self._times)

    def forget(self) -> None:
        self._times.clear()

    def header(self) -> str:
        """What Sforce-Limit-Info says; without a limit, more than anybody asks."""
        return f"api-usage={self.used()}/{15_000_000 if self.allowed is None else self.allowed}"
