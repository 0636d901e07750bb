"""Makers of plausible objects, one function a collection, found by its name.

They make what lists show. A read of one object shows more of some kinds (`alone`): members that would come
and go for a client that mixes the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import accounts, code, issues
from .maker import Maker

if TYPE_CHECKING:
    from ..hub import Hub

_MODULES = (accounts, code, issues)


def maker_of(collection: str) -> Callable[[Maker], dict[str, Any]]:
    for module in _MODULES:
        if hasattr(module, collection):
            return getattr(module, collection)
    raise LookupError(f"nobody makes objects of {collection}")


def alone(hub: Hub, collection: str, document: dict[str, Any]) -> dict[str, Any]:
    """A document as a read of this one object shows it."""
    for module in _MODULES:
        if hasattr(module, f"alone_{collection}"):
            return getattr(module, f"alone_{collection}")(hub, document)
    return document
