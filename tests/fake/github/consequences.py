"""What a change of one object does to others: most of it is no update of theirs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ..core.store import Item, dump
from .catalog import COLLECTIONS, Collection
from .objects.issues import SHARED

if TYPE_CHECKING:
    from .hub import Hub


class Consequences:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def created(self, name: str, document: dict[str, Any], above: dict[str, Any] | None) -> None:
        if above is None:
            return
        parent = str(above["id"])
        match name:
            case "issue":
                self._count_issue(document, 1)
            case "issue_comment":
                self._said(parent, document["issue_url"], document["updated_at"], 1)
            case "review" if document["state"] != "PENDING":
                repository = str(above["base"]["repo"]["id"])
                self._said(repository, document["pull_request_url"], document["submitted_at"], 0)
            case "review_comment":
                self._said(parent, document["pull_request_url"], document["updated_at"], 0)
            case "stargazer":
                self._count_stars(parent, 1)
            case "commit":
                self._pushed(parent, document)
            case "release" if not document["draft"]:
                self._tagged(parent, document["tag_name"])

    def updated(self, name: str, item: Item, before: dict[str, Any], document: dict[str, Any]) -> None:
        if name in ("issue", "pull_request"):
            self._mirror(name, item, document)
        if name == "issue":
            self._count_again(before, document)
        elif name == "label":
            self._shown_by_issues(item, "labels", document["id"], document)
        elif name == "milestone":
            self._shown_by_issues(item, "milestone", document["id"], document)

    def deleted(self, name: str, item: Item, document: dict[str, Any]) -> None:
        match name:
            case "issue":
                self._count_issue(document, -1)
            case "issue_comment":
                self._said(item.parent or "", document["issue_url"], None, -1)
            case "stargazer":
                self._count_stars(item.parent or "", -1)
            case "label":
                self._shown_by_issues(item, "labels", document["id"], None)
            case "milestone":
                self._shown_by_issues(item, "milestone", document["id"], None)

    def _mirror(self, name: str, item: Item, document: dict[str, Any]) -> None:
        """What one face of a pull request shows, the other one shows as well."""
        other = "issue" if name == "pull_request" else "pull_request"
        if name == "issue" and "pull_request" not in document:
            return
        face = self._hub.find(other, item.parent or "", "number", document["number"])
        if face is None:
            return
        before = face.document()

        def change(shown: dict[str, Any]) -> None:
            shown.update({member: document[member] for member in SHARED})
            if other == "issue":
                shown["pull_request"]["merged_at"], shown["draft"] = document["merged_at"], document["draft"]

        self._hub.amend(other, face, change)
        if other == "issue":
            self._count_again(before, face.document())

    def _count_again(self, before: dict[str, Any], issue: dict[str, Any]) -> None:
        if any(before[member] != issue[member] for member in ("state", "milestone")):
            self._count_issue(before, -1)
            self._count_issue(issue, 1)

    def _count_issue(self, issue: dict[str, Any], by: int) -> None:
        """The numbers of open issues: of the repository, and of the milestone."""
        repository = self._hub.repository(issue["repository_url"].rpartition("/repos/")[2])

        def counted(document: dict[str, Any]) -> None:
            document["open_issues"] += by
            document["open_issues_count"] += by

        if repository is not None and issue["state"] == "open":
            self._hub.amend("repository", repository, counted)
        milestone = issue["milestone"] and self._hub.get("milestone", str(issue["milestone"]["id"]))
        if milestone:
            member = f"{issue['state']}_issues"
            self._hub.amend("milestone", milestone, lambda shown: shown.update({member: shown[member] + by}))

    def _count_stars(self, repository: str, by: int) -> None:
        def counted(document: dict[str, Any]) -> None:
            for member in ("stargazers_count", "watchers_count", "watchers"):
                document[member] += by

        self._hub.amend("repository", self._hub.existing("repository", repository), counted)

    def _said(self, repository: str, address: str, moment: str | None, by: int) -> None:
        """Something was said about an issue, which counts as an update of it.

        Whether a comment's end counts as well is not documented: a client must not count on it.
        """
        item = self._hub.find("issue", repository, "number", int(address.rpartition("/")[2]))
        if item is None:
            return

        def change(document: dict[str, Any]) -> None:
            document["comments"] += by
            document["updated_at"] = max(document["updated_at"], moment or "")

        self._hub.amend("issue", item, change)
        self._mirror("issue", item, item.document())

    def _tagged(self, repository: str, name: str) -> None:
        """A release that is published makes the tag that it names."""
        if self._hub.find("tag", repository, "name", name) is None:
            now = int(self._hub.clock.now())
            self._hub.create("tag", {"name": name}, parent=repository, created=now)

    def _pushed(self, repository: str, commit: dict[str, Any]) -> None:
        item = self._hub.existing("repository", repository)
        pushed = commit["commit"]["committer"]["date"]
        latest = {"pushed_at": max(item.document()["pushed_at"], pushed)}
        self._hub.amend("repository", item, lambda shown: shown.update(latest))
        branch = self._hub.find("branch", repository, "name", item.document()["default_branch"])
        if branch is not None:
            tip = {"sha": commit["sha"], "url": commit["url"]}
            self._hub.amend("branch", branch, lambda shown: shown.update(commit=tip))

    def _shown_by_issues(self, item: Item, member: str, id: int, now: dict[str, Any] | None) -> None:
        """A label or a milestone has changed or is gone: in the issues too, and none of them is updated."""
        mark = b'"id":%d,' % id

        def change(document: dict[str, Any]) -> None:
            if member == "milestone":
                document[member] = now
            else:
                kept = (now if each["id"] == id else each for each in document[member])
                document[member] = [each for each in kept if each is not None]

        for name in ("issue", "pull_request"):
            for shown in self._hub.stores[name].children(item.parent or ""):
                if mark in shown.raw:
                    self._hub.amend(name, shown, change)

    def renamed(self, repository: Item, was: str, now: str) -> None:
        """Every address below a repository has its name in it; that is no update of anything either."""
        start = rf'(/repos/|github\.com[/:]|"full_name":"){re.escape(was)}(?=[/"{{?#]|\.git")'
        pattern, name = re.compile(start.encode()), b'"name":%b,"full_name"'
        old, new = (name % dump(each.partition("/")[2]) for each in (was, now))

        def addressed(raw: bytes) -> dict[str, Any]:
            return json.loads(pattern.sub(lambda found: found[1] + now.encode(), raw).replace(old, new))

        self._hub.replace("repository", repository, addressed(repository.raw))
        for collection in COLLECTIONS:
            for below in self._below(collection, repository.id):
                self._hub.replace(collection.name, below, addressed(below.raw))

    def _below(self, collection: Collection, repository: str) -> list[Item]:
        if collection.parent == "repository":
            return list(self._hub.stores[collection.name].children(repository))
        if collection.parent == "pull_request":
            pulls = self._hub.stores["pull_request"].children(repository)
            return [each for pull in pulls for each in self._hub.stores[collection.name].children(pull.id)]
        return []
