"""Cursors that nobody can read or make: a client hands back what it was given, byte by byte.

They are in plain Base64, whose +, / and = a client has to encode in a URL.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

DIGEST = 9


class Cursors:
    """`seed`: cursors of one fake mean nothing to another."""

    def __init__(self, seed: int) -> None:
        self._secret = f"{seed}:cursors".encode()

    def write(self, list: str, content: Any) -> str:
        """A cursor of the list called `list`."""
        body = json.dumps([list, content], separators=(",", ":")).encode()
        return base64.b64encode(self._sign(body) + body).decode()

    def read(self, list: str, cursor: str) -> Any:
        """What the cursor was made of; None for one that is not of this list."""
        try:
            signed = base64.b64decode(cursor, validate=True)
        except (binascii.Error, ValueError):
            return None
        digest, body = signed[:DIGEST], signed[DIGEST:]
        if digest != self._sign(body):
            return None
        of, content = json.loads(body)
        return content if of == list else None

    def _sign(self, body: bytes) -> bytes:
        return hashlib.sha256(self._secret + body).digest()[:DIGEST]
