"""What the makers draw from: one seeded source of randomness and the objects made before."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..account import Account

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DAY = 86_400
FIRST = (
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Élodie",
    "Fatima",
    "Gönül",
    "Hana",
    "Ingrid",
    "João",
    "Kwame",
    "李",
    "María",
    "Nguyễn",
    "Óscar",
    "Priya",
    "Rashid",
    "Søren",
    "Tomáš",
    "Zoë",
)
LAST = (
    "Abbott",
    "Bauer",
    "Çelik",
    "D'Angelo",
    "Ekström",
    "Fernández",
    "Güneş",
    "Hopper",
    "Ito",
    "Jansen",
    "Košir",
    "Lovelace",
    "Müller",
    "Núñez",
    "O'Brien",
    "Papadopoulos",
    "Quispe",
    "Rossi",
    "Šimić",
    "王",
)
WORDS = (
    "annual",
    "basic",
    "cloud",
    "delta",
    "enterprise",
    "flex",
    "growth",
    "hosted",
    "insight",
    "journey",
    "kit",
    "lite",
    "metered",
    "nimbus",
    "orbit",
    "premium",
    "quick",
    "routine",
    "startup",
    "team",
    "unlimited",
    "🚀",
)
CITIES = (
    ("Berlin", "DE", "10115"),
    ("San Francisco", "US", "94103"),
    ("São Paulo", "BR", "01310-000"),
    ("Paris", "FR", "75001"),
    ("Tōkyō", "JP", "100-0001"),
    ("London", "GB", "EC1A 1BB"),
)
CURRENCIES = ("usd", "eur", "gbp", "jpy")


def nulls(names: str) -> dict[str, None]:
    return dict.fromkeys(names.split())


class Maker:
    """One object in the making: its id, its `created` (epoch seconds), and the id of its parent, if any."""

    __slots__ = ("account", "created", "id", "overrides", "parent", "rng")

    def __init__(
        self,
        account: Account,
        rng: random.Random,
        id: str,
        created: int,
        parent: str | None,
        overrides: dict[str, Any],
    ) -> None:
        self.account = account
        self.rng = rng
        self.id = id
        self.created = created
        self.parent = parent
        self.overrides = overrides

    def pick(self, values: Sequence[Any]) -> Any:
        return values[int(self.rng.random() * len(values))]

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def ref(self, collection: str) -> str | None:
        """The id of some object of `collection`; what the caller fixed in `data` wins."""
        given = self.overrides.get(collection)
        if isinstance(given, str):
            return given
        items = self.account.stores[collection].items
        return self.pick(items).id if items else None

    def some(self, collection: str) -> dict[str, Any]:
        """Some object of `collection`, the one that ref() would name."""
        id = self.ref(collection)
        item = self.account.stores[collection].by_id.get(id or "")
        return item.document() if item else {"id": id}

    def token(self, length: int = 24) -> str:
        return token(self.rng, length)

    def amount(self) -> int:
        return int(self.rng.random() * 90_000) + 100

    def person(self) -> str:
        return f"{self.pick(FIRST)} {self.pick(LAST)}"

    def words(self, count: int = 2) -> str:
        return " ".join(self.pick(WORDS) for _ in range(count))

    def address(self) -> dict[str, Any]:
        city, country, code = self.pick(CITIES)
        return {
            "city": city,
            "country": country,
            "line1": f"{int(self.rng.random() * 400) + 1} {self.pick(LAST)} St",
            "line2": None,
            "postal_code": code,
            "state": None,
        }

    def metadata(self) -> dict[str, str]:
        if self.rng.random() < 0.4:
            return {}
        return {"order_id": str(int(self.rng.random() * 1e6)), "note": self.words(3)}

    def common(self, object: str, metadata: bool = True) -> dict[str, Any]:
        """The members that nearly every object begins with."""
        members = {"id": self.id, "object": object, "created": self.created, "livemode": False}
        if metadata:
            members["metadata"] = self.metadata()
        return members


def token(rng: random.Random, length: int) -> str:
    # One draw of many bits and cheap divisions: `choices` costs four times as much, a million times over.
    number = rng.getrandbits(6 * length)
    return "".join([ALPHABET[(number >> (6 * at) & 63) % 62] for at in range(length)])
