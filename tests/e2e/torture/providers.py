"""Any API that the fake can be: what of it is kept in step, what happens to it, and how it comes to rest.

One more is an entry in PROVIDERS.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from harness import Database, Fake, Upstream, eventually
from harness.fake import declaration
from harness.shopify import Shop, ShopSync, with_shopify
from harness.sync import Sync, demand, start_sync
from test_sync_hubspot import RECORDS, Portal
from test_sync_ledger import COLLECTIONS as OF_LEDGER
from test_sync_ledger import register, sweep_often

from .faults import FAULTS, Failing
from .operator import Operator, settle_consumers
from .verdict import evidence
from .world import Actor, Consumer, World, patiently

SYNC = "main"
RATE_LIMIT = {"allowed_requests": 200, "interval": 1, "max_concurrent_requests": 8}
# A list that is read while it changes, or from an API that lies, is read once more. In seconds.
ANEW = 15.0
# What is rejected because it is odd stays rejected, and nothing is to be at the end.
ORDINARY = [each for each in FAULTS if each[0] != "odd"]
# What is read alone has more in it than what is listed.
OF_GITHUB = [each["name"] for each in declaration("github")["collections"] if each["name"] != "organization"]


def _nothing(_: Any) -> None: ...


def _declare_anew(rng: random.Random) -> Callable[[Database], None]:
    """The same by a new declaration, or with pages of another size: then lists start over."""
    pages = rng.choice([None, 7, 20])

    def change(collections: dict[str, Any]) -> None:
        sweep_often(collections)
        for collection in collections.values():
            size = (collection.get("pagination") or {}).get("page_size")
            if pages and size:
                size["value"] = pages

    return lambda database: register(database, change)


@dataclass(frozen=True)
class Tortured:
    """A provider that the fake serves.

    fake: gives its arguments, so that it is neither empty nor large. collections: what is synced, by the
    names of the declaration. changed: what changes at random, and `weights` how. events: how a change becomes
    known, each as often as it stands here. options: the sync's. prepare: what comes before the sync.
    lies_at: see `faults.Failing`. upstream: of the fake, by the provider's name. sync: how what is stored is
    compared. reconfigured: what else its user does to it.
    """

    fake: Callable[[], tuple[str, ...]]
    collections: list[str]
    changed: list[str]
    weights: dict[str, float]
    events: tuple[bool | dict[str, float], ...]
    options: Callable[[Upstream], dict[str, Any] | None] = _nothing
    prepare: Callable[[Database], None] = _nothing
    lies_at: str | None = None
    upstream: Callable[[Fake, str], Upstream] = Fake.upstream
    sync: type[Sync] = Sync
    reconfigured: Callable[[random.Random], Callable[[Database], None]] | None = None

    def consumers(self, provider: str) -> dict[str, Consumer]:
        some: list[str] = [f"{provider}:{name}" for name in self.changed[:2]]
        return {"everything": Consumer(2, {}), "some": Consumer(1, {"collection_id": some}, 40)}

    def failing(self) -> Failing:
        return Failing({"everywhere": ""}, ORDINARY, "upstream", self.lies_at)

    def start(self, database: Database, upstream: Upstream) -> Sync:
        self.prepare(database)
        sync = start_sync(
            database,
            upstream,
            self.collections,
            name=SYNC,
            rate_limit=RATE_LIMIT,
            options=self.options(upstream),
        )
        return self.sync(**vars(sync))


def _organization(github: Upstream) -> dict[str, Any]:
    [organization] = github.objects("organization").values()
    return {"org": organization["login"]}


PROVIDERS = {
    "ledger": Tortured(
        fake=lambda: ("--scale", "0.3"),
        collections=OF_LEDGER,
        changed=OF_LEDGER,
        weights={"create": 3, "update": 6, "delete": 2, "restore": 1},
        events=(True, True, True, False, {"backdate": 20}),
        prepare=lambda database: register(database, sweep_often),
        reconfigured=_declare_anew,
    ),
    "github": Tortured(
        fake=lambda: ("--github-organization", "1", "--github-issue", "30", "--github-commit", "20"),
        collections=OF_GITHUB,
        changed=[
            "issue", "pull_request", "issue_comment", "review_comment", "pull_request_review", "label",
            "milestone", "release", "commit", "stargazer",
        ],
        weights={"create": 3, "update": 6, "delete": 2},
        events=(True, True, True, False, {"backdate": 30}),
        options=_organization,
    ),
    "hubspot": Tortured(
        fake=lambda: ("--scale", "0.2"),
        collections=[*RECORDS, "owner"],
        changed=["contact", "company", "deal", "ticket", "note"],
        weights={"create": 3, "update": 6, "delete": 2, "restore": 1, "merge": 0.5},
        events=(True, True, True, False, {"backdate": 30}, {"late": 2}),
        # An account that tells of fewer properties than there are is believed until the next day.
        lies_at=r"^/crm/v3/objects",
        sync=Portal,
    ),
    "salesforce": Tortured(
        fake=lambda: ("--scale", "0.2"),
        collections=[each["name"] for each in declaration("salesforce")["collections"]],
        changed=["account", "contact", "lead", "opportunity", "case", "task"],
        weights={"create": 3, "update": 6, "delete": 2, "restore": 1},
        events=(True, True, True, False, {"backdate": 20}),
        # An org that tells of fewer objects or fields than there are is believed until the next day.
        lies_at="/query",
    ),
    "shopify": Tortured(
        fake=lambda: ("--scale", "0.2", *with_shopify()),
        collections=[each["name"] for each in declaration("shopify")["collections"]],
        changed=["order", "customer", "product", "product_variant", "draft_order"],
        weights={"create": 3, "update": 6, "delete": 1},
        events=(True, True, False),
        upstream=lambda fake, _: Shop(fake),
        sync=ShopSync,
    ),
}  # fmt: skip


class Owner(Actor):
    """Changes the upstream at random."""

    def __init__(self, world: World, plan: Tortured) -> None:
        super().__init__(world, "owner", world.over)
        self._plan = plan

    def act(self) -> None:
        plan, n, event = self._plan, self.rng.randint(1, 8), self.rng.choice(self._plan.events)
        done = self.world.upstream.mutate_random(
            n, self.rng.getrandbits(30), plan.changed, plan.weights, event
        )
        self.world.note("change", f"{done}, event {event}")
        self.pause(0.3)


class Caretaker(Operator):
    """Runs the one sync: pauses and changes it, has it read again, lets consumers come and go."""

    def __init__(self, world: World, plan: Tortured) -> None:
        super().__init__(world)
        self._plan = plan

    def act(self) -> None:
        kinds: dict[Callable[[str], None], int] = {
            self._pause: 3,
            self._change: 1,
            self._backfill: 3,
            self._sweep: 3,
            self._poll: 1,
            self._come_and_go: 3,
            self._reconfigure: 2,
        }
        self.rng.choices(list(kinds), list(kinds.values()))[0](SYNC)
        self.pause(0.5)

    def finish(self) -> None:
        database = self.world.database()
        try:
            settle_consumers(database)
            database.sql("SELECT sequin.update_sync(%s, frequency => 'continuous')", SYNC)
            database.sql("SELECT sequin.resume_sync(%s)", SYNC)
        finally:
            database.close()

    def _reconfigure(self, _: str) -> None:
        if self._plan.reconfigured is None:
            return
        self.world.note("reconfigure")
        database = self.world.database()
        try:
            self._plan.reconfigured(self.rng)(database)
        finally:
            database.close()


def come_to_rest(world: World, patience: float) -> None:
    """Until what is stored is what the upstream says. All is read anew, for what nothing tells of."""
    [sync], database = world.syncs.values(), world.database()
    try:
        # A collection that has failed often would wait for long.
        patiently(lambda: database.sql("SELECT sequin.update_credential('upstream')"))
        sync.wait(patience)
        deadline = time.monotonic() + patience
        while True:
            demand(database, sync.name, "sweep")
            try:
                sync.converge(ANEW)
                break
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
        rejected = "SELECT collection_id, upstream_id, reason FROM sequin.rejected_records"
        eventually(lambda: not database.sql(rejected), ANEW, what=lambda: database.sql(rejected))
    except (AssertionError, psycopg.Error) as problem:
        world.problems.append(f"{problem}\n{database.status()}")
        world.problems.extend(evidence(world, sync))
    finally:
        database.close()
