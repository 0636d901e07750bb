"""Credentials with tokens: renewed ahead of time and when refused, once for all; OAuth; checks."""

import copy
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.authorization import DECLARATION, PRIVATE_KEY, Authority, MockServer, authorize
from harness.sync import create_credential
from psycopg.types.json import Jsonb
from test_secrets import assert_nowhere

CLIENT = {"client_id": "fake-client", "client_secret": "fake-client-secret-0001"}
REFRESH_TOKEN = "rt_first_c4n4ry_never_to_be_seen"
BACK = "https://app.example.com/back"


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as authority:
        authority.configure(issue_refresh_token=REFRESH_TOKEN)
        yield authority


@pytest.fixture
def provider(database: Database) -> Database:
    """A database that knows the fake API."""
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(DECLARATION))
    return database


def credential(database: Database, authority: Authority, name: str = "key", **properties: str) -> None:
    if "kind" not in properties:
        properties = {"kind": "oauth", **CLIENT, "refresh_token": REFRESH_TOKEN, **properties}
    given = Jsonb({"base_url": authority.url, **properties})
    database.sql("SELECT sequin.create_credential(%s, 'fake_oauth', %s)", name, given)


def sync(database: Database, name: str = "main", credential: str = "key") -> None:
    if not database.sql("SELECT 1 FROM sequin.streams"):
        database.sql("SELECT sequin.create_stream('main')")
    database.sql("SELECT sequin.create_sync(%s, 'main', %s, '{item}')", name, credential)


def token(database: Database, name: str = "key") -> Any:
    """The row of sequin.credentials."""
    return database.sql("SELECT * FROM sequin.credentials WHERE name = %s", name)[0]


def is_valid(database: Database, name: str = "key") -> bool:
    row = token(database, name)
    assert row.token == "valid", f"{row.token}: {row.token_error}\n{database.status()}"
    return True


def is_complete(database: Database, items: int = 30) -> bool:
    found = database.value("SELECT count(*) FROM sequin.records")
    assert found == items, f"{found} items\n{database.status()}"
    return True


def check(database: Database, name: str = "key") -> dict[str, Any]:
    return database.value("SELECT sequin.check_credential(%s)", name)


# Renewal


def test_a_sync_runs_on_a_token(provider: Database, authority: Authority) -> None:
    credential(provider, authority)
    sync(provider)
    eventually(lambda: is_complete(provider), what=provider.status)
    row = token(provider)
    assert row.token == "valid"
    lifetime = (row.token_expires_at - row.token_refreshed_at).total_seconds()
    assert 3590 <= lifetime <= 3600
    assert authority.granted() == 1
    assert {request.status for request in authority.requests("^/items")} == {200}


def test_a_token_is_renewed_ahead_of_its_end_once_for_all(provider: Database, authority: Authority) -> None:
    authority.configure(lifetime=4)
    credential(provider, authority)
    for name in ("one", "two", "three"):
        sync(provider, name)
    eventually(lambda: authority.granted() >= 3, 30, what=provider.status)
    asked = authority.requests("^/token")
    assert {request.status for request in asked} == {200}
    apart = [later.received - earlier.received for earlier, later in itertools.pairwise(asked)]
    assert min(apart) > 1.5, "it was renewed for each sync"
    assert {request.status for request in authority.requests("^/items")} == {200}
    assert provider.value("SELECT count(*) FROM sequin.sync_log WHERE event = 'failing'") == 0


def test_a_rotated_refresh_token_survives_a_restart(
    cluster: Cluster, provider: Database, authority: Authority
) -> None:
    credential(provider, authority)
    eventually(lambda: is_valid(provider), what=provider.status)
    assert REFRESH_TOKEN not in authority.configure()["refresh_tokens"]
    cluster.restart()
    provider.sql(
        "SELECT sequin.update_credential('key', %s)", Jsonb({"client_secret": CLIENT["client_secret"]})
    )
    eventually(lambda: authority.granted() == 2, what=provider.status)
    eventually(lambda: is_valid(provider), what=provider.status)


def test_a_refused_token_is_renewed_and_nobody_loses_his_place(
    provider: Database, authority: Authority
) -> None:
    credential(provider, authority)
    sync(provider)
    eventually(lambda: is_complete(provider), what=provider.status)
    # A token that is younger is not to blame.
    aged = "SELECT token_refreshed_at < now() - interval '5.5 s' FROM sequin.credentials"
    eventually(lambda: provider.value(aged))
    authority.configure(revoke="access", count=45)
    eventually(lambda: is_complete(provider, 45), what=provider.status)
    assert authority.granted() == 2
    assert not provider.sql("SELECT 1 FROM sequin.sync_log WHERE event IN ('failing', 'credential_refused')")


def test_a_server_that_fails_is_asked_again_while_the_old_token_lives(
    provider: Database, authority: Authority
) -> None:
    # What is answered with garbage has been done.
    authority.configure(lifetime=20, keeps_old=True)
    credential(provider, authority)
    sync(provider)
    eventually(lambda: is_complete(provider), what=provider.status)
    authority.fault("status", "^/token", times=2, status=503)
    authority.fault("garbage", "^/token")
    provider.sql(
        "SELECT sequin.update_credential('key', %s)", Jsonb({"client_secret": CLIENT["client_secret"]})
    )
    eventually(lambda: token(provider).token == "failing", what=provider.status)
    authority.configure(count=40)
    eventually(lambda: is_complete(provider, 40), what=provider.status)
    eventually(lambda: is_valid(provider), 30, what=provider.status)
    assert not provider.sql("SELECT 1 FROM sequin.sync_log WHERE event = 'credential_refused'")


def lose_an_answer(database: Database, authority: Authority) -> None:
    """The provider replaces the refresh token, and nobody learns of the new one."""
    credential(database, authority)
    eventually(lambda: is_valid(database), what=database.status)
    authority.fault("drop", "^/token", apply=True)
    database.sql(
        "SELECT sequin.update_credential('key', %s)", Jsonb({"client_secret": CLIENT["client_secret"]})
    )


def test_a_lost_answer_is_survived_where_the_old_refresh_token_stays_good(
    provider: Database, authority: Authority
) -> None:
    authority.configure(keeps_old=True)
    lose_an_answer(provider, authority)
    eventually(lambda: authority.granted() == 3, what=provider.status)
    eventually(lambda: is_valid(provider), what=provider.status)


def test_a_lost_answer_is_told_where_it_is_not(
    cluster: Cluster, provider: Database, authority: Authority
) -> None:
    lose_an_answer(provider, authority)
    eventually(lambda: token(provider).token == "refused", 30, what=provider.status)
    error = token(provider).token_error
    assert "was lost" in error and "sequin.start_oauth" in error, error
    # The server quotes the refresh token that it was sent.
    assert "is not good" in error and "********" in error, error
    # A new one mends it.
    authority.configure(issue_refresh_token="rt_second_c4n4ry")
    provider.sql("SELECT sequin.update_credential('key', %s)", Jsonb({"refresh_token": "rt_second_c4n4ry"}))
    eventually(lambda: is_valid(provider), what=provider.status)


def test_a_refused_grant_is_a_failure_of_the_credential(
    cluster: Cluster, provider: Database, authority: Authority
) -> None:
    wrong = "rt_wr0ng_c4n4ry_never_to_be_seen"
    credential(provider, authority, refresh_token=wrong)
    sync(provider)
    failing = "SELECT failure_class, error, hint FROM sequin.status WHERE health = 'failing'"
    (row,) = eventually(lambda: provider.sql(failing), what=provider.status)
    assert row.failure_class == "credential"
    assert "invalid_grant" in row.error and row.hint
    assert_nowhere(cluster, provider, wrong)
    authority.configure(issue_refresh_token="rt_right_c4n4ry")
    provider.sql("SELECT sequin.update_credential('key', %s)", Jsonb({"refresh_token": "rt_right_c4n4ry"}))
    eventually(lambda: is_complete(provider), what=provider.status)


def test_no_token_is_to_be_found_again(cluster: Cluster, provider: Database, authority: Authority) -> None:
    credential(provider, authority)
    sync(provider)
    eventually(lambda: is_complete(provider), what=provider.status)
    given = authority.configure()
    for secret in (*given["access_tokens"], *given["refresh_tokens"], REFRESH_TOKEN, *CLIENT.values()):
        if secret != CLIENT["client_id"]:
            assert_nowhere(cluster, provider, secret)


# Kinds


@pytest.mark.parametrize(
    "properties",
    [
        {"kind": "client", **CLIENT},
        {"kind": "assertion", "app_id": "fake-app", "private_key": PRIVATE_KEY},
        {"kind": "installation", "app_id": "fake-app", "installation_id": "42", "private_key": PRIVATE_KEY},
    ],
    ids=lambda properties: properties["kind"],
)
def test_each_kind_gets_its_tokens(
    provider: Database, authority: Authority, properties: dict[str, str]
) -> None:
    authority.trust_key()
    authority.configure(lifetime=4)
    credential(provider, authority, **properties)
    sync(provider)
    eventually(lambda: is_complete(provider), what=provider.status)
    eventually(lambda: authority.granted() >= 2, what=provider.status)
    assert check(provider)["ok"] is True


def test_a_user_and_a_password_are_let_in(provider: Database, authority: Authority) -> None:
    credential(provider, authority, kind="basic", password="fäke:pass word")
    assert check(provider) | {"checked_at": None} == {
        "ok": True, "class": None, "message": None, "account": "fake-user", "scopes": None, "checked_at": None
    }  # fmt: skip
    credential(provider, authority, kind="basic", password="wr0ng")
    answer = check(provider)
    assert (answer["ok"], answer["class"]) == (False, "credential")


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"kind": "oauth", **CLIENT}, "refresh_token"),
        ({"kind": "oauth", "refresh_token": "R", "client_secret": "s"}, "client_id"),
        ({"kind": "assertion", "app_id": "fake-app", "private_key": "c4n4ry"}, "private_key"),
        ({"kind": "client", **CLIENT, "oauth_app": "none"}, "both an oauth_app and a client_id"),
    ],
)
def test_what_cannot_get_a_token_is_refused(
    provider: Database, properties: dict[str, str], words: str
) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        provider.sql("SELECT sequin.create_credential('key', 'fake_oauth', %s)", Jsonb(properties))
    assert words in str(refusal.value)
    assert "c4n4ry" not in str(refusal.value)


def test_a_setting_moves_with_the_secrets_only(provider: Database, authority: Authority) -> None:
    credential(provider, authority)
    for moved in ({"base_url": "http://127.0.0.1:9"}, {"client_id": "other"}):
        with pytest.raises(psycopg.Error, match="without giving the secrets again"):
            provider.sql("SELECT sequin.update_credential('key', %s)", Jsonb(moved))


# OAuth


def app(database: Database, url: str, client_secret: str | None = CLIENT["client_secret"]) -> None:
    database.sql(
        "SELECT sequin.create_oauth_app('app', 'fake_oauth', %s, %s, %s)",
        CLIENT["client_id"], client_secret, Jsonb({"base_url": url}),
    )  # fmt: skip


def start(database: Database, state: str | None = None) -> str:
    return database.value(
        "SELECT sequin.start_oauth('app', %s, %s, %s)", BACK, ["items:read", "profile"], state
    )


def finish(database: Database, back: dict[str, str], credential: str | None = "key") -> Any:
    query = "SELECT * FROM sequin.finish_oauth(%s, %s, %s)"
    return database.sql(query, back["code"], back["state"], credential)[0]


def test_a_user_lets_an_application_in(cluster: Cluster, provider: Database, authority: Authority) -> None:
    app(provider, authority.url)
    own = "x" * 5120
    url = start(provider, own)
    assert CLIENT["client_secret"] not in url and own not in url
    back = authorize(url)
    done = finish(provider, back)
    assert (done.name, done.own_state) == ("key", own)
    sync(provider)
    eventually(lambda: is_complete(provider), what=provider.status)
    assert check(provider)["account"] == "acct_fake"
    assert_nowhere(cluster, provider, back["code"])
    assert_nowhere(cluster, provider, CLIENT["client_secret"])
    # Authorized anew, it is the same credential, and the sync goes on.
    again = finish(provider, authorize(start(provider)))
    assert again.id == done.id
    eventually(lambda: authority.granted() == 2, what=provider.status)
    eventually(lambda: is_valid(provider), what=provider.status)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        provider.sql("SELECT sequin.delete_oauth_app('app')")


def test_a_state_is_good_for_one_use(provider: Database, authority: Authority) -> None:
    app(provider, authority.url)
    back = authorize(start(provider))
    outcomes: list[str] = []

    def take() -> None:
        with provider.connect() as connection:
            try:
                arguments = (back["code"], back["state"])
                connection.execute("SELECT sequin.finish_oauth(%s, %s)", arguments)
                outcomes.append("finished")
            except psycopg.errors.UndefinedObject:
                outcomes.append("refused")

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["finished", *["refused"] * 5]
    assert provider.value("SELECT count(*) FROM sequin.credentials") == 1


def test_a_state_is_good_for_five_minutes(provider: Database, authority: Authority) -> None:
    app(provider, authority.url)
    back = authorize(start(provider))
    provider.sql("UPDATE sequin._oauth_flows SET expires_at = expires_at - interval '5 min'")
    with pytest.raises(psycopg.errors.UndefinedObject, match="no authorization with this state"):
        finish(provider, back)
    start(provider)
    assert provider.value("SELECT count(*) FROM sequin._oauth_flows") == 1, "the old one was not purged"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT sequin.start_oauth('app', 'app.example.com')", "it is no URL"),
        ("SELECT sequin.start_oauth('app', 'https://a.example/#x')", "fragment"),
        ("SELECT sequin.start_oauth('app', 'https://a.example', '{a b}')", "white space"),
        ("SELECT sequin.start_oauth('app', 'https://a.example', state => repeat('x', 5121))", "5121 bytes"),
        ("SELECT sequin.start_oauth('app', 'https://a.example', properties => '{\"pin\": 1}')", "pin"),
        ("SELECT sequin.start_oauth('ap', 'https://a.example')", 'Did you mean "app"?'),
        ("SELECT sequin.create_oauth_app('b', 'stripe', 'id', 'secret')", "lets no application in"),
        ("SELECT sequin.finish_oauth('', 'x')", "the code can't be used"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_when_it_is_made(
    provider: Database, authority: Authority, statement: str, words: str
) -> None:
    app(provider, authority.url)
    with pytest.raises(psycopg.Error) as refusal:
        provider.sql(statement)
    said = refusal.value.diag
    assert words in f"{said.message_primary} {said.message_detail} {said.message_hint}"
    assert said.message_detail and said.message_hint


def test_an_authorization_server_that_nobody_here_wrote(database: Database) -> None:
    """It checks PKCE, and its user may be asked about with its tokens only."""
    declaration = copy.deepcopy(DECLARATION)
    kind = declaration["authentication"][0]
    kind["check"] = {"path": "/userinfo", "account": "/sub"}
    with MockServer() as server:
        database.sql("SELECT sequin.register_provider(%s)", Jsonb(declaration))
        app(database, server.url)
        done = finish(database, authorize(start(database, "mine")))
        assert done.own_state == "mine"
        eventually(lambda: is_valid(database), what=database.status)
        assert check(database)["account"] == "johndoe"
        first = token(database).token_refreshed_at
        database.sql("SELECT sequin.create_oauth_app('app', 'fake_oauth', %s, %s, %s)",
                     CLIENT["client_id"], "another", Jsonb({"base_url": server.url}))  # fmt: skip
        database.sql("SELECT sequin.update_credential('key', %s)", Jsonb({"oauth_app": "app"}))
        eventually(lambda: token(database).token_refreshed_at > first, what=database.status)
        assert check(database)["account"] == "johndoe"


# Checks


def test_a_check_says_whose_key_it_is_and_what_it_may_do(database: Database, stripe: Upstream) -> None:
    create_credential(database, stripe)
    answer = check(database, "upstream")
    assert answer["ok"] is True and answer["account"].startswith("acct_")
    stripe.configure(keys=["sk_test_other"])
    answer = check(database, "upstream")
    assert (answer["ok"], answer["class"]) == (False, "credential")
    assert "401" in answer["message"]
    row = token(database, "upstream")
    assert (row.accepted, row.token) == (False, None)


def test_a_key_that_may_not_read_the_account_is_a_key(provider: Database, authority: Authority) -> None:
    credential(provider, authority)
    answer = check(provider)
    assert answer["ok"] is True and answer["scopes"] == "items:read profile"
    authority.configure(forbidden=True)
    answer = check(provider)
    assert (answer["ok"], answer["class"]) == (True, "permission")


def test_a_check_whose_token_is_refused_is_made_with_another(
    provider: Database, authority: Authority
) -> None:
    credential(provider, authority)
    # A token that is younger is not to blame.
    aged = "SELECT token_refreshed_at < now() - interval '5.5 s' FROM sequin.credentials"
    eventually(lambda: provider.value(aged))
    authority.configure(revoke="access")
    assert check(provider)["ok"] is True
    assert authority.granted() == 2
    # Where there is no other one, that is the answer.
    eventually(lambda: provider.value(aged))
    authority.configure(revoke="all")
    answer = check(provider)
    assert (answer["ok"], answer["class"]) == (False, "credential")


def test_a_check_sees_what_is_committed_only(database: Database, stripe: Upstream) -> None:
    with database.connect() as connection, connection.transaction():
        properties = Jsonb({"api_key": stripe.api_key, "base_url": stripe.url})
        connection.execute("SELECT sequin.create_credential('new', 'stripe', %s)", (properties,))
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="not committed"):
            connection.execute("SELECT sequin.check_credential('new')")
        raise psycopg.Rollback
    with pytest.raises(psycopg.errors.UndefinedObject):
        check(database, "new")


def test_a_check_gives_up_in_time(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    create_credential(database, stripe)
    stripe.fault("hang", match={"path": "/v1/account"})
    answer = database.value("SELECT sequin.check_credential('upstream', '1 s')")
    assert answer["ok"] is None and "within 00:00:01" in answer["message"]
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    assert database.value(held) == 0, "it goes on asking"
