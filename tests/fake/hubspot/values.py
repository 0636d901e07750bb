"""Values as HubSpot writes and reads them. Moments are milliseconds since 1970 everywhere else."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def number(text: str) -> float | None:
    """None for what is no number, or none that is finite."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


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
