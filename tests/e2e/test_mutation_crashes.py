"""A mutation is made once, wherever the worker or the server ends; where nobody can know, it stops."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.mutations import all_done, describe, mutate, mutation, named, reached, register_keyless
from harness.sync import Sync, start_sync

pytestmark = pytest.mark.crashes

# Nothing is looked for, so that the worker does what the test is about and nothing else.
SELDOM = "4h"
# Requests of which the next is let go so late that the server can be lost before.
SLOW = {"allowed_requests": 1, "interval": 3, "max_concurrent_requests": 1}
WORKERS = "FROM pg_stat_activity WHERE backend_type = 'sequin worker' AND datname = %s"


# How it ends


def kill(cluster: Cluster, database: Database) -> None:
    [(pid,)] = cluster.sql(f"SELECT pid {WORKERS}", database.name)
    cluster.crash(pid)


def terminate(cluster: Cluster, database: Database) -> None:
    cluster.end_worker(database.name)


def stop_at_once(cluster: Cluster, database: Database) -> None:
    cluster.restart("immediate")


def stop_in_order(cluster: Cluster, database: Database) -> None:
    cluster.restart("fast")


ENDS = [kill, terminate, stop_at_once, stop_in_order]
End = Callable[[Cluster, Database], None]
by_each_end = pytest.mark.parametrize("end", ENDS, ids=lambda each: each.__name__)
# With the server, and alone.
by_two_ends = pytest.mark.parametrize("end", [kill, terminate], ids=lambda each: each.__name__)


# Where it is then


@dataclass
class Case:
    """A sync "main" that makes changes and looks for none. `declared`: with idempotency keys, or without."""

    cluster: Cluster
    database: Database
    stripe: Upstream
    sync: Sync

    def ask(self, action: str = "create") -> Any:
        key = None if action == "create" else self.stripe.any_id("customer")
        data = None if action == "delete" else {"name": "once"}
        return mutate(self.database, "customer", action, key, data)

    def effects(self) -> int:
        """How often it has been made: each time, the API tells of it."""
        return len(self.stripe.events())

    def count_requests(self, count: int) -> None:
        eventually(lambda: len(self.stripe.writes()) >= count, 15, what=lambda: describe(self.database))
        assert len(self.stripe.writes()) == count


def prepare(cluster: Cluster, database: Database, stripe: Upstream, keys: bool, **options: Any) -> Case:
    stripe.seed(customer=3)
    upstream = stripe if keys else register_keyless(database, stripe)
    sync = start_sync(database, upstream, ["customer"], frequency=SELDOM, **options).wait(60)
    return Case(cluster, database, upstream, sync)


@pytest.fixture
def keyed(cluster: Cluster, database: Database, stripe: Upstream) -> Case:
    return prepare(cluster, database, stripe, keys=True)


@pytest.fixture
def keyless(cluster: Cluster, database: Database, stripe: Upstream) -> Case:
    return prepare(cluster, database, stripe, keys=False)


def assert_made_once(case: Case, asked: Any) -> None:
    reached(case.database, asked, timeout=40)
    assert case.effects() == 1
    assert {each.key for each in case.stripe.writes() if each.method == "POST"} <= {str(asked)}
    case.sync.converge()


def assert_uncertain(case: Case, asked: Any, effects: int) -> None:
    unknown = reached(case.database, asked, "uncertain", timeout=40)
    assert unknown.error
    assert len(case.stripe.writes()) == 1
    assert case.effects() == effects
    [view] = case.database.sql("SELECT uncertain, hint FROM sequin.mutation_status WHERE uncertain > 0")
    assert view.uncertain == 1
    assert "sequin.retry_mutation" in view.hint and "sequin.dismiss_mutation" in view.hint


# Before it is sent


@by_two_ends
@pytest.mark.parametrize("keys", [True, False], ids=["with keys", "without"])
def test_before_it_is_sent(
    cluster: Cluster, database: Database, stripe: Upstream, keys: bool, end: End
) -> None:
    """It waits for the rate limit; that it may be under way has been committed."""
    case = prepare(cluster, database, stripe, keys, rate_limit=SLOW)
    first = mutate(database, "customer", "delete", stripe.any_id("customer"))
    reached(database, first)
    before = case.effects()
    asked = case.ask()
    reached(database, asked, "sending", timeout=5)
    assert len(stripe.writes()) == 1, "it was sent already"
    end(cluster, database)
    ends = ("done",) if keys else ("done", "uncertain")
    eventually(lambda: mutation(database, asked).state in ends, 40, what=lambda: describe(database))
    effects = case.effects() - before
    if mutation(database, asked).state == "done":
        assert effects == len(named(stripe, "once")) == 1
    else:
        assert effects == 0
        database.sql("SELECT sequin.retry_mutation(%s)", asked)
        reached(database, asked, timeout=40)
        assert len(named(stripe, "once")) == 1


@by_two_ends
def test_before_anybody_has_looked_at_it(keyless: Case, end: End) -> None:
    """What is pending has surely not been sent, and needs no key to be sent afterwards."""
    database = keyless.database
    database.sql("SELECT sequin.pause_sync('main')")
    asked = keyless.ask()
    end(keyless.cluster, database)
    assert mutation(database, asked).state == "pending"
    database.sql("SELECT sequin.resume_sync('main')")
    reached(database, asked, timeout=40)
    assert keyless.effects() == len(keyless.stripe.writes()) == 1


# After it was sent, before the answer


@by_each_end
def test_before_the_answer_to_what_was_made(keyed: Case, end: End) -> None:
    assert_repeated_before_the_answer(keyed, "create", True, end)


@by_two_ends
@pytest.mark.parametrize(("action", "applied"), [("create", False), ("update", True), ("delete", True)])
def test_before_the_answer(keyed: Case, action: str, applied: bool, end: End) -> None:
    assert_repeated_before_the_answer(keyed, action, applied, end)


def assert_repeated_before_the_answer(keyed: Case, action: str, applied: bool, end: End) -> None:
    method = "DELETE" if action == "delete" else "POST"
    keyed.stripe.fault("hang", apply=applied, match={"method": method, "times": 1})
    asked = keyed.ask(action)
    keyed.count_requests(1)
    end(keyed.cluster, keyed.database)
    assert_made_once(keyed, asked)
    assert len(keyed.stripe.writes()) == 2


@by_two_ends
@pytest.mark.parametrize("applied", [True, False], ids=["made", "not made"])
@pytest.mark.parametrize("action", ["create", "update"])
def test_before_the_answer_without_keys(keyless: Case, action: str, applied: bool, end: End) -> None:
    keyless.stripe.fault("hang", apply=applied, match={"method": "POST", "times": 1})
    asked = keyless.ask(action)
    keyless.count_requests(1)
    end(keyless.cluster, keyless.database)
    if action == "update" and applied:
        # The object shows it.
        reached(keyless.database, asked, timeout=40)
        assert keyless.effects() == len(keyless.stripe.writes()) == 1
        keyless.sync.converge()
    else:
        assert_uncertain(keyless, asked, effects=int(applied))


@by_two_ends
def test_a_deletion_is_repeated_without_keys(keyless: Case, end: End) -> None:
    keyless.stripe.fault("hang", match={"method": "DELETE", "times": 1})
    asked = keyless.ask("delete")
    keyless.count_requests(1)
    end(keyless.cluster, keyless.database)
    assert_made_once(keyless, asked)


@pytest.mark.parametrize("way", ["retry", "dismiss"])
def test_what_is_uncertain_goes_on_as_somebody_decides(keyless: Case, way: str) -> None:
    """What comes behind it waits for that, also over another crash."""
    database, stripe = keyless.database, keyless.stripe
    stripe.fault("hang", apply=False, match={"method": "POST", "times": 1})
    asked = keyless.ask("update")
    behind = mutate(database, "customer", "update", stripe.any_id("customer"), {"description": "behind"})
    keyless.count_requests(1)
    kill(keyless.cluster, database)
    assert_uncertain(keyless, asked, effects=0)
    terminate(keyless.cluster, database)
    free = mutate(database, "customer", "create", data={"name": "beside"})
    reached(database, free, timeout=40)
    assert mutation(database, asked).state == "uncertain"
    assert mutation(database, behind).state == "pending"
    database.sql(f"SELECT sequin.{way}_mutation(%s)", asked)
    reached(database, behind)
    assert mutation(database, asked).state == ("done" if way == "retry" else "cancelled")
    changed = stripe.objects("customer")[stripe.any_id("customer")]
    assert changed["description"] == "behind"
    assert (changed["name"] == "once") == (way == "retry")
    assert keyless.effects() == (3 if way == "retry" else 2)


# After the answer, before it is stored


@pytest.fixture
def stored_late(database: Database) -> Callable[[Case], Any]:
    """Has a mutation answered, and keeps the answer from being stored as long as the connection is open."""

    def hold(case: Case) -> Any:
        holder = database.connect()
        holder.execute("BEGIN")
        holder.execute("SELECT sequin._lock_stream(id) FROM sequin.streams WHERE name = 'main'")
        asked = case.ask()
        waits = f"SELECT 1 {WORKERS} AND wait_event_type = 'Lock'"
        eventually(lambda: database.sql(waits, database.name), 15, what=lambda: describe(database))
        [write] = case.stripe.writes()
        assert write.status == 200 and write.answered is not None
        return holder, asked

    return hold


@by_each_end
def test_before_the_answer_is_stored(keyed: Case, stored_late: Callable[[Case], Any], end: End) -> None:
    holder, asked = stored_late(keyed)
    end(keyed.cluster, keyed.database)
    holder.close()
    assert_made_once(keyed, asked)


@by_two_ends
def test_before_the_answer_is_stored_without_keys(
    keyless: Case, stored_late: Callable[[Case], Any], end: End
) -> None:
    holder, asked = stored_late(keyless)
    end(keyless.cluster, keyless.database)
    holder.close()
    assert_uncertain(keyless, asked, effects=1)


# After it is stored


@by_two_ends
@pytest.mark.parametrize("keys", [True, False], ids=["with keys", "without"])
def test_after_it_is_done(
    cluster: Cluster, database: Database, stripe: Upstream, keys: bool, end: End
) -> None:
    case = prepare(cluster, database, stripe, keys)
    done = reached(database, case.ask())
    end(cluster, database)
    # Another one, so that the worker has surely looked at what there is.
    reached(database, mutate(database, "customer", "create", data={"name": "next"}), timeout=40)
    assert mutation(database, done.id) == done
    assert [each.form["name"] for each in case.stripe.writes()] == ["once", "next"]
    assert case.effects() == 2


# All at once


@by_each_end
def test_in_the_middle_of_many(keyed: Case, end: End) -> None:
    """Some are done, some under way, some wait: each is made once, and those of a record in order."""
    database, stripe = keyed.database, keyed.stripe
    stripe.fake.set_latency(60, 60)
    database.sql(
        """INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id, data)
           SELECT 'main', 'customer', 'update', key,
                  jsonb_build_object('metadata', jsonb_build_object('n', n))
           FROM generate_series(1, 25) AS n, unnest(%s::text[]) AS key ORDER BY n""",
        stripe.ids("customer"),
    )
    database.sql(
        """INSERT INTO sequin.mutations (sync, collection_id, action, data)
           SELECT 'main', 'customer', 'create', jsonb_build_object('name', 'new ' || n)
           FROM generate_series(1, 75) AS n"""
    )
    for share in (20, 60, 100):
        eventually(lambda share=share: keyed.effects() >= share, 30, what=lambda: describe(database))
        end(keyed.cluster, database)
    all_done(database, 150, timeout=90)
    assert keyed.effects() == 150
    names = [each["name"] for each in stripe.objects("customer").values()]
    assert all(names.count(f"new {number}") == 1 for number in range(1, 76))
    for key in stripe.ids("customer"):
        if asked := [int(each.form["metadata[n]"]) for each in stripe.writes(f"^/v1/customers/{key}")]:
            assert asked == sorted(asked) and set(asked) == set(range(1, 26))
    keyed.sync.converge()
