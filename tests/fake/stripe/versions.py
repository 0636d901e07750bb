"""How an object looks in another API version. Objects are kept in the form of 2024-04-10.

Only the differences that a client notices are made: enough to show that an event's object, which is rendered
in the account's version, need not look like the object that a pinned version gets.
"""

from __future__ import annotations

import re
from typing import Any

DEFAULT = "2024-04-10"
SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


def valid(version: str) -> bool:
    return SHAPE.fullmatch(version) is not None


def plain(version: str) -> bool:
    """Whether the stored bytes serve this version as they are."""
    return "2020-08-27" <= version[:10] < "2025-03-31"


def render(document: dict[str, Any], version: str) -> dict[str, Any]:
    """The document in `version`; the same object when nothing differs."""
    day = version[:10]
    kind = document.get("object")
    if day < "2020-08-27" and kind == "customer":
        # Sub-lists used to come along unasked.
        return {
            **document,
            "sources": _empty(document, "sources"),
            "subscriptions": _empty(document, "subscriptions"),
            "tax_ids": _empty(document, "tax_ids"),
        }
    if day >= "2025-03-31" and kind == "subscription":
        # The period moved to the items.
        start, end = document.get("current_period_start"), document.get("current_period_end")
        rest = {name: value for name, value in document.items() if not name.startswith("current_period_")}
        items = rest.get("items")
        if isinstance(items, dict):
            moved = [
                {**item, "current_period_start": start, "current_period_end": end} for item in items["data"]
            ]
            rest["items"] = {**items, "data": moved}
        return rest
    if day >= "2025-03-31" and kind == "invoice":
        rest = {
            name: value
            for name, value in document.items()
            if name not in ("subscription", "subscription_details", "paid", "charge", "payment_intent", "tax")
        }
        parent = None
        if document.get("subscription"):
            parent = {
                "type": "subscription_details",
                "quote_details": None,
                "subscription_details": {"subscription": document["subscription"], "metadata": {}},
            }
        return {**rest, "parent": parent}
    return document


def _empty(document: dict[str, Any], what: str) -> dict[str, Any]:
    url = f"/v1/customers/{document['id']}/{what}"
    return {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": url}
