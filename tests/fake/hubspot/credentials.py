"""Who asks: a private app with its token, or an application with one that it was granted by OAuth."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ..core.clock import Clock
from ..core.data import Refused
from ..core.http import Request, Response
from ..core.requestlog import masked
from .errors import ApiError, expired, missing_scopes, no_credentials
from .limits import Limits
from .values import iso

DEFAULT_TOKEN = "pat-fake"
CLIENT = ("hubspot-fake-client", "hubspot-fake-secret-01")
CODE_LIFE = 60
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LONGEST = 300


@dataclass(slots=True)
class Code:
    """Good once, for a minute, and only with the address that it was sent to."""

    redirect: str
    expires: float


class Credentials:
    """token_life: of an access token, in seconds of the fake clock.

    That codes live for a minute and the words of the refusals are as others have quoted them; the members
    `error` and `error_description` of the dated endpoint are assumed.
    """

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._rng = random.Random(f"{seed}:hubspot tokens")
        self._tokens: dict[str, list[str] | None] | None = None
        self._codes: dict[str, Code] = {}
        self._refresh: set[str] = set()
        self._access: dict[str, float] = {}
        self._granted = 0
        self.token_life = 1800.0

    # -- settings -----------------------------------------------------------------------------------------

    def set_tokens(self, value: Any, known: set[str]) -> None:
        """Which are good: null for all that begin with pat-fake, or token → collections, null for all."""
        named = {each for seen in (value or {}).values() for each in seen or ()}
        if named - known:
            raise Refused(f"there is no collection {', '.join(sorted(named - known))}")
        self._tokens = value

    def issue_refresh_token(self, token: str) -> None:
        self._refresh.add(token)

    def revoke(self, what: str) -> None:
        if what not in ("access", "refresh", "all"):
            raise Refused(f"revoke is access, refresh or all, not {what!r}")
        if what != "refresh":
            self._access.clear()
        if what != "access":
            self._refresh.clear()

    def settings(self) -> dict[str, Any]:
        return {
            "tokens": f"{DEFAULT_TOKEN}*" if self._tokens is None else self._tokens,
            "token_life": self.token_life,
            "granted": self._granted,
            "refresh_tokens": sorted(self._refresh),
        }

    # -- who it is ----------------------------------------------------------------------------------------

    def bucket(self, request: Request) -> str:
        """What shares the limits with this request, be its credential good or not."""
        token = _token(request)
        return Limits.OAUTH if token in self._access else token

    def mask(self, request: Request) -> str:
        bucket = self.bucket(request)
        return bucket if bucket in ("", Limits.OAUTH) else masked(bucket)

    def check(self, request: Request) -> list[str] | None:
        """The collections that the caller may see, None for all. Raises ApiError for who may see none."""
        token = _token(request)
        if token in self._access:
            late = self._clock.now() - self._access[token]
            if late >= 0:
                raise expired(late, iso(int(self._access[token] * 1000)))
            return None
        if not (token.startswith(DEFAULT_TOKEN) if self._tokens is None else token in self._tokens):
            raise no_credentials()
        return (self._tokens or {}).get(token)

    # -- OAuth --------------------------------------------------------------------------------------------

    def authorize(self, request: Request) -> Response:
        """As if somebody had agreed. HubSpot's is on another host."""
        asked = request.query_dict()
        if asked.get("client_id") != CLIENT[0] or not asked.get("redirect_uri"):
            raise ApiError(400, "missing or unknown client id or redirect uri")
        code = self._new(36)
        self._codes[code] = Code(asked["redirect_uri"], self._clock.now() + CODE_LIFE)
        answer = {"code": code} | ({"state": asked["state"]} if "state" in asked else {})
        return Response(302, b"", {"Location": f"{asked['redirect_uri']}?{urlencode(answer)}"})

    def token(self, request: Request, correlation: str) -> Response:
        """Refresh tokens stay as they are, and are good as long as nobody revokes them."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if kind != "application/x-www-form-urlencoded":
            form = {}
        dated = "v1" not in request.segments
        refusal = self._refusal(form)
        if refusal is not None:
            status, message = refusal
            body = {"status": status, "message": message, "correlationId": correlation}
            if dated:
                error = "invalid_client" if "CLIENT" in status else "invalid_grant"
                body |= {"error": error, "error_description": message}
            return Response.of_json(400, body)
        refresh = form.get("refresh_token") or self._new(36)
        self._refresh.add(refresh)
        access = self._new(self._rng.randint(200, LONGEST))
        self._access[access] = self._clock.now() + self.token_life
        self._granted += 1
        granted = {
            "token_type": "bearer",
            "refresh_token": refresh,
            "access_token": access,
            "expires_in": int(self.token_life),
        }
        return Response.of_json(200, granted)

    def _refusal(self, form: dict[str, str]) -> tuple[str, str] | None:
        if form.get("grant_type") not in ("authorization_code", "refresh_token"):
            return "BAD_GRANT_TYPE", "missing or unknown grant type"
        if form.get("client_id") != CLIENT[0]:
            return "BAD_CLIENT_ID", "missing or unknown client id"
        if form.get("client_secret") != CLIENT[1]:
            return "BAD_CLIENT_SECRET", "missing or invalid client secret"
        if form["grant_type"] == "refresh_token":
            good = form.get("refresh_token") in self._refresh
            return None if good else ("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        code = self._codes.pop(form.get("code", ""), None)
        form.pop("refresh_token", None)
        if code is None or code.expires <= self._clock.now():
            return "BAD_AUTH_CODE", "missing or unknown auth code"
        if code.redirect != form.get("redirect_uri"):
            return "BAD_REDIRECT_URI", "missing or unknown redirect uri"
        return None

    def _new(self, length: int) -> str:
        return "".join(self._rng.choices(ALPHABET, k=length))


def check_scope(seen: list[str] | None, *wanted: str) -> None:
    """wanted: collection, and the scope that its absence is told by."""
    for name in wanted:
        if seen is not None and name not in seen:
            raise missing_scopes(f"crm.objects.{name}.read")


def _token(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
