"""Shopify's own schema, and the fake that stands on it."""

from functools import lru_cache
from typing import Any

from house.openapi import packaged

from .database import Database
from .fake import Fake, Upstream
from .sync import Sync, start_sync

PACKAGE = "@shopify/dev-mcp@1.16.0"
VERSIONS = {
    "2025-10": "75bc6b7f1366826b1bdcc232f0638554bafe1b97a5d4d12a725f037ad11fb6e0",
    "2026-10": "f3b522f264556925eada700e795e4a002a9cba83444ebcc6c0d724254a0c6593",
}
"""Version of the Admin API → SHA-256 of its introspection. The older one is the oldest that is served."""


@lru_cache(maxsize=1)
def with_shopify() -> tuple[str, ...]:
    """What makes the fake serve Shopify's API as well: `Fake(*with_shopify(), …)`."""
    files = [packaged(PACKAGE, f"dist/data/admin_{each}.json.gz", sha) for each, sha in VERSIONS.items()]
    return ("--shopify", *map(str, files))


OWNER_TYPES = {
    "product": "PRODUCT", "product_variant": "PRODUCTVARIANT", "customer": "CUSTOMER", "order": "ORDER",
    "collection": "COLLECTION", "company": "COMPANY", "location": "LOCATION", "shop": "SHOP",
}  # fmt: skip
"""What hangs on objects of several types is one collection to the fake, and one for each to sequin."""


class Shop(Upstream):
    """The fake's Shopify."""

    def __init__(self, fake: Fake) -> None:
        super().__init__(fake, "shopify")

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        owner = collection.removesuffix("_metafield")
        if owner == collection:
            return super().objects(collection)
        all_of_them = super().objects("metafield")
        return {id: each for id, each in all_of_them.items() if each["ownerType"] == OWNER_TYPES[owner]}


class ShopSync(Sync):
    """Compares what both show: the truth has no objects within, and the declaration not all scalars."""

    def alike(self, upstream: dict[str, Any], stored: dict[str, Any]) -> bool:
        return all(upstream[name] == stored[name] for name in upstream.keys() & stored.keys())


def sync_shop(database: Database, shop: Shop, *collections: str, **options: Any) -> ShopSync:
    return ShopSync(**vars(start_sync(database, shop, collections, **options)))
