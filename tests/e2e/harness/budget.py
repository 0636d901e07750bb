"""What each credential was allowed to ask, and whether it kept to that: promise 7, after every test."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# For so long after a budget has changed, requests that were let go under the old one may still arrive.
SETTLING = 0.5


@dataclass(frozen=True)
class Grant:
    """A budget, in force from `since` on (epoch seconds)."""

    since: float
    allowed: int
    interval: float

    @property
    def rate(self) -> float:
        return self.allowed / self.interval


class Budgets:
    """The budgets of the credentials of one upstream, as tests have given them."""

    def __init__(self) -> None:
        self._grants: dict[str, dict[object, list[Grant]]] = defaultdict(lambda: defaultdict(list))

    def grant(self, credential: str, owner: object, rate_limit: dict[str, Any]) -> None:
        """Notes a sync's budget. `credential`: as the fake masks it; `owner`: who has it, such as a database.

        The syncs of one owner share the strictest budget, and no test takes one back. Several owners of one
        credential don't know of each other: each has its own.
        """
        given = Grant(time.time(), int(rate_limit["allowed_requests"]), float(rate_limit["interval"]))
        grants = self._grants[credential][owner]
        if not grants or given.rate < grants[-1].rate:
            grants.append(given)

    def exceeded(self, arrivals: Iterable[tuple[str, float]]) -> list[str]:
        """The budgets that a window of their length exceeded. `arrivals`: credential and epoch seconds."""
        by_credential: dict[str, list[float]] = defaultdict(list)
        for credential, moment in arrivals:
            by_credential[credential].append(moment)
        return [
            problem
            for credential, owners in self._grants.items()
            for problem in _judge(credential, list(owners.values()), sorted(by_credential[credential]))
        ]


def _judge(credential: str, owners: Sequence[list[Grant]], moments: list[float]) -> Iterable[str]:
    if len(owners) > 1:
        # No window tells whose requests are in it, but for all of them together there is a bound.
        longest = max(grant.interval for grants in owners for grant in grants)
        allowed = sum(max(grant.rate for grant in grants) * longest + len(grants) for grants in owners)
        yield from _over(credential, Grant(0.0, int(allowed), longest), moments)
        return
    [grants] = owners
    for number, grant in enumerate(grants):
        since = grant.since + (SETTLING if number else 0.0)
        until = grants[number + 1].since if number + 1 < len(grants) else float("inf")
        yield from _over(credential, grant, [moment for moment in moments if since <= moment < until])


def _over(credential: str, grant: Grant, moments: list[float]) -> Iterable[str]:
    most, at = most_within(moments, grant.interval)
    if most > grant.allowed:
        window = ", ".join(f"{moment - moments[at]:.3f}" for moment in moments[at : at + most])
        yield (
            f"promise 7: {credential} sent {most} requests within {grant.interval:g} s, "
            f"and {grant.allowed} are allowed: {window}"
        )


def most_within(moments: Sequence[float], interval: float) -> tuple[int, int]:
    """The most of the ascending moments within any `interval` seconds, and the place of the first of them."""
    most = place = low = 0
    for high, moment in enumerate(moments):
        while moments[low] <= moment - interval:
            low += 1
        if high - low + 1 > most:
            most, place = high - low + 1, low
    return most, place
