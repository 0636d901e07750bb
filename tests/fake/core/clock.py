"""The time that the faked accounts live in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Wall time plus an offset that tests move. `start` (epoch seconds) makes it begin at a fixed moment."""

    def __init__(self, start: float | None = None) -> None:
        self.offset = 0.0 if start is None else start - time.time()
        self._held: float | None = None

    def now(self) -> float:
        """Epoch seconds."""
        return time.time() + self.offset if self._held is None else self._held

    def advance(self, seconds: float) -> float:
        """Moves the clock (never back: an upstream's time does not return) and gives the new time."""
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} s")
        self.offset += seconds
        return self.now()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Everything inside happens at one instant, as in one transaction."""
        self._held = self.now()
        try:
            yield
        finally:
            self._held = None
