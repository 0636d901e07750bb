"""The people of the account: changes that come from elsewhere than the API, and the truth."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core import odd as odd_records
from ..core.data import Announcement, Refused, check_weights
from ..core.store import Item, Store
from .catalog import DIRECTORY
from .portal import Portal

if TYPE_CHECKING:
    from . import HubSpot

YEAR = 365 * 86_400_000
KINDS = ("create", "update", "delete", "restore", "merge")


class Staff:
    """core.data.Upstream for HubSpot.

    A change is known by its time, and found by it in a search: silent leaves the time as it was (what is
    deleted so is in no archive either), backdate puts it behind, and late keeps it from the search so long.
    """

    def __init__(self, portal: Portal, provider: HubSpot) -> None:
        self._portal = portal
        self._provider = provider

    def collections(self) -> list[dict[str, Any]]:
        paths = {
            each.name: f"crm/v3/objects/{each.key or each.plural}" for each in self._portal.types.values()
        }
        paths |= {"owner": "crm/v3/owners", "schema": "crm/v3/schemas"}
        paths |= {"pipeline": "crm/v3/pipelines/{type}", "property": "crm/v3/properties/{type}"}
        return [
            {
                "name": name,
                "path": path,
                "object": name,
                "events": False,
                "count": len(self._store(name)),
                "deleted": len(self._store(name).deleted),
            }
            for name, path in paths.items()
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
        self._store(collection)
        if odd is not None:
            odd_records.make(odd, b'{"id": "x"}')
        changed = self._stamp(announcement)
        born = created * 1000 if created is not None else changed or self._portal.now() - YEAR
        if collection == "schema":
            return self._portal.add_custom_type(data)
        if collection in DIRECTORY:
            return self._portal.directory.create(collection, data, parent, born)
        links = data.pop("associations", {})
        item = self._portal.create(
            collection,
            self._values(collection, data),
            born,
            born if changed is None else max(born, changed),
            late=announcement.late,
            source="CRM_UI",
        )
        item.odd = odd
        self._associate(collection, item.id, links)
        return item.id

    def update(self, collection: str, id: str, data: dict[str, Any], announcement: Announcement) -> None:
        self._store(collection)
        changed = self._stamp(announcement)
        if collection in DIRECTORY:
            self._portal.directory.update(collection, id, data, changed)
            return
        self._associate(collection, id, data.pop("associations", {}))
        winner = data.pop("merge_into", None)
        if winner is not None:
            self._portal.merge(collection, str(winner), id, changed, announcement.late)
        else:
            values = self._values(collection, data)
            self._portal.update(collection, id, values, changed, announcement.late)

    def delete(self, collection: str, id: str, announcement: Announcement) -> None:
        self._store(collection)
        when = self._stamp(announcement)
        if collection == "schema":
            self._portal.drop_type(id)
        elif collection in DIRECTORY:
            self._portal.directory.delete(collection, id, when or self._portal.now())
        elif when is None:
            self._portal.forget(collection, id, late=announcement.late)
        else:
            self._portal.archive(collection, id, when, announcement.late)

    def restore(self, collection: str, id: str, announcement: Announcement) -> None:
        self._store(collection)
        if collection in DIRECTORY:
            raise Refused(f"a {collection} can't be restored")
        self._portal.restore(collection, id, self._stamp(announcement), announcement.late)

    def mutate_random(
        self,
        n: int,
        seed: int,
        collections: list[str] | None,
        weights: dict[str, float],
        announcement: Announcement,
    ) -> dict[str, int]:
        rng = random.Random(f"{seed}:mutations")
        check_weights(weights, KINDS)
        chosen = list(collections or self._portal.types)
        for name in chosen:
            if name not in self._portal.types:
                raise Refused(f"there are no records of {name!r}; there are {', '.join(self._portal.types)}")
        done = dict.fromkeys(KINDS, 0)
        for number in range(n):
            [kind] = rng.choices(list(weights), list(weights.values()))
            done[self._mutate(rng.choice(chosen), kind, rng, number, announcement)] += 1
        return done

    def _mutate(
        self, name: str, kind: str, rng: random.Random, number: int, announcement: Announcement
    ) -> str:
        """Does something of the kind, or creates a record where there is nothing to do it with."""
        shelf, changed, late = self._portal.shelves[name], self._stamp(announcement), announcement.late
        live = shelf.numbers
        if kind == "restore" and shelf.archive:
            self._portal.restore(name, str(rng.choice(shelf.archive)), changed, late)
        elif kind == "update" and live:
            text = f"changed {number}-{rng.getrandbits(32):08x} 😀"
            self._portal.update(name, str(rng.choice(live)), {shelf.type.text: text}, changed, late)
        elif kind == "delete" and live:
            self.delete(name, str(rng.choice(live)), announcement)
        elif kind == "merge" and len(live) > 1 and shelf.type.mergeable:
            winner, loser = rng.sample(live, 2)
            self._portal.merge(name, str(winner), str(loser), changed, late)
        else:
            self.create(name, {}, announcement, parent=None, created=None, odd=None)
            return "create"
        return kind

    def truth(self, collection: str) -> tuple[Iterable[Item], list[str]]:
        """Records with all of their properties that have a value."""
        store = self._store(collection)
        return iter(store), list(store.deleted)

    def purge_events(self) -> int:
        """The archive is emptied."""
        return self._portal.empty_archive()

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        return self._provider.configure(settings)

    def _store(self, name: str) -> Store:
        if name in DIRECTORY:
            return self._portal.directory.stores[name]
        if name not in self._portal.types:
            known = ", ".join((*self._portal.types, *DIRECTORY))
            raise Refused(f"there is no collection {name!r}; there are {known}")
        return self._portal.shelves[name].store

    def _values(self, collection: str, data: dict[str, Any]) -> dict[str, str | None]:
        """Also those that nobody can write through the API, but for the ones that tell records apart."""
        known = self._portal.directory.properties[collection]
        type = self._portal.types[collection]
        fixed = {"hs_object_id", type.created, type.changed}
        wrong = [name for name in data if name not in known or name in fixed]
        if wrong:
            raise Refused(f"{', '.join(wrong)}: no properties of {collection} that can be set")
        return {name: None if value is None else _text(value) for name, value in data.items()}

    def _associate(self, collection: str, id: str, links: dict[str, list[str]]) -> None:
        for target, others in links.items():
            self._store(target)
            for other in others:
                self._portal.associate((collection, id), (target, str(other)))

    def _stamp(self, announcement: Announcement) -> int | None:
        """The time that a change gets, in milliseconds; None for one that leaves no trace."""
        return None if announcement.silent else self._portal.now() - int(announcement.backdate * 1000)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
