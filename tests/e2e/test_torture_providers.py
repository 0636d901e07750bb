"""Each API that can be synced, and one that its user has declared, with all that can happen to its sync.

It changes and fails at random, the server is stopped and crashed, consumers come and go: at rest the stream
is what the API says, every consumer has had every final version, and no promise was broken on the way.

    make torture PROVIDER=… SEED=… MINUTES=…
"""

import os
import random

import pytest
from harness import Cluster, Database, Fake
from torture import course
from torture.faults import Api, Weather
from torture.providers import PROVIDERS, SYNC, Caretaker, Owner, come_to_rest
from torture.server import Trouble
from torture.world import World

SECONDS = 60 * float(os.environ.get("SEQUIN_TORTURE_MINUTES") or "0.1")
SEED = int(os.environ.get("SEQUIN_TORTURE_SEED") or random.randrange(1_000_000_000))
# For what is read again, and where it fails for another time.
PATIENCE = 60.0


@pytest.mark.crashes
@pytest.mark.timeout(3 * SECONDS + 3 * PATIENCE + 240)
@pytest.mark.cluster_settings(
    max_connections="60",
    track_commit_timestamp="on",
    **{"sequin.request_timeout": "2s", "sequin.poll_interval": "500ms"},
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_followed_whatever_happens(cluster: Cluster, database: Database, provider: str) -> None:
    print(f"\ntorture of {provider}: SEED={SEED} for {SECONDS:g} s", flush=True)
    plan = PROVIDERS[provider]
    with Fake("--seed", str(SEED % 1000), "--no-limits", *plan.fake()) as fake:
        upstream = plan.upstream(fake, provider)
        world = World(cluster, database.name, upstream, SEED, plan.consumers(provider))

        def create_sync() -> None:
            world.syncs[SYNC] = plan.start(database, upstream)

        course.set_up(world, create_sync)
        course.run(
            world,
            SECONDS,
            trouble=[Trouble(world), Caretaker(world, plan)],
            others=[Owner(world, plan), Api(world, 1, plan.failing()), Weather(world)],
            converge=lambda: come_to_rest(world, PATIENCE + SECONDS / 4),
        )
