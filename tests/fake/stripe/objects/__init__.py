"""Makers of plausible objects, one function a collection, found by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import billing, catalogue, customers, issuing, money, payments, platform, treasury
from .maker import Maker

_MODULES = (customers, catalogue, billing, payments, money, issuing, treasury, platform)


def maker_of(collection: str) -> Callable[[Maker], dict[str, Any]]:
    for module in _MODULES:
        if hasattr(module, collection):
            return getattr(module, collection)
    raise LookupError(f"nobody makes objects of {collection}")
