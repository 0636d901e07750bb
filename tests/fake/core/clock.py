"""The time that the faked accounts live in."""

from __future__ import annotations

import time


class Clock:
    """Wall time plus an offset that tests move. `start` (epoch seconds) makes it begin at a fixed moment."""

    def __init__(self, start: float | None = None) -> None:
        self.offset = 0.0 if start is None else start - time.time()

    def now(self) -> float:
        """Epoch seconds."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> float:
        """Moves the clock (never back: an upstream's time does not return) and gives the new time."""
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} s")
        self.offset += seconds
        return self.now()
