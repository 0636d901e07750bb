"""All records of the org, and what a change of one does to the others."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..core.clock import Clock
from ..core.data import Refused
from . import ids, moments, values
from .catalog import BY_LOWER, BY_NAME, CHILDREN, OBJECTS
from .fields import Field, SObject

Row = list[Any]
"""The stored values of one record in the order of SObject.stored. A changed record has a new row."""
KEPT = 15 * 86_400
"""For how long, in seconds, what was deleted stays in the recycle bin and is listed as deleted."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """moment: epoch seconds. group: what was deleted at one stroke, and comes back together."""

    moment: int
    group: int


class Table:
    """The records of one object, those in the recycle bin among them."""

    def __init__(self, sobject: SObject) -> None:
        self.sobject = sobject
        self.rows: dict[str, Row] = {}
        self.bin: dict[str, Deletion] = {}
        self.gone: dict[str, None] = {}
        """Ids of what is in no recycle bin any more."""
        self.odd: dict[str, str] = {}
        """Id → the kind of odd record that is shown in its place."""
        self.stamps: list[tuple[str, str]] = []
        """(SystemModstamp, id), ascending."""
        self.earliest = 0
        """Since when, in epoch seconds, all deletions are known."""
        self._stamp = sobject.at.get("SystemModstamp")
        self._uniques: dict[str, dict[str, str]] = {each.name: {} for each in sobject.fields if each.external}

    def put(self, row: Row) -> None:
        """Adds the record, or replaces it."""
        id = row[0]
        self._forget(self.rows.get(id))
        self.rows[id] = row
        self.gone.pop(id, None)
        if self._stamp is not None:
            entry = (row[self._stamp], id)
            if not self.stamps or self.stamps[-1] < entry:
                self.stamps.append(entry)
            else:
                insort(self.stamps, entry)
        for name, taken in self._uniques.items():
            value = row[self.sobject.at[name]]
            if value is not None and not self.is_deleted(row):
                taken[value.lower()] = id

    def drop(self, id: str) -> None:
        """Takes the record away for good."""
        self._forget(self.rows.pop(id))
        self.bin.pop(id, None)
        self.odd.pop(id, None)
        self.gone[id] = None

    def is_deleted(self, row: Row) -> bool:
        position = self.sobject.at.get("IsDeleted")
        return position is not None and row[position]

    def holder(self, field: str, value: str) -> str | None:
        """The id of the live record that has this value of a unique field."""
        return self._uniques[field].get(value.lower())

    def live(self) -> Iterator[Row]:
        return (row for row in self.rows.values() if not self.is_deleted(row))

    def _forget(self, row: Row | None) -> None:
        if row is None:
            return
        if self._stamp is not None:
            del self.stamps[bisect_left(self.stamps, (row[self._stamp], row[0]))]
        for name, taken in self._uniques.items():
            value = row[self.sobject.at[name]]
            if value is not None and taken.get(value.lower()) == row[0]:
                del taken[value.lower()]


class Org:
    """Salesforce's data. Moments are epoch seconds; None is for a change that nobody notes."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.rng = random.Random(f"{seed}:salesforce")
        self.tables = {each.name: Table(each) for each in OBJECTS}
        self.id = ids.make("00D", 1)
        self.renamed: dict[str, str] = {}
        """Objects that the administrator has given another name: what they were called → what they are."""
        self._numbers: Counter[str] = Counter()
        self._last_number = 0
        self._groups = 0
        self._journal: list[tuple[Table, str, Row | None, Deletion | None]] | None = None
        now = self.now()
        self.user = self.create("User", {"Username": "fake@example.com", "IsActive": True}, now, now)
        """The id of whoever has a token."""

    def now(self) -> int:
        return int(self.clock.now())

    def table(self, name: str) -> Table:
        """Raises Refused when there is no such object."""
        if name.lower() not in BY_LOWER:
            raise Refused(f"there is no object {name!r}; there are {', '.join(BY_NAME)}")
        return self.tables[BY_LOWER[name.lower()].name]

    def existing(self, name: str, id: str) -> Row:
        """A record that is not in the recycle bin. Raises Refused when there is none."""
        table = self.table(name)
        row = table.rows.get(id)
        if row is None or table.is_deleted(row):
            raise Refused(f"there is no {name} {id!r}")
        return row

    # -- changing -----------------------------------------------------------------------------------------

    def create(self, name: str, data: dict[str, Any], created: int, stamp: int) -> str:
        """A new record, made up but for `data`; its id."""
        table = self.table(name)
        sobject = table.sobject
        self._check(sobject, data)
        self._numbers[name] += 1
        self._last_number += 1 + self.rng.randrange(30)
        id = data.get("Id") or ids.make(sobject.prefix, self._last_number)
        if id in table.rows:
            raise Refused(f"there is a {name} {id} already")
        times = self._times(created, stamp)
        number = self._numbers[name]
        row = [
            data[field.name]
            if field.name in data
            else id
            if field.name == "Id"
            else times.get(field.name)
            if field.system
            else values.make(field, self.rng, number, created, self._some)
            for field in sobject.stored
        ]
        self._put(table, row)
        return id

    def insert(self, name: str, data: dict[str, Any]) -> str:
        """A new record of now that has nothing but `data`; its id."""
        empty: dict[str, Any] = {
            field.name: False if field.type == "boolean" else None
            for field in BY_NAME[name].stored
            if field.writable
        }
        return self.create(name, {**empty, **data}, self.now(), self.now())

    def update(self, name: str, id: str, data: dict[str, Any], stamp: int | None) -> None:
        """Sets what `data` says. stamp: what SystemModstamp becomes."""
        table = self.table(name)
        self._check(table.sobject, data)
        row = list(self.existing(name, id))
        for field, value in data.items():
            row[table.sobject.at[field]] = value
        self._stamp(table.sobject, row, stamp)
        self._put(table, row)

    def delete(self, name: str, id: str, moment: int | None) -> None:
        """Into the recycle bin, with what hangs on it; without a moment, for good and without a trace."""
        self._groups += 1
        self._delete(self.table(name), self.existing(name, id), moment, self._groups)

    def _delete(self, table: Table, row: Row, moment: int | None, group: int) -> None:
        id = row[0]
        for below, field in CHILDREN.get(table.sobject.name, ()):
            if below.by_name[field.lower()].cascades:
                lower, position = self.tables[below.name], below.at[field]
                for child in [each for each in lower.live() if each[position] == id]:
                    self._delete(lower, child, moment, group)
        if moment is None or "IsDeleted" not in table.sobject.at:
            self._note(table, id)
            table.drop(id)
            return
        row = list(row)
        row[table.sobject.at["IsDeleted"]] = True
        self._stamp(table.sobject, row, moment)
        self._put(table, row)
        table.bin[id] = Deletion(moment, group)

    def undelete(self, name: str, id: str, stamp: int | None) -> None:
        """Out of the recycle bin, with all that was deleted at the same stroke."""
        table = self.table(name)
        self.expire(table)
        if id not in table.bin:
            raise Refused(f"there is no {name} {id!r} in the recycle bin")
        group = table.bin[id].group
        for each in self.tables.values():
            for found in [key for key, deletion in each.bin.items() if deletion.group == group]:
                row = list(each.rows[found])
                row[each.sobject.at["IsDeleted"]] = False
                self._stamp(each.sobject, row, stamp)
                self._put(each, row)
                del each.bin[found]

    def expire(self, table: Table) -> None:
        """Takes what has been in the recycle bin for long enough out of it, for good."""
        oldest = self.now() - KEPT
        for id in [id for id, deletion in table.bin.items() if deletion.moment < oldest]:
            table.drop(id)

    def purge(self) -> int:
        """Empties the recycle bin; how much there was in it."""
        count = 0
        for table in self.tables.values():
            table.earliest = self.now()
            for id in list(table.bin):
                table.drop(id)
                count += 1
        return count

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is changed inside is as it was before when it ends with an exception."""
        self._journal = []
        try:
            yield
        except BaseException:
            for table, id, row, deletion in reversed(self._journal):
                if row is None:
                    table.drop(id)
                    del table.gone[id]
                    continue
                table.put(row)
                if deletion is None:
                    table.bin.pop(id, None)
                else:
                    table.bin[id] = deletion
            raise
        finally:
            self._journal = None

    def _put(self, table: Table, row: Row) -> None:
        self._note(table, row[0])
        table.put(row)

    def _note(self, table: Table, id: str) -> None:
        if self._journal is not None:
            self._journal.append((table, id, table.rows.get(id), table.bin.get(id)))

    def _times(self, created: int, stamp: int) -> dict[str, Any]:
        born, changed = moments.shown(created), moments.shown(stamp)
        # The first user is made by nobody.
        user = getattr(self, "user", None)
        return {
            "IsDeleted": False,
            "CreatedDate": born,
            "CreatedById": user,
            "LastModifiedDate": changed,
            "LastModifiedById": user,
            "SystemModstamp": changed,
        }

    def _stamp(self, sobject: SObject, row: Row, stamp: int | None) -> None:
        if stamp is not None:
            for name in ("SystemModstamp", "LastModifiedDate"):
                if name in sobject.at:
                    # They never go back.
                    row[sobject.at[name]] = max(row[sobject.at[name]] or "", moments.shown(stamp))

    def _some(self, field: Field) -> str | None:
        """Some record that a field may refer to, or none where it need not."""
        if not field.required and self.rng.random() < 0.2:
            return None
        targets = [self.tables[each] for each in field.refers if self.tables[each].stamps]
        if not targets:
            return None
        target = self.rng.choice(targets)
        for _ in range(5):
            id = target.stamps[self.rng.randrange(len(target.stamps))][1]
            if not target.is_deleted(target.rows[id]):
                return id
        return None

    def _check(self, sobject: SObject, data: dict[str, Any]) -> None:
        unknown = set(data) - set(sobject.at)
        if unknown:
            raise Refused(f"a {sobject.name} has no field {', '.join(sorted(unknown))} that could be set")
