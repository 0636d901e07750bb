"""The API at its worst: rules of the fake that come and go."""

from dataclasses import dataclass
from typing import Any

from .world import Actor, World

# Of Stripe: regular expressions on path?query.
PLACES = {
    "everywhere": "",
    "events": r"^/v1/events",
    "lists": r"^/v1/\w+\?",
    "objects": r"^/v1/\w+/\w+\?$",
    "nested lists": r"^/v1/\w+/\w+/\w+\?",
    "what is swept": r"^/v1/(webhook_endpoints|entitlements|radar|products/\w+/features)",
}
ODD = ("nul", "nul_key", "no_id", "null_id", "empty_id", "not_an_object", "null", "long_id", "deep")
GARBAGE = ("html", "invalid_json", "empty", "array", "null", "no_data", "binary")

# Action, options, and how often it is chosen. A list of options: one of them.
FAULTS: list[tuple[str, dict[str, Any], int]] = [
    ("rate_limit", {"retry_after": [1, 2]}, 3),
    ("status", {"status": [429, 500, 502, 503, 504, 409]}, 6),
    ("status", {"status": 503, "body": "<html>busy</html>", "content_type": "text/html"}, 2),
    ("garbage", {"kind": list(GARBAGE)}, 6),
    ("cut", {"at": [0.02, 0.3, 0.7, 0.99], "reset": [True, False]}, 4),
    ("drop", {"reset": [True, False], "apply": [True, False]}, 3),
    ("hang", {"after_head": [True, False]}, 1),
    ("drip", {"bytes_per_second": [3000, 60_000, 300_000]}, 2),
    ("delay", {"ms": [50, 300, 1200], "jitter": [0, 400], "when": ["after", "after", "before"]}, 8),
    ("duplicate", {"count": [1, 3, 20]}, 3),
    ("reorder", {"keep_last": [True, False]}, 2),
    ("truncate_page", {"keep": [1, 7, 40]}, 4),
    ("odd", {"kind": list(ODD), "position": ["first", "middle", "last"]}, 3),
]
# After these nothing is asked for half a minute and more, but for a renewed credential.
REFUSALS: list[tuple[str, dict[str, Any], int]] = [("status", {"status": [401, 403]}, 1)]
# What these do to a list can't be told from the truth, and stays until it is read anew.
LIES = ("duplicate", "reorder", "truncate_page")


@dataclass(frozen=True)
class Failing:
    """How an API fails: where, in which ways, and which credential is renewed after it has refused one."""

    places: dict[str, str]
    faults: list[tuple[str, dict[str, Any], int]]
    credential: str
    lies_at: str | None = None
    """A regular expression on path?query: only what it finds tells lies. None: all places do."""


STRIPE = Failing(PLACES, FAULTS, "shared")


class Api(Actor):
    """Adds rules, lets them act for a while, and takes them away again."""

    def __init__(self, world: World, number: int, failing: Failing = STRIPE) -> None:
        super().__init__(world, f"api {number}", world.over)
        self._failing = failing

    def act(self) -> None:
        failing = self._failing
        table = failing.faults if self.world.calm.is_set() else failing.faults + REFUSALS
        entry = self.rng.choices(table, [weight for *_, weight in table])[0]
        action, options, _ = entry
        chosen = {
            name: self.rng.choice(value) if isinstance(value, list) else value
            for name, value in options.items()
        }
        place = self.rng.choice(list(failing.places))
        path = failing.places[place]
        if action in LIES and failing.lies_at is not None:
            place = path = failing.lies_at
        match = {"path": path, "probability": self.rng.choice((0.15, 0.4, 1.0))}
        if action in ("hang", "drop") or (action, chosen.get("kind")) == ("odd", "long_id"):
            match["times"] = self.rng.randrange(1, 3)
        rule = self.world.upstream.fault(action, match=match, **chosen)
        self.world.faults[rule] = f"{action} {chosen}"
        self.world.note(f"fault {action}", f"{place} {chosen} {match}")
        self.pause(0.7)
        self.world.upstream.clear_fault(rule)
        if entry in REFUSALS:
            self.world.note("renew credential", failing.credential)
            self.session.execute("SELECT sequin.update_credential(%s)", [failing.credential])
        self.pause(0.3)


class Weather(Actor):
    """How long answers take: long enough, now and then, for many reads to be stale."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "weather", world.over)

    def act(self) -> None:
        ms, jitter_ms = self.rng.choice(((0, 0), (5, 20), (40, 0), (60, 300)))
        self.world.upstream.fake.set_latency(ms, jitter_ms)
        self.pause(2.0)
