"""Answers that are made to harm whoever reads them: little to send, much to read, or no end in sight."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from .http import Response

MEBIBYTE = 1 << 20
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
LIST = b'{"object":"list","url":"/","has_more":true,"data":[%s]}'


def _json(body: bytes) -> Response:
    return Response(200, body)


def _gzipped(body: bytes, encoding: str = "gzip") -> Response:
    return Response(200, body, {"Content-Encoding": encoding})


def _bomb() -> Response:
    """10 GB of zeros in 10 MB. After a full flush each block stands for itself, so one can be repeated."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = deflate.compress(bytes(MEBIBYTE)) + deflate.flush(zlib.Z_FULL_FLUSH)
    end = deflate.flush()
    # The checksum is wrong: who gets as far as that has read all of it.
    return _gzipped(GZIP_HEAD + block * 10_000 + end + bytes(8))


def _nested() -> Response:
    """Compressed twice; what one decompression leaves is no JSON."""
    return _gzipped(gzip.compress(gzip.compress(bytes(100 * MEBIBYTE), 9), 9))


KINDS: dict[str, Callable[[], Response]] = {
    "gzip_bomb": _bomb,
    "nested_gzip": _nested,
    "twice_gzip": lambda: _gzipped(gzip.compress(gzip.compress(LIST % b"")), "gzip, gzip"),
    "deep": lambda: _json(b'{"data":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b',"has_more":true}'),
    "unclosed": lambda: _json(b'{"data":' + b"[" * 1_000_000),
    "deep_object": lambda: _json(b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000),
    "long_number": lambda: _json(LIST % (b'{"id":' + b"9" * 1_000_000 + b"}")),
    "long_key": lambda: _json(LIST % (b'{"' + b"k" * 10 * MEBIBYTE + b'":1}')),
    "many_objects": lambda: _json(LIST % b",".join(b'{"id":"%d"}' % n for n in range(500_000))),
    "long_header": lambda: Response(200, LIST % b"", {"X-Long": "x" * 1_000_000}),
    "many_headers": lambda: Response(200, LIST % b"", {f"X-{n}": "x" for n in range(10_000)}),
}
"""Made anew for each answer, and not kept: some are large."""


def make(kind: str) -> Response:
    return KINDS[kind]()
