"""Servers that nobody of this project wrote, each in its own process: what they accept and list is evidence.

JSON Server is an API of its own, and asked as it is. The others are Stripe as somebody has understood it.
None of them is faithful throughout, so a proxy stands between one and the connector. It corrects what
contradicts Stripe's documentation and is in the connector's way, each correction with its reason, and passes
everything else on as it is. Tests write, and read the truth, without it.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from .relay import Answer, Ask, Proxy, Relayed, answer

TESTS = Path(__file__).resolve().parents[2]

# localstripe's own command listens on all interfaces, and writes its whole state to a file after each change.
LOCALSTRIPE = """
import socket
from aiohttp import web
from localstripe import server
server.store.dump_to_disk = lambda: None
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
web.run_app(server.app, sock=listening, print=None)
"""

STATEFUL_MOCK = """
const listening = require("stripe-stateful-mock").createExpressApp().listen(0, "127.0.0.1", () =>
    console.log(listening.address().port));
"""

# Its own command listens where `localhost` may lead.
JSON_SERVER = """
const { create, defaults, router } = require("json-server");
const application = create().use(defaults({ logger: false })).use(router(process.argv[1]));
const listening = application.listen(0, "127.0.0.1", () => console.log(listening.address().port));
"""


class IndependentError(Exception):
    """A server did not start, or refused what a test told it; the message has its words."""


class Program:
    """A server in a process of its own; `direct` is its URL."""

    def __init__(self, command: list[str]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command, cwd=TESTS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log
        )
        try:
            self.direct = f"http://127.0.0.1:{self._port()}"
        except BaseException:
            self._kill()
            raise

    def _port(self) -> int:
        """The line with the port that the process prints when it listens."""
        if self._process.stdout and (line := self._process.stdout.readline()).strip().isdigit():
            return int(line)
        self._process.wait(10)
        self._log.seek(0)
        said = self._log.read().decode(errors="replace")
        raise IndependentError(f"{type(self).__name__} did not start; has scripts/setup.sh been run?\n{said}")

    def _kill(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def stop(self) -> None:
        self._kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Server(Program):
    """A server behind a proxy; to `harness.sync` it is an upstream.

    `url` is the proxy, for the connector. `direct` is the server itself, for the test.
    """

    provider = declared = "stripe"
    api_key = "sk_test_independent"
    # Headers of requests and of answers that the connector and the server exchange beside the usual ones.
    passed: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    # Collection → its list, and what the list needs to be complete.
    lists: dict[str, str]

    def __init__(self, command: list[str]) -> None:
        self.relayed: list[Relayed] = []
        self._losing = 0
        super().__init__(command)
        try:
            self._proxy = Proxy(self)
        except BaseException:
            self._kill()
            raise
        self.url = self._proxy.url

    def stop(self) -> None:
        self._proxy.stop()
        super().stop()

    # The test's side

    def ask(self, method: str, path: str, /, **data: Any) -> Any:
        """Asks the server itself, form-encoded as Stripe wants it.

        Raises IndependentError when it refuses.
        """
        form = urllib.parse.urlencode(list(_flat(data)))
        request = urllib.request.Request(self.direct + path, form.encode() if data else None, method=method)
        request.add_header("Authorization", f"Bearer {self.api_key}")
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise IndependentError(f"{method} {path} {form}: {error.code} {said}") from None

    def post(self, path: str, /, **data: Any) -> Any:
        return self.ask("POST", path, **data)

    def create(self, path: str, /, **data: Any) -> str:
        """The id of what is made there."""
        return self.post(path, **data)["id"]

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def delete(self, path: str) -> Any:
        return self.ask("DELETE", path)

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        """The truth: what the server itself lists, in one page, so that no cursor of anybody's is trusted."""
        path = self.lists[collection]
        listed = self.get(f"{path}{'&' if '?' in path else '?'}limit=1000000")
        assert not listed["has_more"], f"{path} did not list everything"
        return {each["id"]: each for each in listed["data"]}

    def asked(self, path: str, parameter: str = "") -> list[Relayed]:
        """What the connector asked of this path; where `parameter` is given, only requests that had it."""
        return [
            each
            for each in self.relayed
            if each.ask.path == path and (not parameter or each.ask.get(parameter) is not None)
        ]

    def written(self) -> list[Relayed]:
        """What the connector asked to be changed."""
        return [each for each in self.relayed if each.ask.method != "GET"]

    def lose_answers(self, count: int) -> None:
        """The next `count` changes are made, and the connector is told that the proxy heard nothing of it."""
        self._losing = count

    # The connector's side

    async def answer(self, ask: Ask) -> Answer:
        reply = await self.relay(ask)
        if ask.method != "GET" and self._losing:
            self._losing -= 1
            return Answer(504, b"<html>no answer in time</html>", "text/html")
        return reply

    async def relay(self, ask: Ask) -> Answer:
        """The answer to what the connector asked: the server's own, unless a correction is named here."""
        return await self.forward(ask)

    async def forward(self, ask: Ask) -> Answer:
        return await self._proxy.forward(ask)


class LocalStripe(Server):
    """localstripe (PyPI): objects that change and go, and real events about it.

    Not corrected, because it must not matter: its lists begin with the oldest object, and begin anew after an
    object that it doesn't know.
    """

    lists = {  # noqa: RUF012
        "balance_transaction": "/v1/balance_transactions",
        "charge": "/v1/charges",
        "coupon": "/v1/coupons",
        "customer": "/v1/customers",
        "invoice": "/v1/invoices",
        "payment_intent": "/v1/payment_intents",
        "payout": "/v1/payouts",
        "plan": "/v1/plans",
        "product": "/v1/products",
        "refund": "/v1/refunds",
        "setup_intent": "/v1/setup_intents",
        "subscription": "/v1/subscriptions?status=all",
        "tax_rate": "/v1/tax_rates",
    }

    def __init__(self) -> None:
        super().__init__([sys.executable, "-c", LOCALSTRIPE])

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        match collection:
            case "invoice_line_item":
                paths = [f"/v1/invoices/{each}/lines?limit=1000000" for each in self.objects("invoice")]
                lists = [self.get(path) for path in paths]
            case "subscription_item":
                lists = [each["items"] for each in self.objects("subscription").values()]
            case _:
                return super().objects(collection)
        assert not any(each["has_more"] for each in lists)
        return {each["id"]: each for listed in lists for each in listed["data"]}

    async def relay(self, ask: Ask) -> Answer:
        # Only its events can be filtered by `created` as Stripe documents it for nearly all lists. Without
        # the filter a list shows more than was asked for, which a connector must be able to take anyway.
        if ask.path != "/v1/events":
            for name, _ in ask.query:
                if name.startswith("created["):
                    ask = ask.where(name, None)
        # It refuses to list the items of one subscription, the only list of items that Stripe has. It shows
        # them in the subscription.
        subscription = ask.get("subscription")
        if ask.path == "/v1/subscription_items" and subscription:
            parent = await self.forward(replace(ask, path=f"/v1/subscriptions/{subscription}", query=()))
            if parent.status == 200:
                return answer(200, parent.json()["items"])
            return self._explained(parent)
        return self._explained(await self.forward(ask))

    @staticmethod
    def _explained(refusal: Answer) -> Answer:
        # Stripe says with a code that it is the object that is missing. localstripe leaves the code out;
        # where it doesn't know the route, its answer is no JSON.
        found = refusal.json()
        if refusal.status == 404 and "error" in found:
            return answer(404, {**found, "error": {"code": "resource_missing", **found["error"]}})
        return refusal


@dataclass
class _Feed:
    """Events, oldest first."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, data: dict[str, Any]) -> None:
        event = {"id": f"evt_{len(self.events)}", "object": "event", "type": kind, "data": {"object": data}}
        self.events.append({**event, "created": int(time.time())})

    def since(self, second: int) -> dict[str, Any]:
        found = [each for each in reversed(self.events) if each["created"] >= second]
        return {"object": "list", "url": "/v1/events", "has_more": False, "data": found}


class StatefulMock(Server):
    """stripe-stateful-mock (npm): cursors that must exist, and Stripe's own words for what is missing."""

    lists = {  # noqa: RUF012
        "account": "/v1/accounts",
        "charge": "/v1/charges",
        "customer": "/v1/customers",
        "plan": "/v1/plans",
        "price": "/v1/prices",
        "product": "/v1/products",
        "refund": "/v1/refunds",
        "subscription": "/v1/subscriptions?status=all",
        "tax_rate": "/v1/tax_rates",
    }
    # An id that the server has never given to anything.
    UNKNOWN = "never_existed"

    def __init__(self) -> None:
        self._feed = _Feed()
        self._gone: set[str] = set()
        self._vanishing = 0
        super().__init__([node(), "-e", STATEFUL_MOCK])

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        if collection == "subscription_item":
            lists = [
                self.get(f"/v1/subscription_items?subscription={each}&limit=1000000")
                for each in self.objects("subscription")
            ]
            return {each["id"]: each for listed in lists for each in listed["data"]}
        return {key: each for key, each in super().objects(collection).items() if key not in self._gone}

    def announce(self, kind: str, data: dict[str, Any]) -> None:
        self._feed.add(kind, data)

    def remove(self, upstream_id: str) -> None:
        """Takes a customer out of what the connector can see, and announces it."""
        self._gone.add(upstream_id)
        self.announce("customer.deleted", {"id": upstream_id, "object": "customer"})

    def vanish_cursors(self, count: int) -> None:
        """The next `count` customers that are used as a cursor are gone at that very moment."""
        self._vanishing = count

    async def relay(self, ask: Ask) -> Answer:
        # It has no events, and without them a connector can't start: here it is an account in which nothing
        # happens but what a test announces. Whether the key is good the server says, before it says that it
        # doesn't know the route.
        if ask.path == "/v1/events":
            refusal = await self.forward(ask)
            known = refusal.status == 404
            return answer(200, self._feed.since(int(ask.get("created[gte]") or 0))) if known else refusal
        # Its customers can't be deleted. Who asks for one that a test has removed, by its path or as a
        # cursor, asks for one that never was, so that the refusal is the server's own. Lists leave it out.
        cursor = ask.get("starting_after")
        if cursor and self._vanishing and ask.path == "/v1/customers":
            self._vanishing -= 1
            self.remove(cursor)
        if cursor in self._gone:
            ask = ask.where("starting_after", self.UNKNOWN)
        head, _, last = ask.path.rpartition("/")
        if last in self._gone:
            ask = replace(ask, path=f"{head}/{self.UNKNOWN}")
        reply = await self.forward(ask)
        listed = reply.json()
        if listed.get("object") == "list" and any(each["id"] in self._gone for each in listed["data"]):
            seen = [each for each in listed["data"] if each["id"] not in self._gone]
            return answer(200, {**listed, "data": seen})
        return reply


class JsonServer(Program):
    """json-server (npm): any objects in a file, over an API without keys and without types.

    `data` is that file: collection → its objects.
    """

    def __init__(self, data: dict[str, list[dict[str, Any]]]) -> None:
        self._directory = tempfile.TemporaryDirectory()
        file = Path(self._directory.name) / "db.json"
        file.write_text(json.dumps(data), encoding="utf-8")
        try:
            super().__init__([node(), "-e", JSON_SERVER, str(file)])
        except BaseException:
            self._directory.cleanup()
            raise

    def stop(self) -> None:
        super().stop()
        self._directory.cleanup()

    def ask(self, method: str, path: str, data: dict[str, Any] | None = None) -> Any:
        """Raises IndependentError when it refuses."""
        return ask_json(self.direct, method, path, data)

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        """The truth: all objects by id, in one page."""
        return {str(each["id"]): each for each in self.ask("GET", f"/{collection}")}


def ask_json(server: str, method: str, path: str, data: dict[str, Any] | None = None, **headers: str) -> Any:
    """What a server answers; None where the answer is empty. Raises IndependentError when it refuses."""
    body = None if data is None else json.dumps(data).encode()
    given = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(server + path, body, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read() or "null")
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        raise IndependentError(f"{method} {path}: {error.code} {said}") from None


def node() -> str:
    node = shutil.which("node")
    if node is None:
        raise IndependentError("node is missing: run scripts/setup.sh")
    return node


def _flat(data: dict[str, Any], outer: str = "") -> Iterator[tuple[str, str]]:
    """Nested data as a form has it: `items[0][plan]`."""
    for key, value in data.items():
        name = f"{outer}[{key}]" if outer else key
        match value:
            case dict():
                yield from _flat(value, name)
            case list():
                yield from _flat({str(place): each for place, each in enumerate(value)}, name)
            case bool():
                yield name, str(value).lower()
            case _:
                yield name, str(value)
