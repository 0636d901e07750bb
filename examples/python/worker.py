"""A worker: takes records from a consumer, handles each, and acknowledges them.

    pip install "psycopg[binary]"
    DATABASE_URL=postgresql://localhost/app python worker.py crm

Put your work into `handle`. Any number of these can run for one consumer; SIGTERM and SIGINT stop one.
"""

import json
import logging
import os
import random
import signal
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import psycopg

BATCH = 50
# What changes is delivered at once all the same. So long can stopping take, and VACUUM be held back.
WAIT = "1 s"
# In seconds. A record that fails comes again after 1, 2, 4, …
MAX_DELAY = 300

log = logging.getLogger("worker")


def handle(record: dict[str, Any]) -> None:
    """Your work. What it raises makes the record come again later. It may, rarely, see a record twice."""
    email = record["data"]["email"].lower()
    time.sleep(float(os.environ.get("WORK_SECONDS", "0")))  # stands for work that takes its time
    line = {"id": record["upstream_id"], "email": email, "deleted": record["deleted"]}
    print(json.dumps(line), flush=True)


class Delivery(NamedTuple):
    token: str
    record: dict[str, Any]
    count: int
    ack_wait: float
    """In seconds."""


class Consumer:
    """A consumer over a connection that is opened again whenever it is lost."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.stopping = False
        self._url = url
        self._connection: psycopg.Connection | None = None

    def stop(self, *_: object) -> None:
        self.stopping = True

    def consume(self) -> list[Delivery]:
        rows = self._run(
            """SELECT ack_token, record, deliver_count,
                      (SELECT extract(epoch FROM ack_wait)::float8 FROM sequin.consumers WHERE name = %s)
               FROM sequin.consume(%s, %s, %s)""",
            *(self.name, self.name, BATCH, WAIT),
        )
        return [Delivery(*row) for row in rows]

    def extend(self, tokens: list[str], seconds: float) -> None:
        self._run("SELECT sequin.extend(%s, %s, make_interval(secs => %s))", self.name, tokens, seconds)

    def ack(self, tokens: list[str]) -> int:
        return self._run("SELECT sequin.ack(%s, %s)", self.name, tokens)[0][0]

    def nack(self, tokens: list[str], seconds: float) -> None:
        self._run("SELECT sequin.nack(%s, %s, make_interval(secs => %s))", self.name, tokens, seconds)

    def _run(self, query: str, *arguments: object) -> list[Any]:
        """Runs a statement until the server has answered.

        So it can run twice, which does no harm: a token that is settled does nothing, and what was taken by a
        call whose answer got lost comes again. Tokens outlive the connection.
        """
        pause = 0.1
        while True:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(
                        self._url, autocommit=True, connect_timeout=10, keepalives_idle=10
                    )
                return self._connection.execute(query, arguments).fetchall()
            except psycopg.OperationalError as error:
                if self.stopping:
                    sys.exit(f"stopped while the server was away: {error}")
                log.warning("%s; trying again", error)
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._rest(random.uniform(pause / 2, pause))
            pause = min(2 * pause, 10)

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < end:
            time.sleep(0.1)


def handle_batch(consumer: Consumer, batch: list[Delivery]) -> None:
    """Handles one record after the other, and then tells the server about all of them."""
    tokens, ack_wait = [each.token for each in batch], batch[0].ack_wait
    extend_at = time.monotonic() + ack_wait / 3
    done: list[str] = []
    again: dict[int, list[str]] = defaultdict(list)
    with ThreadPoolExecutor(max_workers=1) as hands:
        for each in batch:
            if consumer.stopping:
                again[0].append(each.token)
                continue
            work = hands.submit(handle, each.record)
            while wait([work], timeout=extend_at - time.monotonic()).not_done:
                consumer.extend(tokens, ack_wait)
                extend_at = time.monotonic() + ack_wait / 3
            if error := work.exception():
                delay = min(2 ** (each.count - 1), MAX_DELAY)
                log.warning("%s failed, again in %d s: %r", each.record["upstream_id"], delay, error)
                again[delay].append(each.token)
            else:
                done.append(each.token)
    if done and (late := len(done) - consumer.ack(done)):
        log.warning("%d records took too long and come again", late)
    for delay, given_back in again.items():
        consumer.nack(given_back, delay)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    consumer = Consumer(os.environ["DATABASE_URL"], sys.argv[1])
    signal.signal(signal.SIGTERM, consumer.stop)
    signal.signal(signal.SIGINT, consumer.stop)
    while not consumer.stopping:
        if batch := consumer.consume():
            handle_batch(consumer, batch)


if __name__ == "__main__":
    main()
