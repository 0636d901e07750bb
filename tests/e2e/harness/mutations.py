"""What tests of mutations do: ask for a change, wait for what comes of it, look at what the API was told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from .database import Database
from .fake import Request, Upstream, declaration
from .waiting import eventually


def mutate(
    database: Database,
    collection: str,
    action: str,
    upstream_id: str | None = None,
    data: dict[str, Any] | None = None,
    sync: str = "main",
    parent_id: str | None = None,
) -> UUID:
    """One call of sequin.mutate, committed."""
    given = None if data is None else Jsonb(data)
    return database.value(
        "SELECT sequin.mutate(%s, %s, %s, %s, %s, %s)",
        sync, collection, action, upstream_id, given, parent_id,
    )  # fmt: skip


def mutation(database: Database, id: UUID) -> Any:
    """Its row."""
    return database.sql("SELECT * FROM sequin.mutations WHERE id = %s", id)[0]


def reached(database: Database, id: UUID, state: str = "done", timeout: float = 20.0) -> Any:
    """The row, once it is in that state."""

    def in_state() -> Any:
        row = mutation(database, id)
        return row if row.state == state else None

    return eventually(in_state, timeout, what=lambda: describe(database))


def failing(database: Database, id: UUID, timeout: float = 20.0) -> Any:
    """The row, once a try has failed and another one is to come."""

    def waits() -> Any:
        row = mutation(database, id)
        return row if row.state == "pending" and row.error is not None else None

    return eventually(waits, timeout, what=lambda: describe(database))


def all_done(database: Database, count: int, timeout: float = 30.0) -> None:
    """Until so many mutations are done, and there are no others."""

    def states() -> bool:
        found = dict(database.sql("SELECT state, count(*) FROM sequin.mutations GROUP BY 1"))
        return found == {"done": count}

    eventually(states, timeout, what=lambda: describe(database))


def record_at(database: Database, position: int) -> Any:
    """The record that is at this position of its stream now."""
    return database.sql("SELECT * FROM sequin.records WHERE updated_idx = %s", position)[0]


def describe(database: Database) -> str:
    """The first mutations that are not done, for a failure's message."""
    rows = database.sql(
        """SELECT to_jsonb(m)::text FROM sequin.mutations AS m ORDER BY m.state = 'done', m.no LIMIT 20"""
    )
    return "\n".join(["sequin.mutations:", *(f"  {row[0]}" for row in rows), database.status()])


def register_keyless(database: Database, stripe: Upstream, **changes: Any) -> Upstream:
    """Registers the fake's Stripe as "keyless", an API that takes no idempotency keys.

    `changes` are merged into how each collection's objects are updated.
    """
    spec = declaration("stripe")
    del spec["writes"]["idempotency"]
    for collection in spec["collections"]:
        if "update" in collection.get("writes", {}):
            collection["writes"]["update"].update(changes)
    database.sql("SELECT sequin.register_provider(%s)", Jsonb({**spec, "provider": "keyless"}))
    return stripe.declared_as("keyless")


def named(upstream: Upstream, name: str, collection: str = "customer") -> list[str]:
    """The ids of all objects upstream that have this name: how often a creation has happened."""
    return [key for key, each in upstream.objects(collection).items() if each["name"] == name]


def at_once(requests: list[Request]) -> int:
    """The most requests that were under way at one moment; one that was never answered counts to the end."""
    moments = [(each.received, 1) for each in requests]
    moments += [(each.answered, -1) for each in requests if each.answered is not None]
    most = now = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most
