"""The proxy that stands between the connector and a server of somebody else's."""

import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass, replace
from typing import Any, Protocol

import aiohttp
from aiohttp import web


@dataclass(frozen=True)
class Ask:
    """A request of the connector, or one that the proxy makes in its place."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes = b""

    def get(self, name: str) -> str | None:
        return dict(self.query).get(name)

    def where(self, name: str, value: str | None) -> "Ask":
        """With another value of the parameter; without it where `value` is None."""
        others = tuple(pair for pair in self.query if pair[0] != name)
        return replace(self, query=others if value is None else (*others, (name, value)))


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def json(self) -> Any:
        """The body, where it is an object; an empty one otherwise."""
        with contextlib.suppress(ValueError):
            if isinstance(found := json.loads(self.body), dict):
                return found
        return {}


def answer(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, json.dumps(body).encode())


@dataclass(frozen=True)
class Relayed:
    """What the connector asked, and the status that it got."""

    ask: Ask
    status: int


class Relaying(Protocol):
    """What a proxy asks; `harness.independent.Server` is one."""

    direct: str
    relayed: list[Relayed]
    # Of a request and of an answer, the headers that are passed on beside the usual ones.
    passed: tuple[str, ...]
    returned: tuple[str, ...]

    async def answer(self, ask: Ask) -> Answer: ...


class Proxy:
    """An HTTP server on a thread of its own; `server.relay` decides on each answer."""

    # What the connector sends that every server must see. The rest belongs to the connection.
    PASSED = (
        "authorization",
        "stripe-version",
        "stripe-account",
        "user-agent",
        "accept",
        "content-type",
        "idempotency-key",
    )

    def __init__(self, server: Relaying) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._session: aiohttp.ClientSession
        self._runner: web.AppRunner
        self.url = self._run(self._open())

    def _run(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    async def _open(self) -> str:
        self._session = aiohttp.ClientSession()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def stop(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _handle(self, request: web.Request) -> web.Response:
        passed = (*self.PASSED, *self._server.passed)
        headers = tuple((name, request.headers[name]) for name in passed if name in request.headers)
        body = await request.read()
        ask = Ask(request.path, tuple(request.query.items()), headers, request.method, body)
        reply = await self._server.answer(ask)
        self._server.relayed.append(Relayed(ask, reply.status))
        response = web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)
        response.headers.extend(reply.headers)
        return response

    async def forward(self, ask: Ask) -> Answer:
        url = self._server.direct + ask.path
        async with self._session.request(
            ask.method,
            url,
            params=ask.query,
            headers=ask.headers,
            data=ask.body or None,
            allow_redirects=False,
        ) as reply:
            headers = [(name, reply.headers[name]) for name in self._server.returned if name in reply.headers]
            return Answer(reply.status, await reply.read(), reply.content_type, tuple(headers))
