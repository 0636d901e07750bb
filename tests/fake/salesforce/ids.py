"""Record ids: 15 characters in which case matters, and 3 more for those who can't tell case apart."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SUFFIXES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
POD = "fk0"
"""Behind an object's prefix, the instance that the record was made on."""


def make(prefix: str, number: int) -> str:
    """The id of the record of this number; two numbers may differ in nothing but the case of a letter."""
    digits = ""
    while number:
        number, rest = divmod(number, len(ALPHABET))
        digits = ALPHABET[rest] + digits
    return complete(f"{prefix}{POD}{digits:0>9}")


def complete(short: str) -> str:
    """15 characters with the suffix that says which of them are capitals."""
    suffix = ""
    for at in range(0, 15, 5):
        bits = sum(1 << place for place, each in enumerate(short[at : at + 5]) if "A" <= each <= "Z")
        suffix += SUFFIXES[bits]
    return short + suffix


def parse(text: str) -> str | None:
    """The 18 characters of an id that is given with 15 or 18; None for what is none."""
    if len(text) not in (15, 18) or any(each not in ALPHABET for each in text):
        return None
    whole = complete(text[:15])
    return whole if text in (whole, whole[:15]) else None
