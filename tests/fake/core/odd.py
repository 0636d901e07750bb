"""Objects that no API documents and that every long-lived integration meets."""

from __future__ import annotations

import json
from collections.abc import Callable

HUGE = 10 * 1024 * 1024


def _with(raw: bytes, member: bytes) -> bytes:
    """The object with one more member, spliced in as bytes: some of these can't be made by a JSON library."""
    return raw.rstrip()[:-1] + b"," + member + b"}"


def _without(raw: bytes, id: str) -> bytes:
    return _reencode({name: value for name, value in json.loads(raw).items() if name != id})


def _identified(raw: bytes, id: str, value: object) -> bytes:
    return _reencode({**json.loads(raw), id: value})


def _other_content(raw: bytes) -> bytes:
    return _with(raw, b'"odd":"the same id, another content"')


def _reencode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "nul": lambda raw: _with(raw, b'"odd":"before\\u0000after"'),
    "nul_key": lambda raw: _with(raw, b'"odd\\u0000":1'),
    "huge": lambda raw: _with(raw, b'"odd":"' + b"x" * HUGE + b'"'),
    "invalid_utf8": lambda raw: _with(raw, b'"odd":"caf\xe9 \xff"'),
    "lone_surrogate": lambda raw: _with(raw, b'"odd":"half \\ud83d of a pair"'),
    "big_number": lambda raw: _with(raw, b'"odd":1e400'),
    "precise_number": lambda raw: _with(raw, b'"odd":12345678901234567890.123456789012345678'),
    "deep": lambda raw: _with(raw, b'"odd":' + b"[" * 10_000 + b"]" * 10_000),
    "deepest": lambda raw: _with(raw, b'"odd":' + b"[" * 1_000_000 + b"]" * 1_000_000),
    "long_number": lambda raw: _with(raw, b'"odd":' + b"9" * 1_000_000),
    "long_key": lambda raw: _with(raw, b'"' + b"k" * HUGE + b'":1'),
    "many_keys": lambda raw: _with(raw, b",".join(b'"k%d":0' % n for n in range(500_000))),
    "duplicate_key": lambda raw: _with(raw, b'"odd":1,"odd":2'),
    "duplicate_id": _other_content,
    "not_an_object": lambda raw: b'"just a string"',
    "null": lambda raw: b"null",
}
"""Each kind turns a normal object's bytes into odd ones. `duplicate_id` belongs beside the normal object."""
OF_ID: dict[str, Callable[[bytes, str], bytes]] = {
    "no_id": _without,
    "null_id": lambda raw, id: _identified(raw, id, None),
    "empty_id": lambda raw, id: _identified(raw, id, ""),
    "numeric_id": lambda raw, id: _identified(raw, id, 4815162342),
    "long_id": lambda raw, id: _identified(raw, id, "x" * 100_000),
}
"""Those that are odd in their id, given its name."""


def make(kind: str, raw: bytes, id: str = "id") -> bytes:
    """`id` is what the API calls it. Raises ValueError for an unknown kind."""
    if kind in OF_ID:
        return OF_ID[kind](raw, id)
    if kind not in KINDS:
        known = ", ".join(sorted({*KINDS, *OF_ID}))
        raise ValueError(f"no odd record is called {kind!r}; there are {known}")
    return KINDS[kind](raw)
