"""Who asks: access tokens that stay, and those that expire and are renewed."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from ..core.requestlog import masked
from .catalog import COLLECTIONS
from .errors import HttpError

DEFAULT_TOKEN = "shpat_fake"
CLIENT = {"client_id": "fake-client", "client_secret": "shpss_fake"}
LIFETIME, REFRESH_LIFETIME = 3600, 90 * 86_400
RESOURCES = sorted({each.scope for each in COLLECTIONS if each.scope})
ALL = frozenset(["read_all_orders", *(f"{verb}_{each}" for each in RESOURCES for verb in ("read", "write"))])


@dataclass(frozen=True, slots=True)
class Viewer:
    """bucket: what its limits are counted by, and whose bulk operations it sees: the app's."""

    bucket: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Who may write something may read it, too."""
        return scope in self.scopes or scope.replace("read_", "write_", 1) in self.scopes


@dataclass(slots=True)
class Grant:
    """An access token that the app was given. `expires` None: never; by the fake clock."""

    expires: float | None


class Tokens:
    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._rng = random.Random(f"{seed}:shopify tokens")
        self._tokens: dict[str, frozenset[str]] | None = None
        self._scopes = ALL
        self._codes: set[str] = set()
        self._granted: dict[str, Grant] = {}
        self._refresh: dict[str, float] = {}
        """Refresh tokens that are good → when they expire."""
        self._replaced: dict[str, set[str]] = {}
        """A refresh token → those before it, which stay good until it is used itself."""
        self.lifetime = LIFETIME
        self.granted = 0

    # -- settings -----------------------------------------------------------------------------------------

    def set_tokens(self, value: dict[str, Any] | None) -> None:
        """null: all that begin with shpat_fake. Or token → {"scopes": […]}, null for all scopes."""
        if value is None:
            self._tokens = None
            return
        for seen in value.values():
            if seen is not None and set(seen) != {"scopes"}:
                raise Refused(f'a token has {{"scopes": […]}} or null, not {seen!r}')
        self._tokens = {
            token: ALL if seen is None else _known(seen["scopes"]) for token, seen in value.items()
        }

    def set_scopes(self, value: list[str] | None) -> None:
        """Of the tokens that the app is given, and of those that no setting names."""
        self._scopes = ALL if value is None else _known(value)

    def issue_code(self, code: str) -> None:
        self._codes.add(code)

    def issue_refresh_token(self, token: str) -> None:
        self._refresh[token] = self._clock.now() + REFRESH_LIFETIME

    def revoke(self, what: str) -> None:
        if what not in ("access", "refresh", "all"):
            raise Refused(f"access, refresh or all can be revoked, not {what!r}")
        if what != "refresh":
            self._granted.clear()
        if what != "access":
            self._refresh.clear()
            self._replaced.clear()

    def settings(self) -> dict[str, Any]:
        return {
            "tokens": f"{DEFAULT_TOKEN}*"
            if self._tokens is None
            else {token: sorted(scopes) for token, scopes in self._tokens.items()},
            "scopes": sorted(self._scopes),
            "lifetime": self.lifetime,
            "granted": self.granted,
            "access_tokens": [each for each, grant in self._granted.items() if self._alive(grant)],
            "refresh_tokens": sorted(self._refresh),
            **CLIENT,
        }

    # -- who it is ----------------------------------------------------------------------------------------

    def mask(self, request: Request) -> str:
        """What the log shows of a credential: all tokens of the app are one."""
        token = request.headers.get("x-shopify-access-token", "")
        return "app" if token in self._granted else masked(token) if token else ""

    def viewer(self, request: Request) -> Viewer:
        """Raises HttpError for a token that is not good."""
        token = request.headers.get("x-shopify-access-token", "")
        grant = self._granted.get(token)
        if grant is not None:
            if not self._alive(grant):
                raise HttpError(401)
            return Viewer("app", self._scopes)
        if self._tokens is None:
            if not token.startswith(DEFAULT_TOKEN):
                raise HttpError(401)
            return Viewer(token, self._scopes)
        if token not in self._tokens:
            raise HttpError(401)
        return Viewer(token, self._tokens[token])

    def _alive(self, grant: Grant) -> bool:
        return grant.expires is None or grant.expires > self._clock.now()

    # -- POST /admin/oauth/access_token -------------------------------------------------------------------

    def answer(self, request: Request) -> Response:
        """The members of the answer are documented; the words of refusals are assumed."""
        given = _body(request)
        if {name: given.get(name) for name in CLIENT} != CLIENT:
            return _refusal(400, "invalid_client", "The client's id or secret is wrong.")
        match given.get("grant_type", "authorization_code"):
            case "authorization_code":
                code = given.get("code", "")
                if code not in self._codes:
                    return _refusal(400, "invalid_request", "The code was not found or was already used.")
                self._codes.discard(code)
                return self._granting(str(given.get("expiring", "0")) == "1", None)
            case "refresh_token":
                return self._refreshed(given.get("refresh_token", ""))
            case "client_credentials":
                return self._granted_to_itself()
        return _refusal(400, "unsupported_grant_type", "There is no such grant type.")

    def _granted_to_itself(self) -> Response:
        """For a shop of the app's own organisation: a token for a day, and none to refresh it with."""
        access, lifetime = f"shpat_{self._rng.getrandbits(128):032x}", min(self.lifetime * 24, 86_399)
        self.granted += 1
        self._granted[access] = Grant(self._clock.now() + lifetime)
        scope = ",".join(sorted(self._scopes))
        return Response.of_json(200, {"access_token": access, "scope": scope, "expires_in": int(lifetime)})

    def _refreshed(self, token: str) -> Response:
        if self._refresh.get(token, 0) <= self._clock.now():
            return _refusal(401, "invalid_grant", "This refresh token is not good, or no longer.")
        for old in self._replaced.pop(token, ()):
            self._refresh.pop(old, None)
        return self._granting(True, token)

    def _granting(self, expiring: bool, used: str | None) -> Response:
        """used: the refresh token that this is for."""
        access = f"shpat_{self._rng.getrandbits(128):032x}"
        scope = ",".join(sorted(self._scopes))
        self.granted += 1
        if not expiring:
            self._granted[access] = Grant(None)
            return Response.of_json(200, {"access_token": access, "scope": scope})
        now, refresh = self._clock.now(), f"shprt_{self._rng.getrandbits(128):032x}"
        self._granted[access] = Grant(now + self.lifetime)
        self._refresh[refresh] = now + REFRESH_LIFETIME
        if used is not None:
            # One that is used again before its successor is: neither answer may have arrived.
            self._replaced[refresh] = {used}
        return Response.of_json(200, {
            "access_token": access, "scope": scope, "expires_in": int(self.lifetime),
            "refresh_token": refresh, "refresh_token_expires_in": REFRESH_LIFETIME,
        })  # fmt: skip


def _known(scopes: list[str]) -> frozenset[str]:
    unknown = sorted(set(scopes) - ALL)
    if unknown:
        raise Refused(f"there are no scopes {', '.join(unknown)}; there are {', '.join(sorted(ALL))}")
    return frozenset(scopes)


def _body(request: Request) -> dict[str, str]:
    """A form, or JSON."""
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl(request.body.decode("utf-8", "replace")))
    try:
        found = json.loads(request.body)
    except ValueError:
        return {}
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _refusal(status: int, error: str, description: str) -> Response:
    return Response.of_json(status, {"error": error, "error_description": description})
