"""What is in the records, made up; and what HubSpot works out by itself from what is in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .catalog import ObjectType
from .properties import Property
from .values import iso

FIRST = (
    "Ada",
    "Bülent",
    "Çiğdem",
    "Daan",
    "Élodie",
    "Fritz",
    "Güneş",
    "Hrvoje",
    "İrem",
    "美咲",
    "Nº7",
    "O'Neil",
)
LAST = (
    "Söhne",
    "Köhler",
    "Öztürk",
    "van der Berg",
    "Éditions",
    '"Fritz"',
    "Şahin",
    "Pošta",
    "🚀",
    "佐藤",
    "Ørsted",
)
CITIES = ("Zürich", "İstanbul", "København", "Łódź", "大阪", "São Paulo", "Winston-Salem")
WORDS = (
    "renewal", "größer", "şube", "follow-up", "naïve", "日本", "line\nbreak", "tab\tstop", "<b>bold</b>",
    "50%", "a & b", "🙂", "C:\\temp", '"quoted"',
)  # fmt: skip
DAY = 86_400_000
FILLED = 0.7
"""Of the properties that may be empty, how many are not."""


@dataclass(slots=True)
class Draw:
    """number: which record of its type it is; created: in milliseconds; owners: ids to choose from."""

    rng: random.Random
    number: int
    created: int
    owners: list[str]

    def words(self, least: int, most: int) -> str:
        return " ".join(self.rng.choice(WORDS) for _ in range(self.rng.randint(least, most)))

    def moment(self) -> int:
        return self.created + self.rng.randrange(-400 * DAY, 400 * DAY)


NAMED: dict[str, Callable[[Draw], str]] = {
    "firstname": lambda draw: draw.rng.choice(FIRST),
    "lastname": lambda draw: draw.rng.choice(LAST),
    "email": lambda draw: f"person{draw.number}.{draw.rng.getrandbits(24):06x}@example.com",
    "city": lambda draw: draw.rng.choice(CITIES),
    "domain": lambda draw: f"company{draw.number}.example",
    "phone": lambda draw: f"+49 30 {draw.rng.randrange(10**6):06}",
    "vin": lambda draw: f"{draw.rng.getrandbits(60):017X}",
    "member_number": lambda draw: f"{draw.number:08}",
    "external_id": lambda draw: f"C-{draw.number}",
    "price": lambda draw: f"{draw.rng.randrange(10**6) / 100:.2f}",
    "amount": lambda draw: f"{draw.rng.randrange(10**8) / 100:.2f}",
    "hs_timestamp": lambda draw: iso(draw.created),
}
ALWAYS = {
    "email", "vin", "dealstage", "pipeline", "hs_pipeline", "hs_pipeline_stage", "hs_timestamp",
    "dealname", "subject", "name", "model",
}  # fmt: skip


def make(known: dict[str, Property], draw: Draw) -> dict[str, str]:
    """The properties of a new record that people fill in."""
    found = {}
    for each in known.values():
        if each.calculated or (each.name not in ALWAYS and draw.rng.random() > FILLED):
            continue
        value = _value(each, draw)
        if value:
            found[each.name] = value
    return found


def _value(property: Property, draw: Draw) -> str:
    rng = draw.rng
    if property.name in NAMED:
        return NAMED[property.name](draw)
    if property.name == "hubspot_owner_id":
        return rng.choice(draw.owners) if draw.owners else ""
    match property.type:
        case "number":
            # Texts of different lengths, and not all of them whole.
            return str(rng.choice((rng.randrange(10), rng.randrange(10**9), rng.randrange(10**6) / 100, -3)))
        case "bool":
            return rng.choice(("true", "false"))
        case "datetime":
            return iso(draw.moment())
        case "date":
            return iso(draw.moment())[:10]
        case "enumeration" if property.options:
            most = min(3, len(property.options)) if property.several else 1
            return ";".join(rng.sample(property.options, rng.randint(1, most)))
        case "enumeration":
            return ""
    return draw.words(1, 5)


def derive(type: ObjectType, values: dict[str, str]) -> dict[str, str]:
    """What HubSpot works out from the others."""
    if type.name == "contact":
        email = values.get("email", "")
        name = " ".join(filter(None, (values.get("firstname"), values.get("lastname"))))
        found = {"hs_full_name_or_email": name or email, "hs_email_domain": email.partition("@")[2]}
        return {key: value for key, value in found.items() if value}
    if type.name == "deal":
        stage = values.get("dealstage", "")
        return {
            "hs_is_closed": str(stage.startswith("closed")).lower(),
            "hs_is_closed_won": str(stage == "closedwon").lower(),
        }
    return {}
