"""What all actors share, and what an actor is."""

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg
from harness import Cluster, Database, Upstream
from harness.clients import Log
from harness.sync import Sync

T = TypeVar("T")

# How long an actor waits for a server that is down.
PATIENCE = 60.0


@dataclass(frozen=True)
class Consumer:
    """Of the stream "main". The filter's keys are those of the database; `sessions` of clients each."""

    sessions: int
    filter: dict[str, str | list[str]]
    max_ack_pending: int = 1000

    def wants(self, sync: str | None, collection_id: str) -> bool:
        collections = self.filter.get("collection_id")
        return self.filter.get("sync", sync) == sync and (collections is None or collection_id in collections)


@dataclass
class World:
    cluster: Cluster
    name: str
    """Of the database."""
    upstream: Upstream
    seed: int
    consumers: dict[str, Consumer]
    """One of them is called "some", and one "everything"."""
    syncs: dict[str, Sync] = field(default_factory=dict)
    clients: Log = field(default_factory=Log)
    calm: threading.Event = field(default_factory=threading.Event)
    """From now on the server and the syncs are left alone."""
    over: threading.Event = field(default_factory=threading.Event)
    """Nothing changes and nothing fails any more."""
    at_rest: threading.Event = field(default_factory=threading.Event)
    """All has arrived."""
    problems: list[str] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)
    """The fake's number of a rule → what it does."""
    done: Counter[str] = field(default_factory=Counter)
    """What was done, and how often."""
    _diary: list[tuple[str, str]] = field(default_factory=list)
    _began: float = field(default_factory=time.time)

    def rng(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}:{name}")

    def note(self, kind: str, more: object = "") -> None:
        """Writes down that something of this kind is done now."""
        self.done[kind] += 1
        self._diary.append((kind, f"{self.moment(time.time())} {kind} {more}".rstrip()))

    def moment(self, epoch: float) -> str:
        """A time of day as seconds since the test began."""
        return f"{epoch - self._began:8.3f}"

    def diary(self) -> str:
        """What was done last, most of it to the server and the syncs."""
        upstream = [line for kind, line in self._diary if kind.startswith(("change", "fault"))]
        others = [line for kind, line in self._diary if not kind.startswith(("change", "fault"))]
        return "\n".join(sorted(others[-80:] + upstream[-20:]))

    def database(self) -> Database:
        """The database, over a connection of the caller's own."""
        return Database(self.cluster, self.name)

    def connect(self) -> psycopg.Connection:
        """A connection; waits for a server that is down."""
        return patiently(self.database().connect)


def patiently(action: Callable[[], T]) -> T:
    """Does `action` again and again while the server is down, or goes down meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Actor:
    """Does something again and again, on a thread and in a session of its own, until `end` is set."""

    def __init__(self, world: World, name: str, end: threading.Event) -> None:
        self.world = world
        self.name = name
        self.rng = world.rng(name)
        self.end = end
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._session: psycopg.Connection | None = None

    def act(self) -> None:
        """One thing, and the pause after it. A session that is lost ends it; the next call begins anew."""
        raise NotImplementedError

    def finish(self) -> None:
        """What is to be put right at the end; done once more where a session is lost over it."""

    @property
    def session(self) -> psycopg.Connection:
        if self._session is None or self._session.closed:
            self._session = self.world.connect()
        return self._session

    def pause(self, average: float) -> None:
        """Some time, that many seconds on the average; none once the end has come."""
        self.end.wait(min(self.rng.expovariate(1 / average), 5 * average))

    def _run(self) -> None:
        try:
            while not self.end.is_set():
                try:
                    self.act()
                except psycopg.OperationalError as error:
                    self._lost(error)
            patiently(self.finish)
        except Exception:
            self.world.problems.append(f"{self.name}: {traceback.format_exc()}")
            self.world.calm.set()
            self.world.over.set()
        finally:
            if self._session is not None:
                self._session.close()

    def _lost(self, error: psycopg.OperationalError) -> None:
        state = error.sqlstate
        if state is not None and not state.startswith(("08", "57P")):
            raise error
        self.end.wait(0.05)
