"""Who asks: personal access tokens, Apps and their installations."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

from ..core.data import Refused
from ..core.http import Request
from ..core.jwt import PublicKey, claims
from .errors import ApiError, bad_credentials, invalid_field, not_found
from .hub import Hub
from .objects.accounts import short
from .objects.maker import API, WEB, node_id
from .times import iso

DEFAULT_TOKEN = "ghp_fake"
TOKEN_LIFE = 3600
JWT_LIFE, SKEW = 600, 60
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PERMISSIONS = {"contents": "read", "issues": "write", "metadata": "read", "pull_requests": "read"}


@dataclass(frozen=True, slots=True)
class Viewer:
    """kind: token, installation, app or anonymous. bucket: what its limits are counted by.

    repositories: ids that it may see, None for all; collections: what it may see of them, None for all.
    """

    kind: str
    bucket: str | None = None
    repositories: frozenset[str] | None = None
    collections: frozenset[str] | None = None

    def sees(self, repository: dict[str, Any]) -> bool:
        if self.kind == "anonymous" or self.kind == "app":
            return not repository["private"]
        return self.repositories is None or str(repository["id"]) in self.repositories


@dataclass(slots=True)
class Issued:
    """An installation's token: good until `expires`, by the fake clock."""

    installation: str
    expires: float
    repositories: frozenset[str] | None


class Credentials:
    def __init__(self, hub: Hub, seed: int) -> None:
        self._hub = hub
        self._rng = random.Random(f"{seed}:tokens")
        self._tokens: dict[str, dict[str, list[str]] | None] | None = None
        self._app: dict[str, Any] | None = None
        self._key: PublicKey | None = None
        self._issued: dict[str, Issued] = {}

    # -- settings -----------------------------------------------------------------------------------------

    def set_tokens(self, value: Any) -> None:
        """Which are good: null for all that begin with ghp_fake, or token → what it may see, null for all."""
        if isinstance(value, list):
            value = dict.fromkeys(value)
        for seen in (value or {}).values():
            if seen is not None and set(seen) - {"repositories", "collections"}:
                raise Refused(f'a token sees {{"repositories": […], "collections": […]}}, not {seen!r}')
        self._tokens = value

    def set_app(self, value: Any) -> None:
        """{id, client_id, slug, public_key, installations: {id: {account, repositories, suspended}}}."""
        if value is None:
            self._app = self._key = None
            return
        missing = {"id", "public_key"} - set(value)
        if missing:
            raise Refused(f"an app needs {', '.join(sorted(missing))}")
        self._key = PublicKey.parse(value["public_key"])
        self._app = {"client_id": f"Iv1.{value['id']}", "slug": "fake-app", **value}

    def settings(self) -> dict[str, Any]:
        return {
            "tokens": f"{DEFAULT_TOKEN}*" if self._tokens is None else self._tokens,
            "app": self._app and {**self._app, "installations": self._installations()},
        }

    # -- who it is ----------------------------------------------------------------------------------------

    def bucket(self, request: Request) -> str | None:
        """What shares the limits with this request, be its credential good or not."""
        token = _token(request)
        if token in self._issued:
            return f"installation {self._issued[token].installation}"
        return token if token is None or token.count(".") != 2 else "app"

    def viewer(self, request: Request) -> Viewer:
        """Raises ApiError for a credential that is not good."""
        token = _token(request)
        if token is None:
            if "authorization" in request.headers:
                raise bad_credentials()
            return Viewer("anonymous")
        bucket = self.bucket(request)
        if token.count(".") == 2:
            self._check(token)
            return Viewer("app", bucket)
        issued = self._issued.get(token)
        if issued is not None:
            return self._installed(issued, bucket)
        if not (token.startswith(DEFAULT_TOKEN) if self._tokens is None else token in self._tokens):
            raise bad_credentials()
        seen = (self._tokens or {}).get(token) or {}
        collections = seen.get("collections")
        return Viewer(
            "token",
            bucket,
            self._ids(seen.get("repositories")),
            None if collections is None else frozenset(collections),
        )

    def _installed(self, issued: Issued, bucket: str | None) -> Viewer:
        installation = self._installations().get(issued.installation)
        if installation is None or issued.expires <= self._hub.clock.now():
            raise bad_credentials()
        if installation.get("suspended"):
            raise ApiError(403, "This installation has been suspended")
        own = self._accessible(issued.installation)
        seen = own if issued.repositories is None else own & issued.repositories
        return Viewer("installation", bucket, seen)

    def _check(self, token: str) -> None:
        """A JSON web token: signed with the App's key, and valid for ten minutes at the most.

        What is checked is documented; the words are GitHub's as others have quoted them.
        """
        said = claims(token, self._key) if self._key and self._app else None
        if said is None:
            raise ApiError(401, "A JSON web token could not be decoded")
        assert self._app is not None
        # The client knows the wall's time and not the fake's.
        now = time.time()
        expires, issued = said.get("exp"), said.get("iat")
        if not isinstance(expires, int) or expires <= now:
            raise ApiError(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at "
                "which the assertion expires",
            )
        if expires > now + JWT_LIFE:
            raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")
        if not isinstance(issued, int) or issued > now + SKEW:
            raise ApiError(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was "
                "issued",
            )
        if str(said.get("iss")) not in (str(self._app["id"]), self._app["client_id"]):
            raise ApiError(401, "'Issuer' claim ('iss') must be the App's id or client id")

    # -- Apps ---------------------------------------------------------------------------------------------

    def _installations(self) -> dict[str, dict[str, Any]]:
        """Those that the setting names; otherwise each organization has one, under the organization's id."""
        assert self._app is not None
        given = self._app.get("installations")
        if given is not None:
            return {str(id): each for id, each in given.items()}
        return {each.id: {"account": each.document()["login"]} for each in self._hub.stores["organization"]}

    def _accessible(self, installation: str) -> frozenset[str]:
        found = self._installations()[installation]
        account = self._hub.account(found["account"])
        own = self._hub.stores["repository"].children(account[1].id) if account else []
        chosen = self._ids(found.get("repositories"))
        return frozenset(each.id for each in own if chosen is None or each.id in chosen)

    def _ids(self, names: list[str] | None) -> frozenset[str] | None:
        if names is None:
            return None
        found = (self._hub.repository(name) for name in names)
        return frozenset(each.id for each in found if each)

    def app(self) -> dict[str, Any]:
        assert self._app is not None
        id, slug = int(self._app["id"]), self._app["slug"]
        return {
            "id": id, "slug": slug, "client_id": self._app["client_id"], "node_id": node_id("A", id),
            "owner": self._hub.owner, "name": slug, "description": None, "external_url": "https://example.com",
            "html_url": f"{WEB}/apps/{slug}", "created_at": "2020-01-02T03:04:05Z",
            "updated_at": "2020-01-02T03:04:05Z", "permissions": PERMISSIONS, "events": [],
        }  # fmt: skip

    def installations(self) -> list[dict[str, Any]]:
        return [self.installation(id) for id in sorted(self._installations(), key=int)]

    def installation(self, id: str) -> dict[str, Any]:
        """Raises ApiError when there is none."""
        found = self._installations().get(id)
        account = self._hub.account(found["account"]) if found else None
        if found is None or account is None or self._app is None:
            raise not_found()
        kind, owner = account
        document = owner.document()
        suspended = found.get("suspended")
        type = "Organization" if kind == "organization" else "User"
        return {
            "id": int(id), "account": short(document["id"], document["login"], type),
            "repository_selection": "all" if found.get("repositories") is None else "selected",
            "access_tokens_url": f"{API}/app/installations/{id}/access_tokens",
            "repositories_url": f"{API}/installation/repositories", "target_id": document["id"],
            "html_url": f"{WEB}/settings/installations/{id}", "app_id": int(self._app["id"]),
            "app_slug": self._app["slug"], "target_type": type, "permissions": PERMISSIONS, "events": [],
            "created_at": "2020-01-02T03:04:05Z", "updated_at": "2020-01-02T03:04:05Z",
            "single_file_name": None, "suspended_at": "2024-01-02T03:04:05Z" if suspended else None,
            "suspended_by": self._hub.owner if suspended else None,
        }  # fmt: skip

    def installation_of(self, account: str, repository: str | None) -> dict[str, Any]:
        """The one on an organization, or that which may see a repository."""
        for id in self._installations():
            shown = self.installation(id)
            if shown["account"]["login"].lower() == account.lower() and (
                repository is None or repository in self._accessible(id)
            ):
                return shown
        raise not_found()

    def issue(self, id: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """A new token of an installation, for all that it may see or for the repositories that are wanted."""
        shown = self.installation(id)
        if shown["suspended_at"]:
            raise ApiError(403, "This installation has been suspended")
        own = self._accessible(id)
        chosen: frozenset[str] | None = None
        if wanted.get("repositories") or wanted.get("repository_ids"):
            login = shown["account"]["login"]
            names = [f"{login}/{name}" for name in wanted.get("repositories", [])]
            names += [str(each) for each in wanted.get("repository_ids", [])]
            chosen = self._ids(names)
            assert chosen is not None
            if len(chosen) < len(names) or not chosen <= own:
                raise invalid_field("InstallationToken", "repositories", names)
        expires = self._hub.clock.now() + TOKEN_LIFE
        token = "ghs_" + "".join(self._rng.choices(ALPHABET, k=36))
        self._issued[token] = Issued(id, expires, chosen)
        return {
            "token": token,
            "expires_at": iso(expires),
            "permissions": PERMISSIONS,
            "repository_selection": "selected" if chosen else shown["repository_selection"],
        }


def masked(bucket: str | None) -> str:
    """What the log shows of a credential."""
    if bucket is None or bucket == "app" or bucket.startswith("installation "):
        return bucket or ""
    return f"{bucket[:8]}…{bucket[-4:]}"


def _token(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return (value.strip() or None) if scheme.lower() in ("bearer", "token") else None
