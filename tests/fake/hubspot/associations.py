"""Which record is associated with which. Both of them know, and each under a type id of its own direction."""

from __future__ import annotations

from dataclasses import dataclass

from .catalog import ASSOCIATIONS, USER_DEFINED, ObjectType


@dataclass(frozen=True, slots=True)
class Kind:
    """name: what it is called where types have no number."""

    id: int
    category: str
    label: str | None
    name: str


def kinds(origin: ObjectType, target: ObjectType, primary: bool) -> list[Kind] | None:
    """What an association is; None where records of these types have none.

    A primary one is of two types, and so there twice wherever they are listed.
    """
    name = f"{origin.name}_to_{target.name}"
    if origin.key or target.key:
        return [Kind(USER_DEFINED, "USER_DEFINED", None, name)]
    known = ASSOCIATIONS.get((origin.name, target.name))
    if known is None:
        return None
    if len(known) == 1:
        return [Kind(known[0], "HUBSPOT_DEFINED", None, name)]
    plain = Kind(known[1], "HUBSPOT_DEFINED", None, f"{name}_unlabeled")
    return [Kind(known[0], "HUBSPOT_DEFINED", "Primary", name), plain] if primary else [plain]


class Associations:
    """Between records by (type, id), whether they are archived or not: it comes back with them."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], dict[str, dict[str, bool]]] = {}

    def add(self, one: tuple[str, str], other: tuple[str, str], primary: bool) -> None:
        for (type, id), origin in ((one, other), (other, one)):
            known = self._links.setdefault(origin, {}).setdefault(type, {})
            known[id] = primary or known.get(id, False)

    def of(self, type: str, id: str, target: str) -> list[tuple[str, bool]]:
        """The ids of those of the type `target`, ascending, and whether each is the primary one."""
        found = self._links.get((type, id), {}).get(target, {})
        return sorted(found.items(), key=lambda each: int(each[0]))

    def move(self, type: str, loser: str, winner: str) -> None:
        """What was associated with one record is with another."""
        for target, found in list(self._links.get((type, loser), {}).items()):
            for id, primary in list(found.items()):
                self.add((type, winner), (target, id), primary)
        self.drop(type, loser)

    def drop(self, type: str, id: str) -> None:
        for target, found in self._links.pop((type, id), {}).items():
            for other in found:
                self._links.get((target, other), {}).get(type, {}).pop(id, None)
