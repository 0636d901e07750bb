"""What an API is given of what is written into a view: types, places, and nothing that has not changed."""

import datetime
import json
import random
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from harness import Database
from harness.consumers import SYNC
from harness.views import THINGS, asked, given, keep, make, sync_things
from psycopg import Error, errors
from psycopg.types.json import Jsonb

# Values


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


@pytest.mark.parametrize("key", ["wrap", "part"])
def test_where_a_part_of_the_object_is_given_it_is_that_part(two_streams: Database, key: str) -> None:
    """As HubSpot has it: objects have `properties`, and so has the body. It is all that is given, or not."""
    sync_things(two_streams, PROPERTIES, {"unset": ""}, **{key: "/properties"})
    make(two_streams, "test:thing")
    keep(two_streams, "a", {"properties": {"email": "x", "phone": "1", "fax": "2"}, "archived": False})

    def writes(statement: str, expected: dict[str, Any]) -> None:
        whole = {"properties": expected} if key == "part" else expected
        assert given(two_streams, statement) == whole

    writes("UPDATE test.thing SET email = 'y', zip = 7", {"email": "y", "address": {"zip": 7}})
    writes("UPDATE test.thing SET email = NULL", {"email": ""})
    writes(
        "UPDATE test.thing SET all_of_it = all_of_it - 'phone' || '{\"fax\": \"3\"}'",
        {"phone": "", "fax": "3"},
    )
    writes('INSERT INTO test.thing (all_of_it) VALUES (\'{"email": "z"}\')', {"email": "z"})
    writes("INSERT INTO test.thing DEFAULT VALUES", {})
    for setting, sqlstate in (
        ("archived = true", "0A000"),
        ("all_of_it = '[]'", "22023"),
        ("all_of_it = '{}', email = 'y'", "22023"),
    ):
        with pytest.raises(Error) as refusal:
            two_streams.sql(f"UPDATE test.thing SET {setting}")
        assert refusal.value.diag.sqlstate == sqlstate, setting
    two_streams.sql("DELETE FROM sequin.mutations")
    two_streams.sql("UPDATE test.thing SET email = email")
    assert asked(two_streams) == []


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
    keep(
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
