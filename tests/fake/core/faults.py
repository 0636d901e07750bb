"""Rules that make answers go wrong: when (match) and how (action). README.md lists them for the user."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

from . import hostile, odd
from .http import Page, Request, Response
from .server import Wire

ACTIONS = {
    "status",
    "rate_limit",
    "drop",
    "cut",
    "hang",
    "drip",
    "garbage",
    "hostile",
    "delay",
    "duplicate",
    "reorder",
    "truncate_page",
    "odd",
}
MATCHES = {"provider", "path", "method", "header", "body", "nth", "every", "after", "probability", "times"}
GARBAGE = {
    "html": ("text/html", b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"),
    "invalid_json": ("application/json", b'{"object": "list", "data": [{"id": "cus_'),
    "empty": ("application/json", b""),
    "array": ("application/json", b"[]"),
    "null": ("application/json", b"null"),
    "no_data": ("application/json", b'{"object": "list", "has_more": true}'),
    "binary": ("application/octet-stream", bytes(range(256)) * 16),
}


@dataclass(slots=True)
class Rule:
    number: int
    match: dict[str, Any]
    action: dict[str, Any]
    pattern: re.Pattern[str] | None
    rng: random.Random
    seen: int = 0
    applied: int = 0

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "match": self.match,
            "action": self.action,
            "seen": self.seen,
            "applied": self.applied,
        }

    def wants(self, provider: str, request: Request) -> bool:
        match = self.match
        if "provider" in match and match["provider"] != provider:
            return False
        if "method" in match and match["method"].upper() != request.method:
            return False
        if self.pattern and not self.pattern.search(f"{request.path}?{request.query}"):
            return False
        if "body" in match and not re.search(match["body"], request.body.decode("utf-8", "replace")):
            return False
        for name, wanted in match.get("header", {}).items():
            if not re.search(wanted, request.headers.get(name.lower(), "")):
                return False
        if self.applied >= match.get("times", float("inf")):
            return False
        self.seen += 1
        if self.seen <= match.get("after", 0):
            return False
        nth = match.get("nth")
        if nth is not None and self.seen not in (nth if isinstance(nth, list) else [nth]):
            return False
        if "every" in match and self.seen % match["every"]:
            return False
        if "probability" in match and self.rng.random() >= match["probability"]:
            return False
        self.applied += 1
        return True


@dataclass(slots=True)
class Faults:
    """The rules in force. All randomness comes from `seed` and a rule's number."""

    seed: int
    rules: list[Rule] = field(default_factory=list)
    _numbers: int = 0
    _last_page: dict[str, list[bytes]] = field(default_factory=dict)

    def add(self, definition: dict[str, Any]) -> Rule:
        """Raises ValueError for what it does not know, so that no test relies on a rule that never fires."""
        unknown = set(definition) - {"match", "action"}
        match, action = definition.get("match", {}), definition.get("action")
        if unknown or not isinstance(match, dict) or not isinstance(action, dict):
            raise ValueError(f'a rule is {{"match": {{…}}, "action": {{…}}}}, not {json.dumps(definition)}')
        if set(match) - MATCHES:
            raise ValueError(f"match knows {', '.join(sorted(MATCHES))}, not {sorted(set(match) - MATCHES)}")
        if action.get("type") not in ACTIONS:
            raise ValueError(
                f"action.type is one of {', '.join(sorted(ACTIONS))}, not {action.get('type')!r}"
            )
        if action["type"] == "odd":
            odd.make(action.get("kind", ""), b'{"id":"x"}')
        if action["type"] == "garbage" and action.get("kind", "html") not in GARBAGE:
            raise ValueError(f"garbage is one of {', '.join(GARBAGE)}, not {action['kind']!r}")
        if action["type"] == "hostile" and action.get("kind") not in hostile.KINDS:
            raise ValueError(f"hostile is one of {', '.join(hostile.KINDS)}, not {action.get('kind')!r}")
        pattern = re.compile(match["path"]) if "path" in match else None
        self._numbers += 1
        rule = Rule(self._numbers, match, action, pattern, random.Random(f"{self.seed}:{self._numbers}"))
        self.rules.append(rule)
        return rule

    def clear(self, number: int | None = None) -> int:
        before = len(self.rules)
        self.rules = [] if number is None else [rule for rule in self.rules if rule.number != number]
        return before - len(self.rules)

    def matching(self, provider: str, request: Request) -> list[Rule]:
        return [rule for rule in self.rules if rule.wants(provider, request)]

    def remember(self, endpoint: str, response: Response) -> None:
        """Keeps the last page of an endpoint while a rule may want to repeat it."""
        if isinstance(response, Page) and any(rule.action["type"] == "duplicate" for rule in self.rules):
            self._last_page[endpoint] = list(response.items)

    def previous(self, endpoint: str) -> list[bytes]:
        return self._last_page.get(endpoint, [])


def rewrite(rule: Rule, response: Response, previous: list[bytes]) -> Response:
    """What a rule makes of an answer that was worked out properly."""
    action, rng = rule.action, rule.rng
    if action["type"] == "garbage":
        content_type, body = GARBAGE[action.get("kind", "html")]
        return Response(action.get("status", 200), body, {}, content_type)
    if action["type"] == "hostile":
        return hostile.make(action["kind"])
    if not isinstance(response, Page):
        return response
    items = response.items
    match action["type"]:
        case "duplicate" if items and (previous := response.renew(previous)):
            # As if objects had been inserted while the client paged: the tail of the page before comes again,
            # and what it pushes out of this page comes with the next one.
            count = max(1, min(action.get("count", 3), len(items) - 1, len(previous)))
            size = len(items)
            response.items = (previous[-count:] + items)[:size] if size > count else previous[-count:] + items
            response.has_more = response.has_more or len(response.items) < size + count
        case "reorder" if len(items) > 1:
            # The last object is the client's cursor: it keeps its place unless the rule says otherwise.
            keep = action.get("keep_last", True)
            head = items[:-1] if keep else list(items)
            rng.shuffle(head)
            response.items = head + items[-1:] if keep else head
        case "truncate_page" if len(items) > 1:
            response.items = items[: max(1, action.get("keep", 1))]
            response.has_more = response.has_more or len(response.items) < len(items)
        case "odd" if items:
            kind = action["kind"]
            at = {"first": 0, "middle": len(items) // 2, "last": len(items)}[action.get("position", "middle")]
            base = items[min(at, len(items) - 1)]
            if kind != "duplicate_id":
                base = json.dumps(
                    {**json.loads(base), response.id: f"odd_{rng.getrandbits(64):016x}"}
                ).encode()
            response.items = [*items[:at], odd.make(kind, base, response.id), *items[at:]]
    return response


def send(rules: list[Rule], response: Response) -> Wire:
    """The bytes, and what happens to them on the wire."""
    wire = Wire(response.encode())
    for rule in rules:
        action = rule.action
        match action["type"]:
            case "cut":
                head = len(wire.data) - len(response.body)
                wire.cut = head + int(len(response.body) * action.get("at", 0.5))
                wire.reset = action.get("reset", False)
            case "drop":
                wire.cut, wire.reset = 0, action.get("reset", False)
            case "hang":
                wire.data = (
                    wire.data[: len(wire.data) - len(response.body)] if action.get("after_head") else b""
                )
                wire.hang = True
            case "drip":
                wire.drip = float(action.get("bytes_per_second", 1000))
    return wire
