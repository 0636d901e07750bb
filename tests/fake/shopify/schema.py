"""Shopify's own schema in its versions, read from introspection files (npm: @shopify/dev-mcp, dist/data)."""

from __future__ import annotations

import gzip
import json
import re
from functools import cached_property, lru_cache
from pathlib import Path

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    build_client_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

FILE = re.compile(r"admin_(\d{4}-\d{2}|unstable)\.json(?:-[0-9a-f]+)?\.gz")
# The tables of search fields in the descriptions of arguments.
SEARCH_FIELD = re.compile(
    r"^\|\s*`?(\w+)`?\s*\|\s*(string|time|date|id|integer|float|bigdecimal|boolean)\b", re.M
)


class Schema:
    def __init__(self, version: str, file: Path) -> None:
        self.version = version
        document = json.loads(gzip.decompress(file.read_bytes()))
        self.graphql: GraphQLSchema = build_client_schema(document.get("data", document), assume_valid=True)

    @cached_property
    def query(self) -> GraphQLObjectType:
        assert self.graphql.query_type is not None
        return self.graphql.query_type

    def object(self, name: str) -> GraphQLObjectType:
        found = self.graphql.type_map[name]
        assert isinstance(found, GraphQLObjectType)
        return found

    @lru_cache  # noqa: B019 (there are few schemas, and they stay)
    def leaves(self, name: str) -> dict[str, GraphQLOutputType]:
        """The scalar fields of a type that can be asked for without arguments."""
        return {
            field: found.type
            for field, found in self.object(name).fields.items()
            if is_leaf_type(get_named_type(found.type)) and not _required(found)
        }

    @lru_cache  # noqa: B019
    def search_fields(self, field: str) -> dict[str, str]:
        """What the argument `query` of a field of the root is documented to know: name → kind."""
        return self.search_fields_of(self.query.fields[field])

    def search_fields_of(self, field: GraphQLField) -> dict[str, str]:
        """The same of any field."""
        found = field.args.get("query")
        return dict(SEARCH_FIELD.findall(found.description or "")) if found else {}


def is_connection(name: str) -> bool:
    return name.endswith("Connection")


def _required(field: GraphQLField) -> bool:
    return any(is_required_argument(each) for each in field.args.values())


class Schemas:
    """The versions that there are files of. Each is read when it is first asked for."""

    def __init__(self, files: list[Path]) -> None:
        found = {match[1]: each for each in files if (match := FILE.fullmatch(each.name))}
        if not found:
            names = ", ".join(str(each) for each in files)
            raise ValueError(f"no introspection of the Admin API, admin_<version>.json.gz, among {names}")
        self._files = found
        self.versions = sorted(each for each in found if each != "unstable")
        self._read: dict[str, Schema] = {}

    def served(self, version: str) -> Schema | None:
        """What a request of this version gets: one that is no longer there falls forward to the oldest."""
        if version in self._files:
            return self[version]
        old = re.fullmatch(r"\d{4}-(01|04|07|10)", version) and self.versions and version < self.versions[0]
        return self[self.versions[0]] if old else None

    def newest(self) -> Schema:
        return self[self.versions[-1] if self.versions else "unstable"]

    def __getitem__(self, version: str) -> Schema:
        if version not in self._read:
            self._read[version] = Schema(version, self._files[version])
        return self._read[version]
