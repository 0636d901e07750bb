"""Rate limits, measured where the requests arrive."""

from __future__ import annotations

from collections import defaultdict, deque


class Window:
    """At most `allowed` requests in any `interval` seconds: a sliding window, without a bucket's kindness.

    weight: as how many requests one counts.
    """

    __slots__ = ("_times", "allowed", "interval")

    def __init__(self, allowed: int, interval: float = 1.0) -> None:
        self.allowed = allowed
        self.interval = interval
        self._times: deque[float] = deque()

    def wait(self, now: float, weight: int = 1) -> float:
        """Seconds until a request would be let in; 0 when it is let in now. Counts nothing."""
        times = self._current(now)
        over = len(times) + weight - self.allowed
        if over <= 0:
            return 0.0
        return times[min(over, len(times)) - 1] + self.interval - now if times else self.interval

    def take(self, now: float, weight: int = 1) -> None:
        self._times.extend([now] * weight)

    def left(self, now: float) -> int:
        """How many requests would be let in now."""
        return max(0, self.allowed - len(self._current(now)))

    def _current(self, now: float) -> deque[float]:
        times = self._times
        while times and times[0] <= now - self.interval:
            times.popleft()
        return times


class Windows:
    """One window a key (an endpoint, a credential), all of one size; None switches them off."""

    def __init__(self, allowed: int | None, interval: float = 1.0) -> None:
        self.configure(allowed, interval)

    def configure(self, allowed: int | None, interval: float = 1.0) -> None:
        self.allowed = allowed
        self.interval = interval
        self._windows: dict[str, Window] = defaultdict(lambda: Window(allowed or 0, interval))

    def wait(self, key: str, now: float, weight: int = 1) -> float:
        return 0.0 if self.allowed is None else self._windows[key].wait(now, weight)

    def take(self, key: str, now: float, weight: int = 1) -> None:
        if self.allowed is not None:
            self._windows[key].take(now, weight)

    def left(self, key: str, now: float) -> int | None:
        """How many requests of the key would be let in now; None: as many as it likes."""
        return None if self.allowed is None else self._windows[key].left(now)
