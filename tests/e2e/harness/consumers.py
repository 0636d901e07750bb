"""What tests of consumers do: write records as a worker does, take them, settle them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg
import pytest

STREAM = uuid.UUID(int=1)
SYNC = uuid.UUID(int=2)
OTHER_SYNC = uuid.UUID(int=3)
CUSTOMER = "stripe:customer"
CHARGE = "stripe:charge"
DEADLINE = 30.0

Connection = psycopg.Connection[Any]


class Delivery(NamedTuple):
    """A row of sequin.consume."""

    token: str
    record: dict[str, Any]
    position: int
    count: int

    @property
    def key(self) -> str:
        """The upstream id of the record."""
        return self.record["upstream_id"]

    @property
    def value(self) -> Any:
        """What `put` stored."""
        return self.record["data"]["value"]


def one(conn: Connection, query: str, *args: Any) -> Any:
    """The first column of the first row."""
    row = conn.execute(query, args).fetchone()
    return row and row[0]


def put(
    conn: Connection,
    *keys: str,
    value: Any = 0,
    collection: str = CUSTOMER,
    sync: uuid.UUID = SYNC,
    deleted: bool = False,
    observed: str = "0 s",
    provider: str = "stripe",
) -> None:
    """Writes records the way a worker does: under the stream's lock, in one transaction."""
    with conn.transaction():
        conn.execute("SELECT sequin._lock_stream(%s)", [STREAM])
        conn.cursor().executemany(
            """INSERT INTO sequin.records AS r
                   (stream_id, id, sync_id, provider, collection_id, upstream_id, data,
                    deleted, updated_idx, inserted_at, observed_at, data_hash)
               VALUES (%s, gen_random_uuid(), %s, %s, %s, %s, %s, %s, nextval('sequin.updated_idx'), now(),
                       now() - %s::interval, gen_random_uuid())
               ON CONFLICT ON CONSTRAINT records_upstream_key DO UPDATE
               SET data = excluded.data, deleted = excluded.deleted, updated_idx = excluded.updated_idx,
                   observed_at = excluded.observed_at""",
            [
                (STREAM, sync, provider, collection, key, json.dumps({"value": value}), deleted, observed)
                for key in keys
            ],
        )


def consume(conn: Connection, batch: int = 100, wait: str = "0", consumer: str = "c") -> list[Delivery]:
    """One call of sequin.consume."""
    rows = conn.execute("SELECT * FROM sequin.consume(%s, %s, %s::interval)", [consumer, batch, wait])
    return [Delivery(*row) for row in rows]


def ack(conn: Connection, deliveries: list[Delivery], consumer: str = "c") -> int:
    """One call of sequin.ack."""
    return one(conn, "SELECT sequin.ack(%s, %s)", consumer, [d.token for d in deliveries])


def nack(conn: Connection, deliveries: list[Delivery], delay: str = "0", consumer: str = "c") -> int:
    """One call of sequin.nack."""
    return one(
        conn, "SELECT sequin.nack(%s, %s, %s::interval)", consumer, [d.token for d in deliveries], delay
    )


def extend(conn: Connection, deliveries: list[Delivery], ack_wait: str, consumer: str = "c") -> int:
    """One call of sequin.extend."""
    return one(
        conn, "SELECT sequin.extend(%s, %s, %s::interval)", consumer, [d.token for d in deliveries], ack_wait
    )


def create(conn: Connection, **settings: Any) -> None:
    """Creates the consumer "c" of the stream."""
    named = {"name": "c", "stream": "s", **settings}
    casts = {"filter": "::jsonb", "ack_wait": "::interval", "notify": "::interval"}
    arguments = ", ".join(f"{k} => %s{casts.get(k, '')}" for k in named)
    conn.execute(
        f"SELECT sequin.create_consumer({arguments})",
        [json.dumps(v) if k == "filter" else v for k, v in named.items()],
    )


def keys(deliveries: list[Delivery]) -> list[str]:
    """The upstream ids, in order of delivery."""
    return [d.key for d in deliveries]


def until(condition: Callable[[], Any], what: str) -> Any:
    """Waits for the condition to be truthy, and returns what it gave."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.005)
    pytest.fail(f"{what} did not happen within {DEADLINE} s")


def status(conn: Connection, column: str) -> Any:
    """A column of sequin.consumer_status."""
    return one(conn, f"SELECT {column} FROM sequin.consumer_status WHERE consumer = 'c'")


def make_stream(conn: Connection) -> None:
    """Makes the stream "s" and two syncs that nobody works on."""
    credential = uuid.uuid4()
    conn.execute("INSERT INTO sequin.streams (id, name) VALUES (%s, 's')", [STREAM])
    conn.execute(
        "INSERT INTO sequin._credentials (id, name, provider, settings, secret_names, sealed, key_id)"
        " VALUES (%s, 'credential', 'stripe', '{}', '{}', '', '')",
        [credential],
    )
    conn.cursor().executemany(
        "INSERT INTO sequin.syncs"
        " (id, name, stream_id, credential_id, provider, collections, frequency, status)"
        " VALUES (%s, %s, %s, %s, 'stripe', '{stripe:customer}', 'continuous', 'paused')",
        [(SYNC, "one", STREAM, credential), (OTHER_SYNC, "two", STREAM, credential)],
    )
