"""What a key may ask: a quota of requests, and points for the reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Quota:
    """So many requests of a key in each window, which begins with its first request.

    None as `allowed` lets everything in. `beyond` counts what was asked in spite of a refusal.
    """

    allowed: int | None = 1000
    interval: float = 60.0
    beyond: int = 0

    def __post_init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, key: str, now: float) -> bool:
        """Whether the request is let in. `now` in monotonic seconds."""
        began, used = self._window(key, now)
        if self.allowed is not None and used >= self.allowed:
            self.beyond += 1
            return False
        self._windows[key] = (began, used + 1)
        return True

    def left(self, key: str, now: float) -> tuple[int, float]:
        """How many requests are left, and in how many seconds there are more."""
        began, used = self._window(key, now)
        return max(0, (self.allowed or 0) - used), began + self.interval - now

    def _window(self, key: str, now: float) -> tuple[float, int]:
        window = self._windows.get(key)
        return window if window is not None and now < window[0] + self.interval else (now, 0)


@dataclass
class Points:
    """Points of a key, up to `maximum`, of which `restore_rate` come back each second.

    None as `maximum` lets everything in. `beyond` counts the requests that there were no points for.
    """

    requested: float = 20.0
    maximum: float | None = 500.0
    restore_rate: float = 50.0
    beyond: int = 0

    def __post_init__(self) -> None:
        self._keys: dict[str, tuple[float, float]] = {}

    def take(self, key: str, now: float) -> bool:
        """Whether the request is let in. `now` in monotonic seconds."""
        left = self.available(key, now)
        if self.maximum is not None and left < self.requested:
            self.beyond += 1
            return False
        if self.maximum is not None:
            self._keys[key] = (now, left - self.requested)
        return True

    def available(self, key: str, now: float) -> float:
        most = self.requested if self.maximum is None else self.maximum
        moment, left = self._keys.get(key, (now, most))
        return min(most, left + max(0.0, now - moment) * self.restore_rate)
