"""A secret that was given to the extension is nowhere to be found again."""

import resource
import signal
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


def assert_on_no_page(cluster: Cluster, secret: str) -> None:
    cluster.sql("CHECKPOINT")
    for file in (path for path in cluster.directory.rglob("*") if path.is_file()):
        found = file.read_bytes()
        assert secret.encode() not in found, file
        assert secret.encode().hex().encode() not in found, file


def test_a_secret_is_on_no_page_of_the_disk(cluster: Cluster, with_canary: Database) -> None:
    assert_on_no_page(cluster, CANARY)


@pytest.mark.crashes
@pytest.mark.cluster_settings(
    shared_preload_libraries="sequin,pg_stat_statements", **{"pg_stat_statements.track": "all"}
)
def test_a_secret_is_nowhere_after_all_that_can_go_wrong(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    """Refused calls, an API that quotes the key, a worker that is killed; then views, dumps, log and disk."""
    # A core file is the memory of a process, and not what this is about.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    cluster.restart()
    database.sql("CREATE EXTENSION pg_stat_statements")
    stripe.configure(keys=[CANARY])
    stripe.api_key = CANARY
    stripe.seed(customer=20)
    listener = database.connect()
    listener.execute("LISTEN sequin_health")
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    # What a session was doing last can be seen as long as it is there.
    with database.connect() as clumsy:
        for properties in (
            f'{{"api_key": "{CANARY}", "no_such_setting": 1}}',
            f'{{"api_key": "{CANARY}", "base_url": "nonsense"}}',
            f'{{"api_key": ["{CANARY}"]}}',
        ):
            for call in ("create_credential('upstream', 'stripe', %s)", "update_credential('upstream', %s)"):
                with pytest.raises(psycopg.Error) as refusal:
                    clumsy.execute(f"SELECT sequin.{call % (chr(39) + properties + chr(39))}")
                assert CANARY not in f"{refusal.value} {refusal.value.diag.message_detail}"
    for padding in (0, 470, 490):
        quoted = "x" * padding + f" no such key: {CANARY}"
        stripe.clear_faults()
        stripe.fault(
            "status", status=401, body={"error": {"message": quoted, "code": "bad"}}, match={"path": "/v1/"}
        )
        database.sql("SELECT sequin.update_credential('upstream', %s)", Jsonb({"api_key": CANARY}))
        seen = "x" * padding + " no such key" if padding < 480 else "x" * padding
        eventually(lambda seen=seen: seen in database.status(), 15, what=database.status)
        assert CANARY[:12] not in database.status()
    (worker,) = database.sql(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'sequin worker' AND datname = %s",
        database.name,
    )
    cluster.crash(worker.pid, signal.SIGABRT)
    database.close()
    stripe.clear_faults()
    database.sql("SELECT sequin.update_credential('upstream', %s)", Jsonb({"api_key": CANARY}))
    sync.converge()
    try:
        payloads = [notice.payload for notice in listener.notifies(timeout=0)]
    except psycopg.OperationalError:  # the crash ended it
        payloads = []
    assert not any(CANARY[:12] in payload for payload in payloads)
    cluster.run(
        "pg_basebackup", "-h", str(cluster.directory), "-U", "postgres", "-X", "fetch", "-c", "fast",
        "-D", str(cluster.directory / "copy"),
    )  # fmt: skip
    assert_nowhere(cluster, database, CANARY)
    kept = database.sql("SELECT query FROM pg_stat_statements WHERE query ILIKE '%credential%'")
    assert kept and not any(CANARY in row.query for row in kept)
    assert_on_no_page(cluster, CANARY)


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


def test_a_key_that_comes_back_is_taken_with_a_reload(
    cluster: Cluster, with_canary: Database, stripe: Upstream
) -> None:
    """What was refused because of the key is tried again at once, and not when its turn comes."""
    file = key_file(cluster, with_canary)
    away = file.with_suffix(".away")
    file.rename(away)
    try:
        cluster.end_worker(with_canary.name)
        eventually(lambda: "can't be used" in with_canary.status(), 15, what=with_canary.status)
        with pytest.raises(psycopg.errors.ConfigFileError):
            with_canary.sql("SELECT sequin.update_credential('upstream', metadata => '{}')")
    finally:
        away.rename(file)
    cluster.reload()
    stripe.create("customer")
    eventually(
        lambda: with_canary.value("SELECT health FROM sequin.status") == "healthy",
        15,
        what=with_canary.status,
    )
