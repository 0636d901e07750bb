"""The key that seals secrets: another one in its place, or one that a command gives."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.authorization import DECLARATION
from harness.sync import create_credential, start_sync
from psycopg import Connection, errors
from psycopg.types.json import Jsonb

# The key file is the cluster's, and here it is rotated and forgotten.
pytestmark = pytest.mark.cluster_settings()

COMMAND = {"sequin.key_command": "cat own.key"}
"""Processes of the server run in the data directory."""


def keys(cluster: Cluster) -> list[str]:
    """The keys in the file, the newest first."""
    return (cluster.data / "sequin.key").read_text().split()


def key_ids(database: Database) -> set[tuple[str, bool]]:
    """The fingerprints of what is sealed, and whether each is the newest."""
    return {tuple(row) for row in database.sql("SELECT key_id, key_is_current FROM sequin.credentials")}


def rotate(database: Database) -> str:
    return database.value("SELECT sequin.rotate_key()")


def can_be_opened(database: Database, name: str) -> bool:
    """To keep a secret, an update has to open it."""
    database.sql("SELECT sequin.update_credential(%s, metadata => '{}')", name)
    return True


def test_a_new_key_takes_the_place_of_the_old_while_a_backfill_goes_on(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=2500)
    sync = start_sync(database, stripe, ["customer"], rate_limit={"allowed_requests": 10, "interval": 1})
    eventually(lambda: sync.count() > 300, 20, what=database.status)
    ((old, is_current),) = key_ids(database)
    assert is_current
    new = rotate(database)
    assert new != old and key_ids(database) == {(new, True)} and len(keys(cluster)) == 2
    sync.wait(60).converge()
    pages = [request.query for request in stripe.requests("/v1/customers\\?") if request.status == 200]
    backfill = [query for query in pages if "limit=100" in query and "starting_after" in query]
    assert len(backfill) == len(set(backfill)), "the backfill was begun anew"
    # The worker has nothing but the file to know the new key from.
    cluster.restart()
    stripe.create("customer")
    sync.converge()


def test_a_rotation_that_is_rolled_back_leaves_everything_as_it_was(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=5)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    ((old, _),) = key_ids(database)
    with database.connect() as session, session.transaction(force_rollback=True):
        session.execute("SELECT sequin.rotate_key()")
    assert {key for key, _ in key_ids(database)} == {old}
    cluster.restart("immediate")
    stripe.create("customer")
    sync.converge()
    # The next one goes on with the key that is there.
    written = keys(cluster)
    assert len(written) == 2
    rotate(database)
    assert keys(cluster) == written
    ((new, is_current),) = key_ids(database)
    assert new != old and is_current


def test_old_keys_are_forgotten_when_no_database_needs_them(cluster: Cluster, stripe: Upstream) -> None:
    first, second = cluster.database("first"), cluster.database("second")
    for database in (first, second):
        create_credential(database, stripe)
    rotate(first)
    with pytest.raises(errors.ObjectInUse) as refusal:
        first.sql("SELECT sequin.rotate_key(forget_old_keys => true)")
    assert "second" in str(refusal.value.diag.message_detail)
    with pytest.raises(errors.ObjectInUse) as refusal:
        second.sql("SELECT sequin.rotate_key(forget_old_keys => true)")
    assert "upstream" in str(refusal.value.diag.message_detail)
    # There is a newer key already: this makes none.
    assert {rotate(second)} == {key for key, _ in key_ids(first)}
    assert len(keys(cluster)) == 2

    def is_forgotten() -> bool:
        with suppress(errors.ObjectInUse):  # not all workers have looked yet
            first.sql("SELECT sequin.rotate_key(forget_old_keys => true)")
        return len(keys(cluster)) == 1

    eventually(is_forgotten, 20)
    cluster.restart()
    assert can_be_opened(first, "upstream") and can_be_opened(second, "upstream")


def test_nothing_that_can_be_rolled_back_has_an_old_key_forgotten(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    create_credential(database, stripe)
    with database.connect() as session, session.transaction(force_rollback=True):
        session.execute("SELECT sequin.rotate_key()")
        with pytest.raises(errors.ActiveSqlTransaction), session.transaction():
            session.execute("SELECT sequin.rotate_key(forget_old_keys => true)")
    assert len(keys(cluster)) == 2
    assert can_be_opened(database, "upstream")


def test_rotations_and_new_credentials_at_once_lose_nothing(cluster: Cluster, stripe: Upstream) -> None:
    databases = [cluster.database("one"), cluster.database("two")]
    create_credential(databases[0], stripe, "first")
    failures: list[Exception] = []

    def work(database: Database, number: int) -> None:
        own = Database(cluster, database.name)
        try:
            for turn in range(5):
                create_credential(own, stripe, f"c{number}-{turn}")
                rotate(own)
        except Exception as failure:
            failures.append(failure)
        finally:
            own.close()

    threads = [
        threading.Thread(target=work, args=(database, number))
        for number in range(3)
        for database in databases
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    cluster.restart()
    for database in databases:
        names = [row.name for row in database.sql("SELECT name FROM sequin.credentials")]
        assert len(names) >= 15
        assert all(can_be_opened(database, name) for name in names)
    assert not list(cluster.data.glob("sequin.new*")), "something unfinished is left"


def test_who_waits_for_a_name_keeps_nobody_from_a_new_key(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    other = Database(cluster, database.name)
    with ThreadPoolExecutor() as pool, database.connect() as session, session.transaction():
        session.execute(
            "SELECT sequin.create_credential('upstream', 'stripe', %s)",
            [Jsonb({"kind": "api_key", "api_key": "sk_test_first"})],
        )
        second = pool.submit(create_credential, other, stripe)
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        eventually(lambda: database.sql(waiting), 20)
        session.execute("SELECT sequin.rotate_key()")
    second.result()
    other.close()
    # The second one came after the rotation, and used the new key.
    assert [is_current for _, is_current in key_ids(database)] == [True]


def test_who_waits_for_an_application_keeps_nobody_from_a_new_key(
    cluster: Cluster, database: Database
) -> None:
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(DECLARATION))
    change = "SELECT sequin.create_oauth_app('app', 'fake_oauth', 'id', %s)"
    database.sql(change, "first")
    other = Database(cluster, database.name)
    with ThreadPoolExecutor() as pool, database.connect() as session, session.transaction():
        session.execute(change, ["second"])
        begun = pool.submit(other.value, "SELECT sequin.start_oauth('app', 'https://app.example.com/back')")
        eventually(lambda: database.sql("SELECT 1 FROM pg_locks WHERE NOT granted"), 20)
        session.execute("SELECT sequin.rotate_key()")
    assert begun.result().startswith("https://api.example.com/authorize")
    other.close()


def test_only_a_superuser_rotates(database: Database) -> None:
    with database.connect() as session:
        session.execute("CREATE ROLE t_rotator IN ROLE sequin_admin")
        session.execute("SET ROLE t_rotator")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("SELECT sequin.rotate_key()")


# A command in place of the file


@pytest.fixture
def own_key(cluster: Cluster) -> Path:
    """The file that the command prints."""
    cluster.configure(**COMMAND)
    cluster.restart()
    file = cluster.data / "own.key"
    file.write_text("0" * 63 + "1\n")
    file.chmod(0o644)
    return file


def test_a_command_gives_the_key(
    cluster: Cluster, database: Database, stripe: Upstream, own_key: Path
) -> None:
    stripe.seed(customer=5)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    sync.converge()
    assert not (cluster.data / "sequin.key").exists()
    ((old, _),) = key_ids(database)
    # The new one above the old one, until all is sealed with it.
    own_key.write_text("f" * 64 + "\n" + own_key.read_text())
    new = rotate(database)
    assert new != old and {key for key, _ in key_ids(database)} == {new}
    own_key.write_text("f" * 64 + "\n")
    cluster.restart()
    stripe.create("customer")
    sync.converge()
    with pytest.raises(errors.FeatureNotSupported):
        database.sql("SELECT sequin.rotate_key(forget_old_keys => true)")


def test_a_command_that_fails_says_so_and_is_tried_again(
    cluster: Cluster, database: Database, stripe: Upstream, own_key: Path
) -> None:
    stripe.seed(customer=5)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    key = own_key.read_text()
    own_key.unlink()
    # A session that has not run the command yet.
    with database.connect() as session, pytest.raises(errors.ConfigFileError) as refusal:
        session.execute("SELECT sequin.update_credential('upstream', metadata => '{}')")
    assert "exit status: 1" in str(refusal.value) and "own.key" not in str(refusal.value)
    assert "own.key: No such file" in cluster.log_text(), "what the command complains about is lost"
    cluster.end_worker(database.name)
    eventually(lambda: "sequin.key_command" in database.status(), 15, what=database.status)
    own_key.write_text(key)
    cluster.reload()
    stripe.create("customer")
    sync.converge()


def test_a_command_that_hangs_can_be_interrupted_and_is_gone_then(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    cluster.configure(**{"sequin.key_command": "sleep 61.7 & wait"})
    cluster.restart()
    with database.connect() as session:
        session.execute("SET statement_timeout = '1s'")
        with pytest.raises(errors.QueryCanceled):
            create_credential_in(session, stripe)

    def running() -> list[Path]:
        found = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if b"61.7" in process.read_bytes():
                    found.append(process)
            except OSError:  # it has just ended
                pass
        return found

    eventually(lambda: not running(), 5, what=running)


def create_credential_in(session: Connection, stripe: Upstream) -> None:
    properties = Jsonb({"api_key": stripe.api_key, "base_url": stripe.url})
    session.execute("SELECT sequin.create_credential('hung', 'stripe', %s)", [properties])
