"""The bookkeeping API's own words for what it refuses."""

from __future__ import annotations

from ..core.http import Response


class ApiError(Exception):
    """A refusal with the code that the API documents for it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def response(self) -> Response:
        return Response.of_json(self.status, {"error": {"code": self.code, "message": str(self)}})


def invalid(name: str, problem: str) -> ApiError:
    return ApiError(400, "invalid_parameter", f"{name}: {problem}")


def not_found(what: str) -> ApiError:
    return ApiError(404, "not_found", f"There is no {what}.")


def expired_cursor() -> ApiError:
    return ApiError(400, "cursor_expired", "The cursor is not known, or not any more: begin anew.")


def failure(status: int) -> ApiError:
    """What a fault with this status says."""
    if status == 401:
        return ApiError(401, "unauthorized", "The key is not known.")
    if status < 500:
        return ApiError(status, "refused", "The request was refused.")
    return ApiError(status, "internal", "Something went wrong on our side.")
