"""Shopify's own schema, and the fake that stands on it."""

from functools import lru_cache

from house.openapi import packaged

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
