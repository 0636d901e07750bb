"""The fields of GitHub's objects are what GitHub's own OpenAPI document says."""

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from house.openapi import openapi
from house.test_declarations import SCHEMA
from jsonschema import Draft202012Validator

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = CHECKOUT / "providers" / "github.fields.json"
DECLARATION = json.loads((CHECKOUT / "providers" / "github.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(
    {**SCHEMA["$defs"]["collection"]["properties"]["fields"], "$defs": SCHEMA["$defs"]}
)

PACKAGE = "@octokit/openapi@23.0.2"
MEMBER = "generated/api.github.com.json"
SHA256 = "829b4bebb19a53133289f7b0bc819f4f1118115821db2ca9f25e9ee995a7da2a"


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    return openapi(PACKAGE, MEMBER, SHA256)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("github_fields", CHECKOUT / "scripts" / "github_fields.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared() -> dict[str, dict[str, Any]]:
    return json.loads(FILE.read_text(encoding="utf-8"))


def test_the_file_is_what_the_script_writes() -> None:
    generator = script()
    assert FILE.read_text(encoding="utf-8") == generator.written(generator.fields(document(), DECLARATION))


def test_each_collection_has_fields_of_the_form() -> None:
    assert list(declared()) == [collection["name"] for collection in DECLARATION["collections"]]
    for name, fields in declared().items():
        assert len(fields) >= 2, name
        assert [f"{name}{each.json_path}: {each.message}" for each in VALIDATOR.iter_errors(fields)] == []


@pytest.mark.parametrize(
    ("collection", "field", "expected"),
    [
        ("issue", "id", "bigint"),
        ("issue", "closed_at", "timestamptz"),
        ("issue", "labels", "jsonb"),
        ("issue", "assignee", "jsonb"),
        ("issue", "state", "text"),
        ("repository", "subscribers_count", "bigint"),  # of those that are read alone
        ("repository", "full_name", "text"),
        ("stargazer", "starred_at", "timestamptz"),  # of the form that is asked for
        ("commit", "sha", "text"),
        ("workflow_run", "run_attempt", "bigint"),  # in an object with other things
    ],
)
def test_a_field_has_the_type_of_its_schema(collection: str, field: str, expected: str) -> None:
    assert declared()[collection][field] == expected
