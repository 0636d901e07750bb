"""Shopify's refusals: a few by HTTP status, most of them with status 200."""

from __future__ import annotations

import re
from typing import Any

from graphql import GraphQLError

from ..core.http import Response

SCOPES_DOCS = "https://shopify.dev/api/usage/access-scopes"

# The statuses are documented. The words of 401 are too; those of the others are as they have been seen.
WORDS = {
    400: "Bad Request",
    401: "[API] Invalid API key or access token (unrecognized login or wrong password)",
    402: "Unavailable Shop",
    403: "Forbidden",
    404: "Not Found",
    406: "Not Acceptable",
    415: "Unsupported Media Type",
    423: "Locked",
}
# The server is graphql-ruby, whose codes these are; the words stay those of graphql-core.
CODES = (
    (r"Cannot query field", "undefinedField"),
    (r"Unknown argument", "argumentNotAccepted"),
    (r"argument .* is required, but it was not provided", "missingRequiredArguments"),
    (r"must have a selection of subfields|must not have a selection", "selectionMismatch"),
    (r"is not defined by operation|is not defined\.", "variableNotDefined"),
    (r"is never used", "variableNotUsed"),
    (r"used in position expecting", "variableMismatch"),
    (r"Unknown type", "undefinedType"),
    (r"Unknown directive", "undefinedDirective"),
    (r"Unknown fragment", "undefinedFragment"),
    (r"Fragment .* cannot be spread", "cannotSpreadFragment"),
    (
        r"Expected value|does not exist in|is not defined by type|cannot represent",
        "argumentLiteralsIncompatible",
    ),
)


class NotHere(Exception):
    """The API has it and the fake has not: that must not pass for an answer."""


class HttpError(Exception):
    def __init__(self, status: int, errors: Any = None) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors if errors is not None else WORDS.get(status, "The request was refused.")

    def response(self) -> Response:
        return Response.of_json(self.status, {"errors": self.errors})


def refused(errors: list[dict[str, Any]], extensions: dict[str, Any] | None = None) -> Response:
    """A query that is not carried out: there is no `data` at all."""
    body: dict[str, Any] = {"errors": errors}
    return Response.of_json(200, body | ({"extensions": extensions} if extensions else {}))


def invalid(error: GraphQLError) -> dict[str, Any]:
    """An error of the query itself."""
    code = next((code for words, code in CODES if re.search(words, error.message)), None)
    return error.formatted | ({"extensions": {"code": code}} if code else {})


def bad_request(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "BAD_REQUEST"})


def access_denied(field: str, scope: str) -> GraphQLError:
    required = f"`{scope}` access scope."
    message = f"Access denied for {field} field. Required access: {required}"
    return GraphQLError(
        message,
        extensions={"code": "ACCESS_DENIED", "documentation": SCOPES_DOCS, "requiredAccess": required},
    )


def throttled() -> dict[str, Any]:
    docs = "https://shopify.dev/api/usage/rate-limits"
    return {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": docs}}


def internal(request_id: str) -> dict[str, Any]:
    return {
        "message": "Internal error. Looks like something went wrong on our end.\n"
        f"Request ID: {request_id} (include this in support requests).",
        "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id},
    }
