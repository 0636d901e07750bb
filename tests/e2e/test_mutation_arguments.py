"""What can't be done is refused when it is asked for, and only those ask who may."""

import psycopg
import pytest
from harness import Database
from harness.consumers import one
from harness.roles import ADMIN, ALL, WRITER, As, refused
from psycopg import errors

INSERT = "INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id, data) VALUES"

# (sync, collection, action, upstream id, data), SQLSTATE, what the message or DETAIL shows, what HINT shows
REFUSED: list[tuple[str, str, str, str]] = [
    ("'mian', 'customer', 'create', NULL, '{}'", "42704", "mian", "main"),
    ("NULL, 'customer', 'create', NULL, '{}'", "22004", "sync", ""),
    ("'main', 'custmer', 'create', NULL, '{}'", "42704", "custmer", "customer"),
    ("'main', 'stripe:custmer', 'create', NULL, '{}'", "42704", "custmer", "customer"),
    ("'main', 'github:issue', 'create', NULL, '{}'", "42704|22023", "github:issue", "stripe"),
    ("'main', '', 'create', NULL, '{}'", "42704|22023", "", ""),
    ("'main', NULL, 'create', NULL, '{}'", "22004", "collection_id", ""),
    ("'main', 'customer', 'patch', NULL, '{}'", "22023", "patch", "update"),
    ("'main', 'customer', 'Create', NULL, '{}'", "22023", "Create", "create"),
    ("'main', 'customer', NULL, NULL, '{}'", "22004", "action", ""),
    # What the API can't do.
    ("'main', 'customer', 'upsert', NULL, '{}'", "0A000", "upsert", "create"),
    ("'main', 'refund', 'delete', 're_1', NULL", "0A000", "delete", "update"),
    ("'main', 'balance_transaction', 'create', NULL, '{}'", "0A000", "balance_transaction", ""),
    # Whether it names an object.
    ("'main', 'customer', 'create', 'cus_1', '{}'", "22023", "upstream_id", "data"),
    ("'main', 'customer', 'update', NULL, '{}'", "22004", "upstream_id", "upstream_id"),
    ("'main', 'customer', 'delete', NULL, NULL", "22004", "upstream_id", "upstream_id"),
    ("'main', 'customer', 'update', '', '{}'", "22023", "upstream_id", ""),
    # What is sent.
    ("'main', 'customer', 'create', NULL, NULL", "22004", "data", "object"),
    ("'main', 'customer', 'update', 'cus_1', NULL", "22004", "data", "object"),
    ("'main', 'customer', 'create', NULL, '[]'", "22023", "[]", "object"),
    ("'main', 'customer', 'create', NULL, '\"x\"'", "22023", "x", "object"),
    ("'main', 'customer', 'create', NULL, '5'", "22023", "5", "object"),
    ("'main', 'customer', 'create', NULL, 'null'", "22023", "null", "object"),
    ("'main', 'customer', 'update', 'cus_1', '[{}]'", "22023", "[{}]", "object"),
]


@pytest.fixture
def idle(roles: Database) -> Database:
    """A database with the paused syncs "main" and "other", as nothing is to be sent."""
    with roles.connect() as connection, connection.transaction():
        connection.execute("SELECT sequin.create_stream('main')")
        connection.execute(
            """SELECT sequin.create_credential('key', 'stripe',
                   '{"kind": "api_key", "api_key": "sk_test_x", "base_url": "http://127.0.0.1:9/stripe"}')"""
        )
        for name in ("main", "other"):
            connection.execute(
                "SELECT sequin.create_sync(%s, 'main', 'key', '{customer,refund,balance_transaction}')",
                [name],
            )
            connection.execute("SELECT sequin.pause_sync(%s)", [name])
    return roles


# At the door


@pytest.mark.parametrize("call", ["INSERT", "mutate"])
def test_what_makes_no_sense_is_refused(idle: Database, call: str) -> None:
    problems = []
    for values, states, detail, hint in REFUSED:
        statement = f"{INSERT} ({values})" if call == "INSERT" else f"SELECT sequin.mutate({values})"
        try:
            idle.sql(statement)
        except psycopg.Error as error:
            diagnosis = error.diag
            said = f"{diagnosis.message_primary} {diagnosis.message_detail}"
            if diagnosis.sqlstate not in states.split("|"):
                problems.append(f"{values}: SQLSTATE {diagnosis.sqlstate}: {said}")
            elif detail not in said or not diagnosis.message_detail:
                problems.append(f"{values}: it does not say {detail!r}: {said}")
            elif not diagnosis.message_hint or hint not in diagnosis.message_hint:
                problems.append(f"{values}: no hint of {hint!r}: {diagnosis.message_hint}")
        else:
            problems.append(f"{values} was taken")
    assert not problems, "\n".join(problems)
    assert idle.value("SELECT count(*) FROM sequin.mutations") == 0


def test_one_bad_row_refuses_the_statement(idle: Database) -> None:
    good, bad = (f"('main', 'customer', '{action}', NULL, '{{}}')" for action in ("create", "patch"))
    with pytest.raises(errors.InvalidParameterValue):
        idle.sql(f"{INSERT} {good}, {bad}")
    assert idle.value("SELECT count(*) FROM sequin.mutations") == 0


def test_names_are_completed(idle: Database) -> None:
    idle.sql(f"{INSERT} ('main', 'customer', 'create', NULL, '{{}}')")
    idle.sql("SELECT sequin.mutate('other', 'stripe:customer', 'delete', 'cus_1')")
    rows = idle.sql(
        """SELECT m.sync, s.name, m.collection_id, m.state, m.attempts, m.created_by
           FROM sequin.mutations AS m JOIN sequin.syncs AS s ON s.id = m.sync_id ORDER BY m.no"""
    )
    assert rows == [
        ("main", "main", "stripe:customer", "pending", 0, "postgres"),
        ("other", "other", "stripe:customer", "pending", 0, "postgres"),
    ]


# Roles


MUTATE = "SELECT sequin.mutate(%s, 'customer', 'create', data => '{}')"
INSERT_INTO = (
    "INSERT INTO sequin.mutations (sync, collection_id, action, data) VALUES (%s, 'customer', 'create', '{}')"
)


def test_an_administrator_may_and_others_may_not(idle: Database, as_role: As) -> None:
    admin = as_role(ADMIN)
    for statement in (MUTATE, INSERT_INTO):
        admin.execute(statement, ["main"])
    assert one(admin, "SELECT count(*) FROM sequin.mutations WHERE created_by = %s", ADMIN) == 2
    for role in set(ALL) - {ADMIN}:
        for statement in (MUTATE, INSERT_INTO):
            refused(as_role(role), statement, "main")
    assert idle.value("SELECT count(*) FROM sequin.mutations") == 2


def test_even_an_administrator_may_only_ask(idle: Database, as_role: As) -> None:
    admin = as_role(ADMIN)
    admin.execute(MUTATE, ["main"])
    refused(admin, "UPDATE sequin.mutations SET state = 'done'")
    refused(admin, "DELETE FROM sequin.mutations")
    refused(admin, "TRUNCATE sequin.mutations")
    refused(admin, "ALTER TABLE sequin.mutations DISABLE TRIGGER ALL")
    for column, value in (
        ("state", "'done'"),
        ("attempts", "7"),
        ("status", "200"),
        ("sent_at", "now()"),
        ("created_by", "'somebody'"),
        ("updated_idx", "1"),
        ("sync_id", "gen_random_uuid()"),
    ):
        refused(
            admin,
            f"INSERT INTO sequin.mutations (sync, collection_id, action, data, {column})"
            f" VALUES ('main', 'customer', 'create', '{{}}', {value})",
        )
    [row] = idle.sql("SELECT state, attempts, created_by FROM sequin.mutations")
    assert row == ("pending", 0, ADMIN)


def test_what_is_granted_is_one_sync(idle: Database, as_role: As) -> None:
    """Who may change the objects of one sync sees its mutations, and no others."""
    idle.sql(MUTATE, "main")
    idle.sql(MUTATE, "other")
    idle.sql("SELECT sequin.grant_mutations(sync => 'main', role => %s::regrole)", WRITER)
    writer = as_role(WRITER)
    for statement in (MUTATE, INSERT_INTO):
        writer.execute(statement, ["main"])
        refused(writer, statement, "other")
    shown = writer.execute("SELECT DISTINCT sync FROM sequin.mutations").fetchall()
    assert shown == [("main",)]
    assert one(writer, "SELECT count(*) FROM sequin.mutations") == 3
    foreign = idle.value("SELECT id FROM sequin.mutations WHERE sync = 'other'")
    for function in ("await_mutation", "cancel_mutation"):
        with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedObject)):
            writer.execute(f"SELECT sequin.{function}(%s)", [foreign])

    idle.sql("SELECT sequin.revoke_mutations(sync => 'main', role => %s::regrole)", WRITER)
    for statement in (MUTATE, INSERT_INTO):
        refused(writer, statement, "main")
    assert one(writer, "SELECT count(*) FROM sequin.mutations") == 0


@pytest.mark.parametrize("function", ["grant_mutations", "revoke_mutations"])
def test_what_can_not_be_granted_is_refused(idle: Database, function: str) -> None:
    with pytest.raises(errors.UndefinedObject) as refusal:
        idle.sql(f"SELECT sequin.{function}(sync => 'mian', role => %s::regrole)", WRITER)
    assert "main" in refusal.value.diag.message_hint
    with pytest.raises(errors.NullValueNotAllowed):
        idle.sql(f"SELECT sequin.{function}(sync => NULL, role => %s::regrole)", WRITER)
    with pytest.raises(errors.NullValueNotAllowed):
        idle.sql(f"SELECT sequin.{function}(sync => 'main', role => NULL)")
