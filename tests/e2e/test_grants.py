"""What is granted by stream and by consumer, and what of the others can be seen or taken."""

import pytest
from harness import Cluster, Database
from harness.consumers import CUSTOMER, OTHER_SYNC, STREAM, SYNC, one
from harness.roles import ADMIN, CONSUMER, OWNER, READER, STRANGER, As, refused
from psycopg import errors, sql

ROWS_OF_STREAMS = {
    "records": "stream_id",
    "rejected_records": "stream_id",
    "streams": "id",
    "syncs": "stream_id",
    "sync_collections": "stream_id",
    "status": "(SELECT s.id FROM sequin.streams AS s WHERE s.name = v.stream)",
}
"""What a reader may look at, and how to tell to which stream a row belongs."""


# Streams, by reader


def test_a_reader_sees_what_was_granted_and_nothing_else(two_streams: Database, as_role: As) -> None:
    reader = as_role(READER)
    granted = two_streams.sql(
        """SELECT relname FROM pg_class WHERE relnamespace = 'sequin'::regnamespace AND relkind IN ('r', 'v')
           AND NOT starts_with(relname, '_') AND has_table_privilege(%s, oid, 'SELECT')""",
        READER,
    )
    assert ROWS_OF_STREAMS.keys() == {row[0] for row in granted}

    def seen(relation: str) -> list[object]:
        rows = reader.execute(f"SELECT DISTINCT {ROWS_OF_STREAMS[relation]} FROM sequin.{relation} AS v")
        return [row[0] for row in rows]

    for relation in ROWS_OF_STREAMS:
        assert seen(relation) == [], relation
    with pytest.raises(errors.UndefinedObject) as refusal:
        reader.execute("SELECT * FROM sequin.read_stream('s')")
    assert "'" not in (refusal.value.diag.message_hint or "").replace("sequin.", ""), "it names a stream"

    two_streams.sql("SELECT sequin.grant_stream('s', %s)", READER)
    for relation in ROWS_OF_STREAMS:
        assert seen(relation) == [STREAM], relation
    assert one(reader, "SELECT count(*) FROM sequin.records") == 5
    assert one(reader, "SELECT count(*) FROM sequin.read_stream('s')") == 5
    record = one(reader, "SELECT sequin.record_json(r) FROM sequin.records AS r LIMIT 1")
    assert record["sync"]["id"] == str(SYNC)
    with pytest.raises(errors.UndefinedObject) as refusal:
        reader.execute("SELECT * FROM sequin.read_stream('t')")
    assert "two" not in str(refusal.value)
    with pytest.raises(errors.UndefinedObject) as refusal:
        reader.execute("""SELECT * FROM sequin.read_stream('s', filter => '{"sync": "two"}')""")
    assert "'two'" not in (refusal.value.diag.message_hint or "")

    two_streams.sql("SELECT sequin.revoke_stream('s', %s)", READER)
    for relation in ROWS_OF_STREAMS:
        assert seen(relation) == [], relation


def test_a_record_of_the_readers_own_making_tells_nothing_of_another_sync(
    two_streams: Database, as_role: As
) -> None:
    two_streams.sql("SELECT sequin.grant_stream('s', %s)", READER)
    forged = f"""SELECT sequin.record_json(jsonb_populate_record(r, '{{"sync_id": "{OTHER_SYNC}"}}'))
                 FROM sequin.records AS r LIMIT 1"""
    assert one(as_role(READER), forged)["sync"] is None


def test_a_leaky_function_leaks_nothing(two_streams: Database, as_role: As) -> None:
    """One that tells what it is given, and costs so little that it would be asked first."""
    two_streams.sql("SELECT sequin.grant_stream('s', %s)", READER)
    two_streams.sql("SELECT sequin.grant_consumer('queue s', %s)", CONSUMER)
    relations = {READER: [*ROWS_OF_STREAMS, "_granted_streams"],
                 CONSUMER: ["consumers", "dead_letters", "_granted_consumers"]}  # fmt: skip
    foreign = two_streams.sql(
        """SELECT 'two' UNION ALL SELECT 't' UNION ALL SELECT 'queue t' UNION ALL SELECT 'v' UNION ALL
           SELECT id::text FROM sequin.streams WHERE name = 't'"""
    )
    secrets = {row[0] for row in foreign}
    for role, names in relations.items():
        conn = as_role(role)
        conn.execute("CREATE TEMP TABLE told (value text)")
        conn.execute(
            "CREATE FUNCTION pg_temp.tell(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001"
            " AS 'BEGIN INSERT INTO told VALUES (value); RETURN true; END'"
        )
        for name in names:
            columns = two_streams.sql(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
                f"sequin.{name}",
            )
            for (column,) in columns:
                conn.execute(
                    sql.SQL("SELECT FROM sequin.{} AS v WHERE pg_temp.tell(v.{}::text)").format(
                        sql.Identifier(name), sql.Identifier(column)
                    )
                )
        told = {row[0] for row in conn.execute("SELECT DISTINCT value FROM told")}
        assert told, "the function was not called at all"
        assert not told & secrets


def test_row_security_cannot_be_turned_off(two_streams: Database, as_role: As) -> None:
    reader = as_role(READER)
    reader.execute("SET row_security = off")
    refused(reader, "SELECT * FROM sequin.records")


def test_a_readers_query_uses_the_indexes(two_streams: Database, as_role: As) -> None:
    two_streams.sql("SELECT sequin.grant_stream('s', %s)", READER)
    reader = as_role(READER)
    reader.execute("SET enable_seqscan = off")

    def plan(query: str) -> str:
        return "\n".join(row[0] for row in reader.execute(f"EXPLAIN {query}"))

    after = f"SELECT * FROM sequin.records WHERE stream_id = '{STREAM}' AND updated_idx > 3"
    assert "Index Scan using records_position" in plan(f"{after} ORDER BY updated_idx LIMIT 2")
    by_key = f"SELECT * FROM sequin.records WHERE collection_id = '{CUSTOMER}' AND upstream_id = 'a'"
    assert "records_upstream_key" in plan(by_key)
    # Which streams, is asked once and not for each record.
    assert "InitPlan" in plan("SELECT * FROM sequin.records")


def test_who_owns_the_tables_is_no_concern_of_the_policies(two_streams: Database) -> None:
    """The workers and functions, that is: their plans are as they would be without."""
    with two_streams.connect() as conn:
        for role in ("postgres", OWNER):
            conn.execute(f"SET ROLE {role}")
            plan = conn.execute("EXPLAIN SELECT * FROM sequin.records WHERE updated_idx > 1").fetchall()
            assert "_stream_grants" not in str(plan)


# Consumers


def test_a_consumer_is_for_whom_it_was_granted_to(two_streams: Database, as_role: As) -> None:
    consumer = as_role(CONSUMER)
    calls = {
        "queue": [
            "consume({}, 1)",
            "ack({}, '{{1-1}}')",
            "nack({}, '{{1-1}}')",
            "extend({}, '{{1-1}}', '1 min')",
        ],
        "batch": ["fetch({}, 1)"],
    }

    def call(function: str, name: str) -> None:
        consumer.execute(f"SELECT * FROM sequin.{function.format(repr(name))}")

    for mode, functions in calls.items():
        for function in functions:
            messages = set()
            for name in (f"{mode} s", f"{mode} t", "missing one"):
                with pytest.raises(errors.InsufficientPrivilege) as refusal:
                    call(function, name)
                messages.add(str(refusal.value).replace(name, "…"))
            assert len(messages) == 1, "it tells which consumers there are"
        two_streams.sql("SELECT sequin.grant_consumer(%s, %s)", f"{mode} s", CONSUMER)
        for function in functions:
            call(function, f"{mode} s")
            refused(consumer, f"SELECT * FROM sequin.{function.format(repr(f'{mode} t'))}")
    assert consumer.execute("SELECT name FROM sequin.consumers ORDER BY 1").fetchall() == [
        ("batch s",), ("queue s",),
    ]  # fmt: skip
    # Also for a session that has consumed all along.
    two_streams.sql("SELECT sequin.revoke_consumer('queue s', %s)", CONSUMER)
    for function in calls["queue"]:
        refused(consumer, f"SELECT * FROM sequin.{function.format(repr('queue s'))}")


def test_a_stream_is_granted_with_all_of_its_consumers(two_streams: Database, as_role: As) -> None:
    two_streams.sql("SELECT sequin.grant_stream('s', %s, 'consume')", CONSUMER)
    two_streams.sql("SELECT sequin.create_consumer('later', 's')")
    consumer = as_role(CONSUMER)
    assert len(consumer.execute("SELECT * FROM sequin.consume('queue s', 9)").fetchall()) == 5
    assert len(consumer.execute("SELECT * FROM sequin.consume('later', 9)").fetchall()) == 5
    refused(consumer, "SELECT * FROM sequin.consume('queue t', 9)")
    refused(consumer, "SELECT * FROM sequin.records")
    # To read a stream is another right.
    two_streams.sql("SELECT sequin.grant_stream('t', %s)", CONSUMER)
    refused(consumer, "SELECT * FROM sequin.consume('queue t', 9)")
    two_streams.sql("SELECT sequin.revoke_stream('s', %s)", CONSUMER)
    refused(consumer, "SELECT * FROM sequin.consume('later', 9)")


def test_a_token_of_a_foreign_consumer_is_worth_nothing(two_streams: Database, as_role: As) -> None:
    two_streams.sql("SELECT sequin.grant_consumer('queue s', %s)", CONSUMER)
    tokens = [row[0] for row in two_streams.sql("SELECT ack_token FROM sequin.consume('queue t', 5)")]
    consumer = as_role(CONSUMER)
    assert one(consumer, "SELECT sequin.ack('queue s', %s)", tokens) == 0
    assert one(consumer, "SELECT sequin.nack('queue s', %s)", tokens) == 0
    assert one(consumer, "SELECT sequin.extend('queue s', %s, '1 h')", tokens) == 0
    refused(consumer, "SELECT sequin.ack('queue t', %s)", tokens)
    assert two_streams.value("SELECT sequin.ack('queue t', %s)", tokens) == 5


def test_a_consumer_sees_its_dead_letters_and_no_others(two_streams: Database, as_role: As) -> None:
    for name in ("queue s", "queue t"):
        two_streams.sql("SELECT sequin.update_consumer(%s, max_deliver => 1)", name)
        (token,) = two_streams.sql("SELECT ack_token FROM sequin.consume(%s, 1)", name)[0]
        assert two_streams.value("SELECT sequin.nack(%s, %s)", name, [token]) == 1
    two_streams.sql("SELECT sequin.grant_consumer('queue s', %s)", CONSUMER)
    dead = (
        as_role(CONSUMER)
        .execute("SELECT consumer, record ->> 'upstream_id' FROM sequin.dead_letters")
        .fetchall()
    )
    assert dead == [("queue s", "a")]
    assert two_streams.value("SELECT count(*) FROM sequin.dead_letters") == 2


# Grants


def test_a_grant_is_for_a_member(two_streams: Database, as_role: As) -> None:
    admin = as_role(ADMIN)
    notices: list[str] = []
    admin.add_notice_handler(lambda notice: notices.append(notice.message_hint or ""))
    admin.execute("SELECT sequin.grant_stream('s', %s)", [READER])
    assert notices == []
    admin.execute("SELECT sequin.grant_stream('s', %s)", [STRANGER])
    admin.execute("SELECT sequin.grant_consumer('queue s', %s)", [STRANGER])
    assert notices == [f"GRANT sequin_reader TO {STRANGER};", f"GRANT sequin_consumer TO {STRANGER};"]
    refused(as_role(STRANGER), "SELECT * FROM sequin.records")
    assert admin.execute(
        "SELECT kind, name, grantee::text, privilege FROM sequin.grants ORDER BY 1, 3"
    ).fetchall() == [
        ("consumer", "queue s", STRANGER, "consume"),
        ("stream", "s", READER, "read"),
        ("stream", "s", STRANGER, "read"),
    ]
    # What is gone takes what was granted of it along.
    admin.execute("SELECT sequin.delete_consumer('queue s')")
    admin.execute("SELECT sequin.delete_stream('s', true)")
    assert admin.execute("SELECT * FROM sequin.grants").fetchall() == []


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("grant_stream('no such', 't_reader')", errors.UndefinedObject),
        ("grant_stream('s', 'no_such_role')", errors.UndefinedObject),
        ("grant_stream('s', 't_reader', 'write')", errors.InvalidParameterValue),
        ("grant_stream('s', NULL)", errors.NullValueNotAllowed),
        ("revoke_stream('no such', 't_reader')", errors.UndefinedObject),
        ("revoke_stream(NULL, 't_reader')", errors.NullValueNotAllowed),
        ("grant_consumer('no such', 't_reader')", errors.UndefinedObject),
        ("grant_consumer(NULL, 't_reader')", errors.NullValueNotAllowed),
        ("revoke_consumer('no such', 't_reader')", errors.UndefinedObject),
        ("revoke_consumer('queue s', NULL)", errors.NullValueNotAllowed),
    ],
)
def test_what_cannot_be_granted(two_streams: Database, call: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        two_streams.sql(f"SELECT sequin.{call}")


def test_a_role_and_its_members(two_streams: Database, as_role: As) -> None:
    """What is granted to a group is granted to those who inherit from it; SET ROLE takes it off again."""
    two_streams.sql("DROP ROLE IF EXISTS t_team")
    two_streams.sql("CREATE ROLE t_team")
    try:
        two_streams.sql(f"GRANT t_team TO {READER}")
        two_streams.sql("SELECT sequin.grant_stream('t', 't_team')")
        reader = as_role(READER)
        assert one(reader, "SELECT count(*) FROM sequin.records") == 5
        reader.execute("SET ROLE sequin_reader")
        assert one(reader, "SELECT count(*) FROM sequin.records") == 0
    finally:
        two_streams.sql("DROP ROLE t_team")
    assert one(as_role(READER), "SELECT count(*) FROM sequin.records") == 0


def test_grants_survive_a_dump(cluster: Cluster, two_streams: Database) -> None:
    two_streams.sql("DROP ROLE IF EXISTS t_gone")
    two_streams.sql("CREATE ROLE t_gone")
    for role in (READER, "t_gone"):
        two_streams.sql("SELECT sequin.grant_stream('s', %s)", role)
    two_streams.sql("SELECT sequin.grant_consumer('queue s', %s)", CONSUMER)
    two_streams.sql("DROP ROLE t_gone")
    where = ("-h", str(cluster.directory), "-U", "postgres")
    cluster.run("pg_dump", *where, "-Fc", "-f", "roles.dump", two_streams.name)
    restored = cluster.database("restored_roles", extension=False)
    try:
        cluster.run("pg_restore", *where, "--exit-on-error", "-d", restored.name, "roles.dump")
        assert restored.sql("SELECT kind, name, grantee::text, privilege FROM sequin.grants ORDER BY 1") == [
            ("consumer", "queue s", CONSUMER, "consume"),
            ("stream", "s", READER, "read"),
        ]
        with restored.connect() as conn:
            conn.execute(f"SET SESSION AUTHORIZATION {READER}")
            assert one(conn, "SELECT count(*) FROM sequin.records") == 5
    finally:
        restored.drop()
