"""What the search knows. It learns of changes later than the records have them."""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from ..core.clock import Clock

Document = dict[str, Any]


class Index:
    """current: the record of a type as it is now, None for one that is not there (any more).

    probability, seconds: so many of the changes are seen so much later, by the fake clock.
    """

    def __init__(self, clock: Clock, seed: int, current: Callable[[str, str], Document | None]) -> None:
        self._clock = clock
        self._current = current
        self._rng = random.Random(f"{seed}:index")
        self._entries: dict[str, dict[str, Document]] = defaultdict(dict)
        self._waiting: list[tuple[float, int, str, str]] = []
        self._number = 0
        self._versions: Counter[str] = Counter()
        self.probability = 0.0
        self.seconds = 0.0

    def note(self, type: str, id: str, late: float = 0.0) -> None:
        """The record has changed, come or gone; late: seconds until that can be found."""
        if self.probability and self._rng.random() < self.probability:
            late = max(late, self.seconds)
        if late:
            self._number += 1
            heapq.heappush(self._waiting, (self._clock.now() + late, self._number, type, id))
        else:
            self._learn(type, id)

    def entries(self, type: str) -> dict[str, Document]:
        """The records of the type by id, as the search knows them just now."""
        now = self._clock.now()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, changed, id = heapq.heappop(self._waiting)
            self._learn(changed, id)
        return self._entries[type]

    def version(self, type: str) -> int:
        """Another one after each change of the type's entries."""
        return self._versions[type]

    def _learn(self, type: str, id: str) -> None:
        document = self._current(type, id)
        self._versions[type] += 1
        if document is None:
            self._entries[type].pop(id, None)
        else:
            self._entries[type][id] = document
