"""Idempotency keys: the first answer of a key is every later one's."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.clock import Clock
from ..core.http import Request, Response
from .errors import ApiError

KEPT = 24 * 3600
LONGEST = 255


@dataclass(slots=True)
class Kept:
    moment: float
    parameters: tuple[str, str, bytes]
    status: int
    body: bytes
    request_id: str


class Idempotency:
    """Answers by credential and key, for a day: also a 500, but no refusal from before the work began."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], Kept] = {}

    def replay(self, request: Request, credential: str) -> Response | None:
        """The answer that the key already has. Raises ApiError when the key came with other parameters."""
        key = request.headers.get("idempotency-key")
        if key is None or request.method != "POST":
            return None
        if not 0 < len(key) <= LONGEST:
            raise ApiError(
                400,
                f"Idempotency-Key may have 1 to {LONGEST} characters, not {len(key)}",
                type="idempotency_error",
            )
        kept = self._current(credential, key)
        if kept is None:
            return None
        if kept.parameters != (request.method, request.path, request.body):
            raise ApiError(
                400,
                f"A key may only be used again with the same parameters; '{key}' came with others.",
                type="idempotency_error",
            )
        headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id, "Idempotency-Key": key}
        return Response(kept.status, kept.body, headers)

    def forget(self, request: Request, credential: str) -> None:
        """Makes room for another answer to the same request."""
        self._kept.pop((credential, request.headers.get("idempotency-key", "")), None)

    def keep(self, request: Request, credential: str, response: Response, request_id: str) -> None:
        """Notes an answer, unless it is a refusal of a request whose work never began."""
        key = request.headers.get("idempotency-key")
        if not key or request.method != "POST":
            return
        began = response.status < 400 or response.status == 402 or response.status >= 500
        if began and self._current(credential, key) is None:
            parameters = (request.method, request.path, request.body)
            self._kept[credential, key] = Kept(
                self._clock.now(), parameters, response.status, response.body, request_id
            )
            response.headers["Idempotency-Key"] = key
            response.headers["Original-Request"] = request_id

    def _current(self, credential: str, key: str) -> Kept | None:
        kept = self._kept.get((credential, key))
        return None if kept is None or self._clock.now() - kept.moment > KEPT else kept
