"""Signed assertions, verified with nothing but arithmetic (RFC 8017, section 8.2.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

EXPONENT = 65537
# What stands before a SHA-256 digest that is signed.
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
# The longest that an assertion may be good, in seconds.
LONGEST = 600


def problem(token: str, modulus: str | None, now: float) -> str:
    """What is wrong with an assertion that is signed with the key of this modulus; empty where it is good."""
    try:
        signed, _, signature = token.rpartition(".")
        header, claims = (json.loads(_decode(part)) for part in signed.split("."))
    except ValueError:
        return "it is no assertion"
    if header.get("alg") != "RS256" or modulus is None:
        return "it is not signed as it has to be"
    if not _is_signed(signed.encode(), _decode(signature), int(modulus, 16)):
        return "the signature is not good"
    return _wrong_claim(claims, now)


def _wrong_claim(claims: dict[str, Any], now: float) -> str:
    issued, expires = claims.get("iat", now + 1), claims.get("exp", 0)
    if issued > now or expires <= now or expires > now + LONGEST:
        return f"it is good from {issued} to {expires}, and it is {now:.0f}"
    return "" if claims.get("iss") == "fake-app" else f"nobody knows the issuer {claims.get('iss')}"


def _is_signed(signed: bytes, signature: bytes, modulus: int) -> bool:
    size = (modulus.bit_length() + 7) // 8
    found = pow(int.from_bytes(signature), EXPONENT, modulus).to_bytes(size)
    tail = DIGEST_INFO + hashlib.sha256(signed).digest()
    return hmac.compare_digest(found, b"\x00\x01" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail)


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
