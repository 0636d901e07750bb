"""Shopify's times: whole seconds, UTC, with a Z."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Times in this form sort as text."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> int:
    """Epoch seconds of a time or a date; UTC unless it says otherwise. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
