"""The fake APIs (tests/fake) in a process of their own, and one of them as a test's upstream."""

import copy
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .budget import Budgets

TESTS = Path(__file__).resolve().parents[2]
written_out = runpy.run_path(str(TESTS.parent / "scripts" / "provider_tables.py"))["written_out"]

# Seeded objects are spread over so many moments: some share a second, as they do in life, and most don't.
MOMENTS = 40
YEAR = 365 * 86_400


class FakeError(Exception):
    """The fake did not start, or refused what a test told it; the message has its words."""


class Fake:
    """`python -m fake` on a free port; `arguments` are the program's own.

    Empty and without rate limits unless `arguments` are given.
    """

    def __init__(self, *arguments: str) -> None:
        arguments = arguments or ("--empty", "--no-limits")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fake", "--port", "0", *arguments],
            cwd=TESTS, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            started = self._started()
        except BaseException:
            self.stop()
            raise
        self.url: str = started["url"]
        self.tls_port: int | None = started.get("tls_port")
        self.providers: dict[str, dict[str, str]] = started["providers"]

    def _started(self) -> dict[str, Any]:
        """The line of JSON that the fake prints when it listens."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            if b"\n" in self.output():
                return json.loads(self.output())
            time.sleep(0.02)
        raise FakeError(
            f"python -m fake did not say where it listens:\n{self.output().decode(errors='replace')}"
        )

    def output(self) -> bytes:
        return os.pread(self._log.fileno(), 1 << 20, 0)

    def upstream(self, provider: str) -> "Upstream":
        return Upstream(self, provider)

    def control(self, method: str, route: str, body: Any = None, **query: object) -> Any:
        """Asks /_control/`route`; tests/fake/README.md lists the routes. Raises FakeError when it refuses."""
        address = f"{self.url}/_control/{route}"
        if query:
            address += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise FakeError(f"{method} {route}: {error.read().decode(errors='replace')}") from None

    def set_latency(self, ms: float, jitter_ms: float = 0) -> None:
        """Every answer of the APIs takes so long, and up to `jitter_ms` longer."""
        self.control("POST", "latency", {"ms": ms, "jitter_ms": jitter_ms})

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(frozen=True)
class Request:
    """A request that the fake received. `received` in epoch seconds; `answered` None while it is open.

    credential: what the log shows of it, enough to tell it from others. headers: by names in lower case.
    rules: of the faults that it met.
    """

    number: int
    credential: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    received: float
    answered: float | None
    status: int | None
    rules: list[int]

    @property
    def key(self) -> str | None:
        """Its idempotency key."""
        return self.headers.get("idempotency-key")

    @property
    def form(self) -> dict[str, str]:
        """The body, where it is a form: names as they went over the wire."""
        return dict(urllib.parse.parse_qsl(self.body, keep_blank_values=True))


class Upstream:
    """One provider of a fake: its data, its truth, its faults, and what it was asked.

    `declared` is what the database calls it: the same, unless a test declares it otherwise.
    """

    def __init__(self, fake: Fake, provider: str) -> None:
        self.fake = fake
        self.provider = self.declared = provider
        self.url = fake.providers[provider]["base_url"]
        self.api_key = fake.providers[provider]["api_key"]
        self.budgets = Budgets()
        self._names = _names(provider, fake.control("GET", "counts")[provider])

    def declared_as(self, name: str) -> "Upstream":
        """The same upstream, for syncs of a provider that was registered under another name."""
        other = copy.copy(self)
        other.declared = name
        return other

    def discovered(self, collection: str, kind: str) -> str:
        """Has a collection known here that is not declared: what the fake calls it. Gives its name."""
        self._names[collection] = kind
        return collection

    def _named(self, collection: str) -> str:
        return f"{self.provider}:{self._names[collection]}"

    # Changing data. `event` is how a change is announced: True, False, or {"late": s, "backdate": s}.

    def seed(self, **counts: int) -> None:
        """Creates so many objects of each collection, made up, of the past year, without announcing them."""
        now = int(time.time())
        for collection, count in counts.items():
            moments = min(count, MOMENTS)
            for moment in range(moments):
                share = (count * (moment + 1)) // moments - (count * moment) // moments
                created = now - YEAR + YEAR * moment // moments
                self.create(collection, count=share, created=created, event=False)

    def create(
        self,
        collection: str,
        count: int = 1,
        parent: str | None = None,
        created: int | None = None,
        event: bool | dict[str, float] = True,
        **data: Any,
    ) -> list[str]:
        """Creates objects and returns their ids. `created` in epoch seconds, now unless given."""
        body = {"collection": self._named(collection), "count": count, "data": data, "event": event}
        if parent is not None:
            body["parent"] = parent
        if created is not None:
            body["created"] = created
        return self.fake.control("POST", "create", body)["ids"]

    def update(self, collection: str, *ids: str, event: bool | dict[str, float] = True, **data: Any) -> None:
        body = {"collection": self._named(collection), "ids": list(ids), "data": data, "event": event}
        self.fake.control("POST", "update", body)

    def delete(self, collection: str, *ids: str, event: bool | dict[str, float] = True) -> None:
        self.fake.control(
            "POST", "delete", {"collection": self._named(collection), "ids": list(ids), "event": event}
        )

    def mutate_random(
        self,
        n: int,
        seed: int,
        collections: list[str],
        weights: dict[str, float],
        event: bool | dict[str, float] = True,
    ) -> dict[str, int]:
        """`n` random changes that the API tells of, in the named collections; how many of each kind."""
        names = [self._names[collection] for collection in collections]
        body = {"n": n, "seed": seed, "collections": names, "weights": weights, "event": event}
        return self.fake.control("POST", "mutate_random", {"provider": self.provider, **body})

    def forget_events(self) -> None:
        """What was announced so far can't be asked for any more, as after 30 days."""
        self.fake.control("POST", "purge_events", {"provider": self.provider})

    def configure(self, **settings: Any) -> dict[str, Any]:
        return self.fake.control("POST", "settings", {"provider": self.provider, **settings})

    # Asking

    def collections(self) -> list[str]:
        """The declared collections that the fake serves."""
        return list(self._names)

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        """The truth: every live object of a collection by id."""
        return self.fake.control("GET", "truth", collection=self._named(collection))["objects"]

    def events(self) -> list[dict[str, Any]]:
        """All events that can be seen, oldest first."""
        found = self.fake.control("GET", "truth", collection=f"{self.provider}:event")
        return list(found["objects"].values())

    def ids(self, collection: str) -> list[str]:
        """Of every live object of a collection, oldest first."""
        return self.fake.control("GET", "truth", collection=self._named(collection), fields="ids")["objects"]

    def any_id(self, collection: str) -> str:
        return next(iter(self.objects(collection)))

    def requests(self, path: str = "") -> list[Request]:
        """What the connector asked, oldest first; `path` is a regular expression on path?query."""
        found = self.fake.control("GET", "requests", limit=100_000, path=path)["requests"]
        fields = Request.__dataclass_fields__
        return [
            Request(**{name: value for name, value in entry.items() if name in fields})
            for entry in found
            if entry["provider"] == self.provider
        ]

    def writes(self, path: str = "") -> list[Request]:
        """Those of `requests` that ask for a change."""
        return [each for each in self.requests(path) if each.method != "GET"]

    def rates(self, interval: float = 1.0) -> dict[str, Any]:
        """The most requests within any window of `interval` seconds; see the fake's README."""
        return self.fake.control("GET", "rates", interval=interval)

    def overspent(self) -> list[str]:
        """Which budgets that syncs were started with have been exceeded, and by what."""
        is_free = declaration(self.provider)["rate_limit"].get("unchanged_is_free")
        counted = [each for each in self.requests() if not (is_free and each.status == 304)]
        return self.budgets.exceeded((each.credential, each.received) for each in counted)

    # Faults

    def fault(self, action: str, *, match: dict[str, Any] | None = None, **options: Any) -> int:
        """Adds a fault: `fault("status", status=500, match={"path": "/v1/customers", "times": 3})`."""
        rule = {
            "match": {"provider": self.provider, **(match or {})},
            "action": {"type": action, **options},
        }
        return self.fake.control("POST", "faults", rule)["ids"][0]

    def clear_faults(self) -> None:
        self.fake.control("DELETE", "faults")

    def clear_fault(self, number: int) -> None:
        self.fake.control("DELETE", f"faults/{number}")


def declaration(provider: str) -> dict[str, Any]:
    """Of a built-in provider, or of one that a user of the fake's API would register."""
    built_in = TESTS.parent / "providers" / f"{provider}.json"
    of_a_user = TESTS / "fake" / provider / "declaration.json"
    return written_out(json.loads((built_in if built_in.exists() else of_a_user).read_text()))


def _names(provider: str, served: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Declared collection → what the fake calls it: named apart, they are joined by the path of the list."""
    by_path = {_shape(each["path"]): name for name, each in served.items()}
    names: dict[str, str] = {}
    for collection in declaration(provider)["collections"]:
        name = collection["name"]
        path = collection["path"]
        shape = _shape(path if isinstance(path, str) else path[-1]["path"])
        own = (each for each in (collection.get("kind"), name) if each in served)
        if found := by_path.get(shape) or next(own, None):
            names[name] = found
    if "metafield" in served:
        names["metafield"] = "metafield"
    return names


def _shape(path: str) -> str:
    # GitHub has both addresses for a repository.
    path = path.removeprefix("/v1/").replace("/repositories/{parent.id}/", "repos/{owner}/{repo}/")
    return re.sub(
        r"\{[^}]*\}", "{}", path.replace("/repositories/{parent.base.repo.id}/", "repos/{owner}/{repo}/")
    )
