"""Writes providers/github.fields.json: the fields that GitHub's own OpenAPI document has."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "providers" / "github.fields.json"

TYPES = {"string": "text", "integer": "bigint", "number": "numeric", "boolean": "boolean"}
FORMATS = {"date-time": "timestamptz", "date": "date"}
# Lists beneath a repository are asked for by its id; the document has them by its name.
BY_ID = re.compile(r"^/repositories/\{[^}]*\}")

Declared = dict[str, Any]


def fields(document: dict[str, Any], declaration: Declared) -> dict[str, dict[str, str]]:
    """Collection → field → type, as a declaration has it."""
    schemas = Schemas(document)
    return {
        collection["name"]: schemas.fields(collection, declaration)
        for collection in declaration["collections"]
    }


def written(fields: dict[str, dict[str, str]]) -> str:
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

    def fields(self, collection: Declared, declaration: Declared) -> dict[str, str]:
        """Of the objects that a collection's lists have. What has another type in others of them is jsonb."""
        id = {**declaration["record"], **collection.get("record", {})}["id"].split("/")[1]
        types: dict[str, list[str]] = {}
        for item in self._items(collection, declaration["pagination"]):
            for object in self._alternatives(item):
                # Of several forms that a list can have, it is the one that has the id.
                properties = object.get("properties", {})
                for name, schema in properties.items() if id in properties else ():
                    types.setdefault(name, []).append(self._type(schema))
        return {name: of[0] if of.count(of[0]) == len(of) else "jsonb" for name, of in sorted(types.items())}

    def _items(self, collection: Declared, usual: Declared) -> Iterator[dict[str, Any]]:
        """The schemas of what the collection's lists have in them."""
        at = collection.get("pagination", usual)["items"].strip("/")
        path = collection["path"]
        for each in [{"path": path}] if isinstance(path, str) else path:
            operation = self._paths[_shape(BY_ID.sub("/repos/{owner}/{repo}", each["path"]))]["get"]
            answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
            for page in self._alternatives(answer):
                if each.get("single"):
                    yield page
                else:
                    yield (page["properties"][at] if at else page)["items"]

    def _type(self, schema: dict[str, Any]) -> str:
        found = [
            FORMATS.get(each.get("format", ""), TYPES.get(each.get("type", ""), "jsonb"))
            for each in self._alternatives(schema)
            if each.get("type") != "null"
        ]
        return found[0] if found and found.count(found[0]) == len(found) else "jsonb"

    def _alternatives(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The schemas of which an instance matches one."""
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        branches = schema.get("anyOf", schema.get("oneOf"))
        # Some only say again of what is there which of it is needed.
        if branches is None or "properties" in schema:
            yield schema
            return
        for branch in branches:
            yield from self._alternatives(branch)


def _shape(path: str) -> str:
    """The path with its placeholders' names taken away."""
    # The template of a repository's name has two segments there, and one in an option.
    path = path.replace("/repos/{repositories}", "/repos/{owner}/{repo}")
    return re.sub(r"\{[^}]*\}", "{}", path)


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from house.test_github_fields import DECLARATION, document

    FILE.write_text(written(fields(document(), DECLARATION)), encoding="utf-8")


if __name__ == "__main__":
    main()
