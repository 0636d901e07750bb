"""The collections, each with another habit of real APIs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.store import Item
from . import objects
from .moments import whole_seconds, with_offset, with_z
from .objects import Draw

OFFSETS = (120, -210, 0, 345)
"""Minutes from UTC: an entry's times are those of the office that made it."""


@dataclass(frozen=True)
class Collection:
    """A collection.

    count: how many objects there are to begin with; of a nested one, the most under one parent.
    place: sorts the list, given the time of the last change in milliseconds; its last part is the id.
    created, changed: how the object of this id shows these times, given in milliseconds.
    told: of which changes the API tells, so that they need no sweep.
    """

    name: str
    path: str
    count: int
    make: Callable[[Draw], dict[str, Any]]
    place: Callable[[Item, int], tuple[Any, ...]]
    created: Callable[[str, int], dict[str, Any]] = lambda *_: {}
    changed: Callable[[str, int], dict[str, Any]] = lambda *_: {}
    told: frozenset[str] = frozenset()
    id: str = "id"
    parent: str | None = None


def _insertion(item: Item, changed: int) -> tuple[Any, ...]:
    return (item.key, item.id)


def _newest(item: Item, changed: int) -> tuple[Any, ...]:
    return (-item.key, item.id)


def _oldest_change(item: Item, changed: int) -> tuple[Any, ...]:
    return (changed, item.id)


def _newest_change(item: Item, changed: int) -> tuple[Any, ...]:
    return (-changed, -item.key, item.id)


def _anywhere(item: Item, changed: int) -> tuple[Any, ...]:
    """Fixed while the object is, and somewhere else after each change."""
    return (hashlib.sha256(f"{item.id} {changed}".encode()).digest(), item.id)


def _local(name: str) -> Callable[[str, int], dict[str, Any]]:
    """The time of an entry, by the clock on the wall of its office."""
    return lambda id, milliseconds: {name: with_offset(milliseconds, OFFSETS[int(id) // 2 % len(OFFSETS)])}


COLLECTIONS = (
    Collection(
        "account",
        "/accounts",
        120,
        objects.account,
        _oldest_change,
        created=lambda _, milliseconds: {"createdAt": with_z(milliseconds)},
        changed=lambda _, milliseconds: {"updatedAt": with_z(milliseconds)},
        told=frozenset({"create", "update"}),
    ),
    Collection(
        "entry",
        "/entries",
        400,
        objects.entry,
        _newest_change,
        created=_local("created_at"),
        changed=_local("updated_at"),
        told=frozenset({"create", "update"}),
    ),
    Collection(
        "invoice",
        "/invoices",
        250,
        objects.invoice,
        _anywhere,
        created=lambda _, milliseconds: {"created": milliseconds // 1000},
        changed=lambda _, milliseconds: {"modified": milliseconds},
        told=frozenset({"create", "update", "delete", "restore"}),
    ),
    Collection("contact", "/contacts", 130, objects.contact, _insertion),
    Collection(
        "payment",
        "/payments",
        180,
        objects.payment,
        _newest,
        created=lambda _, milliseconds: {"paid_at": whole_seconds(milliseconds)},
        told=frozenset({"create"}),
    ),
    Collection("currency", "/currencies", 12, objects.currency, lambda item, _: (item.id,), id="code"),
    Collection("note", "/accounts/{id}/notes", 6, objects.note, _insertion, parent="account"),
    Collection(
        "report",
        "/reports",
        60,
        objects.report,
        _newest,
        created=lambda _, milliseconds: {"createdAt": with_z(milliseconds)},
    ),
)
BY_NAME = {collection.name: collection for collection in COLLECTIONS}
BY_PATH = {collection.path: collection for collection in COLLECTIONS}
