"""Salesforce's refusals: an array, even of one."""

from __future__ import annotations

from typing import Any

from ..core.http import Response


class ApiError(Exception):
    """A refusal with its documented code; `fields` where it is about some."""

    def __init__(self, status: int, code: str, message: str, fields: list[str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.fields = fields

    def response(self) -> Response:
        error: dict[str, Any] = {"message": str(self), "errorCode": self.code}
        if self.fields is not None:
            error["fields"] = self.fields
        return Response.of_json(self.status, [error])

    def result(self) -> dict[str, Any]:
        """What it is called in the result of one record among many."""
        return {"statusCode": self.code, "message": str(self), "fields": self.fields or []}


def malformed(message: str) -> ApiError:
    return ApiError(400, "MALFORMED_QUERY", message)


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    return ApiError(404, "NOT_FOUND", message)


def invalid_type(name: str) -> ApiError:
    return ApiError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")


def failure(status: int) -> ApiError:
    """What a fault with this status says."""
    match status:
        case 400:
            return ApiError(
                400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", fields=[]
            )
        case 401:
            return ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        case 403 | 429:
            # Salesforce has no 429.
            return ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        case 404:
            return not_found()
        case 503:
            return ApiError(503, "SERVER_UNAVAILABLE", "Server Unavailable. Please try again later.")
    if status < 500:
        return ApiError(status, "API_ERROR", "The request was refused.")
    return ApiError(
        status,
        "UNKNOWN_EXCEPTION",
        "An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-1 (1)",
    )
