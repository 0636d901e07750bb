"""Who runs the syncs: pauses, changes, deletes and creates them, starts backfills and calls them off."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
from harness import Database, eventually
from harness.sync import COLUMNS, demand, start_sync

from .layout import SYNCS, ways_of_notice
from .world import Actor, World, patiently


class Operator(Actor):
    """One thing after another, until the world is calm; then all syncs are as planned."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "operator", world.calm)

    def act(self) -> None:
        kinds: dict[Callable[[str], None], int] = {
            self._pause: 3,
            self._change: 2,
            self._add: 3,
            self._remove: 1,
            self._backfill: 4,
            self._sweep: 4,
            self._poll: 1,
            self._gap: 1,
            self._delete: 1,
            self._come_and_go: 2,
        }
        name = self.rng.choice(("sales", "catalogue", "catalogue", "aside"))
        self.rng.choices(list(kinds), list(kinds.values()))[0](name)
        self.pause(0.5)

    def finish(self) -> None:
        patiently(lambda: settle(self.world))

    def _pause(self, name: str) -> None:
        self.world.note("pause", name)
        self.session.execute("SELECT sequin.pause_sync(%s)", [name])
        self.pause(0.4)
        self.session.execute("SELECT sequin.resume_sync(%s)", [name])

    def _change(self, name: str) -> None:
        frequency, metadata = self.rng.choice(("continuous", "1s")), f'{{"n": {self.rng.randrange(100)}}}'
        self.world.note("update", f"{name}: frequency {frequency}, metadata {metadata}")
        self.session.execute(
            "SELECT sequin.update_sync(%s, frequency => %s, metadata => %s)", [name, frequency, metadata]
        )

    def _add(self, name: str) -> None:
        missing = [each for each in SYNCS[name].all if each not in self._collections(name)]
        if missing:
            self._set_collections(name, [*self._collections(name), self.rng.choice(missing)])

    def _remove(self, name: str) -> None:
        """Takes a collection away, and adds it again."""
        present = self._collections(name)
        if len(present) > 1:
            gone = self.rng.choice(present)
            self._set_collections(name, [each for each in present if each != gone])
            self.pause(0.5)
            self._set_collections(name, present)

    def _collections(self, name: str) -> list[str]:
        rows = self.session.execute("SELECT unnest(collections) FROM sequin.syncs WHERE name = %s", [name])
        return [collection.partition(":")[2] for (collection,) in rows]

    def _set_collections(self, name: str, collections: list[str]) -> None:
        self.world.note("collections", f"{name}: {collections}")
        self.session.execute("SELECT sequin.update_sync(%s, collections => %s)", [name, collections])

    def _backfill(self, name: str) -> None:
        collection = self.rng.choice(self._collections(name))
        self.world.note("backfill", f"{name}: {collection}")
        try:
            [backfill] = self.session.execute(
                "SELECT sequin.start_backfill(%s, %s)", [name, collection]
            ).fetchone()
        except psycopg.errors.ObjectInUse:
            return
        if self.rng.random() < 0.4:
            self.pause(0.3)
            self._cancel(backfill)

    def _sweep(self, name: str) -> None:
        self.world.note("sweep", name)
        self._demand(name, "sweep")
        if self.rng.random() < 0.3:
            self.pause(0.4)
            for (sweep,) in self.session.execute(
                "SELECT id FROM sequin.backfills WHERE kind = 'sweep' AND state IN ('pending', 'running')"
            ).fetchall():
                self._cancel(sweep)

    def _cancel(self, backfill: Any) -> None:
        try:
            self.session.execute("SELECT sequin.cancel_backfill(%s)", [backfill])
            self.world.note("cancel", backfill)
        except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.UndefinedObject):
            pass  # it has ended

    def _poll(self, name: str) -> None:
        self.world.note("poll", name)
        self._demand(name, "poll")

    def _gap(self, name: str) -> None:
        """As if the feed had not been looked at for longer than the API keeps its events."""
        self.world.note("gap", name)
        sync = "(SELECT id FROM sequin.syncs WHERE name = %s)"
        with self.session.transaction():
            self.session.execute(
                f"UPDATE sequin._feeds SET cursor = cursor - interval '31 days' WHERE sync_id = {sync}",
                [name],
            )
            self.session.execute(
                f"UPDATE sequin.syncs SET updated_at = clock_timestamp() WHERE id = {sync}", [name]
            )

    def _demand(self, name: str, way: str) -> None:
        database = self.world.database()
        try:
            demand(database, name, way)
        finally:
            database.close()

    def _delete(self, name: str) -> None:
        if name == "aside":
            return
        keep = self.rng.random() < 0.5
        self.world.note("delete", f"{name}, its records too" if not keep else f"{name}, not its records")
        self.session.execute("SELECT sequin.delete_sync(%s, keep_records => %s)", [name, keep])
        self.pause(0.3)
        patiently(lambda: settle(self.world))

    def _come_and_go(self, name: str) -> None:
        """A consumer is created, takes something and is deleted; another one is paused meanwhile."""
        policy = self.rng.choice(("all", "new", "last", "1s"))
        self.world.note("come and go", policy)
        other = self.rng.choice(("everything", "some"))
        self.session.execute("SELECT sequin.pause_consumer(%s)", [other])
        # The server may have been lost before the last one was deleted.
        left = "SELECT sequin.delete_consumer(name) FROM sequin.consumers WHERE name = 'passing'"
        self.session.execute(left)
        self.session.execute(
            "SELECT sequin.create_consumer('passing', 'main', deliver_policy => %s, ack_wait => '1 s')",
            [policy],
        )
        for _ in range(self.rng.randrange(4)):
            self.session.execute("SELECT * FROM sequin.consume('passing', 20)")
        self.session.execute("SELECT sequin.delete_consumer('passing')")
        self.session.execute("SELECT sequin.resume_consumer(%s)", [other])


def settle_consumers(database: Database) -> None:
    database.sql("SELECT sequin.delete_consumer(name) FROM sequin.consumers WHERE name = 'passing'")
    database.sql("SELECT sequin.resume_consumer(name) FROM sequin.consumers")


def settle(world: World) -> None:
    """Brings everything into the planned state, whatever was under way when the server was lost."""
    database = world.database()
    try:
        settle_consumers(database)
        there = {row.name for row in database.sql("SELECT name FROM sequin.syncs")}
        for name, planned in SYNCS.items():
            collections = planned.all if world.calm.is_set() else list(planned.collections)
            if name not in there:
                start_sync(
                    database,
                    world.upstream,
                    collections,
                    name=name,
                    stream=planned.stream,
                    credential=planned.credential,
                    rate_limit=planned.rate_limit,
                )
            elif world.calm.is_set():
                database.sql(
                    "SELECT sequin.update_sync(%s, collections => %s, frequency => 'continuous')",
                    name,
                    collections,
                )
            database.sql("SELECT sequin.resume_sync(%s)", name)
    finally:
        database.close()


def await_demanded(world: World, way: str, timeout: float) -> None:
    """Makes the polls or sweeps of all syncs due, and waits until each has been to its end."""
    ways, database = ways_of_notice(), world.database()
    concerned = [f"stripe:{name}" for name in ways if way in ways[name]]
    try:
        since = database.value("SELECT clock_timestamp()")
        for sync in world.syncs:
            demand(database, sync, way)
        query = f"""SELECT s.name, c.collection_id FROM sequin._sync_collections AS c
                    JOIN sequin.syncs AS s ON s.id = c.sync_id
                    WHERE c.{COLUMNS[way]} < %s AND c.collection_id = ANY (%s)"""

        def done() -> bool:
            left = database.sql(query, since, concerned)
            assert not left, f"no {way} of {left}"
            return True

        eventually(done, timeout, what=database.status)
    finally:
        database.close()


def wait_for_syncs(world: World, timeout: float) -> None:
    """Until the initial backfills of all syncs have completed."""
    deadline = time.monotonic() + timeout
    for sync in world.syncs.values():
        sync.wait(max(1.0, deadline - time.monotonic()))
