"""`expand[]`: ids replaced by the objects that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import bad_value

if TYPE_CHECKING:
    from .account import Account

DEEPEST = 4


def expand(account: Account, document: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """Raises ApiError for a path that is too deep or leads nowhere."""
    if not isinstance(paths, list):
        raise bad_value("expand", "Invalid array: expand")
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEEPEST:
            raise bad_value("expand", f"You cannot expand more than {DEEPEST} levels of a property: {path}")
        _walk(account, document, steps, path)
    return document


def _walk(account: Account, node: Any, steps: list[str], path: str) -> None:
    if isinstance(node, list):
        for each in node:
            _walk(account, each, steps, path)
        return
    if not isinstance(node, dict) or not steps:
        return
    name, rest = steps[0], steps[1:]
    if name not in node:
        raise bad_value("expand", f"This property cannot be expanded ({path}).")
    value = node[name]
    if isinstance(value, str):
        found = account.locate(value)
        if found is None:
            raise bad_value("expand", f"This property cannot be expanded ({path}).")
        node[name] = value = found.document()
    _walk(account, value, rest, path)
