"""Lists and single objects."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..core.http import Request, Response
from ..core.store import Item, dump
from . import times
from .catalog import BY_NAME, Collection
from .credentials import Viewer
from .errors import ApiError, Moved, invalid_field, not_found
from .hub import Hub
from .listing import Listing, etag, matches, page, page_of, unchanged
from .objects import alone
from .routes import Route

CAP = 1000
"""Most workflow runs that a list with a filter gives, whatever it counts."""
DEEPEST = 400
"""Most pages of stargazers."""
KEPT_VIEWS = 64
STAR = ("application/vnd.github.star+json", "application/vnd.github.v3.star+json")
BY_MEMBER = {"issue": "number", "pull_request": "number", "milestone": "number", "label": "name"}
DATES = re.compile(r"(>=|<=|>|<)?([^.]+)|([^.]+)\.\.([^.]+)")
RUN_MEMBERS = {"branch": "head_branch", "event": "event", "head_sha": "head_sha"}


class Reads:
    """GET requests."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._views: OrderedDict[tuple[Any, ...], tuple[int, list[Item]]] = OrderedDict()
        self.cursors = {each.name for each in BY_NAME.values() if each.cursor}
        """Collections whose links go on by `after`."""

    # -- what a path names --------------------------------------------------------------------------------

    def repository(self, route: Route, viewer: Viewer, path: str) -> Item:
        """The repository of the path. Raises Moved for a name that it once had, ApiError for none."""
        given = route.given
        if "repository_id" in given:
            item = self._hub.get("repository", given["repository_id"])
        else:
            name = f"{given['owner']}/{given['repo']}"
            item = self._hub.repository(name) if not given["owner"].isdecimal() else None
            former = self._hub.renamed.get(name.lower())
            if item is None and former is not None:
                renamed = self._hub.existing("repository", former)
                if viewer.sees(renamed.document()):
                    rest = path.strip("/").split("/", 3)[3:]
                    raise Moved("/".join([f"/repositories/{former}", *rest]))
        if item is None or not viewer.sees(item.document()):
            raise not_found()
        return item

    def account(self, route: Route) -> Item:
        """The organization or user of the path."""
        for name in ("org", "organization_id", "username", "user_id"):
            if name in route.given:
                found = self._hub.account(route.given[name])
                if found is None or (found[0] != "organization" and name.startswith("org")):
                    raise not_found()
                return found[1]
        raise not_found()

    # -- lists --------------------------------------------------------------------------------------------

    def list(self, request: Request, route: Route, viewer: Viewer) -> Response:
        collection = BY_NAME[route.collection or ""]
        self._check_sees(collection.name, viewer)
        given = request.query_dict()
        parent, items, home = self._candidates(request, route, viewer, collection, given)
        if collection.name == "stargazer" and page_of(given) > DEEPEST:
            raise ApiError(
                422, "In order to keep the API fast for everyone, pagination is limited for this resource."
            )
        sort, descending = self._order(route, collection, given)
        order = self._order_of(collection, sort)
        wanted = self._filters(route, collection, given)
        key = (collection.name, parent, home, sort, *sorted(wanted.items()), viewer)
        found = self._view(key, collection, lambda: self._sorted(collection, items, wanted, order, viewer))
        total = len(found)
        if collection.name == "workflow_run" and any(name in given for name in collection.filters):
            found = found[-CAP:]
        listing = Listing(
            found,
            order,
            descending,
            home,
            self._renderer(request, collection),
            lambda shown: self._shown(collection, parent, shown),
            collection.name in self.cursors,
            "repositories" if route.kind == "installation_repositories" else collection.wrap,
            total,
        )
        return page(request, listing, viewer.bucket)

    def _candidates(
        self,
        request: Request,
        route: Route,
        viewer: Viewer,
        collection: Collection,
        given: dict[str, str],
    ) -> tuple[str | None, list[Item], str]:
        """The id above the list, what there is, and where the list is at home."""
        store = self._hub.stores[collection.name]
        match route.kind:
            case "own_repositories":
                if viewer.kind != "token":
                    raise ApiError(401 if viewer.kind == "anonymous" else 403, "Requires authentication")
                return None, store.items, "/user/repos"
            case "installation_repositories":
                if viewer.kind != "installation":
                    raise ApiError(403, "You must authenticate with an installation access token")
                return None, store.items, "/installation/repositories"
        if collection.name in ("user", "organization"):
            if collection.name == "organization" and viewer.kind != "token":
                raise ApiError(401, "Requires authentication")
            return None, store.items, "/" + collection.path
        if "owner" not in route.given and "repository_id" not in route.given:
            account = self.account(route)
            kind = "organizations" if route.template.startswith("/org") else "user"
            last = route.template.rpartition("/")[2]
            return account.id, store.children(account.id), f"/{kind}/{account.id}/{last}"
        repository = self.repository(route, viewer, request.path)
        document = repository.document()
        rest = "/".join(request.path.strip("/").split("/")[3 if "owner" in route.given else 2 :])
        home = f"/repositories/{repository.id}/{rest}"
        if collection.name == "issue" and not document["has_issues"]:
            raise ApiError(410, "Issues are disabled for this repo")
        if collection.name == "commit" and not store.children(repository.id):
            raise ApiError(409, "Git Repository is empty.")
        if collection.name == "collaborator" and viewer.kind == "anonymous":
            raise ApiError(401, "Requires authentication")
        number = route.given.get("issue_number") or route.given.get("pull_number")
        if number is None:
            return repository.id, store.children(repository.id), home
        above = "issue" if "issue_number" in route.given else "pull_request"
        item = self._numbered(above, repository, number)
        if collection.parent == "pull_request":
            return item.id, store.children(item.id), home
        return f"{repository.id}#{number}", self._hub.comments(collection.name, item.document()["url"]), home

    def _order(self, route: Route, collection: Collection, given: dict[str, str]) -> tuple[str, bool]:
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
            raise invalid_field(_resource(collection), "sort", sort)
        if direction not in (None, "asc", "desc"):
            raise invalid_field(_resource(collection), "direction", direction)
        if collection.name in ("issue_comment", "review_comment") and "sort" not in given:
            # The documentation: "Ignored without the sort parameter."
            direction = None
        return sorts[sort], descending if direction is None else direction == "desc"

    def _order_of(self, collection: Collection, sort: str) -> Callable[[Item], tuple[Any, int]]:
        if sort == "created":
            return lambda item: (item.created, item.key)
        if sort == "updated":
            touched = self._hub.touched[collection.name]
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

    def _filters(self, route: Route, collection: Collection, given: dict[str, str]) -> dict[str, str]:
        """Those of the collection's that are given or hidden. What it does not know goes unnoticed."""
        if len(route.given) > 2 and collection.name in ("issue_comment", "review_comment"):
            known: dict[str, Any] = {"since": None}
        else:
            known = {**collection.filters, **({"since": None} if collection.since else {})}
        wanted = {name: value for name, value in collection.hidden.items() if name not in given}
        if collection.name == "user":
            known["since"] = None
        for name, allowed in known.items():
            if name not in given:
                continue
            if allowed is not None and given[name] not in allowed:
                raise invalid_field(_resource(collection), name, given[name])
            wanted[name] = given[name]
        for name in ("since", "until"):
            if name in wanted and collection.name != "user":
                try:
                    wanted[name] = times.iso(times.seconds(wanted[name]))
                except ValueError:
                    raise invalid_field(_resource(collection), name, wanted[name]) from None
        return wanted

    def _view(
        self, key: tuple[Any, ...], collection: Collection, make: Callable[[], list[Item]]
    ) -> list[Item]:
        """What was sorted and filtered for the page before, as long as nothing has changed."""
        version, view = self._views.get(key, (-1, []))
        if version != self._hub.changes[collection.name]:
            view = make()
        self._views[key] = (self._hub.changes[collection.name], view)
        self._views.move_to_end(key)
        if len(self._views) > KEPT_VIEWS:
            self._views.popitem(last=False)
        return view

    def _sorted(
        self,
        collection: Collection,
        items: list[Item],
        wanted: dict[str, str],
        order: Callable[[Item], tuple[Any, int]],
        viewer: Viewer,
    ) -> list[Item]:
        found = list(items)
        if collection.name == "repository":
            found = [item for item in found if viewer.sees(item.document())]
        if collection.name == "release" and viewer.kind == "anonymous":
            found = [item for item in found if not item.document()["draft"]]
        wanted = dict(wanted)
        if "since" in wanted and collection.since:
            since, touched = wanted.pop("since"), self._hub.touched[collection.name]
            found = [item for item in found if touched[item.id] >= since]
        tests = [self._test(collection, name, value) for name, value in wanted.items()]
        tests = [test for test in tests if test is not None]
        if tests:
            found = [
                item
                for item in found
                for document in (item.document(),)
                if all(test(document) for test in tests)
            ]
        return sorted(found, key=order)

    def _test(self, collection: Collection, name: str, value: str) -> Callable[[dict[str, Any]], bool] | None:
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

    def _renderer(self, request: Request, collection: Collection) -> Callable[[Item], bytes]:
        if collection.name == "stargazer" and not any(
            each.strip() in STAR for each in request.headers.get("accept", "").split(",")
        ):
            return lambda item: item.shown if item.odd else dump(item.document()["user"])
        return lambda item: item.raw if item.odd is None else item.shown

    def _shown(self, collection: Collection, parent: str | None, shown: bytes) -> Item | None:
        """The object that a page has shown, if it is still there."""
        try:
            document = json.loads(shown)
            own = document.get("user", document) if collection.name == "stargazer" else document
            id = str(own[collection.key])
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        return self._hub.get(collection.name, f"{parent}/{id}" if collection.scoped else id)

    # -- single objects -----------------------------------------------------------------------------------

    def object(self, request: Request, route: Route, viewer: Viewer) -> Response:
        name = route.collection or ""
        self._check_sees(name, viewer)
        return self.show(request, name, self.named(request, route, viewer), viewer)

    def named(self, request: Request, route: Route, viewer: Viewer) -> Item:
        """The object that the path names. Raises ApiError or Moved when it is not there."""
        name = route.collection or ""
        if name == "repository":
            return self.repository(route, viewer, request.path)
        if name in ("organization", "user"):
            return self.account(route)
        if name == "team":
            found = self._hub.find("team", self.account(route).id, "slug", route.last)
            if found is None:
                raise not_found()
            return found
        repository = self.repository(route, viewer, request.path)
        if name == "issue" and not repository.document()["has_issues"]:
            raise ApiError(410, "Issues are disabled for this repo")
        if name in ("issue", "pull_request", "milestone"):
            return self._numbered(name, repository, route.last)
        if name == "label" or "tag_name" in route.given:
            member = "name" if name == "label" else "tag_name"
            item = self._hub.find(name, repository.id, member, route.last)
        elif name == "branch":
            item = self._hub.get(name, f"{repository.id}/{route.last}")
        else:
            item = self._hub.get(name, route.last)
        if item is None or not self._belongs(item, repository, route):
            raise not_found()
        return item

    def show(self, request: Request, name: str, item: Item, viewer: Viewer) -> Response:
        body = self.rendered(name, item)
        tag = etag(viewer.bucket, body)
        if matches(request, tag):
            return unchanged(tag)
        return Response(200, body, {"ETag": tag}, "application/json; charset=utf-8")

    def rendered(self, name: str, item: Item) -> bytes:
        return dump(alone(self._hub, name, item.document())) if item.odd is None else item.shown

    def _numbered(self, name: str, repository: Item, text: str) -> Item:
        number = int(text) if text.isdecimal() else 0
        item = self._hub.find(name, repository.id, "number", number)
        if item is not None:
            return item
        elsewhere = self._hub.transferred.get((repository.id, number))
        if name == "issue" and elsewhere is not None:
            raise Moved(f"/repositories/{elsewhere[0]}/issues/{elsewhere[1]}")
        if name == "issue" and self._hub.was_deleted(repository.id, number):
            raise ApiError(410, "This issue was deleted")
        raise not_found()

    def _belongs(self, item: Item, repository: Item, route: Route) -> bool:
        if "pull_number" not in route.given:
            return item.parent == repository.id
        pull = self._hub.get("pull_request", item.parent or "")
        number = route.given["pull_number"]
        return pull is not None and pull.parent == repository.id and str(pull.document()["number"]) == number

    def _check_sees(self, name: str, viewer: Viewer) -> None:
        if viewer.collections is not None and name not in viewer.collections:
            raise ApiError(403, "Resource not accessible by personal access token")


def _resource(collection: Collection) -> str:
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
