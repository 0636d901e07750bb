"""An API that its user has declared, with each way of paging and of noticing changes and deletions.

It fails at random, and the server is stopped and crashed: at rest the stream is what the API says.

    make torture SEED=… MINUTES=… runs it too.
"""

import os
import random
import time
from collections.abc import Callable

import psycopg
import pytest
from harness import Cluster, Database, Fake, Upstream
from harness.sync import Sync, start_sync
from test_sync_ledger import COLLECTIONS, register, sweep_often

SECONDS = 60 * float(os.environ.get("SEQUIN_TORTURE_MINUTES") or "0.25")
SEED = int(os.environ.get("SEQUIN_TORTURE_SEED") or random.randrange(1_000_000_000))
WEIGHTS = {"create": 2, "update": 6, "delete": 2, "restore": 1}
# For the longest pauses between two tries, and the sweeps after them.
PATIENCE = 120.0


class Torturer:
    """Does one thing after another, chosen at random, and keeps a diary."""

    def __init__(self, cluster: Cluster, database: Database, ledger: Upstream, seed: int) -> None:
        self.cluster, self.database, self.ledger = cluster, database, ledger
        self.rng = random.Random(seed)
        self.diary: list[str] = []
        self._actions: list[tuple[Callable[[], object], int]] = [
            (self.change, 8),
            (self.fail, 6),
            (self.slow_down, 2),
            (self.end_worker, 2),
            (self.stop, 1),
            (self.crash, 1),
            (self.declare_anew, 1),
            (self.pause, 1),
        ]

    def act(self) -> None:
        actions, weights = zip(*self._actions, strict=True)
        [action] = self.rng.choices(actions, weights)
        self.diary.append(f"{action.__name__} {action() or ''}".rstrip())
        time.sleep(self.rng.uniform(0.05, 0.5))

    def change(self) -> str:
        done = self.ledger.mutate_random(
            self.rng.randint(1, 40), self.rng.randrange(2**31), COLLECTIONS, WEIGHTS
        )
        return str(done)

    def fail(self) -> str:
        """Some of the next requests fail, each in one of these ways."""
        action, options = self.rng.choice(
            [
                ("status", {"status": 500}),
                ("status", {"status": 503, "retry_after": 1}),
                ("rate_limit", {"retry_after": 1}),
                ("cut", {"at": self.rng.random()}),
                ("drop", {}),
                ("garbage", {"kind": self.rng.choice(["html", "invalid_json", "empty", "null", "binary"])}),
                ("delay", {"ms": self.rng.randint(50, 800)}),
            ]
        )
        match = {"probability": self.rng.uniform(0.1, 0.6), "times": self.rng.randint(1, 8)}
        self.ledger.fault(action, match=match, **options)
        return f"{action} {options}"

    def slow_down(self) -> None:
        self.ledger.fake.set_latency(self.rng.choice([0, 5, 40]), self.rng.choice([0, 30]))

    def end_worker(self) -> None:
        self.database.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'sequin worker'"
        )

    def stop(self) -> None:
        self.cluster.restart("fast")

    def crash(self) -> None:
        self.cluster.restart("immediate")

    def declare_anew(self) -> str:
        """The same by a new declaration, or with pages of another size: then lists start over."""
        pages = self.rng.choice([None, 7, 20])

        def change(collections: dict) -> None:
            sweep_often(collections)
            for collection in collections.values():
                size = (collection.get("pagination") or {}).get("page_size")
                if pages and size:
                    size["value"] = pages

        register(self.database, change)
        return f"pages of {pages}"

    def pause(self) -> None:
        self.database.sql("SELECT sequin.pause_sync('main')")
        time.sleep(self.rng.uniform(0, 0.5))
        self.database.sql("SELECT sequin.resume_sync('main')")


@pytest.mark.crashes
@pytest.mark.timeout(3 * SECONDS + 2 * PATIENCE + 120)
@pytest.mark.cluster_settings(**{"sequin.poll_interval": "500ms"})
def test_a_declared_api_is_followed_whatever_happens(cluster: Cluster, database: Database) -> None:
    print(f"\ntorture: SEED={SEED} for {SECONDS:g} s", flush=True)
    register(database, sweep_often)
    with Fake("--seed", str(SEED % 1000), "--no-limits") as fake:
        ledger = fake.upstream("ledger")
        sync: Sync = start_sync(database, ledger, COLLECTIONS)
        torturer = Torturer(cluster, database, ledger, SEED)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            torturer.act()
        ledger.clear_faults()
        fake.set_latency(0)
        try:
            sync.wait(PATIENCE).converge(PATIENCE)
            # A record that is deleted has been, and a live one exists; nothing was set aside for good.
            assert not database.sql("SELECT reason FROM sequin.rejected_records")
        except (AssertionError, psycopg.Error) as problem:
            diary = "\n".join(torturer.diary[-60:])
            pytest.fail(
                f"SEED={SEED} MINUTES={SECONDS / 60:g}\n{problem}\n--- what was done last\n{diary}",
                pytrace=False,
            )
        overspent = ledger.overspent()
        assert not overspent, overspent
