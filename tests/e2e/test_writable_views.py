"""Plain SQL on a view of records: what becomes of it, what is refused, and whose rights it takes."""

import datetime
import json
import random
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.consumers import CUSTOMER, OTHER_SYNC, SYNC, Connection, one
from harness.documents import RUN, run
from harness.mutations import all_done, describe, reached
from harness.roles import READER, STRANGER, WRITER, As, connect_as, refused
from harness.sync import Sync, start_sync
from harness.views import THINGS, store, sync_things
from psycopg import Error, errors, sql
from psycopg.types.json import Jsonb

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "mutations.md"
KEEPER = "t_keeper"
"""Reads and writes, as far as it is granted something."""


def make(database: Database, collection: str = CUSTOMER, scope: str = "") -> None:
    database.sql(f"SELECT sequin.create_view('{collection}', writable => true{scope})")


def asked(database: Database) -> list[tuple[str, str | None, Any]]:
    """What has been asked for, in order."""
    rows = database.sql("SELECT action, upstream_id, data FROM sequin.mutations ORDER BY no")
    return [tuple(row) for row in rows]


def given(database: Database, statement: str, *params: object) -> Any:
    """The data of the one mutation that the statement makes."""
    database.sql("DELETE FROM sequin.mutations")
    database.sql(statement, *params)
    [(_, _, data)] = asked(database)
    return data


def keep(database: Database, key: str, data: Any) -> None:
    """A thing as a worker would have stored it."""
    store(database, key, data, sync=THINGS)


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


# What is sent


WRITTEN: dict[str, tuple[Any, str, Any]] = {
    "a_text": ("text", "é ' \\ \"", "é ' \\ \""),
    "a_boolean": ("boolean", "true", True),
    "a_bigint": ("bigint", "-9223372036854775808", -(2**63)),
    "a_double": ("double precision", "0.1", 0.1),
    "a_numeric": ("numeric", "12.50", 12.5),
    "a_date": ("date", "2024-02-29", "2024-02-29"),
    "a_uuid": ("uuid", str(SYNC), str(SYNC)),
    "a_jsonb": ("jsonb", '{"a": [1, null]}', {"a": [1, None]}),
    "a_moment": ("timestamptz", "2026-01-02 03:04:05+02", "2026-01-02T01:04:05Z"),
    "an_instant": ("timestamptz", "2026-01-02 01:04:05.2567Z", "2026-01-02T01:04:05.256Z"),
    "seconds": ({"type": "timestamptz", "format": "unix_seconds"}, "2023-11-14 22:13:20.9Z", 1_700_000_000),
    "millis": ({"type": "timestamptz", "format": "unix_milliseconds"}, "2023-11-14 22:13:20.0059Z",
               1_700_000_000_005),
    "early": ({"type": "timestamptz", "format": "unix_seconds"}, "1969-12-31 23:59:58.5Z", -2),
    "q_boolean": ({"type": "boolean", "quoted": True}, "false", "false"),
    "q_bigint": ({"type": "bigint", "quoted": True}, "17", "17"),
    "q_double": ({"type": "double precision", "quoted": True}, "0.5", "0.5"),
    "q_numeric": ({"type": "numeric", "quoted": True}, "12.50", "12.50"),
    "q_seconds": ({"type": "timestamptz", "format": "unix_seconds", "quoted": True}, "1970-01-01 00:01Z",
                  "60"),
}  # fmt: skip


@pytest.mark.parametrize("action", ["INSERT", "UPDATE"])
def test_each_type_is_written_as_the_api_has_it(two_streams: Database, action: str) -> None:
    sync_things(two_streams, {name: declared for name, (declared, _, _) in WRITTEN.items()})
    make(two_streams, "test:thing")
    keep(two_streams, "a", {})
    names = ", ".join(WRITTEN)
    values = ", ".join(f"'{text.replace(chr(39), chr(39) * 2)}'" for _, text, _ in WRITTEN.values())
    data = given(
        two_streams,
        f"INSERT INTO test.thing ({names}) VALUES ({values})"
        if action == "INSERT"
        else f"UPDATE test.thing SET ({names}) = ({values})",
    )
    assert data == {name: expected for name, (_, _, expected) in WRITTEN.items()}
    # Digits that say nothing are kept where JSON has a place for them.
    assert '"a_numeric": 12.50' in two_streams.value("SELECT data::text FROM sequin.mutations")


RANDOM: dict[str, Any] = {
    "a_text": "text",
    "a_boolean": "boolean",
    "a_bigint": "bigint",
    "a_double": "double precision",
    "a_numeric": "numeric",
    "a_date": "date",
    "a_uuid": "uuid",
    "a_jsonb": "jsonb",
    "a_moment": "timestamptz",
    "seconds": {"type": "timestamptz", "format": "unix_seconds"},
    "millis": {"type": "timestamptz", "format": "unix_milliseconds", "quoted": True},
    "q_boolean": {"type": "boolean", "quoted": True},
    "q_numeric": {"type": "numeric", "quoted": True, "at": "/prices/net"},
    "city": {"type": "text", "at": "/address/city"},
    "zip": {"type": "bigint", "at": "/address/code/zip"},
    "checked": {"type": "date", "at": "/address/code/checked"},
}


def anything(rng: random.Random, declared: Any) -> Any:
    """A value that the column's format can hold; NULL now and then."""
    kind = declared["type"] if isinstance(declared, dict) else declared
    if rng.random() < 0.2:
        return None
    moment = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    match kind:
        case "text":
            return "".join(rng.choices("aé\"\\ \n\t'€😀%{}[],", k=rng.randrange(6)))
        case "boolean":
            return rng.random() < 0.5
        case "bigint":
            return rng.randrange(-(2**63), 2**63)
        case "double precision":
            return rng.choice((0.0, -1.5, 1e300, 5e-324, rng.random()))
        case "numeric":
            return Decimal(rng.randrange(-(10**12), 10**12)).scaleb(-rng.randrange(6))
        case "date":
            return moment.date() + datetime.timedelta(days=rng.randrange(-9000, 9000))
        case "uuid":
            return uuid.UUID(int=rng.getrandbits(128))
        case "jsonb":
            return Jsonb(rng.choice(([], {}, "x", 0, False, [None], {"a": {"b": [1.5]}}, {"a": None})))
    step = (
        "seconds" if isinstance(declared, dict) and declared["format"] == "unix_seconds" else "milliseconds"
    )
    return moment + datetime.timedelta(**{step: rng.randrange(-(10**8), 10**8)})


def merged(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """As an API that changes what it is given, and nothing else."""
    result = dict(data)
    for name, value in changes.items():
        old = data.get(name)
        both = isinstance(old, dict) and isinstance(value, dict) and name in ("address", "code", "prices")
        result[name] = merged(old, value) if both else value
    return result


def members(value: Any, path: str = "") -> Iterator[str]:
    """The places of what an API is given."""
    for name, below in value.items():
        if name in ("address", "code", "prices"):
            yield from members(below, f"{path}/{name}")
        else:
            yield f"{path}/{name}"


@pytest.mark.parametrize("seed", range(4))
def test_what_is_set_is_what_the_view_shows_then(two_streams: Database, seed: int) -> None:
    """Types are undone on the way to the API and done again on the way back, and only changes are given."""
    rng = random.Random(seed)
    sync_things(two_streams, RANDOM)
    make(two_streams, "test:thing")
    data: dict[str, Any] = {}
    for _ in range(40):
        keep(two_streams, "a", data)
        names = rng.sample(list(RANDOM), rng.randrange(1, len(RANDOM)))
        values = {name: anything(rng, RANDOM[name]) for name in names}
        types = {
            name: RANDOM[name]["type"] if isinstance(RANDOM[name], dict) else RANDOM[name] for name in names
        }
        settings = ", ".join(f"{name} = %s::{types[name]}" for name in names)
        different = [
            name
            for name in names
            if two_streams.value(
                f"SELECT {name} IS DISTINCT FROM %s::{types[name]} FROM test.thing", values[name]
            )
        ]
        two_streams.sql("DELETE FROM sequin.mutations")
        two_streams.sql(f"UPDATE test.thing SET {settings}", *values.values())
        rows = two_streams.sql("SELECT data::text FROM sequin.mutations")
        if not different:
            assert rows == []
            continue
        [(text,)] = rows
        changes = json.loads(text)
        places = {
            (RANDOM[name]["at"] if isinstance(RANDOM[name], dict) and "at" in RANDOM[name] else f"/{name}")
            for name in different
        }
        assert set(members(changes)) == places
        data = merged(data, changes)
        keep(two_streams, "a", data)
        for name in names:
            shown = two_streams.sql(
                f"SELECT {name} IS NOT DISTINCT FROM %s::{types[name]}, {name}::text FROM test.thing",
                values[name],
            )
            assert shown[0][0], f"{name} was set to {values[name]!r} and is {shown[0][1]}: {text}"


def test_what_is_the_same_afterwards_is_no_change(two_streams: Database) -> None:
    sync_things(two_streams, {"n": "numeric", "j": "jsonb", "at": "timestamptz", "t": "text"})
    make(two_streams, "test:thing")
    keep(two_streams, "a", '{"n": "1.50", "j": {"a": 1, "b": null}, "at": "2026-01-01T00:00:00Z"}')
    for setting in (
        "n = 1.5",
        'j = \'{"b": null, "a": 1.0}\'',
        "at = '2026-01-01 02:00+02'",
        "t = NULL",
        "t = t, n = n, j = j, at = at",
        "_updated_idx = _updated_idx",
    ):
        rows = two_streams.sql(f"UPDATE test.thing SET {setting} RETURNING _upstream_id, _mutation_id")
        assert rows == [("a", None)], setting
    assert asked(two_streams) == []
    assert given(two_streams, "UPDATE test.thing SET n = 1.5, t = ''") == {"t": ""}


def test_many_rows_are_changed_by_one_statement(two_streams: Database) -> None:
    sync_things(two_streams, {"n": "bigint", "name": "text"})
    make(two_streams, "test:thing")
    two_streams.sql(
        """INSERT INTO sequin.records (stream_id, id, sync_id, provider, collection_id, upstream_id, data,
                                       updated_idx, observed_at, data_hash)
           SELECT s.stream_id, gen_random_uuid(), s.id, s.provider, 'test:thing', to_char(n, 'FM0000'),
                  jsonb_build_object('n', n, 'name', 'x'), nextval('sequin.updated_idx'), now(),
                  gen_random_uuid()
           FROM sequin.syncs AS s, generate_series(0, 999) AS n WHERE s.name = 'things'"""
    )
    rows = two_streams.sql(
        "UPDATE test.thing SET n = n + 1, name = name RETURNING _upstream_id, _mutation_id"
    )
    assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == 1000
    stored = two_streams.sql("SELECT id, upstream_id, data FROM sequin.mutations")
    assert {row.upstream_id: row.id for row in stored} == {row[0]: row[1] for row in rows}
    assert all(row.data == {"n": int(row.upstream_id) + 1} for row in stored)
    with (
        two_streams.connect() as connection,
        connection.cursor().copy("COPY test.thing (name) FROM STDIN") as copy,
    ):
        for n in range(100):
            copy.write_row([f"new {n}"])
    names = two_streams.sql(
        "SELECT data ->> 'name' FROM sequin.mutations WHERE action = 'create' ORDER BY no"
    )
    assert [row[0] for row in names] == [f"new {n}" for n in range(100)]
    two_streams.sql("DELETE FROM test.thing")
    assert two_streams.value("SELECT count(*) FROM sequin.mutations WHERE action = 'delete'") == 1000


def test_an_insert_gives_what_is_not_null(two_streams: Database) -> None:
    fields = {"id": "text", "name": "text", "kind": "text", "city": {"type": "text", "at": "/address/city"}}
    sync_things(two_streams, fields)
    make(two_streams, "test:thing")
    insert = "INSERT INTO test.thing"
    assert given(two_streams, f"{insert} (id, name, kind) VALUES ('own', 'x', NULL)") == {
        "id": "own", "name": "x",
    }  # fmt: skip
    assert given(two_streams, f"{insert} (city) VALUES ('Oslo')") == {"address": {"city": "Oslo"}}
    assert given(two_streams, f"{insert} DEFAULT VALUES") == {}
    two_streams.sql("ALTER VIEW test.thing ALTER COLUMN kind SET DEFAULT 'usual'")
    assert given(two_streams, f"{insert} (name) VALUES ('x')") == {"name": "x", "kind": "usual"}
    shown = two_streams.sql(f"{insert} (name) VALUES ('y') RETURNING name, kind, _sync_id, _id, id")
    assert shown == [("y", "usual", THINGS, None, None)]


# Where it stands in what is given


def test_an_object_that_the_api_merges_is_freed_of_what_it_has_no_more(two_streams: Database) -> None:
    for merges, expected in (
        (True, {"a": 2, "b": None, "deep": {"x": 1, "y": None}, "new": [], "gone": None}),
        (False, {"a": 2, "deep": {"x": 1}, "new": []}),
    ):
        two_streams.sql("DELETE FROM sequin.syncs WHERE name = 'things'")
        sync_things(two_streams, {"j": "jsonb"}, {"merges": merges})
        make(two_streams, "test:thing")
        keep(two_streams, "a", {"j": {"a": 1, "b": 1, "deep": {"x": 1, "y": 2}, "gone": {}, "was": None}})
        new = Jsonb({"a": 2, "deep": {"x": 1}, "new": []})
        assert given(two_streams, "UPDATE test.thing SET j = %s", new) == {"j": expected}
        assert given(two_streams, "UPDATE test.thing SET j = '[1]'") == {"j": [1]}
        assert given(two_streams, "UPDATE test.thing SET j = NULL") == {"j": None}
        assert given(two_streams, "INSERT INTO test.thing (j) VALUES (%s)", new) == {"j": new.obj}
        two_streams.sql("DELETE FROM sequin.records WHERE collection_id = 'test:thing'")


PROPERTIES = {
    "email": {"type": "text", "at": "/properties/email"},
    "zip": {"type": "bigint", "at": "/properties/address/zip"},
    "archived": "boolean",
    "all_of_it": {"type": "jsonb", "at": "/properties"},
}


def test_where_a_part_of_the_object_is_given_it_is_that_part(two_streams: Database) -> None:
    """As HubSpot has it: objects have `properties`, and so has the body."""
    sync_things(two_streams, PROPERTIES, {"unset": ""}, wrap="/properties")
    make(two_streams, "test:thing")
    keep(two_streams, "a", {"properties": {"email": "x", "phone": "1", "fax": "2"}, "archived": False})
    assert given(two_streams, "UPDATE test.thing SET email = 'y', zip = 7") == {
        "email": "y", "address": {"zip": 7},
    }  # fmt: skip
    assert given(two_streams, "UPDATE test.thing SET email = NULL") == {"email": ""}
    assert given(
        two_streams, "UPDATE test.thing SET all_of_it = all_of_it - 'phone' || '{\"fax\": \"3\"}'"
    ) == {"phone": "", "fax": "3"}
    assert given(two_streams, 'INSERT INTO test.thing (all_of_it) VALUES (\'{"email": "z"}\')') == {
        "email": "z"
    }
    for setting, sqlstate in (
        ("archived = true", "0A000"),
        ("all_of_it = '[]'", "22023"),
        ("all_of_it = '{}', email = 'y'", "22023"),
    ):
        with pytest.raises(Error) as refusal:
            two_streams.sql(f"UPDATE test.thing SET {setting}")
        assert refusal.value.diag.sqlstate == sqlstate, setting


@pytest.mark.parametrize(
    ("write", "name"),
    [({"wrap": "/thing", "record": "/thing"}, "/name"), ({"wrap": "/thing"}, "/name")],
    ids=["both", "the body"],
)
def test_what_only_wraps_the_object_is_no_part_of_it(
    two_streams: Database, write: dict[str, Any], name: str
) -> None:
    sync_things(two_streams, {"name": {"type": "text", "at": name}}, **write)
    make(two_streams, "test:thing")
    keep(two_streams, "a", {"name": "x"})
    assert given(two_streams, "UPDATE test.thing SET name = 'y'") == {"name": "y"}


def test_where_nothing_is_declared_the_members_are_given(two_streams: Database) -> None:
    """A view of what was found in the records, whose id nobody has called a text."""
    sync_things(two_streams, {}, wrap="/properties")
    store(
        two_streams, "1", {"id": 1, "properties": {"email": "x", "phone": "1"}, "at": "2026-01-01T00:00:00Z"}
    )
    make(two_streams, "test:thing")
    assert given(two_streams, 'UPDATE test.thing SET properties = properties || \'{"email": "y"}\'') == {
        "email": "y"
    }
    for setting in ("id = 2", "at = now()"):
        with pytest.raises(errors.FeatureNotSupported):
            two_streams.sql(f"UPDATE test.thing SET {setting}")


def test_columns_that_are_parts_of_each_other_are_not_written_together(two_streams: Database) -> None:
    fields = {
        "address": "jsonb",
        "city": {"type": "text", "at": "/address/city"},
        "same": {"type": "text", "at": "/address/city"},
        "first": {"type": "text", "at": "/names/0"},
    }
    sync_things(two_streams, fields)
    make(two_streams, "test:thing")
    keep(two_streams, "a", {"address": {"city": "Rome"}, "names": ["x"]})
    assert given(two_streams, 'UPDATE test.thing SET address = \'{"city": "Oslo"}\'') == {
        "address": {"city": "Oslo"}
    }
    for setting in ("address = '{}', city = 'Oslo'", "city = 'a', same = 'b'"):
        with pytest.raises(errors.InvalidParameterValue) as refusal:
            two_streams.sql(f"UPDATE test.thing SET {setting}")
        assert "part" in (refusal.value.diag.message_detail or "")
    with pytest.raises(errors.FeatureNotSupported) as refusal:
        two_streams.sql("UPDATE test.thing SET first = 'y'")
    assert "array" in (refusal.value.diag.message_detail or "")


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
