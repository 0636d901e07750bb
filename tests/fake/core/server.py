"""HTTP/1.1 over asyncio, as lean as it can be.

A framework was measured (aiohttp 3.14, pages of 100 objects of 1 kB): three times the CPU a page, taken from
the database and the worker under test. It also hides what the faults need: the bytes on the wire.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol

from .arrival import Listener
from .http import BadRequest, Request, Response

MAX_HEAD = 64 * 1024
MAX_BODY = 256 * 1024 * 1024


class Exchange(Protocol):
    """One request being answered: the connection waits `before` seconds, asks `answer`, waits `after`."""

    before: float
    after: float

    def answer(self) -> Wire: ...

    def finish(self) -> None: ...


class Wire:
    """Bytes to send and how to send them.

    cut: number of bytes after which the connection is closed. reset: close by RST and not by FIN.
    hang: after the bytes (or the cut), say nothing more and keep the connection. drip: bytes a second.
    """

    __slots__ = ("cut", "data", "drip", "hang", "reset")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.cut: int | None = None
        self.reset = False
        self.hang = False
        self.drip: float | None = None


class Application(Protocol):
    def begin(self, request: Request) -> Exchange: ...


class Connection(asyncio.Protocol):
    """Requests of one connection, answered one after another (pipelined ones wait their turn)."""

    def __init__(
        self,
        application: Application,
        loop: asyncio.AbstractEventLoop,
        peers: set[Connection],
        listener: Listener,
    ) -> None:
        self._application = application
        self._loop = loop
        self._peers = peers
        self._listener = listener
        self._arrived = 0.0
        self._buffer = bytearray()
        self._exchange: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._close_after = False
        self._continued = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.discard(self)
        if self._timer:
            self._timer.cancel()
        self._finish()
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived = self._listener.arrived
        self._advance()

    def _advance(self) -> None:
        while self._exchange is None and self.transport is not None and not self.transport.is_closing():
            try:
                request = self._next_request()
            except BadRequest as error:
                self.transport.write(Response.of_json(400, {"error": str(error)}).encode())
                self.transport.close()
                return
            if request is None:
                return
            request.received = self._arrived
            self._exchange = self._application.begin(request)
            self._after(self._exchange.before, self._answer)

    def _after(self, seconds: float, step) -> None:
        """Takes the next step at once where there is nothing to wait for: the common case costs no timer."""
        if seconds > 0:
            self._timer = self._loop.call_later(seconds, step)
        else:
            step()

    def _answer(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        wire = exchange.answer()
        self._after(exchange.after, lambda: self._send(wire))

    def _send(self, wire: Wire) -> None:
        if self.transport is None:
            return
        data = wire.data if wire.cut is None else wire.data[: wire.cut]
        if wire.drip and data:
            # A twentieth of a second's worth at a time.
            portion = max(1, int(wire.drip / 20))
            self.transport.write(data[:portion])
            rest = Wire(data[portion:])
            rest.drip, rest.hang, rest.reset = wire.drip, wire.hang, wire.reset
            rest.cut = None if wire.cut is None else len(rest.data)
            self._timer = self._loop.call_later(portion / wire.drip, self._send, rest)
            return
        if not wire.hang:
            # Before the last byte leaves: whoever reads it may have asked again by the time this goes on.
            self._finish()
        if data:
            self.transport.write(data)
        if wire.hang:
            return
        if wire.cut is not None:
            if wire.reset:
                self.transport.abort()
            else:
                self.transport.close()
            return
        if self._close_after:
            self.transport.close()
        elif self._buffer:
            self._loop.call_soon(self._advance)

    def _finish(self) -> None:
        if self._exchange is not None:
            self._exchange.finish()
            self._exchange = None

    def _next_request(self) -> Request | None:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > MAX_HEAD:
                raise BadRequest(f"the head of the request exceeds {MAX_HEAD} bytes")
            return None
        lines = buffer[:end].decode("latin-1").split("\r\n")
        try:
            method, target, version = lines[0].split(" ")
        except ValueError:
            raise BadRequest(f"not a request line: {lines[0][:200]!r}") from None
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequest(f"not a header: {line[:200]!r}")
            headers[name.lower()] = value.strip()
        body = self._body(headers, end + 4)
        if body is None:
            return None
        self._continued = False
        self._close_after = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, body)

    def _body(self, headers: dict[str, str], start: int) -> bytes | None:
        """The body, taken out of the buffer together with the head, or None while it is incomplete."""
        buffer = self._buffer
        if headers.get("expect", "").lower() == "100-continue" and not self._continued:
            self._continued = True
            assert self.transport is not None
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunked(start)
        try:
            length = int(headers.get("content-length", "0"))
        except ValueError:
            raise BadRequest(f"Content-Length is {headers['content-length']!r}") from None
        if not 0 <= length <= MAX_BODY:
            raise BadRequest(f"Content-Length {length} is not between 0 and {MAX_BODY}")
        if len(buffer) < start + length:
            return None
        body = bytes(buffer[start : start + length])
        del buffer[: start + length]
        return body

    def _chunked(self, start: int) -> bytes | None:
        buffer, at, parts = self._buffer, start, []
        while True:
            line_end = buffer.find(b"\r\n", at)
            if line_end < 0:
                return None
            try:
                size = int(bytes(buffer[at:line_end]).split(b";")[0], 16)
            except ValueError:
                raise BadRequest("a chunk has no size") from None
            at = line_end + 2
            if len(buffer) < at + size + 2:
                return None
            parts.append(bytes(buffer[at : at + size]))
            at += size + 2
            if size == 0:
                del buffer[:at]
                return b"".join(parts)


class Server:
    """Listens on one address until it is stopped."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Starts to listen and returns the port (useful with port 0)."""
        loop = asyncio.get_running_loop()
        listener = Listener.bound(host, port)
        self._server = await loop.create_server(
            lambda: Connection(self._application, loop, self._connections, listener),
            sock=listener,
            backlog=1024,
            ssl=tls,
        )
        return self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Stops listening and drops every connection, also those that hang on purpose."""
        if self._server:
            self._server.close()
        for connection in list(self._connections):
            if connection.transport:
                connection.transport.abort()
