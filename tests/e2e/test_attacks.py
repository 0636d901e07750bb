"""What somebody sends who means harm: through the functions' arguments, and from the API's side."""

import itertools
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest
from fake.core.hostile import KINDS
from harness import Cluster, Database, Upstream, eventually
from harness.api import Answer, Api, Asked, declaration, sync_api
from harness.sync import start_sync
from psycopg.types.json import Jsonb

CUSTOMERS = r"/v1/customers\?"

# Whoever puts one of these into a statement, a path, a header or a format string is found out.
TEXTS = {
    "quote": "'; DROP TABLE public.canary; --",
    "double quote": '"; DROP TABLE public.canary; --',
    "dollar quote": "$$; DROP TABLE public.canary; $$",
    "named dollar quote": "$sequin$; DROP TABLE public.canary; $sequin$ $1 :1 %s",
    "backslash": "\\'; DROP TABLE public.canary; --\\",
    "comment": "*/ /* ; DROP TABLE public.canary --",
    "format": "%s%n%I%L%%{}{0}{name}",
    "line breaks": "a\r\nX-Injected: yes\r\n\r\nb",
    "path": "../../v1/accounts?x=1#y",
    "dots": "..",
    "escaped dots": "%2e%2e/%2F",
    "direction marks": "\u202egnissim\u202c \u200f\u2066",
    "control": "\x01\x1b[31m\x7f",
    "pattern": "(a+)+$[^",
    "unicode": "\U0001f980 é ﷽ \ufeff",
    "long": "x" * 1_000_000,
}
# What a refusal may be: data, integrity, dependents, names, limits, state. No syntax error, no internal one.
REFUSED = ("22", "23", "2B", "42", "54", "55", "0A", "F0", "P0001")
BROKEN = ("42601", "42703", "42P01", "XX000")


@pytest.fixture(scope="module")
def attacked(shared_cluster: Cluster) -> Iterator[Database]:
    """With a canary, and one of each thing, so that an argument behind a good one is looked at too."""
    database = shared_cluster.database("attacked")
    database.sql("CREATE TABLE public.canary AS SELECT 1 AS alive")
    database.sql("SELECT sequin.create_stream('good')")
    # Nothing listens there.
    properties = {"kind": "api_key", "api_key": "sk_test_good", "base_url": "http://127.0.0.1:9"}
    database.sql("SELECT sequin.create_credential('good', 'stripe', %s)", Jsonb(properties))
    database.sql("SELECT sequin.create_sync('good', 'good', 'good', '{customer}')")
    database.sql("SELECT sequin.create_consumer('good', 'good')")
    yield database
    database.drop()


def refusal_of(database: Database, query: str, *params: object) -> psycopg.Error | None:
    try:
        database.sql(query, *params)
    except psycopg.Error as refusal:
        return refusal
    return None


def attempt(database: Database, query: str, *params: object) -> None:
    """Either it works, or it is refused in the right manner; and the canary lives."""
    refusal = refusal_of(database, query, *params)
    if refusal:
        told = f"{query:.300}\n{refusal.sqlstate}: {refusal!s:.1000}"
        assert (refusal.sqlstate or "").startswith(REFUSED), told
        assert refusal.sqlstate not in BROKEN, told
    assert database.value("SELECT alive FROM public.canary") == 1


def callable_functions(database: Database) -> list[tuple[str, dict[str, str], int]]:
    """Public functions: name, type of each argument by its name, and how many of them have no default."""
    rows = database.sql(
        """SELECT p.proname AS name, p.proargnames[1:p.pronargs] AS names,
                  ARRAY(SELECT t.type::regtype::text FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY
                        AS t (type, place) ORDER BY place) AS types,
                  p.pronargs - p.pronargdefaults AS needed
           FROM pg_proc p WHERE p.pronamespace = 'sequin'::regnamespace AND p.prokind = 'f'
             AND p.proname NOT LIKE '\\_%' AND p.prorettype <> 'trigger'::regtype
           ORDER BY p.proname"""
    )
    return [(row.name, dict(zip(row.names or [], row.types, strict=True)), row.needed) for row in rows]


# What stands in the other arguments.
GOOD: dict[str, object] = {
    "text": "good",
    "text[]": ["good"],
    "jsonb": "{}",
    "integer": 1,
    "bigint": 1,
    "boolean": True,
    "interval": "1 s",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "timestamp with time zone": "2024-01-01",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_no_text_argument_becomes_a_statement(attacked: Database, kind: str) -> None:
    tried = 0
    for name, arguments, needed in callable_functions(attacked):
        if any(each not in GOOD for each in arguments.values()):
            continue
        for bad, its_type in arguments.items():
            if its_type not in ("text", "text[]", "jsonb"):
                continue
            values = {key: GOOD[each] for key, each in itertools.islice(arguments.items(), needed)}
            nasty = TEXTS[kind]
            values[bad] = {
                "text": nasty,
                "text[]": ["customer", nasty],
                "jsonb": json.dumps({nasty: nasty, "kind": nasty, "provider": nasty}),
            }[its_type]
            call = ", ".join(f'"{key}" => %s::{arguments[key]}' for key in values)
            attempt(attacked, f"SELECT * FROM sequin.{name}({call})", *values.values())
            tried += 1
    assert tried > 40


def variants(document: Any, text: str) -> Iterator[Any]:
    """The document with each of its values, and each of its keys, replaced by the text."""
    yield text
    if isinstance(document, dict):
        for key, value in document.items():
            rest = {other: each for other, each in document.items() if other != key}
            yield {**rest, text: value}
            for variant in variants(value, text):
                yield {**rest, key: variant}
    elif isinstance(document, list):
        for place, value in enumerate(document):
            for variant in variants(value, text):
                yield [*document[:place], variant, *document[place + 1 :]]


SPEC = declaration(
    {"kind": "cursor", "items": "/data", "next": "/next", "parameter": "cursor"},
    retrieve="/things/{id}",
    query={"expand": "all"},
    updated={"from": "since", "format": "iso8601"},
    record={"updated_at": {"at": "/updated_at", "format": "iso8601"}},
    fields={"name": "text", "seen": {"type": "timestamptz", "format": "iso8601", "at": "/dates/seen"}},
)
DOCUMENTS: dict[str, tuple[str, Any]] = {
    "spec": ("SELECT sequin.register_provider(%s)", {**SPEC, "headers": {"X-Version": "1"}}),
    "properties": (
        "SELECT sequin.create_credential('tried', 'stripe', %s)",
        {"kind": "api_key", "api_key": "k", "base_url": "https://api.stripe.com/"},
    ),
    "rate_limit": (
        "SELECT sequin.update_sync('good', rate_limit => %s)",
        {"allowed_requests": 5, "interval": 1, "max_concurrent_requests": 1},
    ),
    "filter": (
        "SELECT * FROM sequin.read_stream('good', filter => %s)",
        {"provider": "stripe", "sync": ["good"], "collection_id": ["stripe:customer"]},
    ),
    "metadata": ("SELECT sequin.create_stream('m' || random(), %s)", {"team": {"name": ["billing"]}}),
}


@pytest.mark.parametrize("kind", [kind for kind in TEXTS if kind != "long"])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_field_of_a_document_becomes_a_statement(attacked: Database, document: str, kind: str) -> None:
    query, good = DOCUMENTS[document]
    for variant in variants(good, TEXTS[kind]):
        attempt(attacked, query, Jsonb(variant))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_out_of_bounds(attacked: Database, document: str) -> None:
    """As text: PostgreSQL's parser is the first to see them."""
    query = DOCUMENTS[document][0].replace("%s", "%s::jsonb")
    for text in (
        "[" * 1_000_000 + "]" * 1_000_000,
        '{"a":' * 1000 + "1" + "}" * 1000,
        '{"kind": ' + "9" * 1_000_000 + "}",
        '{"interval": 1e400}',
        '{"' + "k" * 10_000_000 + '": 1}',
        '{"provider": "a\\u0000b"}',
    ):
        attempt(attacked, query, text)


def test_a_header_cannot_be_smuggled_in(database: Database) -> None:
    with Api(lambda _: Answer({"data": []})) as api:
        pagination = {"kind": "cursor", "items": "/data", "next": "/next", "parameter": "cursor"}
        broken = {**declaration(pagination), "headers": {"X-Version": "1\r\nX-Injected: yes"}}
        with pytest.raises(psycopg.Error, match="/headers"):
            database.sql("SELECT sequin.register_provider(%s)", Jsonb(broken))
        for secret in ("k\r\nX-Injected: yes", "k\nX-Injected: yes", "k\x01"):
            with pytest.raises(psycopg.Error, match="key"):
                sync_api(database, api, declaration(pagination), key=secret)
            database.sql("SELECT sequin.delete_stream('main')")
        assert not api.asked


# From the API's side


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_answer_is_refused_and_nothing_else_suffers(
    cluster: Cluster, database: Database, stripe: Upstream, kind: str
) -> None:
    stripe.seed(customer=250, product=50)
    stripe.fault("hostile", kind=kind, match={"path": CUSTOMERS, "after": 1, "times": 2})
    sync = start_sync(database, stripe, ["customer", "product"])
    eventually(lambda: len(sync.live("product")) == 50, 30, what=database.status)
    sync.wait(90).converge()
    assert len([each for each in stripe.requests(CUSTOMERS) if each.rules]) == 2, "the fault was never met"
    assert most_memory(cluster, database) < 700 << 20


def most_memory(cluster: Cluster, database: Database) -> int:
    """The most memory that the worker has had, in bytes."""
    [(pid,)] = cluster.sql(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'sequin worker' AND datname = %s",
        database.name,
    )
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.cluster_settings(**{"sequin.max_response_size": "1MB"})
def test_what_is_unpacked_counts(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=20)
    stripe.fault("hostile", kind="gzip_bomb", match={"path": CUSTOMERS, "times": 2})
    sync = start_sync(database, stripe, ["customer"])
    eventually(lambda: "longer than the 1048576 bytes" in database.status(), 20, what=database.status)
    sync.wait(60).converge()


CURSOR = {"kind": "cursor", "items": "/data", "next": "/next", "parameter": "cursor"}


def test_nothing_that_an_api_says_becomes_a_statement_or_a_path(database: Database) -> None:
    """Ids, cursors, types and values come as what they are; ids go back into paths within their segment."""
    database.sql("CREATE TABLE public.canary AS SELECT 1 AS alive")
    nasty = [text for kind, text in TEXTS.items() if kind != "long"]
    cursors = [*nasty, None]
    gone: set[str] = set()

    def answer(asked: Asked) -> Answer:
        if asked.path != "/things":
            return Answer({"error": nasty[0]}, 404)
        place = cursors.index(asked.query["cursor"]) + 1 if "cursor" in asked.query else 0
        things = [{"id": text, "object": text, text: [text]} for text in nasty[place : place + 1]]
        return Answer({"data": [each for each in things if each["id"] not in gone], "next": cursors[place]})

    with Api(answer) as api:
        sync_api(database, api, declaration(CURSOR, retrieve="/things/{id}", changes={"sweep": 1}))
        database.sql("SELECT sequin.wait_for_sync('main', '30 s')")
        live = database.sql("SELECT upstream_id, data FROM sequin.records WHERE NOT deleted")
        assert {row.upstream_id: row.data for row in live} == {
            text: {"id": text, "object": text, text: [text]} for text in nasty
        }
        # A sweep asks for what it misses, one by one.
        gone.update(nasty[1:])
        eventually(
            lambda: database.value("SELECT count(*) FROM sequin.records WHERE deleted") == len(gone), 30,
            what=database.status,
        )  # fmt: skip
        for asked in api.asked:
            assert "x-injected" not in asked.headers
            head, _, segment = asked.path.rpartition("/")
            assert (head, segment) == ("", "things") or head == "/things", asked
            assert unquote(segment) in {"things", *gone, "\x00"}, asked
    assert database.value("SELECT alive FROM public.canary") == 1


@pytest.mark.parametrize("kind", TEXTS)
def test_what_an_api_says_of_an_error_is_only_shown(database: Database, kind: str) -> None:
    database.sql("CREATE TABLE public.canary AS SELECT 1 AS alive")
    with Api(lambda _: Answer({"error": TEXTS[kind]}, 400)) as api:
        sync_api(database, api, declaration(CURSOR))
        eventually(lambda: "the API answered 400" in database.status(), 20, what=database.status)
    [error] = database.sql("SELECT error FROM sequin.status")
    shown = "".join(each for each in TEXTS[kind] if each.isprintable())[:100]
    assert shown in "".join(each for each in error[0] if each.isprintable())
    assert len(error[0]) < 700
    assert database.value("SELECT alive FROM public.canary") == 1


def test_a_cursor_that_is_too_long_is_not_kept(database: Database) -> None:
    with Api(lambda _: Answer({"data": [{"id": "one"}], "next": "c" * 1_000_000})) as api:
        sync_api(database, api, declaration(CURSOR))
        eventually(lambda: "8192 bytes" in database.status(), 20, what=database.status)


@pytest.mark.parametrize("objects", [100, 0])
def test_a_list_without_end_is_left(database: Database, objects: int) -> None:
    """Each page has a new cursor; they show the same objects in any order, or none."""
    rng = random.Random(1)
    numbers = itertools.count(1)

    def answer(_: Asked) -> Answer:
        things = [{"id": f"thing {n}"} for n in rng.sample(range(objects), min(objects, 50))]
        return Answer({"data": things, "next": f"cursor {next(numbers)}"})

    with Api(answer) as api:
        sync_api(database, api, declaration(CURSOR))
        eventually(lambda: "the list doesn't end" in database.status(), 60, what=database.status)
        asked = len(api.asked)
        assert database.value("SELECT count(*) FROM sequin.records") == objects
        # It stays so: each try is one request.
        eventually(lambda: len(api.asked) > asked, 30)
        assert len(api.asked) <= asked + 3
        assert "the list doesn't end" in database.status()
