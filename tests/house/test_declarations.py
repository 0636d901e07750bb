"""Every declaration in the tree has the form that providers/provider.schema.json gives to editors."""

import json
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
    if path.name != "provider.schema.json"
]
STRIPE = json.loads((CHECKOUT / "providers" / "stripe.json").read_text())


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", DECLARATIONS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_declarations_have_the_form(path: Path) -> None:
    problems = [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(json.loads(path.read_text()))]
    assert problems == []


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
