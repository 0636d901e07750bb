"""Who asks: how tokens are had, and how long they are good."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from ..core.data import Refused
from ..core.http import Request, Response
from ..core.jwt import PublicKey, claims
from .errors import failure
from .org import Org
from .view import Hidden

DEFAULT_TOKEN = "00Dfake"
CLIENT_ID, CLIENT_SECRET = "3MVG9fake", "fake_secret"
REFRESH_TOKEN = "5Aepfake"
USERNAME = "fake@example.com"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
LONGEST, SKEW = 300, 30
"""Seconds that an assertion may be good: the documentation asks for three minutes, five are let through."""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class GrantError(Exception):
    """A refusal of the token endpoint, which is no array."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def response(self) -> Response:
        return Response.of_json(400, {"error": self.code, "error_description": str(self)})


@dataclass(frozen=True, slots=True)
class Caller:
    """user: whose cursors and jobs it sees. token: it."""

    user: str
    token: str


class Sessions:
    """life: seconds of the fake clock that a session is good. rotate: a refresh token is good once.

    instance: what `instance_url` says, None for where the request went to.
    """

    def __init__(self, org: Org, seed: int) -> None:
        self._org = org
        self._rng = random.Random(f"{seed}:sessions")
        self._expires: dict[str, float] = {}
        self._refresh = {REFRESH_TOKEN}
        self._key: PublicKey | None = None
        self._hidden: dict[str, Any] = {}
        self.life = 7200.0
        self.rotate = False
        self.instance: str | None = None
        self.granted = 0

    # -- settings -----------------------------------------------------------------------------------------

    def set_key(self, pem: str | None) -> None:
        """The key whose assertions are believed."""
        self._key = None if pem is None else PublicKey.parse(pem)

    def set_hidden(self, value: dict[str, Any] | None) -> None:
        """Object → fields, null for all of it; or token → such."""
        self._hidden = value or {}

    def revoke(self, what: str) -> None:
        if what not in ("sessions", "refresh_tokens", "all"):
            raise Refused(f'"revoke" is sessions, refresh_tokens or all, not {what!r}')
        if what in ("sessions", "all"):
            self._expires.clear()
        if what in ("refresh_tokens", "all"):
            self._refresh.clear()

    def settings(self) -> dict[str, Any]:
        return {
            "session_life": self.life,
            "rotate": self.rotate,
            "instance_url": self.instance,
            "hidden": self._hidden,
            "granted": self.granted,
            "refresh_tokens": sorted(self._refresh),
        }

    # -- who it is ----------------------------------------------------------------------------------------

    def caller(self, request: Request) -> Caller:
        """Raises ApiError: INVALID_SESSION_ID."""
        token = bearer(request)
        if token.startswith(DEFAULT_TOKEN):
            return Caller(token, token)
        if self._expires.get(token, 0) <= self._org.clock.now():
            raise failure(401)
        # A session is followed by another one of the same user, who keeps cursors and jobs.
        return Caller(USERNAME, token)

    def hidden(self, caller: Caller) -> Hidden:
        own = self._hidden.get(caller.token)
        everyone = {name: value for name, value in self._hidden.items() if not isinstance(value, dict)}
        return {**everyone, **(own if isinstance(own, dict) else {})}

    def who(self) -> dict[str, Any]:
        """What userinfo says."""
        return {
            "sub": f"{AUDIENCES[0]}/id/{self._org.id}/{self._org.user}",
            "user_id": self._org.user,
            "organization_id": self._org.id,
            "preferred_username": USERNAME,
            "name": "Fake User",
            "email": USERNAME,
            "active": True,
            "user_type": "STANDARD",
        }

    # -- tokens -------------------------------------------------------------------------------------------

    def grant(self, request: Request) -> Response:
        """POST /services/oauth2/token."""
        try:
            return self._grant(request, dict(parse_qsl(request.body.decode("utf-8", "replace"))))
        except GrantError as error:
            return error.response()

    def end(self, request: Request) -> Response:
        """POST /services/oauth2/revoke."""
        token = dict(parse_qsl(request.body.decode("utf-8", "replace"))).get("token", "")
        if token not in self._expires and token not in self._refresh:
            return GrantError("unsupported_token_type", "this token is not supported").response()
        self._expires.pop(token, None)
        self._refresh.discard(token)
        return Response(200)

    def _grant(self, request: Request, form: dict[str, str]) -> Response:
        match form.get("grant_type"):
            case "refresh_token":
                self._check_client(request, form)
                token = form.get("refresh_token", "")
                if token not in self._refresh:
                    raise GrantError("invalid_grant", "expired access/refresh token")
                answer = self._session(request)
                if self.rotate:
                    self._refresh.discard(token)
                    answer["refresh_token"] = f"5Aep{self._random(60)}"
                    self._refresh.add(answer["refresh_token"])
            case "client_credentials":
                self._check_client(request, form)
                answer = self._session(request)
            case kind if kind == JWT_BEARER:
                self._check_assertion(request, form.get("assertion", ""))
                answer = self._session(request)
            case _:
                raise GrantError("unsupported_grant_type", "grant type not supported")
        self.granted += 1
        return Response.of_json(200, answer, {"Cache-Control": "no-cache, no-store"})

    def _check_client(self, request: Request, form: dict[str, str]) -> None:
        id, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                id, _, secret = base64.b64decode(value).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise GrantError("invalid_client", "invalid client credentials") from None
        if not id.startswith(CLIENT_ID):
            raise GrantError("invalid_client_id", "client identifier invalid")
        if secret != CLIENT_SECRET:
            raise GrantError("invalid_client", "invalid client credentials")

    def _check_assertion(self, request: Request, assertion: str) -> None:
        """The checks are documented; the words are as others have quoted them."""
        said = claims(assertion, self._key) if self._key else None
        if said is None:
            raise GrantError("invalid_grant", "invalid assertion")
        if not str(said.get("iss", "")).startswith(CLIENT_ID):
            raise GrantError("invalid_client_id", "client identifier invalid")
        if str(said.get("aud", "")).rstrip("/") not in (*AUDIENCES, _origin(request)):
            raise GrantError("invalid_grant", "audience is invalid")
        # The client knows the wall's time and not the fake's.
        now, expires = time.time(), said.get("exp")
        if not isinstance(expires, int) or expires <= now:
            raise GrantError("invalid_grant", "assertion expired")
        if expires > now + LONGEST + SKEW:
            raise GrantError("invalid_grant", "invalid assertion")
        if said.get("sub") != USERNAME:
            raise GrantError("invalid_grant", "user hasn't approved this consumer")

    def _session(self, request: Request) -> dict[str, Any]:
        token = f"{self._org.id[:15]}!AQ{self._random(90)}"
        now = self._org.clock.now()
        self._expires = {each: until for each, until in self._expires.items() if until > now}
        self._expires[token] = now + self.life
        id = f"{AUDIENCES[0]}/id/{self._org.id}/{self._org.user}"
        # Milliseconds, as a text; how long the token is good is said nowhere.
        issued = str(int(now * 1000))
        digest = hmac.new(CLIENT_SECRET.encode(), (id + issued).encode(), hashlib.sha256).digest()
        return {
            "access_token": token,
            "signature": base64.b64encode(digest).decode(),
            "scope": "api refresh_token",
            "instance_url": self.instance or _origin(request),
            "id": id,
            "token_type": "Bearer",
            "issued_at": issued,
        }

    def _random(self, length: int) -> str:
        return "".join(self._rng.choices(ALPHABET, k=length))


def bearer(request: Request) -> str:
    """Also `OAuth`, as clients of old say."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "oauth") else ""


def _origin(request: Request) -> str:
    return f"http://{request.headers.get('host', 'localhost')}{request.mount}"
