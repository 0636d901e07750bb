"""When a request arrived, as the kernel saw it.

The server is one thread on a machine that others keep busy. Were its own clock the measure, requests that
wait for it would seem to have been sent at once, and a client that kept its rate would be accused.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import Any

# Not in Python's socket module; the same on every architecture that PostgreSQL is likely to be tested on.
SO_TIMESTAMPNS = 35
_SPACE = socket.CMSG_SPACE(16)


class Listener(socket.socket):
    """A listening socket whose connections note when what they read had arrived.

    Linux only; elsewhere `arrived` is the time of reading.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.arrived = 0.0
        """Monotonic seconds: when the last bytes that any connection has read had arrived."""

    @classmethod
    def bound(cls, host: str, port: int) -> Listener:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = cls(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            # Connections inherit it.
            listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        listener.bind(address)
        return listener

    def accept(self) -> tuple[socket.socket, Any]:
        plain, address = super().accept()
        return _Connection(self, plain), address


class _Connection(socket.socket):
    def __init__(self, listener: Listener, plain: socket.socket) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self._listener = listener

    def recv(self, size: int, flags: int = 0) -> bytes:
        data, ancillary, _, _ = self.recvmsg(size, _SPACE, flags)
        self._note(ancillary)
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """What asyncio reads with where there is TLS."""
        count, ancillary, _, _ = self.recvmsg_into([buffer], _SPACE, flags)
        self._note(ancillary)
        return count

    def _note(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        now = time.monotonic()
        self._listener.arrived = now
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                self._listener.arrived = now - max(0.0, time.time() - seconds - nanoseconds / 1e9)
