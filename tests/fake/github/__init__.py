"""GitHub's REST API, as its documentation and its OpenAPI document describe it.

What neither says is marked as seen or assumed where it is done.
"""

from __future__ import annotations

import random
from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from .catalog import BY_NAME
from .credentials import DEFAULT_TOKEN, Credentials, Viewer, masked
from .errors import ApiError, Moved, failure, not_found
from .hub import Hub
from .limits import Limits
from .reads import Reads
from .routes import ROOTS, Route, resolve
from .seed import populate
from .upstream import Owner
from .writes import Writes

__all__ = ["DEFAULT_TOKEN", "GitHub"]

# Budgets of their own, of what the fake has not got.
NOT_HERE = {name: {"limit": 30, "remaining": 30, "reset": 0, "used": 0} for name in ("search", "graphql")}
VERSIONS = ("2022-11-28", "2026-03-10")
ACCEPTED = ("*/*", "application/*", "application/json")
NO_USER_AGENT = (
    b"Request forbidden by administrative rules. Please make sure your request has a User-Agent header "
    b"(https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required).\n"
)


class GitHub:
    """core.app.Provider. Answers at /github/… and, for clients that can't have a prefix, at the root."""

    name = "github"
    roots = ROOTS

    def __init__(self, clock: Clock, seed: int, counts: dict[str, int] | None = None) -> None:
        self.hub = Hub(clock, seed)
        populate(self.hub, counts or {}, seed)
        self.data = Owner(self.hub, self)
        self._reads = Reads(self.hub)
        self._writes = Writes(self.hub, self._reads)
        self._credentials = Credentials(self.hub, seed)
        self._limits = Limits(clock)
        self._rng = random.Random(f"{seed}:github requests")

    # -- core.app.Provider --------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> str:
        route = resolve(request.path)
        return f"{request.method} {route.template if route else request.path}"

    def credential(self, request: Request) -> str:
        return masked(self._credentials.bucket(request))

    def limited(self, request: Request, endpoint: str, now: float, in_flight: int) -> Response | None:
        refusal = self._limits.refusal(
            request,
            self._credentials.bucket(request),
            now,
            in_flight,
            endpoint == "GET /rate_limit",
        )
        return refusal and self._dress(refusal)

    def handle(self, request: Request) -> Response:
        bucket = self._credentials.bucket(request)
        try:
            response = self._answer(request)
        except Moved as moved:
            response = self._moved(request, moved)
        except ApiError as error:
            response = error.response()
        except Refused as error:
            response = ApiError(422, str(error)).response()
        if response.status == 304 and bucket is not None:
            self._limits.refund(bucket)
        response.headers.update(self._limits.headers(bucket))
        return self._dress(response, request)

    def failure(self, status: int, retry_after: float | None = None) -> Response:
        response = failure(status).response()
        if retry_after is not None:
            response.headers["retry-after"] = f"{retry_after:g}"
        return self._dress(response)

    def failed(self, request: Request, response: Response) -> None:
        """Nothing to note: no request can be repeated under a key."""

    # -- settings -----------------------------------------------------------------------------------------

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings: see the README. Raises Refused for unknown ones."""
        limits = self._limits
        for name, value in settings.items():
            match name:
                case "rate" | "anonymous_rate" | "concurrency" | "pause":
                    setattr(limits, name, value)
                case "points_rate":
                    limits.points.configure(value, limits.points.interval)
                case "writes_rate":
                    limits.writes.configure(value, limits.writes.interval)
                case "refusal_status":
                    if value not in (403, 429):
                        raise Refused(f"GitHub refuses with 403 or 429, not {value!r}")
                    limits.status = value
                case "tokens":
                    self._credentials.set_tokens(value)
                case "app":
                    self._credentials.set_app(value)
                case "cursors":
                    unknown = set(value) - set(BY_NAME)
                    if unknown:
                        raise Refused(f"there is no collection {', '.join(sorted(unknown))}")
                    self._reads.cursors = set(value)
                case _:
                    raise Refused(f"GitHub has no setting {name!r}")
        return {
            "rate": limits.rate,
            "anonymous_rate": limits.anonymous_rate,
            "concurrency": limits.concurrency,
            "pause": limits.pause,
            "points_rate": limits.points.allowed,
            "writes_rate": limits.writes.allowed,
            "refusal_status": limits.status,
            "cursors": sorted(self._reads.cursors),
            **self._credentials.settings(),
        }

    # -- a request ----------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Response:
        if not request.headers.get("user-agent"):
            return Response(403, NO_USER_AGENT, {}, "text/plain")
        version = request.headers.get("x-github-api-version", VERSIONS[0])
        if version not in VERSIONS:
            raise ApiError(400, f"{version!r} is not a supported version; there are {', '.join(VERSIONS)}")
        self._check_accept(request)
        viewer = self._credentials.viewer(request)
        route = resolve(request.path)
        if route is None or request.path.endswith("/"):
            raise not_found()
        if request.method == "GET":
            return self._get(request, route, viewer)
        if (request.method, route.kind) == ("POST", "access_tokens"):
            self._check_app(viewer)
            body = request.json()
            wanted = body if isinstance(body, dict) else {}
            return Response.of_json(201, self._credentials.issue(route.last, wanted))
        return self._writes.answer(request, route, viewer)

    def _get(self, request: Request, route: Route, viewer: Viewer) -> Response:
        # Installations have no `self`, and an App nothing but its installations.
        match route.kind:
            case "list" | "own_repositories" | "installation_repositories":
                self._check_no_app(viewer)
                return self._reads.list(request, route, viewer)
            case "object":
                self._check_no_app(viewer)
                return self._reads.object(request, route, viewer)
            case "ref" if route.template.endswith("/git/ref/tags/{name}"):
                self._check_no_app(viewer)
                return self._reads.reference(request, route, viewer)
            case "self":
                if viewer.kind != "token":
                    raise ApiError(401 if viewer.kind == "anonymous" else 403, "Requires authentication")
                owner = self.hub.existing("user", str(self.hub.owner["id"]))
                return self._reads.show(request, "user", owner, viewer)
            case "rate_limit":
                report = self._limits.report(viewer.bucket) | {"resource": "core"}
                return Response.of_json(200, {"resources": {"core": report, **NOT_HERE}, "rate": report})
        self._check_app(viewer)
        match route.kind:
            case "app":
                return Response.of_json(200, self._credentials.app())
            case "installations":
                return Response.of_json(200, self._credentials.installations())
            case "installation":
                return Response.of_json(200, self._credentials.installation(route.last))
            case "installation_of":
                return Response.of_json(200, self._installation_of(route))
        raise not_found()

    def _installation_of(self, route: Route) -> dict[str, Any]:
        if "org" in route.given or "organization_id" in route.given:
            account = self._reads.account(route).document()
            return self._credentials.installation_of(account["login"], None)
        name = route.given.get("repository_id") or f"{route.given['owner']}/{route.given['repo']}"
        repository = self.hub.repository(name)
        if repository is None:
            raise not_found()
        owner = repository.document()["owner"]["login"]
        return self._credentials.installation_of(owner, repository.id)

    def _check_app(self, viewer: Viewer) -> None:
        if viewer.kind != "app":
            raise ApiError(401, "A JSON web token could not be decoded")

    def _check_no_app(self, viewer: Viewer) -> None:
        """An App's own token opens only what is about the App."""
        if viewer.kind == "app":
            raise ApiError(401, "Bad credentials")

    def _check_accept(self, request: Request) -> None:
        given = request.headers.get("accept", "*/*")
        types = [each.partition(";")[0].strip().lower() for each in given.split(",")]
        if not any(each in ACCEPTED or each.startswith("application/vnd.github") for each in types):
            raise ApiError(415, f"Unsupported 'Accept' header: {given!r}. Must accept 'application/json'.")

    def _moved(self, request: Request, moved: Moved) -> Response:
        """301 for reads, 307 for what has a body that has to be sent again."""
        status = 301 if request.method in ("GET", "HEAD") else 307
        query = f"?{request.query}" if request.query else ""
        address = f"http://{request.headers.get('host', 'localhost')}{request.mount}{moved.path}{query}"
        name = "Moved Permanently" if status == 301 else "Temporary Redirect"
        return Response.of_json(status, {"message": name, "url": address}, {"Location": address})

    def _dress(self, response: Response, request: Request | None = None) -> Response:
        headers = response.headers
        headers["x-github-request-id"] = f"{self._rng.getrandbits(80):020X}"
        headers["x-github-media-type"] = "github.v3; format=json"
        if request is not None:
            version = request.headers.get("x-github-api-version", VERSIONS[0])
            headers["x-github-api-version-selected"] = version if version in VERSIONS else VERSIONS[0]
        headers["Vary"] = "Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding, Accept"
        if response.status == 200:
            headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
        return response
