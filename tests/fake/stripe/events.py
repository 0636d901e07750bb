"""/v1/events: 30 days of them, and not always in the order in which things happened."""

from __future__ import annotations

import heapq
import json
import random
from dataclasses import dataclass
from typing import Any

from ..core.clock import Clock
from ..core.data import Announcement
from ..core.store import Item, Store
from .objects.maker import token

KEPT = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Cause:
    """The API request behind a change; both None when it came from elsewhere."""

    request: str | None
    idempotency_key: str | None


class Events:
    """Events in the order of `created`; those that are late wait aside until they can be seen."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._store = Store()
        self._waiting: list[tuple[float, int, str, int, bytes]] = []
        self._count = 0
        self.lag_probability = 0.0
        self.lag_seconds = 0.0

    def write(
        self,
        type: str,
        document: dict[str, Any],
        previous: dict[str, Any] | None,
        api_version: str,
        announcement: Announcement,
        cause: Cause,
        created: int | None = None,
    ) -> None:
        now = self._clock.now()
        moment = int(now - announcement.backdate) if created is None else created
        id = "evt_1" + token(self._rng, 23)
        data: dict[str, Any] = {"object": document}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "id": id,
            "object": "event",
            "api_version": api_version,
            "created": moment,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": cause.request, "idempotency_key": cause.idempotency_key},
            "type": type,
        }
        # Spaced as lists are not: a client that compares bytes sees changes where there are none.
        raw = json.dumps(event, ensure_ascii=True, separators=(", ", ": ")).encode()
        late = announcement.late
        if created is None and self.lag_probability and self._rng.random() < self.lag_probability:
            late += self._rng.random() * self.lag_seconds
        self._count += 1
        if late > 0:
            heapq.heappush(self._waiting, (now + late, self._count, id, moment, raw))
        else:
            self._store.insert(id, moment, raw)

    def visible(self) -> Store:
        """What can be seen now, expired events (older than 30 days) dropped."""
        now = self._clock.now()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, id, moment, raw = heapq.heappop(self._waiting)
            self._store.insert(id, moment, raw)
        items = self._store.items
        while items and items[0].created < now - KEPT:
            self._store.remove(items[0].id)
            self._store.deleted.clear()
        return self._store

    def get(self, id: str) -> Item | None:
        return self.visible().by_id.get(id)

    def purge(self) -> int:
        """Forgets all events, waiting ones too; gives how many."""
        count = len(self._store) + len(self._waiting)
        self._store = Store()
        self._waiting.clear()
        return count

    @property
    def waiting(self) -> int:
        return len(self._waiting)
