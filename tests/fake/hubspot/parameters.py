"""What a query or a body says. HubSpot passes over parameters that it doesn't know."""

from __future__ import annotations

import json
from typing import Any

from ..core.http import Request
from .errors import invalid_body, invalid_parameter

BATCH = 100
"""Most inputs of a batch."""


def size(request: Request, most: int, default: int) -> int:
    text = request.query_dict().get("limit")
    if text is None:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise invalid_parameter("limit", f"must be a number from 1 to {most}, not {text!r}")
    return int(text)


def flag(request: Request, name: str) -> bool:
    text = request.query_dict().get(name, "false")
    if text not in ("true", "false"):
        raise invalid_parameter(name, f"{text!r} is neither true nor false")
    return text == "true"


def names(request: Request, parameter: str) -> list[str] | None:
    """With commas between them, or one a parameter; None when there is none."""
    given = [value for name, value in request.query_pairs() if name == parameter]
    return [each for value in given for each in value.split(",") if each] if given else None


def body(request: Request) -> dict[str, Any]:
    """The body, which must be an object."""
    try:
        found = request.json()
    except ValueError as error:
        raise invalid_body(str(error)) from None
    if not isinstance(found, dict):
        raise invalid_body("an object is expected")
    return found


def inputs(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The inputs of a batch: objects, and not too many."""
    found = given.get("inputs")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise invalid_body("inputs must be a list of objects")
    if not found:
        raise invalid_parameter("inputs", "some elements are missing: it is empty")
    if len(found) > BATCH:
        raise invalid_parameter("inputs", f"{len(found)} inputs exceed the limit of {BATCH}")
    return found


def texts(given: dict[str, Any], name: str) -> list[str] | None:
    """A list of texts in a body; None when it is missing."""
    found = given.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise invalid_body(f"{name} must be a list of texts, not {json.dumps(found)}")
    return found
