"""Instants as Salesforce writes them. Those of one length and offset sort as texts as they do as instants."""

from __future__ import annotations

import re
from datetime import UTC, datetime

LITERAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:?\d\d)")


def shown(seconds: float) -> str:
    """`2011-07-07T00:37:00.000+0000`: milliseconds that are always zero, and an offset without a colon."""
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%S}.000+0000"


def day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}"


def parse(text: str) -> float | None:
    """Epoch seconds of an instant in ISO 8601 with an offset; None for what is none."""
    if not LITERAL.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def exact(seconds: float) -> str:
    """As `shown`, and with the milliseconds: what is compared with."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}+0000"
