"""What tests of views do: records of an API that is declared, and that nobody asks."""

from __future__ import annotations

import json
import uuid
from typing import Any

from psycopg.types.json import Jsonb

from .api import declaration
from .consumers import CUSTOMER, SYNC
from .database import Database

THINGS = uuid.UUID(int=4)
"""The sync of `sync_things`."""


def store(
    database: Database, key: str, data: Any, collection: str = "test:thing", sync: uuid.UUID = SYNC
) -> None:
    """A record as a worker would have stored it; `data` is JSON, or its text."""
    text = data if isinstance(data, str) else json.dumps(data)
    database.sql(
        """INSERT INTO sequin.records (stream_id, id, sync_id, provider, collection_id, upstream_id, data,
                                       updated_idx, observed_at, data_hash)
           SELECT s.stream_id, gen_random_uuid(), s.id, s.provider, %s, %s, %s, nextval('sequin.updated_idx'),
                  now(), gen_random_uuid()
           FROM sequin.syncs AS s WHERE s.id = %s
           ON CONFLICT ON CONSTRAINT records_upstream_key DO UPDATE
           SET data = excluded.data, updated_idx = excluded.updated_idx""",
        collection, key, text, sync,
    )  # fmt: skip


def sync_things(
    database: Database,
    fields: dict[str, Any],
    writing: dict[str, Any] | None = None,
    part: str | None = None,
    **write: Any,
) -> None:
    """Registers an API "test" whose things can be created, updated and deleted, with bodies that are JSON.

    They have a paused sync "things" in the stream "s". `writing` is added to what all its writes have in
    common, `write` to how a thing is created and updated. `part` is the place of what can be changed.
    """
    one = {"path": "/things/{id}"}
    spec = declaration(
        {"kind": "none", "items": ""},
        fields=fields,
        writes={
            "create": {"method": "POST", "path": "/things", **write},
            "update": {"method": "PATCH", **one, **write},
            "delete": {"method": "DELETE", **one, "gone": True},
            "part": part,
        },
    )
    spec["writes"] = {"encoding": "json", **(writing or {})}
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(spec))
    database.sql(
        """INSERT INTO sequin.syncs (id, name, stream_id, credential_id, provider, collections, frequency,
                                     status)
           SELECT %s, 'things', s.stream_id, s.credential_id, 'test', '{test:thing}', 'continuous', 'paused'
           FROM sequin.syncs AS s WHERE s.id = %s""",
        THINGS, SYNC,
    )  # fmt: skip


def make(database: Database, collection: str = CUSTOMER, scope: str = "") -> None:
    """A writable view; `scope` are further arguments."""
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
