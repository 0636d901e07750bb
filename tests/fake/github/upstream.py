"""The owner of all repositories: changes that come from elsewhere than the API, and the truth."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core import odd as odd_records
from ..core.data import Announcement, Refused
from ..core.store import Item
from .catalog import BY_NAME, COLLECTIONS, Collection, find
from .hub import Hub

if TYPE_CHECKING:
    from . import GitHub

MUTATED = (
    "issue", "issue", "issue", "pull_request", "issue_comment", "issue_comment", "review_comment", "review",
    "label", "milestone", "release", "commit", "stargazer",
)  # fmt: skip
TEXTS = {
    "repository": "description", "organization": "description", "team": "description", "label": "description",
    "milestone": "description", "release": "body", "issue": "body", "pull_request": "title",
    "issue_comment": "body", "review": "body", "review_comment": "body", "deployment": "description",
    "workflow": "name", "workflow_run": "display_title",
}  # fmt: skip


class Owner:
    """core.data.Upstream for GitHub, which announces nothing.

    What the API can be asked for is what was updated since. So an announcement is what becomes of
    `updated_at`: silent leaves it as it was, and backdate puts it behind a cursor that has passed.
    """

    def __init__(self, hub: Hub, provider: GitHub) -> None:
        self._hub = hub
        self._provider = provider

    def collections(self) -> list[dict[str, Any]]:
        return [
            {
                "name": each.name,
                "path": each.path,
                "object": each.name,
                "events": False,
                "count": len(self._hub.stores[each.name]),
                "deleted": len(self._hub.stores[each.name].deleted),
            }
            for each in COLLECTIONS
        ]

    def create(
        self,
        collection: str,
        data: dict[str, Any],
        announcement: Announcement,
        *,
        parent: str | None,
        created: int | None,
        odd: str | None,
    ) -> str:
        known = self._find(collection)
        if odd is not None:
            odd_records.make(odd, b'{"id": "x"}')
        moment = int(self._moment(announcement) or self._hub.clock.now()) if created is None else created
        item = self._hub.create(known.name, data, parent=parent, created=moment)
        item.odd = odd
        return item.id

    def update(self, collection: str, id: str, data: dict[str, Any], announcement: Announcement) -> None:
        """An issue whose data says `repository` is transferred there."""
        known = self._find(collection)
        moment = self._moment(announcement)
        data = dict(data)
        target = data.pop("repository", None) if known.name == "issue" else None
        if data:
            self._hub.update(known.name, id, data, moment)
        if target is not None:
            self._hub.transfer(id, target, moment or self._hub.clock.now())

    def delete(self, collection: str, id: str, announcement: Announcement) -> None:
        self._hub.delete(self._find(collection).name, id)

    def mutate_random(
        self,
        n: int,
        seed: int,
        collections: list[str] | None,
        weights: dict[str, float],
        announcement: Announcement,
    ) -> dict[str, int]:
        rng = random.Random(f"{seed}:mutations")
        names = [self._find(name).name for name in collections] if collections else list(MUTATED)
        done = {"create": 0, "update": 0, "delete": 0}
        kinds, weight = list(weights), list(weights.values())
        if set(kinds) - set(done):
            raise Refused(f"weights are of create, update and delete, not {sorted(set(kinds) - set(done))}")
        for number in range(n):
            collection = BY_NAME[rng.choice(names)]
            kind = self._kind(collection, rng.choices(kinds, weight)[0])
            if kind == "create":
                if not self._possible(collection):
                    continue
                now = int(self._moment(announcement) or self._hub.clock.now())
                parent = self._parent(collection, rng)
                self._hub.create(collection.name, {}, parent=parent, created=now, rng=rng)
            else:
                items = self._hub.stores[collection.name].items
                item = rng.choice(items)
                if kind == "delete" and "pull_request" in item.document():
                    continue
                if kind == "delete":
                    self._hub.delete(collection.name, item.id)
                else:
                    data = _change(collection.name, item.document(), rng, number)
                    self._hub.update(collection.name, item.id, data, self._moment(announcement))
            done[kind] += 1
        return done

    def truth(self, collection: str) -> tuple[Iterable[Item], list[str]]:
        store = self._hub.stores[self._find(collection).name]
        return iter(store), list(store.deleted)

    def purge_events(self) -> int:
        """There are none."""
        return 0

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        return self._provider.configure(settings)

    def _find(self, name: str) -> Collection:
        try:
            return find(name)
        except KeyError as error:
            raise Refused(error.args[0]) from None

    def _moment(self, announcement: Announcement) -> float | None:
        if announcement.late:
            raise Refused("GitHub shows a change at once: there is no event that could be late")
        return None if announcement.silent else self._hub.clock.now() - announcement.backdate

    def _kind(self, collection: Collection, kind: str) -> str:
        """What can be done instead of what can't."""
        able = {"update": collection.changeable, "delete": collection.deletable}.get(kind, True)
        return kind if able and self._hub.stores[collection.name].items else "create"

    def _possible(self, collection: Collection) -> bool:
        return self._parent(collection, random.Random(0)) is not None or collection.parent in (
            None,
            "organization",
        )

    def _parent(self, collection: Collection, rng: random.Random) -> str | None:
        """A parent that can have one more: comments need an issue."""
        if collection.parent is None or collection.name == "repository":
            return None
        needs = {"issue_comment": "issue", "review_comment": "pull_request"}.get(collection.name)
        found = [
            item.id
            for item in self._hub.stores[collection.parent].items
            if needs is None or self._hub.stores[needs].children(item.id)
        ]
        return rng.choice(found) if found else None


def _change(name: str, document: dict[str, Any], rng: random.Random, number: int) -> dict[str, Any]:
    """A new value for something that every object of its kind has."""
    mark = f"{number}-{rng.getrandbits(32):08x}"
    stateful = name in ("issue", "pull_request", "milestone") and document.get("merged_at") is None
    if stateful and rng.random() < 0.3:
        return {"state": "closed" if document["state"] == "open" else "open"}
    if name == "label" and rng.random() < 0.5:
        return {"name": f"label {mark}"}
    if name == "branch":
        return {"commit": f"{rng.getrandbits(160):040x}"}
    return {TEXTS[name]: f"changed {mark} 😀"}
