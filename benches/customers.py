"""Pages of Stripe customers, as the worker gives them to sequin._apply_page."""

import hashlib
import http.client
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from harness import Fake

PAGE = 100
FIRST_MILLISECOND = 1_700_000_000_000


def fill(connection: psycopg.Connection, records: int) -> float:
    """Writes each page into bench.pages in two versions; returns the average bytes of a record."""
    size = 0
    columns = "version, page, ids, upstream_ids, datas, hashes, created"
    with connection.cursor().copy(f"COPY bench.pages ({columns}) FROM STDIN") as copy:
        for number, customers in enumerate(_pages(records), 1):
            ids = [_id(number, each) for each in range(len(customers))]
            for version in (1, 2):
                texts = [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in customers]
                hashes = [uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16]) for text in texts]
                created = [datetime.fromtimestamp(each["created"], UTC) for each in customers]
                copy.write_row(
                    (version, number, ids, [each["id"] for each in customers], texts, hashes, created)
                )
                size += sum(len(text.encode()) for text in texts)
                for each in customers:
                    each["balance"] += 1
    return size / (2 * records)


def _pages(records: int) -> Iterator[list[dict[str, Any]]]:
    """What the fake lists, newest first."""
    with Fake("--empty", "--no-limits", "--no-events", "--customer", str(records)) as fake:
        upstream = fake.upstream("stripe")
        connection = http.client.HTTPConnection(fake.url.removeprefix("http://"))
        path, after = f"/stripe/v1/customers?limit={PAGE}", ""
        while True:
            connection.request("GET", path + after, headers={"Authorization": f"Bearer {upstream.api_key}"})
            page = json.loads(connection.getresponse().read())
            yield page["data"]
            if not page["has_more"]:
                return
            after = f"&starting_after={page['data'][-1]['id']}"


def _id(page: int, place: int) -> uuid.UUID:
    """A version 7 UUID, growing with the pages, of which the rest is as good as random."""
    rest = int.from_bytes(hashlib.sha256(f"{page} {place}".encode()).digest()[:8]) >> 2
    return uuid.UUID(int=(FIRST_MILLISECOND + page) << 80 | 7 << 76 | place << 64 | 2 << 62 | rest)
