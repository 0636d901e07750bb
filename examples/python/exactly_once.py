"""Keeps a table of one's own in step with a consumer, and applies each change exactly once.

    pip install "psycopg[binary]"
    psql -c "CREATE TABLE contacts (id text PRIMARY KEY, email text NOT NULL, deleted bool NOT NULL,
                                    version bigint NOT NULL, changes int NOT NULL DEFAULT 1)"
    DATABASE_URL=postgresql://localhost/app python exactly_once.py crm

The table is in the same database, so taking records, writing the table and acknowledging are one transaction.
Any number of these can run for one consumer; SIGTERM and SIGINT stop one.
"""

import logging
import os
import random
import signal
import sys
import time
from typing import Any

import psycopg

# Each record has a savepoint. Up to 64 in a transaction cost others nothing.
BATCH = 50
# What changes is delivered at once all the same. So long can stopping take, and VACUUM be held back.
WAIT = "1 s"
# In seconds. A record that fails comes again after 1, 2, 4, …
MAX_DELAY = 300

log = logging.getLogger("exactly_once")


def apply(connection: psycopg.Connection, record: dict[str, Any]) -> None:
    """Your writes. What it raises undoes those of this record alone, and makes it come again later."""
    connection.execute(
        """INSERT INTO contacts AS c (id, email, deleted, version) VALUES (%s, %s, %s, %s)
           ON CONFLICT (id) DO UPDATE
           SET email = excluded.email, deleted = excluded.deleted, version = excluded.version,
               changes = c.changes + 1""",
        (record["upstream_id"], record["data"]["email"], record["deleted"], record["updated_idx"]),
    )


def apply_batch(connection: psycopg.Connection, consumer: str) -> None:
    done: list[str] = []
    with connection.transaction():
        batch = connection.execute(
            "SELECT ack_token, record, deliver_count FROM sequin.consume(%s, %s, %s)", (consumer, BATCH, WAIT)
        ).fetchall()
        for token, record, count in batch:
            try:
                with connection.transaction():  # a savepoint
                    apply(connection, record)
                done.append(token)
            except psycopg.OperationalError:
                raise
            except Exception as error:
                # Raising it would roll back the delivery as well: it would come at once, and for ever.
                delay = min(2 ** (count - 1), MAX_DELAY)
                log.warning("%s failed, again in %d s: %r", record["upstream_id"], delay, error)
                nack = "SELECT sequin.nack(%s, %s, make_interval(secs => %s))"
                connection.execute(nack, (consumer, [token], delay))
        if done:
            [(live,)] = connection.execute("SELECT sequin.ack(%s, %s)", (consumer, done)).fetchall()
            if live < len(done):
                # They would come again although they are applied. So they shall not be.
                raise TimeoutError(f"the batch of {len(batch)} took longer than the consumer's ack_wait")


class Stop:
    def __init__(self) -> None:
        self.told = False
        signal.signal(signal.SIGTERM, self._tell)
        signal.signal(signal.SIGINT, self._tell)

    def _tell(self, *_: object) -> None:
        self.told = True


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    url, consumer = os.environ["DATABASE_URL"], sys.argv[1]
    stop = Stop()
    while not stop.told:
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=10, keepalives_idle=10) as connection:
                log.info("connected")
                while not stop.told:
                    apply_batch(connection, consumer)
        except (psycopg.OperationalError, TimeoutError) as error:
            # What was under way has happened altogether or not at all; the server knows.
            log.warning("%s; trying again", error)
            time.sleep(random.uniform(0.5, 1))


if __name__ == "__main__":
    main()
