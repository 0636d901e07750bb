"""What the makers draw from: one seeded source of randomness, the parent, and what is fixed already."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..times import iso

if TYPE_CHECKING:
    from ..hub import Hub

API, WEB = "https://api.github.com", "https://github.com"
WORDS = (
    "cache", "cursor", "deadline", "façade", "feed", "flag", "heap", "index", "journal", "latch", "merge",
    "naïve", "page", "quorum", "retry", "schema", "shard", "tuple", "upsert", "vacuum", "wörker", "分页",
    "🐛",
)  # fmt: skip
ASSOCIATIONS = ("MEMBER", "CONTRIBUTOR", "NONE", "COLLABORATOR")


class Maker:
    """One object in the making. `parent` is the document above it, `data` what the caller has fixed."""

    __slots__ = ("created", "data", "hub", "id", "parent", "rng")

    def __init__(
        self,
        hub: Hub,
        rng: random.Random,
        id: int,
        created: int,
        parent: dict[str, Any],
        data: dict[str, Any],
    ) -> None:
        self.hub = hub
        self.rng = rng
        self.id = id
        self.created = created
        self.parent = parent
        self.data = data

    @property
    def when(self) -> str:
        return iso(self.created)

    @property
    def url(self) -> str:
        """The API's address of the repository that is the parent."""
        return f"{API}/repos/{self.parent['full_name']}"

    @property
    def html(self) -> str:
        return f"{WEB}/{self.parent['full_name']}"

    def pick(self, values: Sequence[Any]) -> Any:
        return values[int(self.rng.random() * len(values))]

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def words(self, count: int = 3) -> str:
        return " ".join(self.pick(WORDS) for _ in range(count))

    def number(self, below: int) -> int:
        return int(self.rng.random() * below)

    def sha(self) -> str:
        return f"{self.rng.getrandbits(160):040x}"

    def node(self, kind: str) -> str:
        return node_id(kind, self.id)

    def user(self) -> dict[str, Any]:
        """Some user, in the short form."""
        return self.pick(self.hub.stores["user"].items).document()

    def below(self, collection: str, most: int) -> list[dict[str, Any]]:
        """Up to `most` objects of the parent's."""
        items = self.hub.stores[collection].children(str(self.parent["id"]))
        return [self.pick(items).document() for _ in range(self.number(most + 1))] if items else []

    def head(self) -> str:
        """The sha of some commit of the repository, a made-up one while it has none."""
        items = self.hub.stores["commit"].children(str(self.parent["id"]))
        return self.pick(items).id if items else self.sha()


def node_id(kind: str, id: int) -> str:
    return f"{kind}_{base64.urlsafe_b64encode(id.to_bytes(8)).decode().rstrip('=')}"


def reactions(url: str) -> dict[str, Any]:
    names = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(names, 0)}
