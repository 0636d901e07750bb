"""Everything at once: an upstream that changes, an API that fails, a server that crashes, users who write.

At rest the stream equals the upstream, every consumer has had every final version, what users have asked for
in their transactions has been done once, and no promise of docs/ARCHITECTURE.md was broken on the way.

    make torture PROVIDER=stripe SEED=… MINUTES=…
"""

import os
import random

import pytest
from harness import Cluster, Database, Upstream
from harness.sync import Sync
from torture import course
from torture.changes import Owner
from torture.faults import Api, Weather
from torture.layout import CONSUMERS, SYNCS, check_coverage, populate
from torture.operator import Operator, settle
from torture.server import Trouble
from torture.verdict import converge
from torture.world import World
from torture.writers import Writer

SECONDS = 60 * float(os.environ.get("SEQUIN_TORTURE_MINUTES") or "0.25")
SEED = int(os.environ.get("SEQUIN_TORTURE_SEED") or random.randrange(1_000_000_000))
# For all to arrive that is told of. A feed reads its last ten seconds again until a minute has passed without
# an event; where that takes all of a slow budget, backfills wait for it.
PATIENCE = 90.0


@pytest.mark.crashes
@pytest.mark.timeout(3 * SECONDS + 300)
@pytest.mark.cluster_settings(
    max_connections="60",
    track_commit_timestamp="on",
    **{"sequin.request_timeout": "2s"},
)
def test_stripe_is_followed_whatever_happens(cluster: Cluster, database: Database, stripe: Upstream) -> None:
    print(f"\ntorture: SEED={SEED} for {SECONDS:g} s", flush=True)
    check_coverage()
    world = World(cluster, database.name, stripe, SEED, CONSUMERS)
    populate(world)
    course.set_up(world, lambda: settle(world))
    for name, planned in SYNCS.items():
        world.syncs[name] = Sync(database, stripe, name, planned.stream, planned.all)
    course.run(
        world,
        SECONDS,
        trouble=[Trouble(world), Operator(world)],
        others=[Owner(world, far_back=SECONDS >= 60), Api(world, 1), Api(world, 2), Weather(world)],
        converge=lambda: converge(world, PATIENCE + SECONDS / 4),
        writers=[Writer(world, number) for number in (1, 2)],
    )
