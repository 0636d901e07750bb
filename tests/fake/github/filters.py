"""What a list is sorted by, and what its filters let through."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..core.store import Item
from . import times
from .catalog import Collection
from .errors import invalid_field
from .hub import Hub
from .routes import Route

DATES = re.compile(r"(>=|<=|>|<)?([^.]+)|([^.]+)\.\.([^.]+)")
RUN_MEMBERS = {"branch": "head_branch", "event": "event", "head_sha": "head_sha"}

Order = Callable[[Item], tuple[Any, int]]


def sorting(route: Route, collection: Collection, given: dict[str, str]) -> tuple[str, bool]:
    """What the list is sorted by, and whether it begins with the largest."""
    sorts, descending = dict(collection.sorts), collection.descending
    default = next(iter(sorts))
    if route.kind == "own_repositories" or "username" in route.given or "user_id" in route.given:
        default = "full_name"
    if collection.name == "repository":
        descending = given.get("sort", default) != "full_name"
    if collection.name == "pull_request":
        descending = given.get("sort", "created") == "created"
    if len(sorts) == 1:
        return sorts[default], descending
    sort, direction = given.get("sort", default), given.get("direction")
    if sort not in sorts:
        raise invalid_field(resource(collection), "sort", sort)
    if direction not in (None, "asc", "desc"):
        raise invalid_field(resource(collection), "direction", direction)
    if collection.name in ("issue_comment", "review_comment") and "sort" not in given:
        # The documentation: "Ignored without the sort parameter."
        direction = None
    return sorts[sort], descending if direction is None else direction == "desc"


def order(hub: Hub, collection: Collection, sort: str) -> Order:
    """The place of an object in a list that is sorted so; no two have the same."""
    if sort == "created":
        return lambda item: (item.created, item.key)
    if sort == "updated":
        touched = hub.touched[collection.name]
        return lambda item: (touched.get(item.id, ""), item.key)

    def member(item: Item) -> tuple[Any, int]:
        document = item.document()
        if sort == "completeness":
            every = document["open_issues"] + document["closed_issues"]
            return (document["closed_issues"] / every if every else 0, item.key)
        # Without a date: behind all that have one.
        missing: Any = "~" if sort == "due_on" else ""
        return (missing if document[sort] is None else document[sort], item.key)

    return member


def wanted(collection: Collection, given: dict[str, str]) -> dict[str, str]:
    """Those of the collection's that are given or hidden. What it does not know goes unnoticed."""
    known = {**collection.filters, **({"since": None} if collection.since else {})}
    found = {name: value for name, value in collection.hidden.items() if name not in given}
    for name, allowed in known.items():
        if name not in given:
            continue
        if allowed is not None and given[name] not in allowed:
            raise invalid_field(resource(collection), name, given[name])
        found[name] = given[name]
    for name in ("since", "until"):
        if name in found and collection.name != "user":
            try:
                found[name] = times.iso(times.seconds(found[name]))
            except ValueError:
                raise invalid_field(resource(collection), name, found[name]) from None
    return found


def matching(hub: Hub, collection: Collection, items: list[Item], found: dict[str, str]) -> list[Item]:
    """The objects that every filter lets through."""
    found = dict(found)
    if "since" in found and collection.since:
        since, touched = found.pop("since"), hub.touched[collection.name]
        items = [item for item in items if touched[item.id] >= since]
    tests = [test for test in (_test(collection, *each) for each in found.items()) if test is not None]
    if not tests:
        return items
    return [item for item in items if _passes(item.document(), tests)]


def _passes(document: dict[str, Any], tests: list[Callable[[dict[str, Any]], bool]]) -> bool:
    return all(test(document) for test in tests)


def _test(collection: Collection, name: str, value: str) -> Callable[[dict[str, Any]], bool] | None:
    if value == "all" or (name, value) == ("type", "member"):
        return None
    match collection.name, name:
        case "user", "since":
            after = int(value) if value.isdecimal() else 0
            return lambda shown: shown["id"] > after
        case "repository", "type":
            if value in ("public", "private"):
                return lambda shown: shown["visibility"] == value
            return lambda shown: shown["fork"] == (value == "forks")
        case "commit", "since":
            return lambda shown: shown["commit"]["committer"]["date"] >= value
        case "commit", "until":
            return lambda shown: shown["commit"]["committer"]["date"] <= value
        case "commit", "author":
            return lambda shown: shown["author"] is not None and shown["author"]["login"] == value
        case "commit", "sha":
            # Every branch of a fake repository has the whole history.
            return None
        case "branch", "protected":
            return lambda shown: shown["protected"] == (value == "true")
        case "issue", "labels":
            names = {each.lower() for each in value.split(",")}
            return lambda shown: names <= {each["name"].lower() for each in shown["labels"]}
        case "issue", "creator":
            return lambda shown: shown["user"]["login"] == value
        case "issue", "assignee":
            return lambda shown: _one_of(value, {each["login"] for each in shown["assignees"]})
        case "issue", "milestone":
            return lambda shown: _one_of(
                value, {str(shown["milestone"]["number"])} if shown["milestone"] else set()
            )
        case "pull_request", "head":
            return lambda shown: shown["head"]["label"] == value
        case "pull_request", "base":
            return lambda shown: shown["base"]["ref"] == value
        case "workflow_run", "status":
            return lambda shown: value in (shown["status"], shown["conclusion"])
        case "workflow_run", "created":
            return _created(value)
        case "workflow_run", "actor":
            return lambda shown: shown["actor"]["login"] == value
        case "workflow_run", _:
            return lambda shown: shown[RUN_MEMBERS[name]] == value
        case "member" | "collaborator", _:
            # Nobody here is an administrator, or from outside.
            return (lambda shown: False) if value in ("admin", "outside") else None
    return lambda shown: shown[name] == value


def resource(collection: Collection) -> str:
    """`issue_comment` as an error names it: IssueComment."""
    return collection.name.title().replace("_", "")


def _one_of(value: str, found: set[str]) -> bool:
    return bool(found) if value == "*" else not found if value == "none" else value in found


def _created(value: str) -> Callable[[dict[str, Any]], bool]:
    """GitHub's syntax of a range: `>=2024-01-01`, `2024-01-01..2024-02-01`, or one day."""
    found = DATES.fullmatch(value)
    try:
        if found is None:
            raise ValueError(value)
        sign, one, first, last = found.groups()
        if first is not None:
            low, high = times.iso(times.seconds(first)), times.iso(times.seconds(last) + _rest_of_day(last))
            return lambda shown: low <= shown["created_at"] <= high
        at, end = times.iso(times.seconds(one)), times.iso(times.seconds(one) + _rest_of_day(one))
    except ValueError:
        raise invalid_field("WorkflowRun", "created", value) from None
    match sign:
        case ">=":
            return lambda shown: shown["created_at"] >= at
        case "<=":
            return lambda shown: shown["created_at"] <= end
        case ">":
            return lambda shown: shown["created_at"] > end
        case "<":
            return lambda shown: shown["created_at"] < at
    return lambda shown: at <= shown["created_at"] <= end


def _rest_of_day(text: str) -> int:
    """A date without a time means the whole day."""
    return 86_399 if len(text) == 10 else 0
