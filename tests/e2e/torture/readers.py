"""Who watches: a reader of the stream, consumers of all kinds, and the records' own history."""

import threading
from collections.abc import Callable

import psycopg
from harness.clients import Client
from psycopg.types.json import Jsonb

from .server import CLIENTS
from .world import Actor, World

ACK_WAIT = 1.5
"""Of the consumers of a world, in seconds."""
# They write what they get into tables, in the transaction in which they get it.
EXACTLY_ONCE, BATCH, BATCH_OF_SOME = "exactly once", "batch", "batch of some"

# Every version of every record, noted in the transaction that stores it.
HISTORY = """
CREATE TABLE history (
    position bigint, stream_id uuid, record_id uuid, sync_id uuid, collection_id text, upstream_id text,
    deleted boolean, data jsonb, observed_at timestamptz, vain boolean, stale boolean,
    stored_at timestamptz DEFAULT clock_timestamp()
);
GRANT INSERT ON history TO sequin_worker;
CREATE FUNCTION note_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.history
    VALUES (new.updated_idx, new.stream_id, new.id, new.sync_id, new.collection_id, new.upstream_id,
            new.deleted, new.data, new.observed_at, old.data = new.data AND old.deleted = new.deleted,
            new.observed_at < old.observed_at);
    RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON sequin.records FOR EACH ROW EXECUTE FUNCTION note_version();
CREATE TABLE processed (n bigserial, consumer text, record text, position bigint);
"""


class Follower(Actor):
    """Reads the stream as it grows, and looks for what turns up behind that which it has read: promise 1."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "follower", world.at_rest)
        self._after = 0
        self.seen: dict[int, str] = {}
        """Position → id of the record."""

    def act(self) -> None:
        while self._read():
            pass
        behind = self.session.execute(
            """SELECT r.updated_idx, r.id::text, r.upstream_id FROM sequin.records AS r
               JOIN sequin.streams AS s ON s.id = r.stream_id
               WHERE s.name = 'main' AND r.updated_idx <= %s""",
            [self._after],
        ).fetchall()
        missed = [row for row in behind if self.seen.get(row[0]) != row[1]]
        assert not missed, (
            f"promise 1: behind {self._after} there are {len(missed)} unseen, such as {missed[0]}"
        )
        self.pause(0.1)

    def _read(self) -> bool:
        rows = self.session.execute(
            "SELECT updated_idx, record ->> 'id' FROM sequin.read_stream('main', %s, 300)", [self._after]
        ).fetchall()
        for position, record in rows:
            assert position > self._after, f"promise 1: position {position} after {self._after}"
            self._after = position
            self.seen[position] = record
        return bool(rows)

    def finish(self) -> None:
        while self._read():
            pass


class Processor(Actor):
    """Takes records and writes them into a table, in one transaction: each version is there exactly once."""

    def __init__(self, world: World, consumer: str) -> None:
        super().__init__(world, f"processor {consumer}", world.over)
        self._consumer = consumer

    def act(self) -> None:
        conn = self.session
        conn.execute("SELECT set_config('application_name', %s, false)", [CLIENTS])
        with conn.transaction(force_rollback=self.rng.random() < 0.2):
            if self._consumer == EXACTLY_ONCE:
                query = "SELECT updated_idx, record ->> 'id', ack_token FROM sequin.consume(%s, %s, '50 ms')"
            else:
                query = "SELECT updated_idx, record ->> 'id', NULL FROM sequin.fetch(%s, %s, '50 ms')"
            rows = conn.execute(query, [self._consumer, self.rng.randrange(1, 60)]).fetchall()
            conn.execute(
                """INSERT INTO processed (consumer, position, record)
                   SELECT %s, * FROM unnest(%s::bigint[], %s::text[])""",
                [self._consumer, [position for position, *_ in rows], [record for _, record, _ in rows]],
            )
            if self._consumer == EXACTLY_ONCE and rows:
                tokens = [token for *_, token in rows]
                [live] = conn.execute("SELECT sequin.ack(%s, %s)", [self._consumer, tokens]).fetchone()
                assert live == len(rows), f"{live} of {len(rows)} tokens were live within their transaction"
        self.pause(0.05)


def create_consumers(world: World, conn: psycopg.Connection) -> None:
    def create(name: str, **settings: object) -> None:
        named = {"name": name, "stream": "main", **settings}
        arguments = ", ".join(f"{key} => %s" for key in named)
        conn.execute(f"SELECT sequin.create_consumer({arguments})", list(named.values()))

    for name, consumer in world.consumers.items():
        create(
            name,
            filter=Jsonb(consumer.filter),
            ack_wait=f"{ACK_WAIT} s",
            max_ack_pending=consumer.max_ack_pending,
        )
    create(EXACTLY_ONCE, ack_wait="60 s")
    create(BATCH, mode="batch")
    create(BATCH_OF_SOME, mode="batch", filter=Jsonb(world.consumers["some"].filter))


def clients(world: World) -> list[threading.Thread]:
    """Sessions that consume at random."""
    threads = []
    for name, consumer in world.consumers.items():
        for number in range(consumer.sessions):
            rng = world.rng(f"client {name} {number}")
            client = Client(world.connect, name, ACK_WAIT, rng, world.clients, CLIENTS)
            threads.append(
                threading.Thread(target=_watched(world, client), name=f"client {name}", daemon=True)
            )
    return threads


def _watched(world: World, client: Client) -> Callable[[], None]:
    def run() -> None:
        try:
            client.run(world.over)
        except Exception:
            # It is in the clients' log.
            world.calm.set()
            world.over.set()

    return run
