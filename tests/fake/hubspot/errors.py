"""HubSpot's refusals.

The members are those of the official client's model of an error. The categories and most of the words are as
others have quoted them; where nobody has, they are made up, and no client should read them.
"""

from __future__ import annotations

import json
from typing import Any

from ..core.http import Response

SCOPES = "https://developers.hubspot.com/scopes"
PORTAL = 123
TOO_LONG = b"<html><head><title>414 Request-URI Too Large</title></head><body></body></html>"


class ApiError(Exception):
    """A refusal; `members` are those that not all of them have."""

    def __init__(self, status: int, message: str, category: str | None = None, **members: Any) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.members = members

    def response(self, correlation: str) -> Response:
        """correlation: the id that HubSpot's support asks for."""
        body = {"status": "error", "message": str(self), "correlationId": correlation, **self.members}
        if self.category is not None:
            body["category"] = self.category
        return Response.of_json(self.status, body)


def invalid(message: str, **members: Any) -> ApiError:
    return ApiError(400, message, "VALIDATION_ERROR", **members)


def invalid_parameter(name: str, problem: str) -> ApiError:
    return invalid(f"{name}: {problem}", errors=[{"message": problem, "in": name}])


def invalid_body(problem: str) -> ApiError:
    return invalid(f"Invalid input JSON: {problem}")


def invalid_values(problems: list[tuple[str, str, str]]) -> ApiError:
    """problems: (property, code, message). The message of the whole has them as JSON, as HubSpot's has."""
    told = [
        {"isValid": False, "message": message, "error": code, "name": name, "portalId": PORTAL}
        for name, code, message in problems
    ]
    return invalid(
        f"Property values were not valid: {json.dumps(told)}",
        errors=[
            {"message": message, "code": code, "context": {"propertyName": [name]}}
            for name, code, message in problems
        ],
    )


def not_found() -> ApiError:
    return ApiError(404, "resource not found", "OBJECT_NOT_FOUND")


def conflict(message: str) -> ApiError:
    return ApiError(409, message, "CONFLICT")


def no_credentials() -> ApiError:
    return ApiError(
        401,
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
        "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        "INVALID_AUTHENTICATION",
    )


def expired(seconds: float, at: str) -> ApiError:
    return ApiError(
        401,
        f"The OAuth token used to make this call expired {int(seconds)} second(s) ago.",
        "EXPIRED_AUTHENTICATION",
        context={"expire time": [at]},
    )


def missing_scopes(*scopes: str) -> ApiError:
    return ApiError(
        403,
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes "
        f"here: {SCOPES}.",
        "MISSING_SCOPES",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": SCOPES},
    )


def too_many(policy: str) -> ApiError:
    """policy: TEN_SECONDLY_ROLLING, DAILY or SECONDLY. None of them says how long to wait."""
    return ApiError(
        429,
        f"You have reached your {policy.partition('_ROLLING')[0].lower()} limit.",
        "RATE_LIMITS",
        errorType="RATE_LIMIT",
        policyName=policy,
    )


def failure(status: int) -> ApiError:
    """What a fault with this status says."""
    match status:
        case 401:
            return no_credentials()
        case 403:
            return missing_scopes("crm.objects.contacts.read")
        case 404:
            return not_found()
        case 429:
            return too_many("TEN_SECONDLY_ROLLING")
        case _ if status < 500:
            return invalid("The request was refused.") if status == 400 else ApiError(status, "Refused.")
    return ApiError(status, "internal error")
