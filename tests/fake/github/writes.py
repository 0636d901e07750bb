"""POST, PATCH and DELETE, for what people write through the API. No write can be told from its repetition."""

from __future__ import annotations

import json
import re
from typing import Any

from ..core.data import Refused
from ..core.http import Request, Response
from ..core.store import Item
from .catalog import BY_NAME
from .credentials import Viewer
from .errors import ApiError, already_exists, invalid, invalid_field, missing_field
from .hub import Hub
from .reads import Reads
from .routes import Route

TEXT, BOOL, LIST, NUMBER, ANY = "string", "boolean", "array", "integer", "object or string"
KINDS: dict[str, Any] = {TEXT: str, BOOL: bool, LIST: list, NUMBER: int, ANY: (dict, str)}

# What each collection's writes know: member → kind; with `?` it may be null. What a new one needs is before.
FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "issue": ("title", {
        "title": TEXT, "body": "string?", "state": TEXT, "state_reason": "string?", "labels": LIST,
        "assignees": LIST, "milestone": "integer?",
    }),
    "pull_request": ("title head base", {
        "title": TEXT, "body": "string?", "state": TEXT, "base": TEXT, "head": TEXT, "draft": BOOL,
        "maintainer_can_modify": BOOL,
    }),
    "issue_comment": ("body", {"body": TEXT}),
    "review": ("", {"body": TEXT, "event": TEXT, "commit_id": TEXT, "comments": LIST}),
    "review_comment": ("body commit_id path", {
        "body": TEXT, "commit_id": TEXT, "path": TEXT, "line": NUMBER, "side": TEXT, "position": NUMBER,
        "subject_type": TEXT, "in_reply_to": NUMBER,
    }),
    "deployment": ("ref", {
        "ref": TEXT, "task": TEXT, "auto_merge": BOOL, "required_contexts": LIST, "payload": ANY,
        "environment": TEXT, "description": "string?", "transient_environment": BOOL,
        "production_environment": BOOL,
    }),
    "label": ("name", {"name": TEXT, "new_name": TEXT, "color": TEXT, "description": "string?"}),
    "milestone": ("title", {
        "title": TEXT, "state": TEXT, "description": "string?", "due_on": "string?",
    }),
    "release": ("tag_name", {
        "tag_name": TEXT, "target_commitish": TEXT, "name": "string?", "body": "string?", "draft": BOOL,
        "prerelease": BOOL,
    }),
    "repository": ("", {
        "name": TEXT, "description": "string?", "private": BOOL, "has_issues": BOOL, "archived": BOOL,
        "default_branch": TEXT,
    }),
}  # fmt: skip
CREATED = set(FIELDS) - {"repository"}
CHANGED = set(FIELDS) - {"review", "deployment"}
DELETED = {
    "issue_comment", "review_comment", "label", "milestone", "release", "review", "deployment",
    "workflow_run",
}  # fmt: skip
# What is listed beneath a repository, and made beneath something in it.
MADE_BELOW = {"issue_comment": "issue_number", "review_comment": "pull_number", "review": "pull_number"}
EVENTS = {
    None: "PENDING", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED",
}  # fmt: skip
# Who has made an object is told there.
AUTHORS = {
    "label": None, "milestone": "creator", "release": "author", "deployment": "creator", "repository": None,
}  # fmt: skip
UNIQUE = {"label": "name", "release": "tag_name", "milestone": "title"}
# From what the documentation says in prose, not from its schemas: labels that come into being by being used,
# names that may not be taken twice, and that an archived repository takes no writes.
REASONS = ("completed", "not_planned", "reopened", "duplicate", None)


class Writes:
    def __init__(self, hub: Hub, reads: Reads) -> None:
        self._hub = hub
        self._reads = reads

    def answer(self, request: Request, route: Route, viewer: Viewer) -> Response:
        name = route.collection or ""
        if viewer.kind in ("anonymous", "app"):
            raise ApiError(401, "Requires authentication")
        if viewer.collections is not None and name not in viewer.collections:
            raise ApiError(403, "Resource not accessible by personal access token")
        match request.method, route.kind:
            case "POST", "list" if name in CREATED and MADE_BELOW.get(name, "") in ("", *route.given):
                return self._create(request, route, viewer, name)
            case "PATCH", "object" if name in CHANGED:
                return self._change(request, route, viewer, name)
            case "PUT", "object" if name == "review":
                return self._change(request, route, viewer, name)
            case "DELETE", "object" if name in DELETED:
                return self._delete(request, route, viewer, name)
            case "DELETE", "ref" if "/git/refs/" in route.template:
                return self._delete_reference(request, route, viewer, name)
        raise ApiError(404, "Not Found")

    def _create(self, request: Request, route: Route, viewer: Viewer, name: str) -> Response:
        repository = self._reads.repository(route, viewer, request.path)
        self._check_archived(repository)
        data = self._body(request, name, True)
        parent = repository.id
        if name in MADE_BELOW:
            above = self._above(route, repository, data, MADE_BELOW[name])
            parent = above.id if name == "review" else parent
        self._check_unique(name, repository.id, data, None)
        if name == "label":
            data.setdefault("color", "ededed")
            data.setdefault("description", None)
        if name == "issue":
            data = {"body": None, "labels": [], "assignees": [], "milestone": None, "state": "open", **data}
            self._check_issue(repository.id, data)
        if name == "release":
            data = {"draft": False, "prerelease": False, "name": None, "body": None, **data}
        data.pop("state_reason", None)
        author = AUTHORS.get(name, "user")
        user = {author: self._hub.owner} if author else {}
        now = int(self._hub.clock.now())
        match name:
            case "pull_request":
                item = self._create_pull_request(repository, {**user, **data}, now)
                return self._written(201, name, item)
            case "review":
                return self._written(200, name, self._create_review(parent, {**user, **data}, now))
            case "deployment":
                data = self._deployed(repository, data)
        item = self._hub.create(name, {**user, **data}, parent=parent, created=now)
        return self._written(201, name, item)

    def _above(self, route: Route, repository: Item, data: dict[str, Any], member: str) -> Item:
        """The issue or the pull request of the path; what is made beneath it is told its number."""
        number = route.given[member]
        data[member] = int(number) if number.isdecimal() else 0
        collection = "issue" if member == "issue_number" else "pull_request"
        above = self._hub.find(collection, repository.id, "number", data[member])
        if above is None:
            raise ApiError(404, "Not Found")
        return above

    def _create_pull_request(self, repository: Item, data: dict[str, Any], now: int) -> Item:
        head, base, owner = data.pop("head"), data.pop("base"), repository.document()["owner"]["login"]
        if self._commit_of(repository, base) is None:
            raise invalid_field("PullRequest", "base", base)
        for each in self._hub.stores["pull_request"].children(repository.id):
            document = each.document()
            if (document["state"], document["head"]["ref"], document["base"]["ref"]) == ("open", head, base):
                problem = f"A pull request already exists for {owner}:{head}."
                raise invalid("PullRequest", {"code": "custom", "message": problem})
        usual = {
            "body": None,
            "labels": [],
            "assignees": [],
            "milestone": None,
            "state": "open",
            "draft": False,
        }
        data = usual | data
        data.pop("maintainer_can_modify", None)
        item = self._hub.create("pull_request", data, parent=repository.id, created=now)

        def between(document: dict[str, Any]) -> None:
            for side, ref in (("head", head), ("base", base)):
                document[side] = {**document[side], "ref": ref, "label": f"{owner}:{ref}"}

        self._hub.amend("pull_request", item, between)
        return self._hub.existing("pull_request", item.id)

    def _create_review(self, pull: str, data: dict[str, Any], now: int) -> Item:
        """Without an event it is pending, and nobody has been told."""
        event = data.pop("event", None)
        for member in ("comments", "commit_id", "pull_number"):
            data.pop(member, None)
        if event not in EVENTS:
            raise invalid_field("PullRequestReview", "event", event)
        if event in ("REQUEST_CHANGES", "COMMENT") and not data.get("body"):
            raise missing_field("PullRequestReview", "body")
        data = {"body": "", **data, "state": EVENTS[event]}
        item = self._hub.create("review", data, parent=pull, created=now)
        if event is None:
            self._hub.amend("review", item, lambda document: document.pop("submitted_at"))
        return self._hub.existing("review", item.id)

    def _deployed(self, repository: Item, data: dict[str, Any]) -> dict[str, Any]:
        sha = self._commit_of(repository, data["ref"])
        if sha is None:
            raise ApiError(422, f"No ref found for: {data['ref']}")
        data.pop("auto_merge", None)
        data.pop("required_contexts", None)
        environment = data.get("environment", "production")
        return {
            "sha": sha, "task": "deploy", "payload": {}, "description": None, "environment": environment,
            "original_environment": environment, "transient_environment": False,
            "production_environment": environment == "production", **data,
        }  # fmt: skip

    def _commit_of(self, repository: Item, ref: str) -> str | None:
        """What a branch or a tag points to, or the commit itself; a default branch is always there."""
        for name in ("branch", "tag"):
            found = self._hub.get(name, f"{repository.id}/{ref}")
            if found is not None:
                return found.document()["commit"]["sha"]
        commit = self._hub.get("commit", f"{repository.id}/{ref}")
        if commit is not None:
            return ref
        return "0" * 40 if ref == repository.document()["default_branch"] else None

    def _delete(self, request: Request, route: Route, viewer: Viewer, name: str) -> Response:
        item = self._reads.named(request, route, viewer)
        self._check_writable(item)
        document = item.document()
        if name == "workflow_run" and document["status"] != "completed":
            raise ApiError(403, "Workflow run is not completed, so it can't be deleted")
        if name == "review":
            if document["state"] != "PENDING":
                raise ApiError(422, "Can not delete a non-pending pull request review")
            shown = self._reads.rendered(name, item)
            self._hub.withdraw(item.id)
            return Response(200, shown, {}, "application/json; charset=utf-8")
        self._hub.delete(name, item.id)
        return Response(204)

    def _delete_reference(self, request: Request, route: Route, viewer: Viewer, name: str) -> Response:
        repository = self._reads.repository(route, viewer, request.path)
        self._check_archived(repository)
        item = self._reads.referred(route, repository)
        if item is None:
            raise ApiError(422, "Reference does not exist")
        if name == "branch" and item.document()["name"] == repository.document()["default_branch"]:
            raise ApiError(422, "Cannot delete the default branch")
        self._hub.delete(name, item.id)
        return Response(204)

    def _change(self, request: Request, route: Route, viewer: Viewer, name: str) -> Response:
        item = self._reads.named(request, route, viewer)
        data = self._body(request, name, False)
        if not (name == "repository" and data.get("archived") is False):
            self._check_writable(item)
        if name == "review":
            if set(data) != {"body"}:
                raise missing_field("PullRequestReview", "body")
            self._hub.amend("review", item, lambda document: document.update(data))
            return self._written(200, name, self._hub.existing("review", item.id))
        if name == "pull_request":
            for member in ("head", "draft", "maintainer_can_modify"):
                data.pop(member, None)
        if name in ("issue_comment", "review_comment"):
            data = {member: value for member, value in data.items() if member == "body"}
        if "new_name" in data:
            data["name"] = data.pop("new_name")
        elif name == "label":
            data.pop("name", None)
        if name == "issue":
            self._check_issue(item.parent or "", data)
        if name == "repository":
            data |= {"visibility": "private" if data["private"] else "public"} if "private" in data else {}
        if isinstance(data.get("base"), str):
            base = item.document()["base"]
            data["base"] = {**base, "ref": data["base"], "label": f"{base['user']['login']}:{data['base']}"}
        self._check_unique(name, item.parent or "", data, item)
        try:
            changed = self._hub.update(name, item.id, data, self._hub.clock.now())
        except Refused as error:
            raise ApiError(422, str(error)) from None
        return self._written(200, name, changed)

    def _written(self, status: int, name: str, item: Item) -> Response:
        body = self._reads.rendered(name, item)
        response = Response(status, body, {}, "application/json; charset=utf-8")
        if status == 201 and "url" in item.document():
            response.headers["Location"] = item.document()["url"]
        return response

    # -- what is checked ----------------------------------------------------------------------------------

    def _body(self, request: Request, name: str, creates: bool) -> dict[str, Any]:
        """What the write knows of the body; what it does not know goes unnoticed."""
        resource = name.title().replace("_", "")
        try:
            data = json.loads(request.body or b"{}")
        except ValueError:
            raise ApiError(400, "Problems parsing JSON") from None
        if not isinstance(data, dict):
            raise ApiError(400, "Body should be a JSON object")
        required, known = FIELDS[name][0].split(), FIELDS[name][1]
        for member in required if creates else ():
            if data.get(member) in (None, ""):
                raise missing_field(resource, member)
        data = {member: value for member, value in data.items() if member in known}
        for member, value in data.items():
            kind = known[member].rstrip("?")
            nullable = known[member].endswith("?") and value is None
            if not nullable and (not isinstance(value, KINDS[kind]) or (kind == NUMBER and value is True)):
                raise ApiError(
                    422,
                    f"Invalid request.\n\nFor 'properties/{member}', {json.dumps(value)} is not a {kind}.",
                )
        if data.get("state", "open") not in ("open", "closed"):
            raise invalid_field(resource, "state", data["state"])
        if data.get("state_reason") not in REASONS:
            raise invalid_field(resource, "state_reason", data["state_reason"])
        if "color" in data and not re.fullmatch(r"[0-9A-Fa-f]{6}", data["color"]):
            raise invalid_field(resource, "color", data["color"])
        for member in required:
            if member in data and not data[member].strip():
                raise missing_field(resource, member)
        placed = {"line", "position", "in_reply_to"} & set(data) or data.get("subject_type") == "file"
        if name == "review_comment" and creates and not placed:
            raise missing_field(resource, "line")
        if len(data.get("body") or "") > 65_536:
            raise invalid(
                resource,
                {
                    "code": "custom",
                    "field": "body",
                    "message": "body is too long (maximum is 65536 characters)",
                },
            )
        return data

    def _check_issue(self, repository: str, data: dict[str, Any]) -> None:
        for login in data.get("assignees", []):
            found = self._hub.account(login) if isinstance(login, str) else None
            if found is None or found[0] != "user":
                raise invalid_field("Issue", "assignees", login)
        milestone = data.get("milestone")
        if milestone is not None and self._hub.find("milestone", repository, "number", milestone) is None:
            raise invalid_field("Issue", "milestone", milestone)
        # A label is given by its name, or as an object that has one.
        names = [each.get("name") if isinstance(each, dict) else each for each in data.get("labels", [])]
        if not all(isinstance(each, str) and each for each in names):
            raise invalid_field("Label", "name", names)
        if "labels" in data:
            data["labels"] = names

    def _check_unique(self, name: str, repository: str, data: dict[str, Any], item: Item | None) -> None:
        member = UNIQUE.get(name)
        if member is None or member not in data:
            return
        found = self._hub.find(name, repository, member, data[member])
        if found is not None and found is not item:
            raise already_exists(BY_NAME[name].name.title(), member)

    def _check_writable(self, item: Item) -> None:
        above = self._hub.get("repository", item.parent or "") or self._hub.get("repository", item.id)
        if above is not None:
            self._check_archived(above)

    def _check_archived(self, repository: Item) -> None:
        if repository.document()["archived"]:
            raise ApiError(403, "Repository was archived so is read-only.")
