"""Running what the documents show, as a reader would."""

import re

from house.test_docs import FENCE

from .cluster import Cluster
from .database import Database

RUN = re.compile(r"<!-- run -->\n" + FENCE.pattern.removeprefix("^"), re.MULTILINE | re.DOTALL)
"""A block of SQL that a reader is meant to run."""


def run(cluster: Cluster, database: Database, blocks: list[str]) -> str:
    """Runs SQL in psql; returns what psql prints."""
    script = cluster.directory / f"{database.name}.sql"
    script.write_text("\n".join(blocks), encoding="utf-8")
    return cluster.run(
        "psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", str(cluster.directory), "-U", "postgres",
        "-d", database.name, "-f", str(script),
    )  # fmt: skip
