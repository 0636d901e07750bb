"""Instants as this API writes and reads them: no two of its collections do it alike."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)")


def with_z(milliseconds: int) -> str:
    """`2026-03-01T09:30:00.250Z`"""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def with_offset(milliseconds: int, minutes: int) -> str:
    """`2026-03-01T11:30:00+0200`: whole seconds, an offset without a colon."""
    zone = timezone(timedelta(minutes=minutes))
    return f"{datetime.fromtimestamp(milliseconds // 1000, zone):%Y-%m-%dT%H:%M:%S%z}"


def whole_seconds(milliseconds: int) -> str:
    """`2026-03-01T09:30:00+00:00`"""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()


def milliseconds_of(text: str) -> int | None:
    """Milliseconds since 1970 of an instant in ISO 8601, rounded down; None for what is none."""
    if not ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
