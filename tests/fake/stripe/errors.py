"""Stripe's error object."""

from __future__ import annotations

from ..core.http import Response

DOCS = "https://stripe.com/docs/error-codes/"


class ApiError(Exception):
    """A refusal: `type`, `code` and `param` as in Stripe's error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.code = code
        self.param = param

    def response(self) -> Response:
        error: dict[str, str] = {"message": str(self), "type": self.type}
        if self.code:
            error |= {"code": self.code, "doc_url": DOCS + self.code.replace("_", "-")}
        if self.param:
            error["param"] = self.param
        return Response.of_json(self.status, {"error": error})


def unknown_parameter(name: str) -> ApiError:
    return ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def missing_parameter(name: str) -> ApiError:
    return ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)


def bad_integer(name: str, value: object) -> ApiError:
    return ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)


def bad_value(name: str, message: str) -> ApiError:
    return ApiError(400, message, param=name)


def no_such(object: str, id: str, param: str, status: int = 404) -> ApiError:
    """404 for the object of the path, 400 for one that a parameter names."""
    return ApiError(status, f"No such {object}: '{id}'", code="resource_missing", param=param)


def unknown_url(method: str, path: str) -> ApiError:
    return ApiError(404, f"Unrecognized request URL ({method}: {path}).")


def failure(status: int) -> ApiError:
    """What a fault with this status says."""
    if status == 429:
        return ApiError(429, "Request rate limit exceeded.", code="rate_limit")
    if status == 401:
        return ApiError(401, "Invalid API Key provided.")
    if status == 409:
        return ApiError(409, "This object is being changed by another request.", code="lock_timeout")
    if status < 500:
        return ApiError(status, "The request was refused.")
    return ApiError(status, "An unknown error occurred.", type="api_error")
