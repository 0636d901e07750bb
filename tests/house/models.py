"""What the models of HubSpot's own client declare, as JSON Schema.

The client is made from HubSpot's descriptions of its APIs; its declarations say what each object has, what it
must have, and of which type that is.
"""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

CODEGEN = Path(__file__).resolve().parents[1] / "node_modules/@hubspot/api-client/lib/codegen"
CLASS = re.compile(r"export declare class (\w+) \{\n(.*?)\n    static ", re.DOTALL)
ENUM = re.compile(r"export declare enum (\w+) \{\n(.*?)\n\}", re.DOTALL)
MEMBER = re.compile(r"^    '([^']+)'(\?)?: ([^;]+);$", re.MULTILINE)
OF_ANY_NAME = re.compile(r"\{\s*\[key: string\]: ([^;]+);\s*\}")
PLAIN = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "any": {},
    "Date": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
}


@lru_cache(maxsize=256)
def model(api: str, name: str) -> dict[str, Any]:
    """The schema of a model, with no members but those that it declares; `api`: such as `crm/objects`."""
    text = (CODEGEN / api / "models" / f"{name}.d.ts").read_text()
    declared = CLASS.search(text)
    assert declared is not None, f"{name} of {api} is no class"
    enums = {enum: re.findall(r'= "([^"]*)"', body) for enum, body in ENUM.findall(text)}
    members = MEMBER.findall(OF_ANY_NAME.sub(r"Map<\1>", declared[2]))
    return {
        "type": "object",
        "properties": {member: _typed(api, type, enums) for member, _, type in members},
        "required": [member for member, optional, _ in members if not optional],
        "additionalProperties": False,
    }


def _typed(api: str, type: str, enums: dict[str, list[str]]) -> dict[str, Any]:
    type = type.strip()
    if (inner := re.fullmatch(r"(Array|Set|Map)<(.*)>", type)) is not None:
        below = _typed(api, inner[2], enums)
        if inner[1] == "Map":
            return {"type": "object", "additionalProperties": below}
        return {"type": "array", "items": below}
    if "|" in type:
        return {"anyOf": [_typed(api, each, enums) for each in type.split("|")]}
    if type in enums:
        return {"enum": enums[type]}
    return PLAIN[type] if type in PLAIN else model(api, type)


# The client takes sorts for texts, and HubSpot documents them as objects.
UNKNOWN_TO_MODELS = {"search": {"sorts"}, "batch/read": set()}
REQUESTS = {"search": "PublicObjectSearchRequest", "batch/read": "BatchReadInputSimplePublicObjectId"}


def body_problems(path: str, body: str) -> list[str]:
    """What is wrong with the body of a search or of a batch of records to be read; empty for other requests.

    `path`: as HubSpot sees it, without query.
    """
    kind = next((kind for kind in REQUESTS if re.fullmatch(rf"/crm/v3/objects/[^/]+/{kind}", path)), None)
    if kind is None:
        return []
    given = {name: value for name, value in json.loads(body).items() if name not in UNKNOWN_TO_MODELS[kind]}
    schema = model("crm/objects", REQUESTS[kind])
    # What is not asked for need not be said.
    wanted = [name for name in schema["required"] if name != "propertiesWithHistory"]
    errors = Draft202012Validator({**schema, "required": wanted}).iter_errors(given)
    return [f"POST {path}: {error.json_path}: {error.message[:200]}" for error in errors]
