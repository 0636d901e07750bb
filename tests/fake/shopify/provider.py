"""The Admin API as core.app serves it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from .cost import ENDLESS, PLANS, Bucket
from .engine import Engine, Question
from .errors import HttpError
from .schema import Schemas
from .seed import populate
from .shop import Shop
from .tokens import Tokens
from .upstream import Merchant

GRAPHQL = re.compile(r"/admin/api/(?:([\w-]+)/)?graphql\.json")
TOKEN_PATH = "/admin/oauth/access_token"


class Shopify:
    """core.app.Provider. Answers at /shopify/… and, for clients that can't have a prefix, at the root."""

    name = "shopify"
    roots = ("admin", "_files")

    def __init__(
        self, clock: Clock, seed: int, files: list[Path], counts: dict[str, int] | None = None
    ) -> None:
        """files: introspections of Shopify's schema, of one version or of several."""
        self._schemas = Schemas(files)
        self._clock = clock
        self._shop = Shop(clock, seed, self._schemas.newest())
        populate(self._shop, counts or {}, seed)
        self.data = Merchant(self._shop, self)
        self._tokens = Tokens(clock, seed)
        self._engine = Engine(self._shop, seed)

    # -- core.app.Provider --------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> str:
        if GRAPHQL.fullmatch(request.path):
            return f"{request.method} /admin/api/{{version}}/graphql.json"
        if request.path.startswith("/_files/"):
            return f"{request.method} /_files/{{name}}"
        return f"{request.method} {request.path}"

    def credential(self, request: Request) -> str:
        return self._tokens.mask(request)

    def limited(self, request: Request, endpoint: str, now: float, in_flight: int) -> Response | None:
        """What a query costs is known when it has been read, and not before."""
        return None

    def handle(self, request: Request) -> Response:
        try:
            response, version = self._answer(request)
        except HttpError as error:
            response, version = error.response(), None
        response.headers["X-Request-Id"] = self._engine.request_id()
        if version is not None:
            response.headers["X-Shopify-API-Version"] = version
        return response

    def failure(self, status: int, retry_after: float | None = None) -> Response:
        """429 is a throttled query, which has status 200; so has Shopify's own failure, asked for as 200."""
        if status == 429:
            return self._engine.throttled(retry_after or 1, "", 0.0)
        if status == 200 or status >= 500:
            return self._engine.failed(status)
        return HttpError(status).response()

    def failed(self, request: Request, response: Response) -> None:
        """Nothing to note: what is idempotent remembers what it has done itself."""

    # -- settings -----------------------------------------------------------------------------------------

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings: see the README. Raises Refused for unknown ones."""
        engine, tokens = self._engine, self._tokens
        for name, value in settings.items():
            match name:
                case "cost":
                    engine.bucket = _bucket(value)
                case "cap":
                    engine.cap = value
                case "tokens":
                    tokens.set_tokens(value)
                case "scopes":
                    tokens.set_scopes(value)
                case "lifetime":
                    tokens.lifetime = float(value)
                case "issue_code":
                    tokens.issue_code(value)
                case "issue_refresh_token":
                    tokens.issue_refresh_token(value)
                case "revoke":
                    tokens.revoke(value)
                case "bulk_seconds":
                    engine.bulk.seconds = float(value)
                case "bulk_failure":
                    codes = self._shop.schema.graphql.type_map["BulkOperationErrorCode"].values
                    if value is not None and value not in codes:
                        raise Refused(f"a bulk operation fails with {', '.join(codes)}, not {value!r}")
                    engine.bulk.failure = value
                case _:
                    raise Refused(f"Shopify has no setting {name!r}")
        bucket = engine.bucket
        return {
            "versions": self._schemas.versions,
            "cost": None
            if bucket.maximum is None
            else {"maximum": bucket.maximum, "restore_rate": bucket.restore_rate, "single": bucket.single},
            "throttled": bucket.beyond,
            "cap": engine.cap,
            "bulk_seconds": engine.bulk.seconds,
            "bulk_failure": engine.bulk.failure,
            "leaks": engine.bulk.leaks,
            **tokens.settings(),
        }

    # -- a request ----------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> tuple[Response, str | None]:
        if request.path.startswith("/_files/"):
            return self._engine.bulk.file(request), None
        if request.path == TOKEN_PATH:
            if request.method != "POST":
                raise HttpError(404)
            return self._tokens.answer(request), None
        match = GRAPHQL.fullmatch(request.path)
        # Without a version it is the oldest that there is.
        schema = self._schemas.served(match[1] or "2000-01") if match else None
        if schema is None or request.method != "POST":
            raise HttpError(404)
        viewer = self._tokens.viewer(request)
        text, variables, name = _query(request)
        files = f"http://{request.headers.get('host', 'localhost')}{request.mount}"
        question = Question(schema, viewer, text, variables, name, files, request.received)
        return self._engine.answer(question), schema.version


def _bucket(value: Any) -> Bucket:
    """null: no limits; the name of a plan; or its members."""
    if value is None:
        return Bucket(None, ENDLESS[1])
    if isinstance(value, str):
        if value not in PLANS:
            raise Refused(f"a plan is {', '.join(PLANS)}, not {value!r}")
        return Bucket(*PLANS[value])
    return Bucket(**value)


def _query(request: Request) -> tuple[str, dict[str, Any], str | None]:
    """The query, its variables and the operation's name, from JSON or from the bare text."""
    type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if type == "application/graphql":
        return request.body.decode("utf-8", "replace"), {}, None
    if type != "application/json":
        raise HttpError(415)
    try:
        body = json.loads(request.body)
    except ValueError:
        raise HttpError(400) from None
    query = body.get("query") if isinstance(body, dict) else None
    if not isinstance(query, str):
        raise HttpError(400, {"query": "Required parameter missing or invalid"})
    variables = body.get("variables") or {}
    if not isinstance(variables, dict):
        raise HttpError(400, {"variables": "Variables must be a hash"})
    return query, variables, body.get("operationName")
