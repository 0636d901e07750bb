"""A secret that was given to the extension is nowhere to be found again."""

from pathlib import Path

import psycopg
import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.sync import start_sync
from psycopg.types.json import Jsonb

CANARY = "sk_test_c4n4ry_never_to_be_seen"


@pytest.fixture
def with_canary(database: Database, stripe: Upstream) -> Database:
    stripe.configure(keys=[CANARY])
    stripe.api_key = CANARY
    stripe.seed(customer=20)
    start_sync(database, stripe, ["customer"]).wait(20).converge()
    return database


def key_file(cluster: Cluster, database: Database) -> Path:
    """Relative to the data directory."""
    return cluster.data / database.value("SHOW sequin.key_file")


def assert_nowhere(cluster: Cluster, database: Database, secret: str) -> None:
    relations = database.sql(
        """SELECT c.oid::regclass::text FROM pg_class c
           WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p')"""
    )
    assert len(relations) >= 10
    for (relation,) in relations:
        found = database.value(f"SELECT count(*) FROM {relation} t WHERE t::text LIKE %s", f"%{secret}%")
        assert found == 0, f"{relation} shows the secret"
    # Also what is bytea or jsonb inside: pg_dump writes every table in full.
    dump = cluster.run("pg_dump", "-h", str(cluster.directory), "-U", "postgres", "--inserts", database.name)
    assert secret not in dump
    assert secret.encode().hex() not in dump
    assert secret not in cluster.log_text()
    activity = cluster.sql(
        "SELECT coalesce(string_agg(query, ';'), '') FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )
    assert secret not in activity[0][0]


def test_a_secret_is_in_no_view_dump_or_log(cluster: Cluster, with_canary: Database) -> None:
    assert_nowhere(cluster, with_canary, CANARY)


def test_a_secret_is_on_no_page_of_the_disk(cluster: Cluster, with_canary: Database) -> None:
    cluster.sql("CHECKPOINT")
    for file in (path for path in cluster.directory.rglob("*") if path.is_file()):
        assert CANARY.encode() not in file.read_bytes(), file


def test_the_mask_tells_secrets_apart_and_shows_none(with_canary: Database) -> None:
    row = with_canary.sql("SELECT to_jsonb(c)::text FROM sequin.credentials c")[0][0]
    assert '"api_key"' in row
    assert CANARY[8:] not in row


def test_a_refused_secret_is_in_no_message(cluster: Cluster, with_canary: Database, stripe: Upstream) -> None:
    """Stripe's own error quotes a part of the key; PostgreSQL's log quotes a statement that fails."""
    wrong = "sk_test_wr0ng_never_to_be_seen"
    properties = {"kind": "api_key", "api_key": wrong, "base_url": stripe.url}
    with_canary.sql("SELECT sequin.update_credential('upstream', %s)", Jsonb(properties))
    with_canary.sql("SELECT sequin.start_backfill('main', 'customer')")
    eventually(lambda: "401" in with_canary.status(), 15, what=with_canary.status)
    assert_nowhere(cluster, with_canary, wrong)
    assert_nowhere(cluster, with_canary, CANARY)


def test_a_secret_in_a_refused_call_is_not_logged(cluster: Cluster, with_canary: Database) -> None:
    """A statement that raises is logged with its parameters' place-holders, and never with a secret in it."""
    properties = {"kind": "api_key", "api_key": CANARY, "no_such_setting": 1}
    with pytest.raises(psycopg.Error) as refusal:
        with_canary.sql("SELECT sequin.create_credential('other', 'stripe', %s)", Jsonb(properties))
    assert CANARY not in str(refusal.value)
    assert CANARY not in str(refusal.value.diag.message_detail)
    assert CANARY not in cluster.log_text()


def test_the_key_file_is_private_and_outside_of_sql(cluster: Cluster, with_canary: Database) -> None:
    """Encrypted at rest means: the tables without the key file are worth nothing."""
    file = key_file(cluster, with_canary)
    assert file.exists(), file
    assert file.stat().st_mode & 0o077 == 0, "others can read it"


def test_another_key_is_reported_and_not_guessed_around(cluster: Cluster, with_canary: Database) -> None:
    file = key_file(cluster, with_canary)
    kept = file.read_bytes()
    try:
        file.write_bytes(bytes(reversed(kept.strip())) + kept[len(kept.strip()) :])
        cluster.restart()
        with_canary.close()
        eventually(lambda: "sealed with" in with_canary.status(), 15, what=with_canary.status)
    finally:
        file.write_bytes(kept)
        cluster.restart()
