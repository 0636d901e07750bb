"""The administrator: changes that come from elsewhere than the API, and the truth about all records."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core import odd as odd_records
from ..core.data import Announcement, Refused, check_weights
from ..core.store import SEQUENCE_BITS, Item, dump
from . import moments
from .catalog import OBJECTS
from .org import Org, Table
from .routes import NEWEST
from .selection import Selection
from .view import View

if TYPE_CHECKING:
    from . import Salesforce

YEAR = 365 * 86_400
MUTATED = (
    "Account", "Contact", "Lead", "Opportunity", "OpportunityLineItem", "Case", "Task", "Invoice__c",
    "Line__c",
)  # fmt: skip
KINDS = ("create", "update", "delete", "restore")


class Administrator:
    """core.data.Upstream for Salesforce, which announces nothing.

    What can be asked for is what SystemModstamp says. So an announcement is what becomes of it: silent leaves
    it as it was, and backdate puts it behind a cursor that has passed.
    """

    def __init__(self, org: Org, provider: Salesforce) -> None:
        self._org = org
        self._provider = provider

    def collections(self) -> list[dict[str, Any]]:
        return [
            {
                "name": each.name,
                "path": f"sobjects/{each.name}",
                "events": False,
                "count": sum(1 for _ in self._org.tables[each.name].live()),
                "deleted": len(self._gone(self._org.tables[each.name])),
            }
            for each in OBJECTS
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
        """parent: of the record that the required reference leads to. Silent: as imported, a year old."""
        table = self._org.table(collection)
        if odd is not None:
            odd_records.make(odd, b'{"Id":"x"}', "Id")
        if parent is not None:
            data[self._above(table)] = parent
        stamp = self._stamp(announcement)
        born = created if created is not None else self._org.now() - YEAR if stamp is None else stamp
        id = self._org.create(table.sobject.name, data, born, born if stamp is None else max(born, stamp))
        if odd is not None:
            table.odd[id] = odd
        return id

    def update(self, collection: str, id: str, data: dict[str, Any], announcement: Announcement) -> None:
        self._org.update(self._org.table(collection).sobject.name, id, data, self._stamp(announcement))

    def delete(self, collection: str, id: str, announcement: Announcement) -> None:
        """Silent: past the recycle bin."""
        self._org.delete(self._org.table(collection).sobject.name, id, self._stamp(announcement))

    def restore(self, collection: str, id: str, announcement: Announcement) -> None:
        self._org.undelete(self._org.table(collection).sobject.name, id, self._stamp(announcement))

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
        names = [self._org.table(name).sobject.name for name in collections or MUTATED]
        done = dict.fromkeys(KINDS, 0)
        for number in range(n):
            table = self._org.tables[rng.choice(names)]
            [kind] = rng.choices(list(weights), list(weights.values()))
            done[self._mutate(table, kind, rng, number, self._stamp(announcement))] += 1
        return done

    def _mutate(self, table: Table, kind: str, rng: random.Random, number: int, stamp: int | None) -> str:
        """Does something of the kind, or creates a record where there is nothing to do it with."""
        sobject, live = table.sobject, list(table.live())
        if kind == "restore" and table.bin:
            self._org.undelete(sobject.name, rng.choice(list(table.bin)), stamp)
        elif kind == "delete" and live and sobject.deletable:
            self._org.delete(sobject.name, rng.choice(live)[0], stamp)
        elif kind == "update" and live and sobject.changing:
            change = {sobject.changing: f"changed {number}-{rng.getrandbits(32):08x} 😀"}
            self._org.update(sobject.name, rng.choice(live)[0], change, stamp)
        else:
            born = self._org.now() - YEAR if stamp is None else stamp
            self._org.create(sobject.name, {}, born, born)
            return "create"
        return kind

    def truth(self, collection: str) -> tuple[Iterator[Item], list[str]]:
        table = self._org.table(collection)
        self._org.expire(table)
        return self._items(table), self._gone(table)

    def purge_events(self) -> int:
        """Empties the recycle bin."""
        return self._org.purge()

    def configure(self, settings: dict[str, Any]) -> dict[str, Any]:
        return self._provider.configure(settings)

    def _items(self, table: Table) -> Iterator[Item]:
        """All that a query could show of every record, and not what only says how: its attributes."""
        selection = Selection(View(self._org, "", f"{NEWEST}.0", {}), table.sobject)
        selection.add_every("ALL")
        born = table.sobject.at.get("CreatedDate")
        for row in table.live():
            document = selection.document(row)
            del document["attributes"]
            created = int(moments.parse(row[born]) or 0) if born is not None else 0
            item = Item(row[0], created << SEQUENCE_BITS, dump(document), None)
            item.odd = table.odd.get(row[0])
            yield item

    def _gone(self, table: Table) -> list[str]:
        return [*table.bin, *table.gone]

    def _above(self, table: Table) -> str:
        """The reference that makes a record a part of another one."""
        found = next((each for each in table.sobject.fields if each.cascades), None)
        if found is None:
            raise Refused(f"a {table.sobject.name} has no parent")
        return found.name

    def _stamp(self, announcement: Announcement) -> int | None:
        if announcement.late:
            raise Refused('a change of Salesforce is seen at once; {"backdate": s} makes one turn up late')
        return None if announcement.silent else int(self._org.clock.now() - announcement.backdate)
