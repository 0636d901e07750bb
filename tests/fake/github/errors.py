"""GitHub's refusals."""

from __future__ import annotations

from typing import Any

from ..core.http import Response

DOCS = "https://docs.github.com/rest"


class ApiError(Exception):
    """A refusal; `errors` are the members of a 422, `headers` come on top."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> Response:
        body: dict[str, Any] = {"message": str(self)}
        if self.errors is not None:
            body["errors"] = self.errors
        body |= {"documentation_url": DOCS, "status": str(self.status)}
        return Response.of_json(self.status, body, dict(self.headers))


class Moved(Exception):
    """What the path names is elsewhere: a renamed repository, a transferred issue."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def not_found() -> ApiError:
    """Also for what exists and the caller may not see."""
    return ApiError(404, "Not Found")


def bad_credentials() -> ApiError:
    return ApiError(401, "Bad credentials")


def invalid(resource: str, *errors: dict[str, Any]) -> ApiError:
    return ApiError(422, "Validation Failed", errors=[{"resource": resource, **error} for error in errors])


def missing_field(resource: str, field: str) -> ApiError:
    return invalid(resource, {"code": "missing_field", "field": field})


def invalid_field(resource: str, field: str, value: Any) -> ApiError:
    return invalid(resource, {"code": "invalid", "field": field, "value": value})


def already_exists(resource: str, field: str) -> ApiError:
    return invalid(resource, {"code": "already_exists", "field": field})


def failure(status: int) -> ApiError:
    """What a fault with this status says."""
    if status == 401:
        return bad_credentials()
    if status == 404:
        return not_found()
    if status in (403, 429):
        return ApiError(status, SECONDARY)
    if status < 500:
        return ApiError(status, "The request was refused.")
    return ApiError(status, "Server Error")


SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "For more on scraping GitHub and how it may affect your rights, please review our Terms of Service."
)
