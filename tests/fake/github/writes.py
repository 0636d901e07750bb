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

TEXT, BOOL, LIST, NUMBER = "string", "boolean", "array", "integer"
KINDS = {TEXT: str, BOOL: bool, LIST: list, NUMBER: int}

# What each collection's writes know: member → kind; with `?` it may be null. The first list is required.
FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "issue": ("title", {
        "title": TEXT, "body": "string?", "state": TEXT, "state_reason": "string?", "labels": LIST,
        "assignees": LIST, "milestone": "integer?",
    }),
    "pull_request": ("", {"title": TEXT, "body": "string?", "state": TEXT, "base": TEXT}),
    "issue_comment": ("body", {"body": TEXT}),
    "review_comment": ("body", {"body": TEXT}),
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
CREATED = {"issue", "issue_comment", "label", "milestone", "release"}
CHANGED = set(FIELDS)
DELETED = {"issue_comment", "review_comment", "label", "milestone", "release"}
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
            case "POST", "list" if name in CREATED and (
                "issue_number" in route.given or name != "issue_comment"
            ):
                return self._create(request, route, viewer, name)
            case "PATCH", "object" if name in CHANGED:
                return self._change(request, route, viewer, name)
            case "DELETE", "object" if name in DELETED:
                item = self._reads.named(request, route, viewer)
                self._check_writable(item)
                self._hub.delete(name, item.id)
                return Response(204)
        raise ApiError(404, "Not Found")

    def _create(self, request: Request, route: Route, viewer: Viewer, name: str) -> Response:
        repository = self._reads.repository(route, viewer, request.path)
        self._check_archived(repository)
        data = self._body(request, name, True)
        if "issue_number" in route.given:
            above = route.given["issue_number"]
            data["issue_number"] = int(above) if above.isdecimal() else 0
            if self._hub.find("issue", repository.id, "number", data["issue_number"]) is None:
                raise ApiError(404, "Not Found")
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
        user = {} if name in ("label", "milestone", "release") else {"user": self._hub.owner}
        now = int(self._hub.clock.now())
        item = self._hub.create(name, {**user, **data}, parent=repository.id, created=now)
        return self._written(201, name, item)

    def _change(self, request: Request, route: Route, viewer: Viewer, name: str) -> Response:
        item = self._reads.named(request, route, viewer)
        data = self._body(request, name, False)
        if not (name == "repository" and data.get("archived") is False):
            self._check_writable(item)
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
        if status == 201:
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
        required, known = FIELDS[name]
        if creates and required and data.get(required) in (None, ""):
            raise missing_field(resource, required)
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
        if required in data and not data[required].strip():
            raise missing_field(resource, required)
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
