"""Parameters: `a[b][]=c` into trees, and each checked against what the endpoint knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import ApiError, bad_integer, bad_value, missing_parameter, unknown_parameter

KEYS = re.compile(r"\[([^\]]*)\]")
BOUNDS = ("gt", "gte", "lt", "lte")
TRUE, FALSE = "true", "false"


def tree(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Nested hashes and lists; `[]` appends, `[0]` makes a list of what has only numbers for keys."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        base, bracket, _ = name.partition("[")
        keys = [base, *KEYS.findall(name[len(base) :])] if bracket else [base]
        if bracket and base + "".join(f"[{key}]" for key in keys[1:]) != name:
            raise ApiError(400, f"Invalid parameter name: {name}", param=name)
        node = root
        for at, key in enumerate(keys):
            if key == "":
                key = str(len(node))
            if at == len(keys) - 1:
                if key in node and isinstance(node[key], dict):
                    raise ApiError(400, f"{name} is both a value and a hash", param=name)
                node[key] = value
            else:
                node = node.setdefault(key, {})
                if not isinstance(node, dict):
                    raise ApiError(400, f"{name} is both a value and a hash", param=name)
    return {name: _lists(value) for name, value in root.items()}


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_lists(node[key]) for key in sorted(node, key=int)]
    return {name: _lists(value) for name, value in node.items()}


def integer(name: str, value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,15}", value):
        raise bad_integer(name, value)
    return int(value)


def boolean(name: str, value: Any) -> bool:
    if value not in (TRUE, FALSE):
        raise bad_value(name, f"Invalid boolean: {value}")
    return value == TRUE


def bounds(name: str, value: Any) -> tuple[int | None, int | None]:
    """A filter such as `created` as [from, before): exact, or gt, gte, lt, lte."""
    if not isinstance(value, dict):
        exact = integer(name, value)
        return exact, exact + 1
    low: int | None = None
    high: int | None = None
    for bound, text in value.items():
        if bound not in BOUNDS:
            raise unknown_parameter(f"{name}[{bound}]")
        number = integer(f"{name}[{bound}]", text)
        if bound in ("gt", "gte"):
            number += bound == "gt"
            low = number if low is None else max(low, number)
        else:
            number += bound == "lte"
            high = number if high is None else min(high, number)
    return low, high


def check_known(given: Mapping[str, Any], known: Mapping[str, str] | set[str] | frozenset[str]) -> None:
    for name in given:
        if name not in known:
            raise unknown_parameter(name)


def check_required(given: Mapping[str, Any], required: frozenset[str] | set[str]) -> None:
    for name in sorted(required):
        if given.get(name) in (None, ""):
            raise missing_parameter(name)


def page_size(given: Mapping[str, Any]) -> int:
    limit = integer("limit", given.get("limit", "10"))
    if not 1 <= limit <= 100:
        raise ApiError(
            400,
            f"limit must be between 1 and 100, not {limit}",
            code="parameter_invalid_integer",
            param="limit",
        )
    return limit


def check_kind(name: str, value: Any, kind: str) -> None:
    """Raises when a filter's value is not of its kind (str, bool, range, list, hash, int)."""
    if kind == "bool":
        boolean(name, value)
    elif kind == "range":
        bounds(name, value)
    elif kind == "list" and not isinstance(value, list):
        raise bad_value(name, f"Invalid array: {name}")
    elif kind == "hash" and not isinstance(value, dict):
        raise bad_value(name, f"Invalid object: {name}")
    elif kind == "str" and not isinstance(value, str):
        raise bad_value(name, f"Invalid string: {name}")
