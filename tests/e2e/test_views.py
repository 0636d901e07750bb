"""Records with plain SQL, a column a field: what a view shows, to whom, and how it is kept up."""

from typing import Any

import psycopg
import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.api import declaration
from harness.consumers import CUSTOMER, OTHER_SYNC, STREAM, SYNC, one
from harness.roles import ADMIN, READER, STRANGER, As, refused
from harness.sync import start_sync
from harness.views import store
from psycopg import errors, sql
from psycopg.types.json import Jsonb

OWN = [
    "_id", "_stream_id", "_sync_id", "_upstream_id", "_parent_id", "_updated_idx", "_inserted_at",
    "_created_at", "_updated_at",
]  # fmt: skip
SECOND = 1_700_000_000


def register(database: Database, **fields: Any) -> None:
    spec = declaration({"kind": "none", "items": ""}, **({"fields": fields} if fields else {}))
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(spec))


def columns(database: Database, view: str = "test.thing") -> dict[str, str]:
    """Name → type of the columns for fields, in their order."""
    rows = database.sql(
        """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
           WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum""",
        view,
    )
    assert [row[0] for row in rows[: len(OWN)]] == OWN
    return dict(rows[len(OWN) :])


@pytest.fixture
def things(two_streams: Database) -> Database:
    """A provider "test" with things of which nothing is declared, and none there yet."""
    register(two_streams)
    return two_streams


# From the API to a query


def test_a_collection_is_queried_with_plain_sql(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=30)
    start_sync(database, stripe, ["customer"]).wait().converge()
    assert database.value("SELECT sequin.create_view('stripe:customer')") == "stripe.customer"
    objects = stripe.objects("customer")

    def shown() -> list[Any]:
        return database.sql(
            "SELECT id, email, extract(epoch FROM created)::bigint, livemode, balance, metadata"
            " FROM stripe.customer ORDER BY id"
        )

    def expected(keys: list[str]) -> list[Any]:
        names = ("id", "email", "created", "livemode", "balance", "metadata")
        return [tuple(objects[key].get(name) for name in names) for key in sorted(keys)]

    assert shown() == expected(list(objects))
    gone = stripe.any_id("customer")
    stripe.delete("customer", gone)
    eventually(lambda: shown() == expected([key for key in objects if key != gone]), what=database.status)


def test_each_collection_of_stripe_has_a_view(database: Database) -> None:
    names = [row[0] for row in database.sql("SELECT name FROM sequin.collections WHERE provider = 'stripe'")]
    for name in names:
        assert database.value("SELECT sequin.create_view(%s)", f"stripe:{name}") == f"stripe.{name}"
        assert database.sql(f"SELECT * FROM stripe.{name}") == []
    declared = database.value("SELECT fields FROM sequin.collections WHERE collection_id = %s", CUSTOMER)
    assert {"name": "balance", "type": "bigint", "source": "declared"} in declared
    assert [each["name"] for each in declared] == list(columns(database, "stripe.customer"))


# Values


FITTING = {
    "a_text": ("text", "é ' \\ \"", "é ' \\ \""),
    "a_boolean": ("boolean", True, "true"),
    "a_bigint": ("bigint", -(2**63), "-9223372036854775808"),
    "a_double": ("double precision", 0.5, "0.5"),
    "a_numeric": ("numeric", 12.25, "12.25"),
    "a_moment": ("timestamptz", "2026-01-02T03:04:05.25+02:00", "2026-01-02 01:04:05.25+00"),
    "seconds": ({"type": "timestamptz", "format": "unix_seconds"}, SECOND, "2023-11-14 22:13:20+00"),
    "millis": ({"type": "timestamptz", "format": "unix_milliseconds"}, SECOND * 1000 + 5,
               "2023-11-14 22:13:20.005+00"),
    "a_date": ("date", "2024-02-29", "2024-02-29"),
    "a_uuid": ("uuid", str(SYNC), str(SYNC)),
    "a_jsonb": ("jsonb", {"a": [1, None]}, '{"a": [1, null]}'),
    "nested": ({"type": "bigint", "at": "/deep/er/0"}, None, "7"),
}  # fmt: skip


def row(database: Database, key: str) -> dict[str, str | None]:
    """The columns for fields of one record, as text."""
    with database.connect() as conn:
        conn.execute("SET timezone = 'UTC'")
        texts = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns(database)
        )
        query = sql.SQL("SELECT {} FROM test.thing WHERE _upstream_id = {}").format(texts, key)
        values = conn.execute(query).fetchone()
    assert values is not None
    return dict(zip(columns(database), values, strict=True))


def test_declared_fields_have_their_types(two_streams: Database) -> None:
    register(two_streams, **{name: declared for name, (declared, _, _) in FITTING.items()})
    data = {name: value for name, (_, value, _) in FITTING.items() if name != "nested"}
    store(two_streams, "a", {**data, "deep": {"er": {"0": 7}}})
    two_streams.sql("SELECT sequin.create_view('test:thing')")
    types = {
        name: declared["type"] if isinstance(declared, dict) else declared
        for name, (declared, _, _) in FITTING.items()
    }
    in_full = {"timestamptz": "timestamp with time zone"}
    assert columns(two_streams) == {name: in_full.get(types[name], types[name]) for name in sorted(types)}
    assert row(two_streams, "a") == {name: text for name, (_, _, text) in FITTING.items()}


@pytest.mark.parametrize(
    ("field", "text", "shown"),
    [
        ("bigint", "9223372036854775808", None),
        ("bigint", "-1e400", None),
        ("bigint", "1.5", None),
        ("bigint", "2.0", "2"),
        ("bigint", '"17"', "17"),
        ("bigint", '"seventeen"', None),
        ("bigint", '""', None),
        ("bigint", "true", None),
        ("bigint", "[1]", None),
        ("bigint", '{"a": 1}', None),
        ("bigint", "null", None),
        ("numeric", "1e400", "1" + 400 * "0"),
        ("numeric", '"12.50"', "12.50"),
        ("numeric", '"NaN"', None),
        ("double precision", "1e400", None),
        ("double precision", '"inf"', None),
        ("boolean", '"true"', "true"),
        ("boolean", "1", None),
        ("boolean", '"yes"', None),
        ("timestamptz", '"2026-02-30T00:00:00Z"', None),
        ("timestamptz", '"now"', None),
        ("timestamptz", "0", None),
        ("date", '"2026-02-30"', None),
        ("date", '"today"', None),
        ("uuid", '"1-2-3"', None),
        ("uuid", "{}", None),
        ("text", "12.50", "12.50"),
        ("text", '["a"]', '["a"]'),
        ("text", "null", None),
        ("jsonb", "null", None),
        ("jsonb", '"a"', '"a"'),
    ],
)
def test_what_does_not_fit_is_null_and_no_error(
    two_streams: Database, field: str, text: str, shown: str | None
) -> None:
    register(two_streams, it=field)
    store(two_streams, "a", f'{{"it": {text}}}')
    store(two_streams, "without", "{}")
    store(two_streams, "no object", "[1]")
    two_streams.sql("SELECT sequin.create_view('test:thing')")
    assert row(two_streams, "a") == {"it": shown}
    assert row(two_streams, "without") == row(two_streams, "no object") == {"it": None}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["1", "null", "-2.0"], "bigint"),
        (["1", "1.5"], "numeric"),
        (["1", "9223372036854775808"], "numeric"),
        (["true", "false", "null"], "boolean"),
        (["null", "null"], "text"),
        (['"a"', '"2026-01-01T00:00:00Z"'], "text"),
        (['"2026-01-01T00:00:00Z"', '"2026-01-01T00:00:00.5+0200"', "null"], "timestamp with time zone"),
        (['"2026-01-01T00:00:00"'], "text"),
        (['"2026-01-01"'], "text"),
        (['"1"', "1"], "jsonb"),
        (["{}", "null"], "jsonb"),
        (["[]", '"a"'], "jsonb"),
    ],
)
def test_the_type_that_all_values_fit_is_found(things: Database, values: list[str], found: str) -> None:
    for n, value in enumerate(values):
        store(things, f"k{n}", f'{{"it": {value}}}')
    store(things, "without", "{}")
    store(things, "no object", '"it"')
    things.sql("SELECT sequin.create_view('test:thing')")
    assert columns(things) == {"it": found}


def test_the_search_for_fields_has_an_end(things: Database) -> None:
    """Whatever lies between the ends of the indexes is not looked at."""
    things.sql(
        """INSERT INTO sequin.records (stream_id, id, sync_id, provider, collection_id, upstream_id, data,
                                       updated_idx, observed_at, data_hash)
           SELECT %s, gen_random_uuid(), %s, 'test', 'test:thing', to_char(n, 'FM00000'),
                  jsonb_build_object(CASE WHEN n BETWEEN 1500 AND 1600 THEN 'middle' ELSE 'usual' END, n),
                  nextval('sequin.updated_idx'), now(), gen_random_uuid()
           FROM generate_series(1, 4000) AS n""",
        STREAM, SYNC,
    )  # fmt: skip
    things.sql("SELECT sequin.create_view('test:thing')")
    assert columns(things) == {"usual": "bigint"}
    # What has changed last is looked at wherever its id stands.
    store(things, "00001", {"fresh": True})
    things.sql("SELECT sequin.create_view('test:thing')")
    assert columns(things) == {"usual": "bigint", "fresh": "boolean"}


# Names


def test_fields_keep_their_names_as_far_as_they_can(things: Database) -> None:
    long = "é" * 31 + "x"
    awkward = {
        "select": 1,
        "Email": 2,
        "email": 3,
        'a"b': 4,
        "a'b\\": 5,
        "日本": 6,
        "%s": 7,
        "ctid": 8,
        long: 9,
    }
    renamed = {"": 10, "_id": 11, "é" * 32: 12, "é" * 31 + "yz": 13, "_updated_idx": 14}
    store(things, "a", {**awkward, **renamed})
    things.sql("SELECT sequin.create_view('test:thing')")
    shown = row(things, "a")
    assert {name: shown.pop(name) for name in awkward} == {name: str(n) for name, n in awkward.items()}
    by_value = {int(value or 0): name for name, value in shown.items()}
    assert by_value.keys() == set(renamed.values())
    for field, value in renamed.items():
        start, _, end = by_value[value].rpartition("_")
        assert field.startswith(start) and len(end) == 7
        assert end == things.value("SELECT left(md5(%s), 7)", field)
        assert len(by_value[value].encode()) <= 63


def test_a_view_has_an_end(things: Database) -> None:
    store(things, "a", {f"field {n}": n for n in range(1600)})
    with pytest.raises(errors.TooManyColumns) as refusal:
        things.sql("SELECT sequin.create_view('test:thing')")
    assert "columns" in (refusal.value.diag.message_hint or "")
    store(things, "a", {f"field {n}": n for n in range(1600 - len(OWN))})
    things.sql("SELECT sequin.create_view('test:thing')")
    assert len(columns(things)) == 1600 - len(OWN)
    things.sql("SELECT sequin.create_view('test:thing', name => 'few', columns => '{field 7,field 1}')")
    assert list(columns(things, "test.few")) == ["field 7", "field 1"]


# Keeping it up


def test_a_view_follows_the_fields(things: Database) -> None:
    store(things, "a", {"m": 1})
    things.sql("SELECT sequin.create_view('test:thing')")
    things.sql("CREATE VIEW public.behind AS SELECT m FROM test.thing")
    things.sql(f"GRANT USAGE ON SCHEMA test TO {STRANGER}")
    things.sql(f"GRANT SELECT ON test.thing TO {READER} WITH GRANT OPTION")
    things.sql("GRANT SELECT ON test.thing TO PUBLIC")
    things.sql(f"GRANT ALL ON SCHEMA test TO {ADMIN}")
    things.sql(f"ALTER VIEW test.thing OWNER TO {ADMIN}")
    # A new field comes behind, whatever it is called.
    store(things, "a", {"m": 1, "b": 2})
    things.sql("SELECT sequin.create_view('test:thing')")
    assert list(columns(things)) == ["m", "b"]

    store(things, "a", {"m": "one"})
    with pytest.raises(errors.DependentObjectsStillExist) as refusal:
        things.sql("SELECT sequin.create_view('test:thing')")
    assert "behind" in (refusal.value.diag.message_detail or "")
    assert list(columns(things)) == ["m", "b"]
    things.sql("DROP VIEW public.behind")
    properties = (
        "SELECT relowner::regrole::text, relacl::text FROM pg_class WHERE oid = 'test.thing'::regclass"
    )
    before = things.sql(properties)
    things.sql("SELECT sequin.create_view('test:thing')")
    assert columns(things) == {"m": "text"}
    assert things.sql(properties) == before


def test_what_is_somebody_elses_is_left_alone(things: Database) -> None:
    things.sql("CREATE SCHEMA test")
    for kind in ("TABLE test.thing (a int)", "VIEW test.thing AS SELECT 1 AS a", "SEQUENCE test.thing"):
        things.sql(f"CREATE {kind}")
        with pytest.raises(errors.DuplicateObject):
            things.sql("SELECT sequin.create_view('test:thing')")
        things.sql(f"DROP {kind.split()[0]} test.thing")
    things.sql("SELECT sequin.create_view('test:thing')")


def test_the_records_can_be_those_of_a_stream_or_a_sync(two_streams: Database) -> None:
    for scope, keys in (
        ("", "abcdevwxyz"),
        (", stream => 's'", "abcde"),
        (", sync => 'two'", "vwxyz"),
        (", sync => 'one', stream => 's'", "abcde"),
    ):
        two_streams.sql(f"SELECT sequin.create_view('{CUSTOMER}'{scope})")
        assert two_streams.value("SELECT string_agg(id, '' ORDER BY id) FROM stripe.customer") == keys
    comment = two_streams.value("SELECT obj_description('stripe.customer'::regclass, 'pg_class')")
    assert CUSTOMER in comment and "one" in comment


# Rights


def test_a_reader_sees_what_they_may_see_of_the_records(two_streams: Database, as_role: As) -> None:
    two_streams.sql(f"SELECT sequin.create_view('{CUSTOMER}')")
    reader = as_role(READER)
    query = "SELECT string_agg(id, '' ORDER BY id) FROM stripe.customer"
    refused(reader, query)
    two_streams.sql("GRANT USAGE ON SCHEMA stripe TO PUBLIC")
    two_streams.sql("GRANT SELECT ON stripe.customer TO PUBLIC")
    assert one(reader, query) is None
    two_streams.sql("SELECT sequin.grant_stream('s', %s)", READER)
    assert one(reader, query) == "abcde"
    assert one(as_role(ADMIN), query) == "abcdevwxyz"
    # The right to the view is none to the records.
    refused(as_role(STRANGER), query)
    reader.execute(
        "CREATE FUNCTION pg_temp.tell(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001"
        " AS $$ BEGIN RAISE NOTICE '%', value; RETURN true; END $$"
    )
    told: list[str] = []
    reader.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    reader.execute("SELECT FROM stripe.customer WHERE pg_temp.tell(id)")
    assert sorted(told) == list("abcde")


def test_whoever_reads_records_may_make_a_view_where_they_may_create(
    two_streams: Database, as_role: As
) -> None:
    two_streams.sql("SELECT sequin.grant_stream('s', %s)", READER)
    for role, keys in ((READER, "abcde"), (ADMIN, "abcdevwxyz")):
        conn = as_role(role)
        call = f"SELECT sequin.create_view('{CUSTOMER}', schema => 'of_{role}')"
        refused(conn, call)
        two_streams.sql(f"CREATE SCHEMA of_{role} AUTHORIZATION {role}")
        conn.execute(call)
        assert one(conn, f"SELECT string_agg(id, '' ORDER BY id) FROM of_{role}.customer") == keys
        with pytest.raises(errors.UndefinedObject):
            conn.execute(call.replace(")", ", sync => 'missing')"))
        if role == READER:
            with pytest.raises(errors.UndefinedObject):
                conn.execute(call.replace(")", ", stream => 't')"))
    refused(as_role(STRANGER), f"SELECT sequin.create_view('{CUSTOMER}')")


# Speed


def test_look_ups_use_the_indexes(two_streams: Database, as_role: As) -> None:
    two_streams.sql(
        """INSERT INTO sequin.records (stream_id, id, sync_id, provider, collection_id, upstream_id, data,
                                       updated_idx, observed_at, data_hash)
           SELECT %s, gen_random_uuid(), %s, 'stripe', %s, 'cus_' || n,
                  jsonb_build_object('email', n || '@example.com', 'balance', n, 'created', 1700000000 + n),
                  nextval('sequin.updated_idx'), now(), gen_random_uuid()
           FROM generate_series(1, 5000) AS n""",
        STREAM, SYNC, CUSTOMER,
    )  # fmt: skip
    two_streams.sql("ANALYZE sequin.records")
    two_streams.sql("SELECT sequin.grant_stream('s', %s)", READER)
    two_streams.sql(f"SELECT sequin.create_view('{CUSTOMER}')")
    two_streams.sql("GRANT USAGE ON SCHEMA stripe TO PUBLIC")
    two_streams.sql("GRANT SELECT ON stripe.customer TO PUBLIC")

    def plan(conn: psycopg.Connection[Any], condition: str) -> str:
        rows = conn.execute(f"EXPLAIN SELECT name FROM stripe.customer WHERE {condition}")
        return "\n".join(row[0] for row in rows)

    for conn in (two_streams.connect(), as_role(ADMIN), as_role(READER)):
        found = plan(conn, "id = 'cus_1'")
        assert "records_upstream_key" in found
        assert "upstream_id = 'cus_1'" in found.partition("Index Cond:")[2].partition("\n")[0], found

    for name, expression in (
        ("by_email", "data ->> 'email'"),
        ("by_balance", "sequin.as_bigint(data ->> 'balance')"),
        ("by_created", "sequin.as_timestamptz(data ->> 'created', 'unix_seconds')"),
    ):
        two_streams.sql(
            f"CREATE INDEX {name} ON sequin.records (({expression})) WHERE collection_id = '{CUSTOMER}'"
        )
    two_streams.sql("ANALYZE sequin.records")
    with two_streams.connect() as conn:
        for index, condition in (
            ("by_email", "email = '5@example.com'"),
            ("by_balance", "balance = 5"),
            ("by_created", "created = '2023-11-14 22:13:25Z'"),
        ):
            found = plan(conn, condition)
            assert index in found and "Index Cond" in found, found


# A dump


def test_a_view_is_in_a_dump(cluster: Cluster, two_streams: Database) -> None:
    two_streams.sql(f"SELECT sequin.create_view('{CUSTOMER}', stream => 's')")
    with pytest.raises(errors.DependentObjectsStillExist):
        two_streams.sql("DROP EXTENSION sequin")
    where = ("-h", str(cluster.directory), "-U", "postgres")
    cluster.run("pg_dump", *where, "-Fc", "-f", "views.dump", two_streams.name)
    restored = cluster.database("restored_views", extension=False)
    try:
        cluster.run("pg_restore", *where, "--exit-on-error", "-d", restored.name, "views.dump")
        assert restored.value("SELECT string_agg(id, '' ORDER BY id) FROM stripe.customer") == "abcde"
        restored.sql(f"SELECT sequin.create_view('{CUSTOMER}')")
        assert restored.value("SELECT count(*) FROM stripe.customer WHERE _sync_id = %s", OTHER_SYNC) == 5
    finally:
        restored.drop()
