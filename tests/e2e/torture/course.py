"""The course of a torture: trouble, calm, rest, and the verdict."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from .readers import (
    BATCH,
    BATCH_OF_SOME,
    EXACTLY_ONCE,
    HISTORY,
    Follower,
    Processor,
    clients,
    create_consumers,
)
from .server import Terminator
from .verdict import converged, judge_all
from .world import Actor, World
from .writers import Writer

# The server and the syncs are left alone for the rest: what a restart would mend has to be right by itself.
TROUBLED = 0.55


def set_up(world: World, create_syncs: Callable[[], None]) -> None:
    """What watches over the records is there before the first of them."""
    world.cluster.sql(f"ALTER SYSTEM SET sequin.workers = {world.rng('workers').choice((1, 1, 2, 3))}")
    world.cluster.reload()
    with world.connect() as connection:
        connection.execute(HISTORY)
        create_syncs()
        create_consumers(world, connection)


def run(
    world: World,
    seconds: float,
    trouble: Sequence[Actor],
    others: Sequence[Actor],
    converge: Callable[[], None],
    writers: Sequence[Writer] = (),
) -> None:
    """Lets all of them loose for so long, and judges. Fails with what is wrong and what was done last.

    trouble: they come to their end when the world is calm, the others when it is over. converge: waits until
    the stream is what the upstream says, or notes what is in the way.
    """
    follower = Follower(world)
    consumers = [Processor(world, each) for each in (EXACTLY_ONCE, BATCH, BATCH_OF_SOME)]
    at_large = [actor.thread for actor in (*writers, *others, Terminator(world), *consumers)] + clients(world)
    troubling = [actor.thread for actor in trouble]
    for thread in [*troubling, *at_large, follower.thread]:
        thread.start()
    world.calm.wait(TROUBLED * seconds)
    world.calm.set()
    stuck = _join(troubling, 120)
    world.note("calm")
    world.over.wait((1 - TROUBLED) * seconds)
    world.over.set()
    stuck += _join(at_large, 90)
    world.upstream.clear_faults()
    world.upstream.fake.set_latency(0)
    world.note("over")
    print(", ".join(f"{kind} {count}" for kind, count in sorted(world.done.items())), flush=True)

    if converged(world):
        converge()
    world.at_rest.set()
    stuck += _join([follower.thread], 30)
    judge_all(world, follower, writers)
    if stuck:
        world.problems.append(f"these did not come to their end: {stuck}")
    if world.problems:
        found = "\n".join(world.problems[:40])
        pytest.fail(
            f"SEED={world.seed} MINUTES={seconds / 60:g}\n{found}\n--- what was done last\n{world.diary()}",
            pytrace=False,
        )


def _join(threads: list[threading.Thread], timeout: float) -> list[str]:
    """Waits for threads to end; the names of those that don't."""
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]
