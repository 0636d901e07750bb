"""Lists and single objects."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..core.http import Request, Response
from ..core.store import Item, dump
from . import filters
from .catalog import BY_NAME, Collection
from .credentials import Viewer
from .errors import ApiError, Moved, not_found
from .hub import Hub
from .listing import Listing, etag, matches, page, page_of, unchanged
from .objects import alone
from .routes import Route

CAP = 1000
"""Most workflow runs that a list with a filter gives, which is documented; that it counts them all is not."""
DEEPEST = 400
"""Most pages of stargazers; as it was seen to be."""
KEPT_VIEWS = 64
STAR = ("application/vnd.github.star+json", "application/vnd.github.v3.star+json")


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
        sort, descending = filters.sorting(route, collection, given)
        order = filters.order(self._hub, collection, sort)
        wanted = filters.wanted(collection, given)

        def chosen() -> list[Item]:
            seen = [item for item in items if self._sees(collection, item, viewer)]
            return sorted(filters.matching(self._hub, collection, seen, wanted), key=order)

        key = (collection.name, parent, home, sort, *sorted(wanted.items()), viewer)
        found = self._view(key, collection, chosen)
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
        # These three are documented as statuses of the lists; what they say is as it was seen to be.
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

    def _sees(self, collection: Collection, item: Item, viewer: Viewer) -> bool:
        if collection.name == "repository":
            return viewer.sees(item.document())
        if collection.name == "release" and viewer.kind == "anonymous":
            return not item.document()["draft"]
        return True

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

    def reference(self, request: Request, route: Route, viewer: Viewer) -> Response:
        """What a tag is to git."""
        self._check_sees(route.collection or "", viewer)
        repository = self.repository(route, viewer, request.path)
        tag = self.referred(route, repository)
        if tag is None:
            raise not_found()
        document, start = tag.document(), repository.document()["url"]
        sha = document["commit"]["sha"]
        return Response.of_json(
            200,
            {
                "ref": f"refs/tags/{document['name']}",
                "node_id": document["node_id"],
                "url": f"{start}/git/refs/tags/{document['name']}",
                "object": {"sha": sha, "type": "commit", "url": f"{start}/git/commits/{sha}"},
            },
        )

    def referred(self, route: Route, repository: Item) -> Item | None:
        """The branch or the tag of the path: names of these are told apart by case."""
        return self._hub.get(route.collection or "", f"{repository.id}/{route.last}")

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
        elif name in ("branch", "commit"):
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
