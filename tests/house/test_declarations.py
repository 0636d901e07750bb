"""Declarations, and the parts of one in the guide, have the form that the JSON Schema gives to editors."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

CHECKOUT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((CHECKOUT / "providers" / "provider.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
DECLARATIONS = [
    path
    for path in (*CHECKOUT.glob("providers/*.json"), *CHECKOUT.glob("tests/fake/*/declaration.json"))
    if path.name != "provider.schema.json" and not path.name.endswith(".fields.json")
]
GUIDE = (CHECKOUT / "docs" / "declaring.md").read_text(encoding="utf-8")
PARTS = re.findall(r'^```json\n(".*?)^```$', GUIDE, re.MULTILINE | re.DOTALL)
WRITTEN_OUT = runpy.run_path(str(CHECKOUT / "scripts" / "provider_tables.py"))["written_out"]
STRIPE = json.loads((CHECKOUT / "providers" / "stripe.json").read_text())


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", DECLARATIONS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_declarations_have_the_form(path: Path) -> None:
    assert problems(json.loads(path.read_text())) == []


@pytest.mark.parametrize("path", DECLARATIONS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_what_templates_make_has_the_form(path: Path) -> None:
    assert problems(WRITTEN_OUT(json.loads(path.read_text()))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": "Stripe!"},
        {"colour": "red"},
        {"rate_limit": {"allowed_requests": 0, "interval": 1}},
        {"pagination": {"kind": "magic", "items": ""}},
        {"pagination": {"kind": "cursor", "items": ""}},
        {"record": {"id": "id"}},
        {"collections": []},
    ],
    ids=str,
)
def test_the_schema_tells_what_is_wrong(wrong: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid({**STRIPE, **wrong})


def declared_in_the_guide() -> dict[str, Any]:
    [text] = re.findall(r"register_provider\(\$declaration\$(.*?)\$declaration\$\)", GUIDE, re.DOTALL)
    return json.loads(text)


def problems(declaration: dict[str, Any]) -> list[str]:
    return [f"{each.json_path}: {each.message}" for each in VALIDATOR.iter_errors(declaration)]


def test_the_declaration_of_the_guide_has_the_form() -> None:
    assert problems(declared_in_the_guide()) == []
    assert len(PARTS) >= 9


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.partition(":")[0].strip('"'))
def test_the_parts_in_the_guide_have_the_form(part: str) -> None:
    """Each is a member of a declaration, or members of a collection."""
    members = json.loads(f"{{{part}}}")
    declaration = declared_in_the_guide()
    at_the_top = members.keys() <= set(SCHEMA["properties"])
    place = declaration if at_the_top else declaration["collections"][0]
    assert members.keys() <= set((SCHEMA if at_the_top else SCHEMA["$defs"]["collection"])["properties"])
    place |= members
    assert problems(declaration) == []
