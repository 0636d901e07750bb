"""The bodies of requests against Stripe's OpenAPI document, as they went over the wire: forms."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fake.stripe import params
from fake.stripe.errors import ApiError
from house.test_providers import operations_of, strict
from jsonschema import Draft202012Validator

FORM = "application/x-www-form-urlencoded"


def validate_body(method: str, path: str, content_type: str, body: str) -> list[str]:
    """What the document has against a body, a sentence a problem; empty when it is fine.

    `path`: as Stripe would see it, without query.
    """
    return [f"{method} {path}: {problem}" for problem in _problems(method, path, content_type, body)]


def _problems(method: str, path: str, content_type: str, body: str) -> Iterator[str]:
    operation = (operations_of(path) or {}).get(method.lower())
    if operation is None:
        yield "no such operation"
        return
    content = operation.get("requestBody", {}).get("content", {})
    if body and content_type.partition(";")[0] not in content:
        yield f"the body is {content_type or 'of no type'}, not {', '.join(content) or 'empty'}"
        return
    schema = strict(content.get(FORM, {}).get("schema", {}))
    try:
        given = params.tree(parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body)))
    except (ApiError, ValueError) as error:
        yield f"{body!r} is no form: {error}"
        return
    for error in Draft202012Validator(schema).iter_errors(_typed(given, schema)):
        yield f"{error.json_path}: {error.message}"


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value of a form, where all is text, as the schema wants it where its text can be read so."""
    if "anyOf" in schema:
        readings = [(_typed(value, branch), branch) for branch in schema["anyOf"]]
        fitting = (each for each, branch in readings if Draft202012Validator(branch).is_valid(each))
        return next(fitting, readings[0][0])
    if isinstance(value, dict):
        named, others = schema.get("properties", {}), schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        return {name: _typed(below, named.get(name, others)) for name, below in value.items()}
    if isinstance(value, list):
        return [_typed(below, schema.get("items", {})) for below in value]
    return _scalar(value, schema.get("type"))


def _scalar(text: str, kind: str | None) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    reading = {"integer": int, "number": float}.get(kind or "")
    if reading is None:
        return text
    try:
        return reading(text)
    except ValueError:
        return text
