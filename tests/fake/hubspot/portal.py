"""The records of an account, and what happens to them."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left, insort
from collections import Counter
from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from ..core.store import Item, Store, dump
from .associations import Associations, kinds
from .catalog import TYPES, ObjectType, custom
from .directory import Directory
from .index import Index
from .objects import Draw, derive, make
from .properties import FIELD_TYPES
from .values import instant, iso

FIRST_ID = 951
"""So that before long ids have one more digit: in the order of texts they are in another one then."""
KEPT = 90 * 86_400_000
"""For how long, in milliseconds, what was archived is listed, and can be restored."""
HOURS = 3_600_000


class Shelf:
    """The records of one type.

    documents: as they are, also the archived ones; numbers: the ids in the order of the list; archive: of the
    archived ones that are listed; merged: id of one that went into another → that one's.
    """

    def __init__(self, type: ObjectType) -> None:
        self.type = type
        self.store = Store()
        self.documents: dict[str, dict[str, Any]] = {}
        self.numbers: list[int] = []
        self.archive: list[int] = []
        self.merged: dict[str, str] = {}
        self.unique: dict[tuple[str, str], str] = {}
        """(property, value) → id, of the properties that no two records have the same value of."""
        self._expiring: list[tuple[int, int]] = []

    def live(self, id: str) -> dict[str, Any] | None:
        return self.documents[id] if id in self.store.by_id else None

    def archived(self, id: str, now: int) -> dict[str, Any] | None:
        self.expire(now)
        at = int(id) if id.isdecimal() else -1
        place = bisect_left(self.archive, at)
        return self.documents[id] if self.archive[place : place + 1] == [at] else None

    def expire(self, now: int) -> None:
        while self._expiring and self._expiring[0][0] <= now - KEPT:
            self.forget_archived(str(heapq.heappop(self._expiring)[1]))

    def put_away(self, id: str, when: int) -> None:
        insort(self.archive, int(id))
        heapq.heappush(self._expiring, (when, int(id)))

    def forget_archived(self, id: str) -> None:
        place = bisect_left(self.archive, int(id))
        if self.archive[place : place + 1] == [int(id)]:
            del self.archive[place]
            del self.documents[id]

    def winner(self, id: str) -> str:
        """The id itself, or that of the record that it went into."""
        while id in self.merged:
            id = self.merged[id]
        return id


class Portal:
    """Times are in milliseconds. Where `changed` is None, nothing says that a record has changed.

    late: seconds until the search knows.
    """

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.began = int(clock.now()) * 1000
        self.rng = random.Random(f"{seed}:hubspot")
        self.types: dict[str, ObjectType] = {}
        self.shelves: dict[str, Shelf] = {}
        self.directory = Directory(random.Random(f"{seed}:directory"))
        self.associations = Associations()
        self.index = Index(clock, seed, lambda type, id: self.shelves[type].live(id))
        self._numbers: Counter[str] = Counter()
        self._last_id = FIRST_ID
        for each in TYPES:
            self.add_type(each)

    def now(self) -> int:
        return int(self.clock.now() * 1000)

    # -- types --------------------------------------------------------------------------------------------

    def add_type(self, type: ObjectType) -> None:
        self.types[type.name] = type
        self.shelves[type.name] = Shelf(type)
        self.directory.add_type(type, self.began - 1000 * HOURS)

    def add_custom_type(self, data: dict[str, Any]) -> str:
        """A custom type with the properties of `data`: name → type. Returns its id."""
        name, properties = str(data.get("name", "")), data.get("properties", {"label": "string"})
        if not name.isidentifier() or name in self.types or set(data) - {"name", "properties"}:
            raise Refused(
                f'a schema is {{"name": …, "properties": {{name: type}}}} under a new name, not {data}'
            )
        bad = {
            each for each, kind in properties.items() if kind not in FIELD_TYPES or not each.isidentifier()
        }
        if bad or not properties:
            raise Refused(f"properties are of the types {', '.join(FIELD_TYPES)}; see {sorted(bad)}")
        taken = sum(each.key is not None for each in self.types.values())
        own = "".join(f"{each}+ {kind}\n" for each, kind in properties.items())
        type = custom(name, f"2-{12345 + 1001 * taken}", own)
        self.add_type(type)
        return type.id

    def type_called(self, name: str) -> ObjectType | None:
        """By any of its names; in whatever case, as far as letters go."""
        return next((each for each in self.types.values() if name.lower() in each.names), None)

    def drop_type(self, id: str) -> ObjectType:
        """A custom type goes when its records have gone."""
        type = next((each for each in self.types.values() if each.key and each.id == id), None)
        if type is None:
            raise Refused(f"there is no schema {id!r}")
        if len(self.shelves[type.name].store):
            raise Refused(f"there are records of {type.name}")
        self.directory.delete("schema", id, self.now())
        del self.types[type.name]
        return type

    # -- looking ------------------------------------------------------------------------------------------

    def existing(self, type: str, id: str) -> dict[str, Any]:
        found = self.shelves[type].live(id)
        if found is None:
            raise Refused(f"there is no {type} {id!r}")
        return found

    def associated(self, type: str, id: str, target: str) -> list[tuple[str, bool]]:
        """The live records of the type `target`, ascending, and whether each is the primary one."""
        there = self.shelves[target].store.by_id
        return [each for each in self.associations.of(type, id, target) if each[0] in there]

    # -- changing -----------------------------------------------------------------------------------------

    def create(
        self,
        type: str,
        values: dict[str, str | None],
        created: int,
        changed: int,
        *,
        made_up: bool = True,
        late: float = 0.0,
        source: str = "INTEGRATION",
    ) -> Item:
        """A new record; made_up: with something in what `values` says nothing of."""
        shelf = self.shelves[type]
        self._numbers[type] += 1
        draw = Draw(self.rng, self._numbers[type], created, self.directory.owner_ids())
        filled: dict[str, str | None] = dict(make(self.directory.properties[type], draw)) if made_up else {}
        properties = {name: value for name, value in {**filled, **values}.items() if value is not None}
        self._check_unique(shelf, properties, None)
        self._last_id += self.rng.randint(1, 30)
        id = str(self._last_id)
        properties |= {
            "hs_object_id": id,
            shelf.type.created: iso(created),
            "hs_object_source": source,
            "hs_object_source_label": source,
        }
        document = self._document(shelf.type, id, properties, created, changed)
        shelf.documents[id] = document
        item = shelf.store.insert(id, created // 1000, dump(document))
        insort(shelf.numbers, int(id))
        self._note_unique(shelf, document, id)
        self.index.note(type, id, late)
        return item

    def update(
        self, type: str, id: str, values: dict[str, str | None], changed: int | None, late: float = 0.0
    ) -> None:
        """None as a value empties the property. What changes nothing is no change."""
        shelf = self.shelves[type]
        before = self.existing(type, id)
        properties = {**before["properties"], **values}
        properties = {name: value for name, value in properties.items() if value is not None}
        properties |= derive(shelf.type, properties)
        if properties == before["properties"]:
            return
        self._check_unique(shelf, properties, id)
        self._replace(shelf, id, properties, changed, late)

    def archive(self, type: str, id: str, when: int, late: float = 0.0) -> None:
        shelf = self.shelves[type]
        document = self.existing(type, id)
        gone = {**document, "archived": True, "archivedAt": iso(when)}
        self._take(shelf, id)
        shelf.documents[id] = gone
        shelf.put_away(id, when)
        self.index.note(type, id, late)

    def restore(self, type: str, id: str, changed: int | None, late: float = 0.0) -> None:
        shelf = self.shelves[type]
        document = shelf.archived(id, self.now())
        if document is None:
            raise Refused(f"there is no archived {type} {id!r}")
        self._check_unique(shelf, document["properties"], None)
        shelf.forget_archived(id)
        odd = shelf.store.deleted[id].odd
        back = {name: value for name, value in document.items() if name != "archivedAt"} | {"archived": False}
        shelf.documents[id] = back
        shelf.store.insert(id, shelf.store.deleted[id].created, dump(back)).odd = odd
        insort(shelf.numbers, int(id))
        self._note_unique(shelf, back, id)
        self._replace(shelf, id, back["properties"], changed, late)

    def merge(self, type: str, winner: str, loser: str, changed: int | None, late: float = 0.0) -> None:
        """The loser's id stands for the winner, which gets what it lacked."""
        shelf = self.shelves[type]
        if winner == loser:
            raise Refused(f"{winner} can't be merged with itself")
        kept, lost = self.existing(type, winner)["properties"], self.existing(type, loser)["properties"]
        before = [kept.get("hs_merged_object_ids"), loser, lost.get("hs_merged_object_ids")]
        merged = {**lost, **kept, "hs_merged_object_ids": ";".join(filter(None, before))}
        self.forget(type, loser, associations=False, late=late)
        shelf.merged[loser] = winner
        self.associations.move(type, loser, winner)
        self._replace(shelf, winner, merged | derive(shelf.type, merged), changed, late)

    def forget(self, type: str, id: str, *, associations: bool = True, late: float = 0.0) -> None:
        """The record is nowhere any more, not even among the archived ones."""
        shelf = self.shelves[type]
        if shelf.archived(id, self.now()) is None:
            self.existing(type, id)
            self._take(shelf, id)
            del shelf.documents[id]
            self.index.note(type, id, late)
        else:
            shelf.forget_archived(id)
        if associations:
            self.associations.drop(type, id)

    def associate(self, one: tuple[str, str], other: tuple[str, str], primary: bool = False) -> None:
        """(type, id) of both. Raises Refused where there is no such record, or no such association."""
        for type, id in (one, other):
            self.existing(type, id)
        if kinds(self.types[one[0]], self.types[other[0]], primary) is None:
            raise Refused(f"a {one[0]} is not associated with a {other[0]}")
        self.associations.add(one, other, primary)

    def empty_archive(self) -> int:
        """What was archived is gone for good, as after 90 days."""
        count = 0
        for shelf in self.shelves.values():
            for number in list(shelf.archive):
                shelf.forget_archived(str(number))
                count += 1
        return count

    # -- inside -------------------------------------------------------------------------------------------

    def _document(
        self, type: ObjectType, id: str, properties: dict[str, str], created: int, changed: int
    ) -> dict[str, Any]:
        values = {**properties, **derive(type, properties), type.changed: iso(changed)}
        return {
            "id": id,
            "properties": dict(sorted(values.items())),
            "createdAt": iso(created),
            "updatedAt": iso(changed),
            "archived": False,
        }

    def _replace(
        self, shelf: Shelf, id: str, properties: dict[str, str], changed: int | None, late: float
    ) -> None:
        before = shelf.documents[id]
        stamp = instant(before["updatedAt"]) or 0
        stamp = stamp if changed is None else max(changed, stamp)
        document = self._document(shelf.type, id, properties, instant(before["createdAt"]) or 0, stamp)
        self._drop_unique(shelf, before)
        shelf.documents[id] = document
        shelf.store.replace(shelf.store.by_id[id], dump(document))
        self._note_unique(shelf, document, id)
        self.index.note(shelf.type.name, id, late)

    def _take(self, shelf: Shelf, id: str) -> None:
        self._drop_unique(shelf, shelf.documents[id])
        shelf.store.remove(id)
        del shelf.numbers[bisect_left(shelf.numbers, int(id))]

    def _unique(self, shelf: Shelf, properties: dict[str, Any]) -> list[tuple[str, str]]:
        known = self.directory.properties[shelf.type.name]
        return [
            (name, value.lower())
            for name, value in properties.items()
            if name in known and known[name].unique
        ]

    def _check_unique(self, shelf: Shelf, properties: dict[str, Any], own: str | None) -> None:
        """Raises Taken."""
        for key in self._unique(shelf, properties):
            other = shelf.unique.get(key)
            if other is not None and other != own:
                raise Taken(key[0], key[1], other)

    def _note_unique(self, shelf: Shelf, document: dict[str, Any], id: str) -> None:
        for key in self._unique(shelf, document["properties"]):
            shelf.unique[key] = id

    def _drop_unique(self, shelf: Shelf, document: dict[str, Any]) -> None:
        for key in self._unique(shelf, document["properties"]):
            shelf.unique.pop(key, None)


class Taken(Refused):
    """Another record has this value of a property that is unique."""

    def __init__(self, name: str, value: str, id: str) -> None:
        super().__init__(f"{id} has {name} {value!r} already")
        self.name = name
        self.id = id
