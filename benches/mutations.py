"""Mutations: what one costs its transaction, how soon the API has it, and how many can be made in a second.

The peers: the same row inserted into a plain table; for a view that is written to, an INSERT of the same
mutations; and a client that sends the same requests by itself.
"""

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import psycopg
from harness import Cluster, Database, Fake, Upstream, eventually
from harness.sync import create_credential
from psycopg.types.json import Jsonb
from report import Report, ratio
from server import bench_cluster

UNLIMITED = {"allowed_requests": 100_000, "interval": 1, "max_concurrent_requests": 32}

# What it costs
TRANSACTIONS = 2000
ADDS = 0.2
"""Milliseconds that it may add to a transaction."""

# Through a view
ROWS = 1000
UPDATES = 10
PER_ROW = 0.2
"""Milliseconds that each row may take that one statement changes."""

# How soon
CHANGES = 300
APART = 0.05
"""Seconds between two changes, on the average."""
SOON = 20.0
"""Milliseconds from the commit to the request, at the median."""

# How many
RECORDS, EACH = 100, 100
ROUNDS = 3
RATE = 1000.0
"""Mutations a second."""

PLAIN = """
    CREATE TABLE plain (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), no bigserial, sync text,
                        collection_id text, action text, upstream_id text, data jsonb,
                        state text DEFAULT 'pending', created_at timestamptz DEFAULT now(),
                        created_by name DEFAULT current_user);
    CREATE TABLE orders (id bigserial PRIMARY KEY, customer text, at timestamptz DEFAULT now())"""
ORDER = "INSERT INTO orders (customer) VALUES (%s)"
ASK = """INSERT INTO {} (sync, collection_id, action, upstream_id, data)
         VALUES ('bench', 'customer', 'update', %s, '{{"description": "has ordered"}}')"""
MANY = """INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id, data)
          SELECT 'bench', 'customer', 'update', key, jsonb_build_object('description', %s || n)
          FROM generate_series(1, %s) AS n, unnest(%s::text[]) AS key ORDER BY n"""
THROUGH_VIEW = "UPDATE stripe.customer SET description = %s"
BY_INSERT = """INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id, data)
               SELECT 'bench', 'customer', 'update', id, jsonb_build_object('description', %s::text)
               FROM stripe.customer"""
LEFT = "SELECT 1 FROM sequin.mutations WHERE state NOT IN ('done', 'cancelled') LIMIT 1"


def run(report: Report) -> None:
    with Fake("--empty", "--no-limits", "--no-events") as fake, bench_cluster() as cluster:
        upstream = fake.upstream("stripe")
        keys = upstream.create("customer", count=ROWS, event=False)[:RECORDS]
        database = _synced(cluster, upstream)
        _cost(report, database, keys)
        _through_a_view(report, database)
        _delay(report, database, upstream, keys)
        _rate(report, database, upstream, keys)


def _synced(cluster: Cluster, upstream: Upstream) -> Database:
    """A database with a sync "bench" that looks for changes so seldom that it is not measured."""
    database = cluster.database("mutations")
    database.sql(PLAIN)
    database.sql("SELECT sequin.create_stream('main')")
    create_credential(database, upstream)
    database.sql(
        "SELECT sequin.create_sync('bench', 'main', 'upstream', '{customer}', '4h', rate_limit => %s)",
        Jsonb(UNLIMITED),
    )
    database.sql("SELECT sequin.wait_for_sync('bench')")
    return database


def _cost(report: Report, database: Database, keys: list[str]) -> None:
    """In turns: a user's transaction without a mutation, with a row of a plain table, with a mutation."""
    # What the worker does meanwhile is another figure.
    database.sql("SELECT sequin.pause_sync('bench')")
    statements = {"neither": None, "plain": ASK.format("plain"), "mutation": ASK.format("sequin.mutations")}
    took: dict[str, list[float]] = {name: [] for name in statements}
    turns = itertools.cycle(itertools.permutations(statements))
    with database.connect() as connection:
        for _, names, key in zip(range(TRANSACTIONS), turns, itertools.cycle(keys), strict=False):
            for name in names:
                took[name].append(1000 * _timed(connection, statements[name], key))
    database.sql("SELECT sequin.cancel_mutation(id) FROM sequin.mutations WHERE state = 'pending'")
    database.sql("DELETE FROM plain")
    database.sql("SELECT sequin.resume_sync('bench')")
    medians = {name: statistics.median(times) for name, times in took.items()}
    report.measured("a transaction", [medians["neither"]], "ms")
    report.measured("the same with a plain row", [medians["plain"]], "ms")
    report.measured("the same with a mutation", [medians["mutation"]], "ms")
    report.judged("a mutation adds", medians["mutation"] - medians["neither"], "ms", at_most=ADDS)


def _timed(connection: psycopg.Connection, statement: str | None, key: str) -> float:
    began = time.monotonic()
    with connection.transaction():
        connection.execute(ORDER, [key])
        if statement:
            connection.execute(statement, [key])
    return time.monotonic() - began


def _through_a_view(report: Report, database: Database) -> None:
    """In turns: all rows of a view by one UPDATE, the same mutations by one INSERT; they are rolled back."""
    database.sql("SELECT sequin.pause_sync('bench')")
    database.sql("SELECT sequin.create_view('stripe:customer', sync => 'bench', writable => true)")
    statements = {"view": THROUGH_VIEW, "insert": BY_INSERT}
    took: dict[str, list[float]] = {name: [] for name in statements}
    with database.connect() as connection:
        for number in range(UPDATES):
            for name in list(statements) if number % 2 else reversed(statements):
                with connection.transaction(force_rollback=True):
                    began = time.monotonic()
                    changed = connection.execute(statements[name], [f"{name} {number}"]).rowcount
                    took[name].append(1000 * (time.monotonic() - began) / ROWS)
                assert changed == ROWS, f"{changed} of {ROWS} rows were changed"
    database.sql("SELECT sequin.resume_sync('bench')")
    report.measured("a row of an INSERT of mutations", took["insert"], "ms")
    median = report.measured("a row of an UPDATE of a view", took["view"], "ms")
    report.judged("each row that a view has changed", median, "ms", at_most=PER_ROW)
    report.note(f"UPDATE of a view / INSERT: {ratio(took['view'], took['insert']):.2f} x")


def _delay(report: Report, database: Database, upstream: Upstream, keys: list[str]) -> None:
    """One change after another, at moments that have nothing to do with the worker's own."""
    rng = random.Random(1)
    upstream.fake.control("DELETE", "requests")
    committed: dict[str, float] = {}
    with database.connect() as connection:
        for number in range(CHANGES):
            time.sleep(rng.random() * 2 * APART)
            [id] = connection.execute(
                f"{ASK.format('sequin.mutations')} RETURNING id", [keys[number % RECORDS]]
            ).fetchone()
            # By the time that the client knows of the commit, the request may be there.
            committed[str(id)] = time.time()
    eventually(lambda: len(upstream.writes()) >= CHANGES, 30)
    waits = sorted(1000 * max(0.0, each.received - committed[each.key or ""]) for each in upstream.writes())
    assert len(waits) == CHANGES, f"{len(waits)} requests for {CHANGES} mutations"
    report.judged("from commit to request, p50", statistics.median(waits), "ms", at_most=SOON)
    report.measured("p99", [waits[int(len(waits) * 0.99)]], "ms")
    report.measured("longest", [waits[-1]], "ms")


def _rate(report: Report, database: Database, upstream: Upstream, keys: list[str]) -> None:
    """In turns with the client; those of one record one after another, in order, with both."""
    rates: dict[str, list[float]] = {"sequin": [], "client": []}
    contestants: dict[str, Callable[[str], None]] = {
        "sequin": lambda mark: _by_sequin(database, keys, mark),
        "client": lambda mark: asyncio.run(_by_client(upstream, keys, mark)),
    }
    for number in range(ROUNDS):
        for name in list(contestants) if number % 2 else reversed(contestants):
            upstream.fake.control("DELETE", "requests")
            mark = f"{name} {number} "
            began = time.monotonic()
            contestants[name](mark)
            rates[name].append(RECORDS * EACH / (time.monotonic() - began))
            _check(upstream, keys, mark)
    report.measured(f"{RECORDS * EACH:,} by a client of aiohttp", rates["client"], "requests/s")
    median = report.measured(f"{RECORDS * EACH:,} mutations", rates["sequin"], "mutations/s")
    report.judged("mutations in order per record", median, "/s", at_least=RATE)
    report.note(f"mutations / client: {ratio(rates['sequin'], rates['client']):.2f} x")


def _by_sequin(database: Database, keys: list[str], mark: str) -> None:
    """Until all are done and their answers are in the stream."""
    database.sql(MANY, mark, EACH, keys)
    eventually(lambda: not database.sql(LEFT), 120, every=0.02, what=database.status)


async def _by_client(upstream: Upstream, keys: list[str], mark: str) -> None:
    """The same requests, as many at once; what comes back is read, and kept nowhere."""
    free = asyncio.Semaphore(UNLIMITED["max_concurrent_requests"])
    headers = {"Authorization": f"Bearer {upstream.api_key}"}
    connector = aiohttp.TCPConnector(limit=0)

    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def change(key: str) -> None:
            for number in range(1, EACH + 1):
                data = {"description": f"{mark}{number}"}
                given: dict[str, Any] = {
                    "data": data,
                    "headers": {"Idempotency-Key": f"{key} {mark}{number}"},
                }
                async with free, session.post(f"{upstream.url}/v1/customers/{key}", **given) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.json()

        await asyncio.gather(*(change(key) for key in keys))


def _check(upstream: Upstream, keys: list[str], mark: str) -> None:
    """That each was made once, and those of each record in order."""
    asked: dict[str, list[str]] = {key: [] for key in keys}
    for each in upstream.writes():
        asked[each.path.rpartition("/")[2]].append(each.form["description"])
    expected = [f"{mark}{number}" for number in range(1, EACH + 1)]
    wrong = [key for key in keys if asked[key] != expected]
    assert not wrong, (
        f"{len(wrong)} records were not changed in order, such as {wrong[0]}: {asked[wrong[0]][:5]}"
    )
