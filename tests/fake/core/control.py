"""The control endpoint, /_control: what a test does to the fake and asks of it. README.md has examples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .data import Announcement, Refused, Upstream
from .http import Request, Response

if TYPE_CHECKING:
    from .app import Fake

DAY = 86_400


class Control:
    """Routes of /_control. Answers are JSON; a request without sense gets 400 and `{"error": …}`."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._routes: dict[tuple[str, str], Callable[[Request, Any], Any]] = {
            ("GET", ""): self.overview,
            ("GET", "faults"): self.faults,
            ("POST", "faults"): self.add_faults,
            ("DELETE", "faults"): self.clear_faults,
            ("GET", "latency"): self.latency,
            ("POST", "latency"): self.set_latency,
            ("GET", "clock"): self.clock,
            ("POST", "clock"): self.advance_clock,
            ("GET", "settings"): self.settings,
            ("POST", "settings"): self.settings,
            ("POST", "create"): self.create,
            ("POST", "update"): self.update,
            ("POST", "delete"): self.delete,
            ("POST", "mutate_random"): self.mutate_random,
            ("POST", "purge_events"): self.purge_events,
            ("GET", "truth"): self.truth,
            ("GET", "counts"): self.counts,
            ("GET", "requests"): self.requests,
            ("DELETE", "requests"): self.reset_requests,
            ("GET", "rates"): self.rates,
            ("POST", "reset"): self.reset,
        }

    def handle(self, request: Request) -> Response:
        route, _, rest = request.path.removeprefix("/_control").strip("/").partition("/")
        handler = self._routes.get((request.method, route))
        if handler is None:
            names = ", ".join(f"{method} /_control/{name}" for method, name in self._routes)
            return Response.of_json(404, {"error": f"no {request.method} {request.path}; there are {names}"})
        try:
            body = request.json() if request.body else {}
            answer = handler(request, {"rest": rest, **body} if isinstance(body, dict) else body)
        except (Refused, ValueError, KeyError, TypeError, re.error) as error:
            return Response.of_json(400, {"error": f"{type(error).__name__}: {error}"})
        return answer if isinstance(answer, Response) else Response.of_json(200, answer)

    # -- the server ---------------------------------------------------------------------------------------

    def overview(self, request: Request, body: Any) -> dict[str, Any]:
        """GET /_control: where everything stands."""
        return {
            "now": self._fake.clock.now(),
            "seed": self._fake.seed,
            "providers": {
                name: provider.data.configure({}) for name, provider in self._fake.providers.items()
            },
            "requests": self._fake.log.total,
            "rules": len(self._fake.faults.rules),
            "latency": self.latency(request, body),
        }

    def faults(self, request: Request, body: Any) -> list[dict[str, Any]]:
        """GET faults: the rules, with how often each matched (`seen`) and fired (`applied`)."""
        return [rule.describe() for rule in self._fake.faults.rules]

    def add_faults(self, request: Request, body: Any) -> dict[str, Any]:
        """POST faults: a rule or a list of rules, added to those in force; gives their ids."""
        rules = body if isinstance(body, list) else [{k: v for k, v in body.items() if k != "rest"}]
        return {"ids": [self._fake.faults.add(rule).number for rule in rules]}

    def clear_faults(self, request: Request, body: Any) -> dict[str, Any]:
        """DELETE faults or faults/{id}: all rules, or one."""
        rest = body["rest"]
        return {"cleared": self._fake.faults.clear(int(rest) if rest else None)}

    def latency(self, request: Request, body: Any) -> dict[str, Any]:
        """GET latency: milliseconds that every answer of a provider takes."""
        return {"ms": self._fake.latency * 1000, "jitter_ms": self._fake.jitter * 1000}

    def set_latency(self, request: Request, body: Any) -> dict[str, Any]:
        """POST latency {ms, jitter_ms}: half of it passes before the answer is worked out, half after."""
        self._fake.latency = float(body.get("ms", 0)) / 1000
        self._fake.jitter = float(body.get("jitter_ms", 0)) / 1000
        return self.latency(request, body)

    def clock(self, request: Request, body: Any) -> dict[str, Any]:
        """GET clock: epoch seconds, and how far the clock is from the wall's."""
        return {"now": self._fake.clock.now(), "offset": self._fake.clock.offset}

    def advance_clock(self, request: Request, body: Any) -> dict[str, Any]:
        """POST clock {seconds, days}: moves it forward; events older than 30 days expire by that."""
        self._fake.clock.advance(float(body.get("seconds", 0)) + DAY * float(body.get("days", 0)))
        return self.clock(request, body)

    def settings(self, request: Request, body: Any) -> dict[str, Any]:
        """GET or POST settings {provider, …}: a provider's own settings (limits, keys, versions)."""
        given = {name: value for name, value in body.items() if name not in ("rest", "provider")}
        name = body.get("provider") or request.query_dict().get("provider")
        return self._provider(name).configure(given)

    # -- data ---------------------------------------------------------------------------------------------

    def create(self, request: Request, body: Any) -> dict[str, Any]:
        """POST create {collection, data, count, parent, created, odd, event}: new objects upstream.

        data: fields that matter (the rest is made up). parent: the id above a nested object. created: epoch
        seconds. odd: a kind of odd record, kept as such. event: see Announcement.
        """
        upstream, collection = self._collection(body)
        announcement = Announcement.parse(body.get("event"))
        ids = [
            upstream.create(
                collection,
                dict(body.get("data", {})),
                announcement,
                parent=body.get("parent"),
                created=body.get("created"),
                odd=body.get("odd"),
            )
            for _ in range(int(body.get("count", 1)))
        ]
        return {"id": ids[0] if ids else None, "ids": ids}

    def update(self, request: Request, body: Any) -> dict[str, Any]:
        """POST update {collection, id | ids, data, event}: sets fields; hashes merge, others replace."""
        upstream, collection = self._collection(body)
        ids = self._ids(body)
        for id in ids:
            upstream.update(collection, id, dict(body.get("data", {})), Announcement.parse(body.get("event")))
        return {"ids": ids}

    def delete(self, request: Request, body: Any) -> dict[str, Any]:
        """POST delete {collection, id | ids, event}: removes objects, with what hangs on them."""
        upstream, collection = self._collection(body)
        ids = self._ids(body)
        for id in ids:
            upstream.delete(collection, id, Announcement.parse(body.get("event")))
        return {"ids": ids}

    def mutate_random(self, request: Request, body: Any) -> dict[str, int]:
        """POST mutate_random {n, seed, provider, collections, weights: {create, update, delete}, event}."""
        return self._provider(body.get("provider")).mutate_random(
            int(body["n"]),
            int(body.get("seed", self._fake.seed)),
            body.get("collections"),
            body.get("weights") or {"create": 2, "update": 6, "delete": 1},
            Announcement.parse(body.get("event")),
        )

    def purge_events(self, request: Request, body: Any) -> dict[str, int]:
        """POST purge_events {provider}: forgets all events."""
        return {"purged": self._provider(body.get("provider")).purge_events()}

    def truth(self, request: Request, body: Any) -> Response:
        """GET truth?collection=…[&fields=ids]: {collection, objects: {id: …}, deleted: [id], odd: {id: …}}.

        With fields=ids, `objects` is a list of ids. What the API shows in place of an odd object is not here.
        """
        query = request.query_dict()
        upstream, collection = self._collection(query)
        found, deleted = upstream.truth(collection)
        live = list(found)
        name, gone = json.dumps(collection).encode(), json.dumps(deleted).encode()
        odd = json.dumps({item.id: item.odd for item in live if item.odd}).encode()
        if query.get("fields") == "ids":
            objects = json.dumps([item.id for item in live]).encode()
        else:
            members = (json.dumps(item.id).encode() + b":" + item.raw for item in live)
            objects = b"{" + b",".join(members) + b"}"
        return Response(
            200, b'{"collection":%b,"objects":%b,"deleted":%b,"odd":%b}' % (name, objects, gone, odd)
        )

    def counts(self, request: Request, body: Any) -> dict[str, Any]:
        """GET counts: {provider: {collection: {name, path, count, deleted}}}."""
        return {
            name: {each["name"]: each for each in provider.data.collections()}
            for name, provider in self._fake.providers.items()
        }

    # -- evidence -----------------------------------------------------------------------------------------

    def requests(self, request: Request, body: Any) -> dict[str, Any]:
        """GET requests?after=&limit=&path=&method=&status=: the log, oldest first, without secrets."""
        query = request.query_dict()
        status = query.get("status")
        found = self._fake.log.select(
            int(query.get("after", 0)),
            int(query.get("limit", 1000)),
            query.get("path"),
            query.get("method"),
            None if status is None else int(status),
        )
        return {"total": self._fake.log.total, "requests": found}

    def reset_requests(self, request: Request, body: Any) -> dict[str, Any]:
        """DELETE requests: empties the log and the rates; numbers go on."""
        self._fake.log.reset()
        return {"total": self._fake.log.total}

    def rates(self, request: Request, body: Any) -> dict[str, Any]:
        """GET rates?interval=1: most requests in any window of so many seconds, and the concurrent peak."""
        return self._fake.log.rates(float(request.query_dict().get("interval", 1)))

    def reset(self, request: Request, body: Any) -> dict[str, Any]:
        """POST reset: no rules, no latency, an empty log; data, clock and settings stay."""
        self._fake.faults.clear()
        self._fake.latency = self._fake.jitter = 0.0
        self._fake.log.reset()
        return self.overview(request, body)

    # -- names --------------------------------------------------------------------------------------------

    def _provider(self, name: str | None) -> Upstream:
        providers = self._fake.providers
        if name is None:
            return next(iter(providers.values())).data
        if name not in providers:
            raise Refused(f'"provider" is one of {", ".join(providers)}, not {name!r}')
        return providers[name].data

    def _collection(self, body: dict[str, Any]) -> tuple[Upstream, str]:
        """`stripe:customer`, or `customer` with `provider` (without one, the first that was mounted)."""
        if "collection" not in body:
            raise Refused('"collection" is missing: "provider:name"')
        provider, colon, name = body["collection"].rpartition(":")
        return self._provider(provider if colon else body.get("provider")), name

    def _ids(self, body: dict[str, Any]) -> list[str]:
        ids = body.get("ids", [body["id"]] if "id" in body else None)
        if not ids:
            raise Refused('"id" or "ids" is missing')
        return list(ids)
