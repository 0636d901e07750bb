"""An HTTP proxy: CONNECT for what is encrypted, whole URLs for what is not."""

import base64
import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True)
class Asked:
    """A request as the proxy saw it. Header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]


class Proxy:
    """Listens on 127.0.0.1 until it is stopped. `user`: "name:password"; without it all are let in."""

    def __init__(self, user: str | None = None) -> None:
        self.asked: list[Asked] = []
        self._wanted = user and "Basic " + base64.b64encode(user.encode()).decode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # Either side may hang up.
        with client, contextlib.suppress(OSError):
            self._lead(client)

    def _lead(self, client: socket.socket) -> None:
        head, rest = _read_head(client)
        if not head:
            return
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        self.asked.append(Asked(method, target, headers))
        if self._wanted and headers.get("proxy-authorization") != self._wanted:
            client.sendall(REFUSED)
            return
        place = urlsplit(f"//{target}" if method == "CONNECT" else target)
        with socket.create_connection((place.hostname, place.port or 80), 10) as server:
            if method == "CONNECT":
                client.sendall(CONNECTED)
            else:
                # One request a connection, so that there is nothing to read between two.
                path = place.path + (f"?{place.query}" if place.query else "")
                kept = [line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:"))]
                server.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *kept]).encode("latin-1"))
                server.sendall(b"\r\nConnection: close\r\n\r\n" + rest)
            upward = threading.Thread(target=_copy, args=(client, server), daemon=True)
            upward.start()
            _copy(server, client)

    def stop(self) -> None:
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    """A request's head, without the empty line behind it, and what has come after that."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            return b"", b""
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Until the source has said all; then the sink is told that."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
