"""The fields of Stripe's objects are what Stripe's own OpenAPI document says."""

import importlib.util
import json
from types import ModuleType
from typing import Any

import pytest
from house.test_declarations import SCHEMA
from house.test_providers import CHECKOUT, DECLARATION, document
from jsonschema import Draft202012Validator

FILE = CHECKOUT / "providers" / "stripe.fields.json"
VALIDATOR = Draft202012Validator(
    {**SCHEMA["$defs"]["collection"]["properties"]["fields"], "$defs": SCHEMA["$defs"]}
)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stripe_fields", CHECKOUT / "scripts" / "stripe_fields.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_is_what_the_script_writes() -> None:
    generator = script()
    assert FILE.read_text(encoding="utf-8") == generator.written(generator.fields(document(), DECLARATION))


def test_the_file_has_the_form() -> None:
    for name, fields in json.loads(FILE.read_text(encoding="utf-8")).items():
        assert [f"{name}{each.json_path}: {each.message}" for each in VALIDATOR.iter_errors(fields)] == []


@pytest.mark.parametrize(
    ("collection", "field", "expected"),
    [
        ("customer", "created", {"type": "timestamptz", "format": "unix_seconds"}),
        ("customer", "balance", "bigint"),
        ("customer", "metadata", "jsonb"),
        ("customer", "default_source", "text"),  # can be expanded, and isn't
        ("price", "unit_amount_decimal", "numeric"),
        ("price", "billing_scheme", "text"),  # one of a few words
        ("customer_source", "exp_year", "bigint"),  # cards have it, bank accounts don't
    ],
)
def test_a_field_has_the_type_of_its_schema(collection: str, field: str, expected: Any) -> None:
    assert json.loads(FILE.read_text(encoding="utf-8"))[collection][field] == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"": "text"},
        {"a": "int"},
        {"a": {"at": "/b"}},
        {"a": {"type": "text", "at": "b"}},
        {"a": {"type": "text", "format": "iso8601"}},
        {"a": {"type": "text", "colour": "red"}},
    ],
    ids=str,
)
def test_the_schema_tells_what_is_wrong(wrong: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(wrong)
    assert VALIDATOR.is_valid({"a": {"type": "timestamptz", "format": "iso8601", "at": "/b/c"}, "b": "text"})
