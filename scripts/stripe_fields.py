"""Writes providers/stripe.fields.json: the fields that Stripe's own OpenAPI document has."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "providers" / "stripe.fields.json"

MOMENT = {"type": "timestamptz", "format": "unix_seconds"}
TYPES = {"string": "text", "integer": "bigint", "number": "numeric", "boolean": "boolean"}
FORMATS = {"unix-time": MOMENT, "decimal": "numeric"}


def fields(document: dict[str, Any], declaration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Collection → field → type, as a declaration has it."""
    schemas = Schemas(document)
    return {
        collection["name"]: schemas.fields(collection["path"]) for collection in declaration["collections"]
    }


def written(fields: dict[str, dict[str, Any]]) -> str:
    """As the file has it: a line a field, so that a difference shows which."""
    collections = []
    for name, types in fields.items():
        members = [f"    {json.dumps(field)}: {json.dumps(kind)}" for field, kind in types.items()]
        collections.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(members) + "\n  }")
    return "{\n" + ",\n".join(collections) + "\n}\n"


class Schemas:
    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self._paths = {_shape(path): operations for path, operations in document["paths"].items()}

    def fields(self, path: str) -> dict[str, Any]:
        """Of the objects that a list has. One that is of several types, in different objects, is jsonb."""
        answer = self._paths[_shape(path)]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        types: dict[str, list[Any]] = {}
        for page in self._alternatives(answer):
            for item in self._alternatives(page["properties"]["data"]["items"]):
                for name, schema in item["properties"].items():
                    types.setdefault(name, []).append(self._type(schema))
        return {name: of[0] if of.count(of[0]) == len(of) else "jsonb" for name, of in sorted(types.items())}

    def _type(self, schema: dict[str, Any]) -> Any:
        # What can be expanded is an id as long as nobody asks for more.
        if "x-expansionResources" in schema:
            return "text"
        found = [
            FORMATS.get(each.get("format", ""), TYPES.get(each.get("type", ""), "jsonb"))
            for each in self._alternatives(schema)
        ]
        return found[0] if found.count(found[0]) == len(found) else "jsonb"

    def _alternatives(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The schemas of which an instance matches one."""
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        if "anyOf" not in schema:
            yield schema
        for branch in schema.get("anyOf", []):
            yield from self._alternatives(branch)


def _shape(path: str) -> str:
    """The path with its placeholders' names taken away."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from house.test_providers import DECLARATION, document

    FILE.write_text(written(fields(document(), DECLARATION)), encoding="utf-8")


if __name__ == "__main__":
    main()
