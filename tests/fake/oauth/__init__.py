"""An authorization server and a small API behind it: tokens that expire, rotate and are revoked.

Strict where RFC 6749, 7523, 7636 and 9700 are: a code is good once and only with what it is bound to, a
refresh token that was replaced is worth nothing. `configure` has the settings; README.md lists them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from . import assertion

CLIENT = ("fake-client", "fake-client-secret-0001")
USER = ("fake-user", "fäke:pass word")
SCOPES = "items:read profile"
PAGE = 10
COUNT = 30


class Denied(Exception):
    """A refusal in the words of RFC 6749."""

    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(error)
        self.response = Response.of_json(status, {"error": error, "error_description": description})


class OAuth:
    """A provider of the fake. It is its own data: `count` items are listed, those beyond the first new."""

    name = "oauth"
    roots: tuple[str, ...] = ()

    def __init__(self, clock: Clock, seed: int) -> None:
        self.data = self
        self._clock = clock
        self._rng = random.Random(f"{seed}:oauth")
        self._settings: dict[str, Any] = {
            "lifetime": 3600,
            "count": COUNT,
            "rotates": True,
            # An old refresh token is good until the new one is used, and not only until that is given.
            "keeps_old": False,
            "public_key": None,
            "forbidden": False,
        }
        self._codes: dict[str, dict[str, str]] = {}
        # Refresh token → the one that it took the place of and that still works, or none.
        self._refresh: dict[str, str | None] = {}
        self._access: dict[str, float] = {}
        self._granted = 0
        # When there came to be more items than at first.
        self._grown_at = 0

    # -- core.app.Provider --------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> str:
        return f"{request.method} /{request.segments[0]}"

    def credential(self, request: Request) -> str:
        held = request.headers.get("authorization", "")
        return hashlib.sha256(held.encode()).hexdigest()[:8] if held else ""

    def limited(self, request: Request, endpoint: str, now: float, in_flight: int) -> Response | None:
        return None

    def failure(self, status: int, retry_after: float | None = None) -> Response:
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return Response.of_json(status, {"error": "failed", "error_description": "as asked for"}, headers)

    def failed(self, request: Request, response: Response) -> None:
        pass

    def handle(self, request: Request) -> Response:
        try:
            return self._route(request)
        except Denied as denied:
            return denied.response

    def _route(self, request: Request) -> Response:
        match request.method, request.segments:
            case "GET", ["authorize"]:
                return self._authorize(request)
            case "POST", ["token"]:
                return self._token(request)
            case "POST", ["installations", installation, "access_tokens"]:
                return self._installation_token(request, installation)
            case "GET", ["me"]:
                self._check_bearer(request)
                return Response.of_json(200, {"id": "acct_fake"}, {"X-OAuth-Scopes": SCOPES})
            case "GET", ["items"]:
                self._check_bearer(request)
                return self._items(request)
            case "GET", ["basic"]:
                self._check_basic(request, *USER)
                return Response.of_json(200, {"id": USER[0]})
        raise Denied(404, "not_found")

    # -- what tests see and change ------------------------------------------------------------------------

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        for name, value in settings.items():
            match name:
                case "revoke":
                    self._revoke(value)
                case "issue_refresh_token":
                    self._refresh[value] = None
                case _ if name in self._settings:
                    self._settings[name] = value
                    if name == "count":
                        self._grown_at = int(self._clock.now())
                case _:
                    raise Refused(f"the authorization server has no setting {name!r}")
        return {
            **self._settings,
            "granted": self._granted,
            "access_tokens": [token for token in self._access if self._is_good(token)],
            "refresh_tokens": list(self._refresh),
        }

    def _revoke(self, what: str) -> None:
        if what in ("access", "all"):
            self._access.clear()
        if what in ("refresh", "all"):
            self._refresh.clear()

    def collections(self) -> list[dict[str, Any]]:
        return []

    # -- tokens -------------------------------------------------------------------------------------------

    def _new(self, kind: str) -> str:
        return f"{kind}_{self._rng.randbytes(18).hex()}"

    def _is_good(self, token: str) -> bool:
        return self._access.get(token, 0) > self._clock.now()

    def _authorize(self, request: Request) -> Response:
        asked = request.query_dict()
        if asked.get("client_id") != CLIENT[0] or asked.get("response_type") != "code":
            raise Denied(400, "invalid_request")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            raise Denied(400, "invalid_request", "PKCE is required")
        code = self._new("code")
        self._codes[code] = {"redirect_uri": asked["redirect_uri"], "challenge": asked["code_challenge"]}
        back = urlencode({"code": code, "state": asked["state"]})
        return Response(302, b"", {"Location": f"{asked['redirect_uri']}?{back}"})

    def _token(self, request: Request) -> Response:
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            raise Denied(400, "invalid_request", "the body is no form")
        form = dict(parse_qsl(request.body.decode(), strict_parsing=True))
        match form.get("grant_type"):
            case "authorization_code":
                self._check_client(form)
                return self._grant(self._redeem(form))
            case "refresh_token":
                self._check_client(form)
                return self._grant(self._replace(form.get("refresh_token", "")))
            case "client_credentials":
                self._check_basic(request, *map(unquote_plus, CLIENT), encoded=True)
                return self._grant(None)
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                self._check_assertion(form.get("assertion", ""))
                return self._grant(None)
        raise Denied(400, "unsupported_grant_type")

    def _grant(self, refresh_token: str | None) -> Response:
        self._granted += 1
        token = self._new("at")
        lifetime = self._settings["lifetime"]
        self._access[token] = self._clock.now() + lifetime
        body = {"access_token": token, "token_type": "bearer", "expires_in": lifetime, "scope": SCOPES}
        if refresh_token:
            body["refresh_token"] = refresh_token
        return Response.of_json(200, body, {"Cache-Control": "no-store"})

    def _redeem(self, form: dict[str, str]) -> str:
        bound = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if bound is None or bound != {"redirect_uri": form.get("redirect_uri"), "challenge": challenge}:
            raise Denied(400, "invalid_grant", "the code is not good, or not for this")
        token = self._new("rt")
        self._refresh[token] = None
        return token

    def _replace(self, given: str) -> str | None:
        if given not in self._refresh:
            # An API quotes what it was sent.
            raise Denied(400, "invalid_grant", f"the refresh token {given} is not good")
        self._refresh.pop(self._refresh[given] or "", None)
        self._refresh[given] = None
        if not self._settings["rotates"]:
            return None
        # The answer to an earlier request may have been lost: what it had is no longer good.
        for other in [token for token, old in self._refresh.items() if old == given]:
            del self._refresh[other]
        token = self._new("rt")
        self._refresh[token] = given
        if not self._settings["keeps_old"]:
            del self._refresh[given]
            self._refresh[token] = None
        return token

    def _installation_token(self, request: Request, installation: str) -> Response:
        scheme, _, held = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            raise Denied(401, "unauthorized")
        self._check_assertion(held)
        if installation != "42":
            raise Denied(404, "not_found")
        self._grant(None)
        token = next(reversed(self._access))
        expires = self._clock.now() + self._settings["lifetime"]
        return Response.of_json(201, {"token": token, "expires_at": int(expires)})

    # -- who asks -----------------------------------------------------------------------------------------

    def _check_client(self, form: dict[str, str]) -> None:
        if (form.get("client_id"), form.get("client_secret")) != CLIENT:
            raise Denied(401, "invalid_client")

    def _check_basic(self, request: Request, user: str, password: str, encoded: bool = False) -> None:
        held = request.headers.get("authorization", "").removeprefix("Basic ")
        given = base64.b64decode(held).decode().partition(":")[::2]
        if (tuple(map(unquote_plus, given)) if encoded else given) != (user, password):
            raise Denied(401, "invalid_client")

    def _check_assertion(self, token: str) -> None:
        problem = assertion.problem(token, self._settings["public_key"], self._clock.now())
        if problem:
            raise Denied(401, "invalid_grant", problem)

    def _check_bearer(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self._is_good(token):
            raise Denied(401, "invalid_token", "the access token is not good")
        if self._settings["forbidden"]:
            raise Denied(403, "insufficient_scope")

    # -- the API ------------------------------------------------------------------------------------------

    def _items(self, request: Request) -> Response:
        asked = request.query_dict()
        items = [
            {"id": f"item_{n:04}", "updated": 1_700_000_000 + n if n < COUNT else self._grown_at}
            for n in range(self._settings["count"])
        ]
        if "since" in asked:
            items = [item for item in items if item["updated"] >= int(asked["since"])]
        if after := asked.get("after"):
            items = [item for item in items if item["id"] > after]
        size = min(PAGE, int(asked.get("limit", PAGE)))
        return _listed(items[:size], len(items) > size)


def _listed(items: Iterable[dict[str, Any]], has_more: bool) -> Response:
    return Response(200, json.dumps({"items": list(items), "has_more": has_more}).encode())
