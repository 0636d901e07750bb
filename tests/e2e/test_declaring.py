"""The guide to declarations, followed step by step, against a server that nobody here wrote."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Cluster, Database, eventually
from harness.documents import RUN, run
from harness.independent import JsonServer

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "declaring.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:3000"
# As in the guide: a change comes with a look at the list, long before the first sweep.
SWEEP = 30


@pytest.fixture
def blog() -> Iterator[JsonServer]:
    """The server with the guide's own file."""
    (first, *_) = re.findall(r"^```json\n(\{.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    with JsonServer(json.loads(first)) as server:
        yield server


def follow(cluster: Cluster, database: Database, blog: JsonServer) -> str:
    """Does what the guide says; returns what psql prints."""
    blocks = [found[1] for found in RUN.finditer(GUIDE)]
    assert sum(ADDRESS in block for block in blocks) == 1
    return run(cluster, database, [block.replace(ADDRESS, blog.direct) for block in blocks])


def live(database: Database, collection: str) -> dict[str, Any]:
    rows = database.sql(
        "SELECT upstream_id, data FROM sequin.records WHERE collection_id = %s AND NOT deleted",
        f"blog:{collection}",
    )
    return {row.upstream_id: row.data for row in rows}


def is_in_step(database: Database, blog: JsonServer) -> bool:
    return all(live(database, name) == blog.objects(f"{name}s") for name in ("post", "comment"))


def test_the_guide(cluster: Cluster, database: Database, blog: JsonServer) -> None:
    printed = follow(cluster, database, blog)
    followed = time.monotonic()
    assert "Third time lucky" in printed
    assert len(live(database, "post")) == len(live(database, "comment")) == 3
    assert is_in_step(database, blog)

    now = int(time.time() * 1000)
    blog.ask("PATCH", "/posts/1", {"title": "Hello again", "updated": now})
    blog.ask("POST", "/posts", {"id": 4, "title": "New", "created": now, "updated": now})
    left = followed + SWEEP - 5 - time.monotonic()
    eventually(lambda: live(database, "post") == blog.objects("posts"), left, what=database.status)

    blog.ask("DELETE", "/posts/2")
    assert len(blog.objects("comments")) == 1, "JSON Server deletes what belongs to it, too"
    eventually(lambda: is_in_step(database, blog), 2 * SWEEP, what=database.status)
    deleted = database.sql(
        "SELECT collection_id, upstream_id FROM sequin.records WHERE provider = 'blog' AND deleted"
    )
    assert sorted(deleted) == [("blog:comment", "2"), ("blog:comment", "3"), ("blog:post", "2")]
    assert not database.sql("SELECT reason FROM sequin.rejected_records")


def test_many_posts_that_were_changed_at_once(cluster: Cluster, database: Database, blog: JsonServer) -> None:
    """More than a page with one time, as after an import: none is passed over."""
    follow(cluster, database, blog)
    followed = time.monotonic()
    now = int(time.time() * 1000)
    for number in range(10, 240):
        blog.ask("POST", "/posts", {"id": number, "title": f"post {number}", "created": now, "updated": now})
    left = followed + SWEEP - 5 - time.monotonic()
    eventually(lambda: live(database, "post") == blog.objects("posts"), left, what=database.status)
