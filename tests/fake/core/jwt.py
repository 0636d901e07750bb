"""RS256 checked with integers: raising to the public exponent is one call, and needs no library."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

# The DigestInfo of SHA-256 (RFC 8017, section 9.2), which stands before the hash.
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass(frozen=True, slots=True)
class PublicKey:
    modulus: int
    exponent: int

    @classmethod
    def parse(cls, pem: str) -> PublicKey:
        """A PEM of `BEGIN PUBLIC KEY`, as `openssl pkey -pubout` writes it. Raises ValueError."""
        inner = pem.partition("-----BEGIN PUBLIC KEY-----")[2].partition("-----END PUBLIC KEY-----")[0]
        if not inner:
            raise ValueError("the public key is no PEM that begins with BEGIN PUBLIC KEY")
        try:
            outer, _ = _element(base64.b64decode("".join(inner.split()), validate=True))
            _, bits = _element(outer)  # the algorithm, and behind it the key as a bit string
            key, _ = _element(_element(bits)[0][1:])  # one byte says how many bits are unused: none
            modulus, rest = _element(key)
            exponent, _ = _element(rest)
        except (IndexError, binascii.Error) as error:
            raise ValueError(f"the public key can't be read: {error}") from None
        return cls(int.from_bytes(modulus), int.from_bytes(exponent))


def claims(token: str, key: PublicKey) -> dict[str, Any] | None:
    """What a token with a good signature says; None for any other."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        head, body = (json.loads(_unpadded(part)) for part in parts[:2])
        signature = _unpadded(parts[2])
    except ValueError:
        return None
    size = (key.modulus.bit_length() + 7) // 8
    if not isinstance(head, dict) or head.get("alg") != "RS256" or len(signature) != size:
        return None
    digest = SHA256 + hashlib.sha256(f"{parts[0]}.{parts[1]}".encode()).digest()
    padded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    signed = pow(int.from_bytes(signature), key.exponent, key.modulus).to_bytes(size)
    return body if signed == padded and isinstance(body, dict) else None


def _element(data: bytes) -> tuple[bytes, bytes]:
    """The content of the first DER element, and what comes behind it."""
    length, at = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(data[2 : 2 + count]), 2 + count
    return data[at : at + length], data[at + length :]


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
