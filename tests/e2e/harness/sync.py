"""A sync of one upstream into a stream, and the comparison of what arrived with the upstream's truth."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fake.core.requestlog import masked
from psycopg.types.json import Jsonb

from .database import Database
from .fake import Upstream
from .waiting import eventually

# So much that a test waits for the mechanism that it is about, and not for the budget.
GENEROUS = {"allowed_requests": 2000, "interval": 1, "max_concurrent_requests": 10}
# Where it stands when a collection was polled or swept last.
COLUMNS = {"poll": "polled_at", "sweep": "swept_at"}


@dataclass
class Sync:
    """A sync that `start_sync` made."""

    database: Database
    upstream: Upstream
    name: str
    stream: str
    collections: list[str]

    def wait(self, timeout: float = 60.0) -> "Sync":
        """Until the initial backfills have completed, by sequin.wait_for_sync. `timeout` in seconds."""
        self.database.sql("SELECT sequin.wait_for_sync(%s, make_interval(secs => %s))", self.name, timeout)
        return self

    def count(self) -> int:
        """Live records of this sync."""
        return self.database.value(
            """SELECT count(*) FROM sequin.records r JOIN sequin.syncs s ON s.id = r.sync_id
               WHERE s.name = %s AND NOT r.deleted""",
            self.name,
        )

    def records(self, collection: str) -> dict[str, Any]:
        """The rows of a collection by upstream id, the deleted ones among them."""
        rows = self.database.sql(
            """SELECT r.*, r.xmin::text AS row_version
               FROM sequin.records r JOIN sequin.syncs s ON s.id = r.sync_id
               WHERE s.name = %s AND r.collection_id = %s""",
            self.name,
            f"{self.upstream.declared}:{collection}",
        )
        return {row.upstream_id: row for row in rows}

    def live(self, collection: str) -> dict[str, dict[str, Any]]:
        """What a collection holds that is not deleted: upstream id → data."""
        return {key: row.data for key, row in self.records(collection).items() if not row.deleted}

    def difference(self) -> str:
        """How the records differ from the upstream's truth; empty when they don't."""
        found: list[str] = []
        for collection in self.collections:
            truth, live = self.upstream.objects(collection), self.live(collection)
            missing, extra = truth.keys() - live.keys(), live.keys() - truth.keys()
            other = [key for key in truth.keys() & live.keys() if not self.alike(truth[key], live[key])]
            for kind, keys in (("missing", missing), ("not upstream", extra), ("different", other)):
                if keys:
                    found.append(f"{collection}: {len(keys)} {kind}, such as {sorted(keys)[:3]}")
            if other:
                found.append(f"  upstream {truth[other[0]]}\n  stored   {live[other[0]]}")
        return "\n".join(found)

    def alike(self, upstream: dict[str, Any], stored: dict[str, Any]) -> bool:
        """Whether an object is stored as the truth shows it."""
        return upstream == stored

    def health(self, collection: str) -> str:
        """What sequin.sync_collections says about the health of one collection."""
        return self.database.value(
            """SELECT c.health FROM sequin.sync_collections c JOIN sequin.syncs s ON s.id = c.sync_id
               WHERE s.name = %s AND c.collection_id = %s""",
            self.name,
            f"{self.upstream.declared}:{collection}",
        )

    def read_anew(self, timeout: float = 60.0) -> None:
        """Has everything compared with what the API lists, as each day, and waits until it has been."""
        began = self.database.value("SELECT clock_timestamp()")
        self.database.sql("SELECT sequin.pause_sync(%s)", self.name)
        self.database.sql("UPDATE sequin._sync_collections SET swept_at = swept_at - interval '1 month'")
        self.database.sql("SELECT sequin.resume_sync(%s)", self.name)
        swept = "SELECT bool_and(swept_at > %s) FROM sequin.sync_collections WHERE sync = %s"

        def is_swept() -> bool:
            return self.database.value(swept, began, self.name)

        eventually(is_swept, timeout, every=0.1, what=self.database.status)

    def converge(self, timeout: float = 30.0) -> None:
        """Until every collection holds exactly what the upstream holds."""

        def equal() -> bool:
            difference = self.difference()
            assert not difference, difference
            return True

        eventually(equal, timeout, every=0.1, what=self.database.status)


def api_key(upstream: Upstream, credential: str) -> str:
    """Each credential but the usual one has a key of its own, so that the fake's log tells them apart."""
    if credential == "upstream":
        return upstream.api_key
    return f"{upstream.api_key}_{zlib.crc32(credential.encode()):08x}"


def create_credential(database: Database, upstream: Upstream, name: str = "upstream") -> None:
    of_provider = {
        "github": ("token", "token"),
        "hubspot": ("private_app", "token"),
        "salesforce": ("session", "token"),
        "shopify": ("token", "token"),
    }
    kind, secret = of_provider.get(upstream.provider, ("api_key", "api_key"))
    properties = {"kind": kind, secret: api_key(upstream, name), "base_url": upstream.url}
    database.sql("SELECT sequin.create_credential(%s, %s, %s)", name, upstream.declared, Jsonb(properties))


def start_sync(
    database: Database,
    upstream: Upstream,
    collections: Sequence[str],
    name: str = "main",
    stream: str = "main",
    credential: str = "upstream",
    frequency: str = "continuous",
    rate_limit: dict[str, Any] | None = GENEROUS,
    options: dict[str, Any] | None = None,
) -> Sync:
    """Creates stream and credential where they are missing, and the sync. Does not wait for anything."""
    if not database.sql("SELECT 1 FROM sequin.streams WHERE name = %s", stream):
        database.sql("SELECT sequin.create_stream(%s)", stream)
    if not database.sql("SELECT 1 FROM sequin.credentials WHERE name = %s", credential):
        create_credential(database, upstream, credential)
    if rate_limit and isinstance(upstream, Upstream):
        upstream.budgets.grant(masked(api_key(upstream, credential)), (database.name, credential), rate_limit)
    database.sql(
        """SELECT sequin.create_sync(name => %s, stream => %s, credential => %s, collections => %s,
                                     frequency => %s, rate_limit => %s, options => %s)""",
        name, stream, credential, list(collections), frequency, Jsonb(rate_limit) if rate_limit else None,
        Jsonb(options or {}),
    )  # fmt: skip
    return Sync(database, upstream, name, stream, list(collections))


def demand(database: Database, sync: str, way: str) -> None:
    """Makes polls or sweeps (`way`) of a sync due, which else are minutes or hours apart."""
    column = COLUMNS[way]
    database.sql(
        f"""UPDATE sequin._sync_collections SET {column} = now() - interval '30 days'
            WHERE {column} IS NOT NULL AND sync_id = (SELECT id FROM sequin.syncs WHERE name = %s)""",
        sync,
    )
    # Its jobs are made anew, from what the tables say now.
    database.sql("UPDATE sequin.syncs SET updated_at = clock_timestamp() WHERE name = %s", sync)
