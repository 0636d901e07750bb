"""The fake GitHub's Apps: how they say who they are, and what their installations may see."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake.client import Answer, GitHubClient
from fake.core.jwt import PublicKey
from harness import Fake
from harness.signing import APP, Key, encoded

INSTALLATION = 5


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key(tmp_path_factory.mktemp("app"))


@pytest.fixture
def github(key: Key) -> Iterator[GitHubClient]:
    """Two organizations with a repository or two each, and an App that is installed on both."""
    with Fake() as fake:
        client = GitHubClient(fake.url)
        for login, names in (("acme", ("one", "two")), ("other", ("three",))):
            create(client, "organization", {"login": login})
            for name in names:
                create(client, "repository", {"name": name, "private": True}, login)
        installations = {INSTALLATION: {"account": "acme"}, 6: {"account": "other", "suspended": True}}
        configure(client, app={"id": APP, "public_key": key.public, "installations": installations})
        yield client


def create(github: GitHubClient, collection: str, data: dict[str, Any], parent: str | None = None) -> str:
    body = {"collection": f"github:{collection}", "data": data, "parent": parent}
    return github.control("POST", "create", body)["id"]


def configure(github: GitHubClient, **settings: Any) -> None:
    github.control("POST", "settings", {"provider": "github", **settings})


def as_(github: GitHubClient, token: str) -> GitHubClient:
    return GitHubClient(f"http://{github.host}:{github.port}", token)


def issue(github: GitHubClient, key: Key, installation: int = INSTALLATION, body: Any = None) -> Answer:
    app = as_(github, key.token())
    return app.send("POST", f"app/installations/{installation}/access_tokens", body)


def test_a_good_token_opens_what_is_about_the_app(github: GitHubClient, key: Key) -> None:
    for issuer in (APP, str(APP), f"Iv1.{APP}"):
        assert as_(github, key.token(iss=issuer)).get("app").json["id"] == APP
    app = as_(github, key.token())
    assert [each["id"] for each in app.get("app/installations").json] == [INSTALLATION, 6]
    assert app.get("app/installations/5").json["account"]["login"] == "acme"
    assert app.get("orgs/acme/installation").json["id"] == INSTALLATION
    assert app.get("repos/acme/two/installation").json["id"] == INSTALLATION
    assert app.get("app/installations/9").status == app.get("orgs/nobody/installation").status == 404
    # And nothing else; nor does any other token open this.
    assert app.get("repos/acme/one").status == 401
    assert github.get("app").status == github.send("POST", "app/installations/5/access_tokens").status == 401


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 660}, "too far in the future"),
        ({"exp": -1}, "'exp'"),
        ({"exp": None}, "'exp'"),
        ({"exp": "soon"}, "'exp'"),
        ({"iat": 120}, "'iat'"),
        ({"iat": None}, "'iat'"),
        ({"iss": 78}, "'iss'"),
        ({"iss": None}, "'iss'"),
        ({"head": {"alg": "none"}}, "could not be decoded"),
        ({"head": {"alg": "HS256"}}, "could not be decoded"),
    ],
)
def test_a_bad_claim_is_refused(github: GitHubClient, key: Key, claims: dict, message: str) -> None:
    answer = as_(github, key.token(**claims)).get("app")
    assert answer.status == 401
    assert message in answer.json["message"]


def test_a_bad_signature_is_refused(github: GitHubClient, key: Key, tmp_path: Path) -> None:
    other = Key(tmp_path, "other").token()
    head, body, signature = key.token().split(".")
    forged = encoded(json.dumps({"iss": APP, "iat": 0, "exp": int(time.time()) + 60}).encode())
    for token in (
        other,
        f"{head}.{forged}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{'A' * 342}",
        "a.b.c",
    ):
        answer = as_(github, token).get("app")
        assert (answer.status, answer.json["message"]) == (401, "A JSON web token could not be decoded")
    assert as_(github, f"{head}.{body}.{signature}").get("app").status == 200


def test_a_key_that_is_none_is_refused_when_it_is_given(github: GitHubClient) -> None:
    with pytest.raises(AssertionError, match="public key"):
        configure(github, app={"id": 1, "public_key": "nonsense"})
    with pytest.raises(ValueError):
        PublicKey.parse("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")


def test_an_installations_token_sees_its_own_for_an_hour(github: GitHubClient, key: Key) -> None:
    answer = issue(github, key)
    assert answer.status == 201
    token = answer.json["token"]
    assert token.startswith("ghs_")
    installation = as_(github, token)
    assert installation.get("repos/acme/one").status == 200
    assert installation.get("repos/other/three").status == 404
    page = installation.get("installation/repositories", per_page=1).json
    assert (page["total_count"], len(page["repositories"])) == (2, 1)
    assert installation.get("user").status == installation.get("user/repos").status == 403
    assert github.get("installation/repositories").status == 403
    github.control("POST", "clock", {"seconds": 3599})
    assert installation.get("repos/acme/one").status == 200
    github.control("POST", "clock", {"seconds": 1})
    gone = installation.get("repos/acme/one")
    assert (gone.status, gone.json["message"]) == (401, "Bad credentials")
    assert as_(github, issue(github, key).json["token"]).get("repos/acme/one").status == 200


def test_a_token_for_some_repositories(github: GitHubClient, key: Key) -> None:
    narrow = issue(github, key, body={"repositories": ["two"]})
    assert narrow.json["repository_selection"] == "selected"
    installation = as_(github, narrow.json["token"])
    assert installation.get("repos/acme/two").status == 200
    assert installation.get("repos/acme/one").status == 404
    assert issue(github, key, body={"repositories": ["three"]}).status == 422


def test_a_suspended_installation(github: GitHubClient, key: Key) -> None:
    assert issue(github, key, 6).status == 403
    token = issue(github, key).json["token"]
    installations = {INSTALLATION: {"account": "acme", "suspended": True}}
    configure(github, app={"id": APP, "public_key": key.public, "installations": installations})
    assert as_(github, token).get("repos/acme/one").status == 403
    configure(github, app={"id": APP, "public_key": key.public, "installations": {}})
    assert as_(github, token).get("repos/acme/one").status == 401


def test_a_new_token_is_no_new_budget(github: GitHubClient, key: Key) -> None:
    tokens = [issue(github, key).json["token"] for _ in range(2)]
    configure(github, rate=2)
    statuses = [as_(github, token).get("repos/acme/one").status for token in (*tokens, *tokens)]
    assert statuses == [200, 200, 403, 403]
    masks = {
        each["credential"] for each in github.control("GET", "requests?path=/repos/acme/one")["requests"]
    }
    assert masks == {f"installation {INSTALLATION}"}
