"""What the control endpoint asks of a provider's data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from .store import Item


class Refused(Exception):
    """A control request that makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """How a change becomes known to those who ask the API for changes.

    silent: not at all. late: seconds of the fake clock until the event can be seen. backdate: seconds by
    which the event's `created` lies before the change: it turns up behind a cursor that has passed it.
    """

    silent: bool = False
    late: float = 0.0
    backdate: float = 0.0

    @classmethod
    def parse(cls, value: Any) -> Announcement:
        if value in (None, True):
            return cls()
        if value is False:
            return cls(silent=True)
        if not isinstance(value, dict) or set(value) - {"late", "backdate"}:
            raise Refused(
                f'"event" is true, false or {{"late": seconds, "backdate": seconds}}, not {value!r}'
            )
        return cls(late=float(value.get("late", 0)), backdate=float(value.get("backdate", 0)))


def check_weights(weights: dict[str, float], kinds: Iterable[str]) -> None:
    """Refuses weights of kinds of changes that there are not."""
    if unknown := set(weights) - set(kinds):
        raise Refused(f"weights are of {', '.join(kinds)}, not {sorted(unknown)}")


class Upstream(Protocol):
    """Changes made behind the API, as by the account's owner in a browser, and the truth to compare with."""

    def collections(self) -> list[dict[str, Any]]:
        """Each with `name`, `path`, `count`, `deleted`."""
        ...

    def create(
        self,
        collection: str,
        data: dict[str, Any],
        announcement: Announcement,
        *,
        parent: str | None,
        created: int | None,
        odd: str | None,
    ) -> str:
        """Creates an object (what `data` does not say is made up) and returns its id."""
        ...

    def update(self, collection: str, id: str, data: dict[str, Any], announcement: Announcement) -> None: ...

    def delete(self, collection: str, id: str, announcement: Announcement) -> None: ...

    def restore(self, collection: str, id: str, announcement: Announcement) -> None:
        """Brings a deleted object back; Refused where the API has no such thing."""
        ...

    def mutate_random(
        self,
        n: int,
        seed: int,
        collections: list[str] | None,
        weights: dict[str, float],
        announcement: Announcement,
    ) -> dict[str, int]:
        """`n` random changes among those that the API announces; returns how many of each kind."""
        ...

    def truth(self, collection: str) -> tuple[Iterable[Item], list[str]]:
        """The live objects, and the ids of the deleted ones."""
        ...

    def purge_events(self) -> int:
        """Forgets every event, as if nobody had looked for longer than the API keeps them."""
        ...

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Changes the settings that are given and returns all of them."""
        ...
