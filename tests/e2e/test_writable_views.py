"""Plain SQL on a view of records: what becomes of it, what is refused, and whose rights it takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.consumers import CUSTOMER, OTHER_SYNC, SYNC, Connection, one
from harness.documents import RUN, run
from harness.mutations import all_done, describe, reached
from harness.roles import READER, STRANGER, WRITER, As, connect_as, refused
from harness.sync import Sync, start_sync
from harness.views import asked, given, keep, make, store, sync_things
from psycopg import Error, errors, sql
from psycopg.types.json import Jsonb

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "mutations.md"
KEEPER = "t_keeper"
"""Reads and writes, as far as it is granted something."""


# From a statement to the API, and back


def test_plain_sql_changes_what_the_api_has(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    make(database)

    made = database.value(
        "INSERT INTO stripe.customer (name, description, metadata) VALUES ('Ada', NULL, %s)"
        " RETURNING _mutation_id",
        Jsonb({"k": "v", "l": "w"}),
    )
    key = reached(database, made).upstream_id
    assert stripe.writes()[-1].form == {"name": "Ada", "metadata[k]": "v", "metadata[l]": "w"}

    shown = "SELECT name, email, metadata, _mutation_id FROM stripe.customer WHERE id = %s"
    assert database.sql(shown, key) == [("Ada", None, {"k": "v", "l": "w"}, None)]
    changed = database.value(
        """UPDATE stripe.customer SET name = NULL, email = 'ada@example.com', metadata = metadata - 'k'
           WHERE id = %s RETURNING _mutation_id""",
        key,
    )
    reached(database, changed)
    assert stripe.writes()[-1].form == {
        "name": "", "email": "ada@example.com", "metadata[k]": "", "metadata[l]": "w",
    }  # fmt: skip
    assert database.sql(shown, key) == [(None, "ada@example.com", {"l": "w"}, None)]

    assert database.sql("DELETE FROM stripe.customer WHERE id = %s RETURNING name, email", key) == [
        (None, "ada@example.com")
    ]
    all_done(database, 3)
    assert database.sql(shown, key) == []
    assert key not in stripe.objects("customer")
    assert [each.method for each in stripe.writes()] == ["POST", "POST", "DELETE"]
    synced.converge()


def test_a_change_is_not_seen_before_it_is_made(synced: Sync) -> None:
    """Nor by what follows in the transaction: each statement starts from what the records show."""
    database, stripe = synced.database, synced.upstream
    make(database)
    key = stripe.any_id("customer")
    balance = database.value("SELECT balance FROM stripe.customer WHERE id = %s", key)
    more = "UPDATE stripe.customer SET balance = balance + 1 WHERE id = %s"
    with database.connect() as connection, connection.transaction():
        for _ in range(2):
            connection.execute(more, [key])
            assert one(connection, "SELECT balance FROM stripe.customer WHERE id = %s", key) == balance
    all_done(database, 2)
    assert [each.form for each in stripe.writes()] == 2 * [{"balance": str(balance + 1)}]
    assert database.value("SELECT balance FROM stripe.customer WHERE id = %s", key) == balance + 1
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(more, [key])
    assert len(asked(database)) == 2


def test_the_guide_to_mutations(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=10)
    stripe.create("customer", email="bo@example.com", metadata={"k": "v"}, delinquent=False, event=False)
    start_sync(database, stripe, ["customer"], name="stripe").wait(20)
    blocks = [found[1] for found in RUN.finditer(GUIDE.read_text(encoding="utf-8"))]
    assert any("INSERT INTO stripe.customer" in block for block in blocks)
    run(cluster, database, blocks)
    done = "SELECT count(*) FROM sequin.mutations WHERE state <> 'done'"
    eventually(lambda: database.value(done) == 0, 30, what=lambda: describe(database))
    actions = dict(database.sql("SELECT action, count(*) FROM sequin.mutations GROUP BY 1"))
    assert actions["create"] == 1 and actions["update"] >= 1
    assert any(each["metadata"] == {"k": "v", "vip": "yes"} for each in stripe.objects("customer").values())


# What is refused


OWN = "column {} of the view stripe.customer"
REFUSED: list[tuple[str, str, str]] = [
    *((f"UPDATE stripe.customer SET {name} = {value} WHERE _upstream_id = 'a'", "0A000", OWN.format(name))
      for name, value in (
          ("id", "'z'"), ("_upstream_id", "'z'"), ("_updated_idx", "0"), ("_created_at", "now()"),
          ("_updated_at", "now()"), ("_inserted_at", "now()"), ("_parent_id", "'z'"),
          ("_id", "gen_random_uuid()"), ("_sync_id", "gen_random_uuid()"),
          ("_stream_id", "gen_random_uuid()"), ("_mutation_id", "gen_random_uuid()"))),
    ("INSERT INTO stripe.customer (_id) VALUES (gen_random_uuid())", "0A000", OWN.format("_id")),
    ("INSERT INTO stripe.customer (_mutation_id) VALUES (gen_random_uuid())", "0A000", "_mutation_id"),
    ("INSERT INTO stripe.customer (name) VALUES ('x')", "42P08", "one, two"),
    ("INSERT INTO stripe.customer (_sync_id) VALUES (gen_random_uuid())", "42704", "sync"),
    ("UPDATE stripe.customer SET created = 'infinity'", "22023", "infinity"),
    ("UPDATE stripe.customer SET created = '0044-03-15 BC'", "22023", "BC"),
]  # fmt: skip


def test_what_can_not_be_written_is_refused(two_streams: Database) -> None:
    make(two_streams)
    problems = []
    for statement, sqlstate, word in REFUSED:
        try:
            two_streams.sql(statement)
        except Error as error:
            said = f"{error.diag.message_primary} {error.diag.message_detail}"
            if error.diag.sqlstate != sqlstate or word not in said:
                problems.append(f"{statement}: {error.diag.sqlstate} {said}")
            elif not error.diag.message_detail or not error.diag.message_hint:
                problems.append(f"{statement}: no DETAIL or no HINT")
        else:
            problems.append(f"{statement} was taken")
    assert not problems, "\n".join(problems)
    assert asked(two_streams) == []


@pytest.mark.parametrize("number", ["'NaN'", "'Infinity'", "'-Infinity'"])
def test_what_json_has_no_number_for_is_refused(two_streams: Database, number: str) -> None:
    sync_things(two_streams, {"n": "numeric", "d": "double precision"})
    make(two_streams, "test:thing")
    keep(two_streams, "a", {})
    for column in "nd":
        with pytest.raises(errors.InvalidParameterValue):
            two_streams.sql(f"UPDATE test.thing SET {column} = {number}")
    assert asked(two_streams) == []


def test_what_the_api_has_not_is_refused(database: Database, stripe: Upstream) -> None:
    """By the statement, whichever action it is; and by the function, where there is none at all."""
    start_sync(database, stripe, ["refund"])
    database.sql("SELECT sequin.pause_sync('main')")
    make(database, "stripe:refund")
    store(database, "re_1", {"id": "re_1"}, "stripe:refund", database.value("SELECT id FROM sequin.syncs"))
    with pytest.raises(errors.FeatureNotSupported) as refusal:
        database.sql("DELETE FROM stripe.refund")
    assert "update" in (refusal.value.diag.message_hint or "")
    assert database.value("SELECT count(*) FROM stripe.refund") == 1
    with pytest.raises(errors.FeatureNotSupported) as refusal:
        make(database, "stripe:event")
    assert refusal.value.diag.message_hint and "nothing" in (refusal.value.diag.message_detail or "")
    assert database.value("SELECT to_regclass('stripe.event')") is None


# Syncs


def test_a_row_is_written_through_its_own_sync(two_streams: Database) -> None:
    make(two_streams)
    two_streams.sql("UPDATE stripe.customer SET name = 'x' WHERE id IN ('a', 'v')")
    two_streams.sql("DELETE FROM stripe.customer WHERE id = 'w'")
    through = dict(two_streams.sql("SELECT upstream_id, sync FROM sequin.mutations"))
    assert through == {"a": "one", "v": "two", "w": "two"}


@pytest.mark.parametrize(
    ("scope", "sync", "column"),
    [
        ("", "two", f"'{OTHER_SYNC}'"),
        (", sync => 'two'", "two", None),
        (", stream => 't'", "two", None),
        (", stream => 's'", "one", f"'{SYNC}'"),
    ],
)
def test_a_new_row_belongs_to_the_one_sync_that_there_is(
    two_streams: Database, scope: str, sync: str, column: str | None
) -> None:
    make(two_streams, scope=scope)
    names, values = ("name, _sync_id", f"'x', {column}") if column else ("name", "'x'")
    two_streams.sql(f"INSERT INTO stripe.customer ({names}) VALUES ({values})")
    assert two_streams.value("SELECT sync FROM sequin.mutations") == sync


@pytest.mark.parametrize("scope", [", sync => 'two'", ", stream => 't'"])
def test_a_new_row_of_another_sync_does_not_belong_into_the_view(two_streams: Database, scope: str) -> None:
    make(two_streams, scope=scope)
    with pytest.raises(errors.WithCheckOptionViolation) as refusal:
        two_streams.sql(f"INSERT INTO stripe.customer (_sync_id) VALUES ('{SYNC}')")
    assert "one" in (refusal.value.diag.message_primary or "")


# Rights


@pytest.fixture
def keeper(two_streams: Database) -> Iterator[Connection]:
    """A login role that reads and writes, as far as it is granted something, and may do all with the view."""
    two_streams.sql(f"CREATE ROLE {KEEPER} LOGIN IN ROLE sequin_reader, sequin_writer")
    try:
        make(two_streams)
        two_streams.sql("GRANT USAGE ON SCHEMA stripe TO PUBLIC")
        two_streams.sql("GRANT ALL ON stripe.customer TO PUBLIC")
        with connect_as(two_streams, KEEPER) as connection:
            yield connection
    finally:
        two_streams.sql(f"DROP OWNED BY {KEEPER}")
        two_streams.sql(f"DROP ROLE {KEEPER}")


def test_a_writer_needs_the_records_and_the_mutations(two_streams: Database, keeper: Connection) -> None:
    update = "UPDATE stripe.customer SET name = 'x'"
    insert = "INSERT INTO stripe.customer (name) VALUES ('x')"
    assert keeper.execute(update).rowcount == 0, "they saw what is not granted to them"
    refused(keeper, insert)
    two_streams.sql(f"SELECT sequin.grant_stream('s', '{KEEPER}')")
    refused(keeper, update)
    refused(keeper, "DELETE FROM stripe.customer")
    refused(keeper, insert)
    two_streams.sql(f"SELECT sequin.grant_mutations('one', '{KEEPER}')")
    assert keeper.execute(update).rowcount == 5
    # Of the syncs that have the collection they may write through one only.
    assert one(keeper, f"{insert} RETURNING _sync_id") == SYNC
    assert keeper.execute("DELETE FROM stripe.customer WHERE id = 'a'").rowcount == 1
    refused(keeper, f"INSERT INTO stripe.customer (_sync_id) VALUES ('{OTHER_SYNC}')")
    by_whom = two_streams.sql("SELECT DISTINCT created_by, sync FROM sequin.mutations")
    assert by_whom == [(KEEPER, "one")]
    # What is read without being granted to be written.
    two_streams.sql(f"SELECT sequin.grant_stream('t', '{KEEPER}')")
    refused(keeper, update)
    two_streams.sql(f"SELECT sequin.revoke_mutations('one', '{KEEPER}')")
    refused(keeper, f"{update} WHERE id = 'a'")


def test_the_right_to_a_view_is_none_to_the_api(
    two_streams: Database, keeper: Connection, as_role: As
) -> None:
    two_streams.sql(f"SELECT sequin.grant_stream('s', '{READER}')")
    two_streams.sql(f"SELECT sequin.grant_mutations('one', '{WRITER}')")
    reader, writer, stranger = as_role(READER), as_role(WRITER), as_role(STRANGER)
    assert one(reader, "SELECT count(*) FROM stripe.customer") == 5
    for conn in (reader, stranger):
        for statement in (
            "UPDATE stripe.customer SET name = 'x' WHERE id = 'a'",
            "INSERT INTO stripe.customer (name) VALUES ('x')",
            "DELETE FROM stripe.customer",
        ):
            refused(conn, statement)
    assert asked(two_streams) == []
    # Who may write and not read can create, and change nothing that is there.
    writer.execute("INSERT INTO stripe.customer (name) VALUES ('x')")
    refused(writer, "UPDATE stripe.customer SET name = 'x'")
    assert asked(two_streams) == [("create", None, {"name": "x"})]


def test_the_views_owner_lends_no_rights(two_streams: Database, keeper: Connection, as_role: As) -> None:
    """Whoever makes a view writable gets nothing through it that they have not got."""
    two_streams.sql(f"GRANT CREATE ON DATABASE {two_streams.name} TO {READER}")
    two_streams.sql(f"SELECT sequin.grant_stream('s', '{READER}')")
    reader = as_role(READER)
    reader.execute(f"SELECT sequin.create_view('{CUSTOMER}', schema => 'mine', writable => true)")
    refused(reader, "UPDATE mine.customer SET name = 'x'")
    reader.execute("GRANT USAGE ON SCHEMA mine TO PUBLIC")
    reader.execute("GRANT ALL ON mine.customer TO PUBLIC")
    for name, target in (("stream", "s"), ("mutations", "one")):
        two_streams.sql(f"SELECT sequin.grant_{name}('{target}', '{KEEPER}')")
    assert keeper.execute("UPDATE mine.customer SET name = 'x'").rowcount == 5


# Keeping it up


TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass('test.thing') AND NOT tgisinternal"


def test_a_view_stays_writable_until_it_is_made_otherwise(two_streams: Database) -> None:
    sync_things(two_streams, {})
    keep(two_streams, "a", {"m": 1})
    two_streams.sql("SELECT sequin.create_view('test:thing')")
    assert two_streams.value(TRIGGERS) == 0
    two_streams.sql(f"GRANT UPDATE ON test.thing TO {WRITER}")
    two_streams.sql("CREATE VIEW public.behind AS SELECT m FROM test.thing")
    two_streams.sql("SELECT sequin.create_view('test:thing', writable => true)")
    assert given(two_streams, "UPDATE test.thing SET m = 2") == {"m": 2}

    # A new field, and then one of another type: the view is made anew.
    keep(two_streams, "a", {"m": 1, "b": 1})
    two_streams.sql("SELECT sequin.create_view('test:thing')")
    assert given(two_streams, "UPDATE test.thing SET b = 2") == {"b": 2}
    two_streams.sql("DROP VIEW public.behind")
    keep(two_streams, "a", {"m": "one", "b": 1})
    two_streams.sql("SELECT sequin.create_view('test:thing')")
    assert given(two_streams, "UPDATE test.thing SET m = 'two'") == {"m": "two"}
    assert two_streams.value(TRIGGERS) == 1

    two_streams.sql("SELECT sequin.create_view('test:thing', writable => false)")
    assert two_streams.value(TRIGGERS) == 0
    assert two_streams.value("SELECT has_table_privilege(%s, 'test.thing', 'UPDATE')", WRITER)
    with pytest.raises(errors.UndefinedColumn):
        two_streams.sql("SELECT _mutation_id FROM test.thing")


def test_fields_with_odd_names_are_written_too(two_streams: Database) -> None:
    odd = {"Email": "x", 'a"b': "x", "a'b\\": "x", "é" * 40: "x", "_id": "x", "_mutation_id": "x", "%s": "x"}
    sync_things(two_streams, dict.fromkeys(odd, "text"))
    keep(two_streams, "a", odd)
    make(two_streams, "test:thing")
    columns = two_streams.sql(
        """SELECT attname FROM pg_attribute
           WHERE attrelid = 'test.thing'::regclass AND attnum > 9 AND attname <> '_mutation_id'"""
    )
    assert len(columns) == len(odd)
    with two_streams.connect() as connection:
        settings = sql.SQL(", ").join(sql.SQL("{} = 'y'").format(sql.Identifier(row[0])) for row in columns)
        connection.execute(sql.SQL("UPDATE test.thing SET {}").format(settings))
    assert asked(two_streams) == [("update", "a", dict.fromkeys(odd, "y"))]


def test_a_view_that_can_be_written_to_is_in_a_dump(cluster: Cluster, two_streams: Database) -> None:
    make(two_streams, scope=", sync => 'one'")
    with pytest.raises(errors.DependentObjectsStillExist):
        two_streams.sql("DROP EXTENSION sequin")
    where = ("-h", str(cluster.directory), "-U", "postgres")
    cluster.run("pg_dump", *where, "-Fc", "-f", "writable.dump", two_streams.name)
    restored = cluster.database("restored_writable", extension=False)
    try:
        cluster.run("pg_restore", *where, "--exit-on-error", "-d", restored.name, "writable.dump")
        restored.sql("UPDATE stripe.customer SET name = 'x' WHERE id = 'a'")
        restored.sql("INSERT INTO stripe.customer (name) VALUES ('y')")
        assert asked(restored) == [("update", "a", {"name": "x"}), ("create", None, {"name": "y"})]
        restored.sql(f"SELECT sequin.create_view('{CUSTOMER}')")
        assert given(restored, "UPDATE stripe.customer SET name = 'z' WHERE id = 'b'") == {"name": "z"}
    finally:
        restored.drop()
    # It goes with its view, and the extension with all views.
    two_streams.sql("DROP EXTENSION sequin CASCADE")
    assert two_streams.value("SELECT to_regclass('stripe.customer')") is None
