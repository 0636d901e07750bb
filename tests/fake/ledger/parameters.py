"""The parameters of a request: what is not known, or given twice, is refused."""

from __future__ import annotations

from ..core.http import Request
from .errors import ApiError, invalid
from .moments import milliseconds_of


class Parameters:
    def __init__(self, request: Request, *known: str) -> None:
        self._given: dict[str, str] = {}
        for name, value in request.query_pairs():
            if name not in known:
                raise ApiError(400, "unknown_parameter", f"{name} is not a parameter of {request.path}.")
            if name in self._given:
                raise invalid(name, "it is given twice")
            self._given[name] = value

    def text(self, name: str) -> str | None:
        return self._given.get(name)

    def integer(self, name: str, default: int | None = None, least: int = 0) -> int | None:
        value = self._given.get(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 15) or int(value) < least:
            raise invalid(name, f"{value!r} is no whole number from {least} on")
        return int(value)

    def size(self, name: str, default: int, most: int) -> int:
        """How many objects a page shall have."""
        size = self.integer(name, default, 1)
        assert size is not None
        if size > most:
            raise invalid(name, f"a page has at most {most} objects, not {size}")
        return size

    def instant(self, name: str) -> int | None:
        """Milliseconds since 1970, given in ISO 8601."""
        value = self._given.get(name)
        if value is None:
            return None
        milliseconds = milliseconds_of(value)
        if milliseconds is None:
            raise invalid(name, f"{value!r} is no instant such as 2026-03-01T09:30:00Z")
        return milliseconds
