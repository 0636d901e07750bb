"""Secrets that are kept outside of the database: in a file, or in the server's environment."""

import os
from pathlib import Path

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.roles import ADMIN, As
from harness.sync import Sync, start_sync
from psycopg import errors
from psycopg.types.json import Jsonb

FIRST, SECOND = "sk_test_outs1de_first_key", "sk_test_outs1de_second_key"


@pytest.fixture
def file(cluster: Cluster) -> Path:
    """Where the server's user can read it, as others can what a container's platform mounts."""
    file = cluster.directory / "stripe.secret"
    put(file, FIRST)
    return file


def put(file: Path, secret: str) -> None:
    """In place of what is there, at once."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(f"{secret}\n")
    unfinished.chmod(0o644)
    unfinished.rename(file)


def outside(database: Database, stripe: Upstream, **reference: str) -> None:
    properties = {"api_key": reference, "base_url": stripe.url}
    database.sql("SELECT sequin.create_credential('upstream', 'stripe', %s)", Jsonb(properties))


@pytest.fixture
def sync(database: Database, stripe: Upstream, file: Path) -> Sync:
    """With the first key, from the file."""
    stripe.configure(keys=[FIRST])
    stripe.seed(customer=5)
    outside(database, stripe, file=str(file))
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    sync.converge()
    return sync


def test_a_secret_in_a_file_is_used_and_not_stored(
    cluster: Cluster, database: Database, sync: Sync, file: Path
) -> None:
    shown = database.value("SELECT properties -> 'api_key' FROM sequin.credentials")
    assert shown == {"file": str(file)}
    dump = cluster.run("pg_dump", "-h", str(cluster.directory), "-U", "postgres", "--inserts", database.name)
    assert str(file) in dump and FIRST not in dump
    assert FIRST not in cluster.log_text()


def test_another_secret_in_the_file_is_taken_when_the_old_one_is_refused(
    stripe: Upstream, sync: Sync, file: Path
) -> None:
    put(file, SECOND)
    stripe.configure(keys=[SECOND])
    stripe.create("customer")
    sync.converge()


def test_a_file_that_cannot_be_read_is_a_failure_that_names_it(
    cluster: Cluster, database: Database, stripe: Upstream, sync: Sync, file: Path
) -> None:
    file.unlink()
    cluster.reload()
    eventually(lambda: str(file) in database.status(), 15, what=database.status)
    status = database.sql("SELECT health, error, hint FROM sequin.status")[0]
    assert status.health == "failing" and "server's user" in status.error and status.hint
    put(file, FIRST)
    cluster.reload()
    stripe.create("customer")
    sync.converge()
    eventually(lambda: database.value("SELECT health FROM sequin.status") == "healthy", what=database.status)


def test_a_secret_in_the_environment_is_used(
    cluster: Cluster, database: Database, stripe: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQUIN_TEST_SECRET", FIRST)
    cluster.restart()
    stripe.configure(keys=[FIRST])
    stripe.seed(customer=5)
    outside(database, stripe, env="SEQUIN_TEST_SECRET")
    start_sync(database, stripe, ["customer"]).wait(20).converge()
    monkeypatch.delenv("SEQUIN_TEST_SECRET")
    cluster.restart()
    eventually(lambda: "SEQUIN_TEST_SECRET" in database.status(), 15, what=database.status)


def test_who_is_no_superuser_neither_sets_nor_redirects_a_reference(
    database: Database, stripe: Upstream, sync: Sync, file: Path, as_role: As
) -> None:
    admin = as_role(ADMIN)

    def update(**properties: object) -> None:
        admin.execute("SELECT sequin.update_credential('upstream', %s)", [Jsonb(properties)])

    properties = Jsonb({"api_key": {"file": "/etc/hostname"}, "base_url": stripe.url})
    with pytest.raises(errors.InsufficientPrivilege):
        admin.execute("SELECT sequin.create_credential('mine', 'stripe', %s)", [properties])
    with pytest.raises(errors.InsufficientPrivilege):
        update(api_key={"env": "PATH"})
    with pytest.raises(errors.InsufficientPrivilege):
        update(api_key={"file": str(file)}, base_url=stripe.url + "/elsewhere")
    with pytest.raises(errors.InvalidParameterValue):
        update(base_url=stripe.url + "/elsewhere")
    # A function of theirs that a superuser calls does not lend them his rights.
    database.sql(f"CREATE SCHEMA lent AUTHORIZATION {ADMIN}")
    admin.execute(
        """CREATE FUNCTION lent.lure() RETURNS uuid LANGUAGE sql SECURITY DEFINER AS
           $$ SELECT sequin.create_credential('mine', 'stripe', '{"api_key": {"env": "PATH"}}') $$"""
    )
    with pytest.raises(errors.InsufficientPrivilege):
        database.sql("SELECT lent.lure()")
    # A secret of their own takes the place of what is outside.
    stripe.configure(keys=[FIRST, SECOND])
    update(api_key=SECOND, base_url=stripe.url)
    assert database.value("SELECT properties ->> 'api_key' FROM sequin.credentials") == "********"


@pytest.mark.parametrize("kind", ["pipe", "folder", "writable", "large", "empty", "binary", "missing"])
def test_what_cannot_be_a_secret_is_refused_when_it_is_given(
    cluster: Cluster, database: Database, stripe: Upstream, kind: str
) -> None:
    path = cluster.directory / f"odd.{kind}"
    if kind == "pipe":
        os.mkfifo(path, 0o644)
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        content = {"large": b"x" * 65_537, "empty": b"\n", "binary": b"\xff\xfe"}.get(kind, b"sk_test_odd")
        path.write_bytes(content)
        path.chmod(0o646 if kind == "writable" else 0o644)
    with pytest.raises(errors.InvalidParameterValue) as refusal:
        outside(database, stripe, file=str(path))
    assert str(path) in str(refusal.value) and "sk_test_odd" not in str(refusal.value)
