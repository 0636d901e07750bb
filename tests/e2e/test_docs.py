"""The documents against a live database: what they list exists as they say, and what they show runs."""

import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from harness import Cluster, Database, Fake, Upstream, eventually
from harness.consumers import Connection, consume, create, put
from harness.documents import RUN, run
from harness.sync import start_sync
from house.test_docs import FENCE, REFERENCE, documented, settings

CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "README.md"
GUIDE = CHECKOUT / "docs" / "consumers.md"
PROVIDERS = CHECKOUT / "docs" / "providers.md"
KEY = '"api_key": "rk_test_..."'
TOKEN = '"token": "github_pat_..."'

UNITS = {
    "ms": 1,
    "s": 1000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "kB": 1,
    "MB": 1024,
    "GB": 1024**2,
}


@pytest.fixture(scope="module")
def catalogue(shared_cluster: Cluster) -> Database:
    database = shared_cluster.database("catalogue")
    yield database
    database.drop()


def with_account(blocks: list[str], stripe: Upstream) -> list[str]:
    """The SQL with the fake in place of Stripe."""
    account = f'"api_key": {json.dumps(stripe.api_key)}, "base_url": {json.dumps(stripe.url)}'
    assert any(KEY in block for block in blocks)
    return [block.replace(KEY, account) for block in blocks]


# What runs


def test_the_first_sync_of_the_readme(cluster: Cluster, stripe: Upstream) -> None:
    stripe.seed(customer=30, product=3, price=4, subscription=5, invoice=6)
    blocks = [found[1] for found in RUN.finditer(README.read_text(encoding="utf-8"))]
    assert len(blocks) >= 4
    database = cluster.database("readme", extension=False)
    try:
        printed = run(cluster, database, with_account(blocks, stripe))
        live = database.value("SELECT count(*) FROM sequin.records WHERE NOT deleted")
        assert live == sum(
            len(stripe.objects(name)) for name in ("customer", "product", "price", "subscription", "invoice")
        )
        assert re.search(r"cus_\w+ +\| +1\n", printed), (
            f"the consumer's record was not acknowledged:\n{printed}"
        )
    finally:
        database.drop()


def test_the_sync_of_github(cluster: Cluster, database: Database, fake: Fake) -> None:
    github = fake.upstream("github")
    github.create("organization", login="acme")
    for name in ("site", "app"):
        github.create("repository", parent="acme", name=name, private=False, event=False)
    github.create("issue", count=3, parent="acme/site", event=False)
    github.create("pull_request", count=2, parent="acme/app", event=False)
    blocks = [found[1] for found in RUN.finditer(PROVIDERS.read_text(encoding="utf-8"))]
    assert any(TOKEN in block for block in blocks)
    account = f'"token": {json.dumps(github.api_key)}, "base_url": {json.dumps(github.url)}'
    printed = run(cluster, database, [block.replace(TOKEN, account) for block in blocks])
    assert re.search(r"acme/app +\| +0 \| +2\n +acme/site +\| +3 \| +0\n", printed), printed


def test_every_example_of_the_reference(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=30, product=3, invoice=6)
    blocks = [block[1] for block in FENCE.finditer(REFERENCE.read_text(encoding="utf-8"))]
    examples = [block for block in blocks if not block.startswith("sequin.")]
    unused = {
        entry.name
        for entry in documented()
        if entry.signature and f"sequin.{entry.name}(" not in "".join(examples)
    }
    assert not unused, f"without an example: {sorted(unused)}"
    run(cluster, database, with_account(examples, stripe))
    assert database.value("SELECT count(*) FROM crm_contacts") == 10


def test_the_guide_to_consumers(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=30)
    start_sync(database, stripe, ["customer"]).wait()
    guide = GUIDE.read_text(encoding="utf-8")
    run(cluster, database, [found[1] for found in RUN.finditer(guide)])
    assert database.value("SELECT count(*) FROM contacts") > 20
    assert database.value("SELECT count(*) FROM customers") == 30

    # It ends with a replay: everything is to be handled again, and then what changes.
    handled: list[str] = []
    (block,) = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    names = {"psycopg": psycopg, "handle": lambda record: handled.append(record["upstream_id"])}
    exec(block, names)
    connection = database.connect()

    def work() -> None:
        with suppress(psycopg.OperationalError):
            names["work"](connection)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        eventually(lambda: sorted(set(handled)) == sorted(stripe.objects("customer")))
        changed = stripe.any_id("customer")
        before = len(handled)
        stripe.update("customer", changed, email="other@example.com")
        eventually(lambda: handled[before:] == [changed], timeout=8)
    finally:
        database.sql("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
        thread.join()


def test_a_wait_holds_what_the_guide_says(db: Callable[[], Connection]) -> None:
    conn, waiting = db(), db()
    create(conn)
    thread = threading.Thread(target=consume, args=(waiting,), kwargs={"wait": "20 s"})
    thread.start()
    pid = waiting.info.backend_pid
    horizon = "SELECT backend_xid, backend_xmin FROM pg_stat_activity WHERE pid = %s"
    (xid, xmin) = eventually(
        lambda: conn.execute(horizon + " AND wait_event_type = 'Extension'", [pid]).fetchone()
    )
    assert xid is None and xmin is not None
    assert conn.execute(
        "SELECT DISTINCT locktype, mode FROM pg_locks WHERE pid = %s AND locktype <> 'virtualxid'", [pid]
    ).fetchall() == [("relation", "AccessShareLock")]
    put(conn, "a")
    thread.join()
    assert conn.execute(horizon, [pid]).fetchone() == (None, None)


# What exists


def test_functions_are_as_the_reference_says(catalogue: Database) -> None:
    """PostgreSQL itself reads the signatures: each is made in a schema of its own, and both are compared."""
    catalogue.sql("CREATE SCHEMA documented")
    catalogue.sql("SET check_function_bodies = off")
    for entry in documented():
        if entry.signature:
            signature = entry.signature.replace("sequin.", "documented.", 1)
            catalogue.sql(f"CREATE FUNCTION {signature} LANGUAGE plpgsql AS ''")

    def functions(schema: str) -> dict[str, tuple[str, str]]:
        rows = catalogue.sql(
            """SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid) FROM pg_proc
               WHERE pronamespace = %s::regnamespace AND NOT starts_with(proname, '_')""",
            schema,
        )
        names = [row[0] for row in rows]
        assert len(names) == len(set(names)), "a function is overloaded"
        return {name: (arguments, result) for name, arguments, result in rows}

    assert functions("documented") == functions("sequin")


def test_columns_are_as_the_reference_says(catalogue: Database) -> None:
    rows = catalogue.sql(
        """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
           FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
           WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
             AND NOT starts_with(c.relname, '_') AND a.attnum > 0 AND NOT a.attisdropped
           ORDER BY c.relname, a.attnum"""
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for relation, column, type_ in rows:
        found.setdefault(relation, []).append((column, type_))
    assert {entry.name: list(entry.columns.items()) for entry in documented() if entry.columns} == found


def in_units(value: str, unit: str | None) -> str:
    """A value such as 7d in the unit of its setting."""
    number = re.fullmatch(r"(\d+)([a-zA-Z]+)", value)
    return str(int(number[1]) * UNITS[number[2]] // UNITS[unit or ""]) if number else value


def test_settings_are_as_the_reference_says(catalogue: Database) -> None:
    rows = catalogue.sql(
        """SELECT name, boot_val, min_val, max_val, context, unit
           FROM pg_settings WHERE name LIKE 'sequin.%'"""
    )
    assert {row.context for row in rows} == {"sighup"}
    written = settings(REFERENCE.read_text(encoding="utf-8"))
    units = {row.name: row.unit for row in rows}
    assert {
        name: [in_units(value, units.get(name)) for value in values] for name, values in written.items()
    } == {row.name: [row.boot_val or "", row.min_val or "", row.max_val or ""] for row in rows}


def test_everything_says_what_it_is(catalogue: Database) -> None:
    """`\\df+` and `\\d+` answer the first question."""
    silent = catalogue.sql(
        """SELECT p.oid::regprocedure::text FROM pg_proc AS p
           WHERE p.pronamespace = 'sequin'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
           UNION ALL
           SELECT c.oid::regclass::text FROM pg_class AS c
           WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
             AND NOT starts_with(c.relname, '_') AND obj_description(c.oid, 'pg_class') IS NULL"""
    )
    assert not silent, [row[0] for row in silent]
