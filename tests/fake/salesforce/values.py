"""What a new record has in the fields that nobody has said anything about."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from . import moments
from .fields import Field

NAMES = (
    "Ada & Söhne",
    "Bäckerei, Köhler",
    "Çelik İnşaat",
    "Daimon 🚀 Labs",
    'Friedrich "Fritz" Ltd.',
    "株式会社ミドリ",
    "O'Brien Freight",
    "Null",
    "=SUM(A1:A2)",
)
TEXTS = (
    "one line",
    'first line\nsecond line, with a comma and "quotes"',
    "carriage return\r\nand line feed",
    'ends with a quote"',
    'a\n"\n,\n"',
    "Überweisung №7 ✓",
    "\\N",
)
DAY = 86_400


def make(
    field: Field, rng: random.Random, number: int, now: int, refer: Callable[[Field], str | None]
) -> Any:
    """`number` counts the object's records up; `refer` finds a record for a reference."""
    if field.external:
        return f"X-{number:06}"
    if field.type == "reference":
        return refer(field)
    if not field.required and rng.random() < 0.15:
        return False if field.type == "boolean" else None
    match field.type:
        case "boolean":
            return rng.random() < 0.7
        case "int":
            return rng.randrange(1, 5000)
        case "double" | "percent":
            return float(rng.randrange(100))
        case "currency":
            return rng.randrange(10_000_000) / 100
        case "date":
            return moments.day(now - rng.randrange(900) * DAY)
        case "datetime":
            return moments.shown(now - rng.randrange(900 * DAY))
        case "picklist":
            return rng.choice(field.values)
        case "multipicklist":
            return ";".join(rng.sample(field.values, rng.randrange(1, len(field.values) + 1)))
        case "email":
            return f"{field.name.lower()}{number}@example.com"
        case "phone":
            return f"+49 (30) {rng.randrange(10_000_000):07}"
        case "url":
            return f"https://example.com/{number}?a=1&b=2"
        case "base64":
            return f"content of {number}"
        case "textarea":
            return f"{rng.choice(TEXTS)} {number}"
    return f"{rng.choice(NAMES)} {number}"[: field.length]
