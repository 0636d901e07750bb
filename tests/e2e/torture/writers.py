"""Users who ask for changes in their transactions, beside all that happens; and what became of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import psycopg
from harness import Database, eventually
from psycopg.types.json import Jsonb

from .world import Actor, World

# Collection → the sync that its mutations are asked of.
WRITTEN = {"customer": "sales", "product": "catalogue", "coupon": "catalogue"}
BY = "written_by"
"""In the metadata of what a writer has made. Nobody else names such an object, so a writer may delete it."""
UNFINISHED = ("pending", "sending")


class Writer(Actor):
    """A user's transactions: some with several mutations, some that are rolled back.

    `asked` has what may have been committed. Nobody knows it of a transaction that the server was lost in.
    """

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, f"writer {number}", world.over)
        self.asked: set[UUID] = set()
        self.never: set[UUID] = set()
        """What was rolled back."""

    def act(self) -> None:
        ids = [uuid4() for _ in range(self.rng.choice((1, 1, 1, 2, 8)))]
        rolls_back = self.rng.random() < 0.15
        (self.never if rolls_back else self.asked).update(ids)
        try:
            with self.session.transaction(force_rollback=rolls_back):
                for each in ids:
                    self._ask(each)
        except (psycopg.errors.UndefinedObject, psycopg.errors.ForeignKeyViolation):
            # The sync has just been deleted, or has not got the collection: the transaction is undone.
            self.asked.difference_update(ids)
            self.never.update(ids)
        self.world.note("mutations", f"{len(ids)}{', rolled back' if rolls_back else ''}")
        if self.rng.random() < 0.1:
            self._call_off(self.rng.choice(ids))
        self.pause(0.3)

    def _ask(self, id: UUID) -> None:
        collection = self.rng.choice(list(WRITTEN))
        kind = self.rng.choices(("create", "update", "delete"), (3, 6, 1))[0]
        objects = self.world.upstream.objects(collection)
        if kind == "delete":
            objects = {key: each for key, each in objects.items() if BY in (each["metadata"] or {})}
        if not objects:
            kind = "create"
        data: dict[str, Any] | None = None
        if kind == "create":
            data = {"percent_off": 5} if collection == "coupon" else {"name": "new"}
            data["metadata"] = {"mutation": str(id), BY: self.name}
        elif kind == "update":
            data = {"name": "changed", "metadata": {"mutation": str(id)}}
        self.session.execute(
            """INSERT INTO sequin.mutations (id, sync, collection_id, action, upstream_id, data)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [
                id,
                WRITTEN[collection],
                collection,
                kind,
                None if kind == "create" else self.rng.choice(list(objects)),
                None if data is None else Jsonb(data),
            ],
        )

    def _call_off(self, id: UUID) -> None:
        try:
            self.session.execute("SELECT sequin.cancel_mutation(%s)", [id])
            self.world.note("cancel mutation", id)
        except psycopg.errors.UndefinedObject:
            pass  # it was rolled back, or has gone with its sync


def come_to_rest(database: Database, patience: float) -> None:
    """Until nothing is left to be sent, but for what the API says that it has failed at, again and again."""

    def rests() -> bool:
        left = database.sql(
            "SELECT id, collection_id, upstream_id, state, attempts, error FROM sequin.mutations AS m"
            " WHERE m.state = ANY (%s) AND NOT EXISTS ("
            "     SELECT FROM sequin.mutations AS b"
            # Stripe repeats a 5xx under its key for a day, and what comes behind it waits.
            "     WHERE b.state = ANY (%s) AND b.status >= 500 AND b.no <= m.no AND b.sync_id = m.sync_id"
            "       AND b.collection_id = m.collection_id"
            "       AND (b.id = m.id OR b.upstream_id = m.upstream_id)) LIMIT 5",
            list(UNFINISHED),
            list(UNFINISHED),
        )
        assert not left, f"mutations are left: {left}"
        return True

    eventually(rests, patience, every=0.2, what=database.status)


def judge_mutations(world: World, database: Database, writers: list[Writer]) -> Iterable[str]:
    """Each that is done was made once; none was made twice, and none that was rolled back or called off."""
    made: Counter[str] = Counter()
    for event in world.upstream.events():
        made[event["request"]["idempotency_key"] or ""] += _tells_of(event)
    asked = {str(each) for writer in writers for each in writer.asked}
    never = {str(each) for writer in writers for each in writer.never}
    rows = {str(row.id): row for row in database.sql("SELECT * FROM sequin.mutations")}
    by_state: dict[str, list[str]] = defaultdict(list)
    for key, row in rows.items():
        by_state[row.state].append(key)

    for key in asked | never:
        if made[key] > 1:
            yield f"mutation {key} was made {made[key]} times: {rows.get(key)}"
    for key in never:
        if made[key] or key in rows:
            yield f"mutation {key} was rolled back, and {'was made' if made[key] else 'is there'}"
    for key in by_state["done"]:
        if rows[key].action != "delete" and made[key] != 1:
            yield f"mutation {key} is done, and was made {made[key]} times: {rows[key]}"
    for key in by_state["cancelled"]:
        if made[key] and rows[key].attempts == 0:
            yield f"mutation {key} was called off, and was made: {rows[key]}"
    for key in by_state["uncertain"]:
        yield f"mutation {key} is uncertain, and the API takes keys: {rows[key]}"


def _tells_of(event: dict[str, Any]) -> int:
    """1 for the event of the object that was written; 0 for what came along with it."""
    kind, _, verb = event["type"].rpartition(".")
    return int(kind in WRITTEN and verb in ("created", "updated"))
