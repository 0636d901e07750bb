"""Login roles of the tests, one in each role of the extension and one in none."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from .consumers import Connection
from .database import Database

ADMIN, OPERATOR, CONSUMER, READER = "t_admin", "t_operator", "t_consumer", "t_reader"
WRITER = "t_writer"
STRANGER = "t_stranger"
"""May use the schema, and nothing in it: it has what PUBLIC has."""
GROUPS = {
    ADMIN: "sequin_admin",
    OPERATOR: "sequin_operator",
    CONSUMER: "sequin_consumer",
    READER: "sequin_reader",
    WRITER: "sequin_writer",
}
ALL = (*GROUPS, STRANGER)
OWNER = "sequin_worker"
"""Owns everything in the schema."""

As = Callable[[str], Connection]


def make_roles(database: Database) -> None:
    """Makes the roles where they are missing: they are the cluster's, not the database's."""
    for role in ALL:
        if not database.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
            database.sql(f"CREATE ROLE {role} LOGIN")
    for role, group in GROUPS.items():
        if not database.value("SELECT pg_has_role(%s, %s, 'MEMBER')", role, group):
            database.sql(f"GRANT {group} TO {role}")
    database.sql(f"GRANT USAGE ON SCHEMA sequin TO {STRANGER}")


def connect_as(database: Database, role: str) -> Connection:
    dsn = make_conninfo(database.cluster.dsn(database.name), user=role)
    return psycopg.connect(dsn, autocommit=True)


def refused(conn: Connection, statement: str, *args: object) -> None:
    """The statement fails for want of a right."""
    with pytest.raises(errors.InsufficientPrivilege):
        conn.execute(statement, args)
