"""Moments as HubSpot writes and reads them. Everywhere else they are milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def instant(text: str) -> int | None:
    """Milliseconds of a moment or a day in ISO 8601, or of the milliseconds themselves; None for neither."""
    if text.removeprefix("-").isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
