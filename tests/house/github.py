"""GitHub's OpenAPI document, and what it says of a request that a connector has really sent."""

from functools import lru_cache
from typing import Any

from house.openapi import openapi
from jsonschema import Draft202012Validator

PACKAGE = "@octokit/openapi@23.0.2"
DOCUMENT = "generated/api.github.com.json"
DOCUMENT_SHA256 = "829b4bebb19a53133289f7b0bc819f4f1118115821db2ca9f25e9ee995a7da2a"


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """GitHub's document, with what OpenAPI 3.0 says of null in the words of JSON Schema."""
    return _nullable(openapi(PACKAGE, DOCUMENT, DOCUMENT_SHA256))


def _nullable(node: Any) -> Any:
    if isinstance(node, list):
        return [_nullable(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _nullable(value) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def documented(template: str) -> str:
    """The document's path for another template of it, or for a path as it was asked for."""
    parts = template.strip("/").split("/")
    if parts[0] == "repositories":
        # Undocumented, and where GitHub's own links lead.
        parts = ["repos", "{}", "{}", *parts[2:]]
    if parts[3:5] in (["git", "refs"], ["git", "ref"]):
        parts = [*parts[:5], "{}"]
    best: tuple[int, str] | None = None
    for path in document()["paths"]:
        known = path.strip("/").split("/")
        if len(known) == len(parts) and all(map(_fits, known, parts)):
            best = min(best or (len(parts) + 1, ""), (sum(each.startswith("{") for each in known), path))
    if best is None:
        raise AssertionError(f"GitHub has no {template}")
    return best[1]


def _fits(known: str, part: str) -> bool:
    return known.startswith("{") or known == part


def request_problems(method: str, path: str, body: Any) -> list[str]:
    """What is wrong with a request: a method that the path has not, or another body than it takes."""
    template = documented(path)
    operation = document()["paths"][template].get(method.lower())
    if operation is None:
        return [f"{template} has no {method}"]
    taken = operation.get("requestBody")
    if taken is None:
        return [] if body is None else [f"{method} {template} takes no body"]
    schema = {**taken["content"]["application/json"]["schema"], "components": document()["components"]}
    errors = Draft202012Validator(_closed(schema)).iter_errors(body)
    return [f"{method} {template}: {error.json_path}: {error.message[:200]}" for error in errors]


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The same, with no room for members that it does not name."""
    return {"additionalProperties": False, **schema} if "properties" in schema else schema
