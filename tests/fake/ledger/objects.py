"""What the objects of each collection look like, but for their times."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any

NAMES = (
    "Ada & Söhne",
    "Bäckerei Köhler",
    "Çelik İnşaat",
    "Daimon 🚀 Labs",
    "Éditions du Port",
    'Friedrich "Fritz" Ltd.',
    "Güneş A.Ş.",
    "Hrvatska Pošta",
    "İstanbul Kitap",
    "株式会社ミドリ",
    "O'Brien Freight",
    "Ørsted Marine",
)
MONEY = ("EUR", "USD", "GBP", "JPY", "CHF", "BHD")
CURRENCIES = {
    "EUR": ("Euro", 2),
    "USD": ("US dollar", 2),
    "GBP": ("Pound sterling", 2),
    "JPY": ("Yen", 0),
    "CHF": ("Swiss franc", 2),
    "BHD": ("Bahraini dinar", 3),
    "SEK": ("Swedish krona", 2),
    "PLN": ("Złoty", 2),
    "CZK": ("Czech koruna", 2),
    "INR": ("Indian rupee", 2),
    "CLF": ("Unidad de fomento", 4),
    "XAU": ("Gold", 0),
}


@dataclass(frozen=True)
class Draw:
    """What a new object is made of. account: some account's id, or the one above; number: counts up."""

    rng: random.Random
    number: int
    account: str | None

    def name(self) -> str:
        return f"{self.rng.choice(NAMES)} {self.number}"

    def amount(self) -> str:
        """As text, because a number would lose the last zero."""
        return f"{self.rng.randrange(10_000_000) / 100:.2f}"

    def hexadecimal(self) -> str:
        return f"{self.rng.getrandbits(96):024x}"


def account(draw: Draw) -> dict[str, Any]:
    return {
        "id": str(uuid.UUID(int=draw.rng.getrandbits(128), version=4)),
        "name": draw.name(),
        "currency": draw.rng.choice(MONEY),
        "balance": draw.amount(),
        "tags": draw.rng.sample(["key", "dormant", "vip", "audited"], draw.rng.randrange(3)),
        "address": {"city": draw.rng.choice(["Köln", "Lyon", "大阪"]), "zip": f"{draw.number:05}"},
    }


def entry(draw: Draw) -> dict[str, Any]:
    return {
        # Beyond what a double can tell apart: who reads it as one takes it for its neighbour.
        "id": 9_007_199_254_740_993 + 2 * draw.number,
        "account_id": draw.account,
        "amount": {"value": draw.rng.randrange(-500_000, 500_000), "currency": draw.rng.choice(MONEY)},
        "memo": draw.rng.choice([None, "", "opening balance", "Überweisung №7"]),
        "posted": draw.rng.random() < 0.8,
    }


def invoice(draw: Draw) -> dict[str, Any]:
    lines = [
        {"text": f"item {number}", "price": draw.amount(), "quantity": draw.rng.randrange(1, 9)}
        for number in range(draw.rng.randrange(1, 4))
    ]
    return {
        "id": f"INV-{draw.number:06}",
        "account": {"id": draw.account},
        "status": draw.rng.choice(["draft", "sent", "paid", "overdue"]),
        "lines": lines,
        "total": draw.rng.randrange(1_000_000) / 100,
    }


def contact(draw: Draw) -> dict[str, Any]:
    # A number only to look at: its zeros belong to it.
    return {"id": f"{draw.number:06}", "name": draw.name(), "email": f"contact{draw.number}@example.com"}


def payment(draw: Draw) -> dict[str, Any]:
    return {
        "id": f"pay_{draw.hexadecimal()}",
        "account_id": draw.account,
        "amount": draw.amount(),
        "method": draw.rng.choice(["card", "transfer", "cash"]),
    }


def currency(draw: Draw) -> dict[str, Any]:
    code = list(CURRENCIES)[draw.number % len(CURRENCIES)]
    name, decimals = CURRENCIES[code]
    return {"code": code, "name": name, "decimals": decimals}


def note(draw: Draw) -> dict[str, Any]:
    return {"id": draw.number, "text": draw.rng.choice(["call back", "prüfen", "done ✓"]), "pinned": False}


def report(draw: Draw) -> dict[str, Any]:
    return {
        "id": f"rep_{draw.hexadecimal()}",
        "period": f"20{draw.rng.randrange(10, 27)}-Q{draw.rng.randrange(1, 5)}",
        "rows": [[draw.amount() for _ in range(3)] for _ in range(2)],
    }
