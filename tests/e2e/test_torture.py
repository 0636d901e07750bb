"""Everything at once: an upstream that changes, an API that fails, a server that crashes, users who write.

At rest the stream equals the upstream, every consumer has had every final version, what users have asked for
in their transactions has been done once, and no promise of docs/ARCHITECTURE.md was broken on the way.

    make torture SEED=… MINUTES=…
"""

import os
import random
import threading
import time

import pytest
from harness import Cluster, Database, Upstream
from harness.sync import Sync
from torture.changes import Owner
from torture.faults import Api, Weather
from torture.layout import CONSUMERS, SYNCS, check_coverage, populate
from torture.operator import Operator, settle
from torture.readers import (
    BATCH,
    BATCH_OF_SOME,
    EXACTLY_ONCE,
    HISTORY,
    Follower,
    Processor,
    clients,
    create_consumers,
)
from torture.server import Terminator, Trouble
from torture.verdict import converge, converged, judge_all
from torture.world import World
from torture.writers import Writer

SECONDS = 60 * float(os.environ.get("SEQUIN_TORTURE_MINUTES") or "0.25")
SEED = int(os.environ.get("SEQUIN_TORTURE_SEED") or random.randrange(1_000_000_000))
# The server and the syncs are left alone for the rest: what a restart would mend has to be right by itself.
TROUBLED = 0.55
# For all to arrive that is told of. A feed reads its last ten seconds again until a minute has passed without
# an event; where that takes all of a slow budget, backfills wait for it.
PATIENCE = 90.0


def join(threads: list[threading.Thread], timeout: float) -> list[str]:
    """Waits for threads to end; the names of those that don't."""
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]


@pytest.mark.crashes
@pytest.mark.timeout(3 * SECONDS + 300)
@pytest.mark.cluster_settings(
    max_connections="60",
    track_commit_timestamp="on",
    **{"sequin.request_timeout": "2s"},
)
def test_nothing_is_lost_whatever_happens(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    print(f"\ntorture: SEED={SEED} for {SECONDS:g} s", flush=True)
    check_coverage()
    world = World(cluster, database.name, stripe, SEED, CONSUMERS)
    populate(world)
    cluster.sql(f"ALTER SYSTEM SET sequin.workers = {world.rng('workers').choice((1, 1, 2, 3))}")
    cluster.reload()
    with database.connect() as connection:
        connection.execute(HISTORY)
        settle(world)
        create_consumers(world, connection)
    for name, planned in SYNCS.items():
        world.syncs[name] = Sync(database, stripe, name, planned.stream, planned.all)

    follower = Follower(world)
    trouble = [actor.thread for actor in (Trouble(world), Operator(world))]
    writers = [Writer(world, number) for number in (1, 2)]
    others = [
        *writers,
        Owner(world, far_back=SECONDS >= 60),
        Api(world, 1),
        Api(world, 2),
        Weather(world),
        Terminator(world),
        *(Processor(world, consumer) for consumer in (EXACTLY_ONCE, BATCH, BATCH_OF_SOME)),
    ]
    rest = [actor.thread for actor in others] + clients(world)
    for thread in [*trouble, *rest, follower.thread]:
        thread.start()
    world.calm.wait(TROUBLED * SECONDS)
    world.calm.set()
    stuck = join(trouble, 120)
    world.note("calm")
    world.over.wait((1 - TROUBLED) * SECONDS)
    world.over.set()
    stuck += join(rest, 90)
    stripe.clear_faults()
    stripe.fake.set_latency(0)
    world.note("over")
    print(", ".join(f"{kind} {count}" for kind, count in sorted(world.done.items())), flush=True)

    if converged(world):
        converge(world, PATIENCE + SECONDS / 4)
    world.at_rest.set()
    stuck += join([follower.thread], 30)
    judge_all(world, follower, writers)
    if stuck:
        world.problems.append(f"these did not come to their end: {stuck}")
    if world.problems:
        found = "\n".join(world.problems[:40])
        pytest.fail(
            f"SEED={SEED} MINUTES={SECONDS / 60:g}\n{found}\n--- what was done last\n{world.diary()}",
            pytrace=False,
        )
