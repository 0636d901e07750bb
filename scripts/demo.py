"""`make demo`: the whole idea in a terminal, from CREATE EXTENSION to consumed records.

A throwaway cluster and a fake Stripe, or the real one when STRIPE_API_KEY is set (a test key: the demo then
creates a customer of its own, changes it and deletes it; with any other key it only reads). KEEP=1 leaves
everything running at the end. The exit status is 0 only if each step was seen to work.
"""

import hashlib
import json
import os
import signal
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]

import psycopg  # noqa: E402
from harness import Cluster, Database, Fake, ServerError, Upstream  # noqa: E402
from harness.cluster import SETTINGS  # noqa: E402
from harness.fake import FakeError  # noqa: E402
from terminal import Terminal  # noqa: E402

SEEDED = {
    "customer": 6000, "product": 200, "price": 400, "subscription": 1200, "invoice": 1500, "charge": 2000,
    "payment_intent": 1200, "refund": 100,
}  # fmt: skip
FAKE_ARGUMENTS = ["--empty", "--no-events"]
FAKE_ARGUMENTS += [
    part for name, count in SEEDED.items() for part in (f"--{name.replace('_', '-')}", str(count))
]
BACKFILL_LIMIT = 300.0
"""Seconds after which a backfill that has not ended counts as failed."""


class DemoFailed(Exception):
    """A step did not do what the demo says that it does."""


def check(truth: object, message: str) -> None:
    if not truth:
        raise DemoFailed(message)


class FakeAccount:
    """The account of the fake, changed from behind the API as its owner would in a browser."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self.url, self.api_key = upstream.url, upstream.api_key
        self.expected: int | None = sum(len(upstream.objects(name)) for name in SEEDED)
        self.writable = True

    def new_customer(self) -> str:
        return self._upstream.any_id("customer")

    def rename(self, customer: str, name: str) -> None:
        self._upstream.update("customer", customer, name=name)

    def delete(self, customer: str) -> None:
        self._upstream.delete("customer", customer)


class RealAccount:
    """Stripe itself."""

    url: str | None = None
    expected: int | None = None

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.writable = api_key.startswith(("sk_test_", "rk_test_"))

    def _send(self, method: str, path: str, **fields: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"https://api.stripe.com/v1/{path}",
            urllib.parse.urlencode(fields).encode() if fields else None,
            {"Authorization": f"Bearer {self.api_key}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def new_customer(self) -> str:
        return self._send("POST", "customers", name="Sequin demo")["id"]

    def rename(self, customer: str, name: str) -> None:
        self._send("POST", f"customers/{customer}", name=name)

    def delete(self, customer: str) -> None:
        self._send("DELETE", f"customers/{customer}")


class Demo:
    def __init__(self, terminal: Terminal, database: Database, account: FakeAccount | RealAccount) -> None:
        self.terminal = terminal
        self.database = database
        self.account = account

    def run(self, sql: str, *params: object, shown: str | None = None, limit: int = 12) -> list[Any]:
        """Shows a statement, runs it, shows its rows and how long it took. `shown` hides a secret."""
        self.terminal.sql(shown or sql)
        began = time.monotonic()
        rows = self.database.sql(sql, *params)
        took = time.monotonic() - began
        self.terminal.table(rows, limit, took)
        return rows

    # The steps

    def install(self) -> None:
        self.terminal.step("An empty database gets the extension")
        self.run("CREATE EXTENSION sequin")
        check(self.database.sql("SELECT 1 FROM pg_extension WHERE extname = 'sequin'"), "no extension")

    def connect_account(self) -> None:
        self.terminal.step("A stream to put records in, a credential to read with, a sync between them")
        self.run("SELECT sequin.create_stream('stripe')")
        properties: dict[str, str] = {"kind": "api_key", "api_key": self.account.api_key}
        if self.account.url:
            properties["base_url"] = self.account.url
        masked = json.dumps({**properties, "api_key": self.account.api_key[:8] + "…"}, ensure_ascii=False)
        self.run(
            "SELECT sequin.create_credential('stripe', 'stripe', %s)", json.dumps(properties),
            shown=f"SELECT sequin.create_credential('stripe', 'stripe',\n    '{masked}')",
        )  # fmt: skip
        collections = ", ".join(SEEDED)
        self.run(f"SELECT sequin.create_sync('stripe', 'stripe', 'stripe',\n    '{{{collections}}}')")

    def backfill(self) -> None:
        self.terminal.step("The backfill is under way already: a background worker of PostgreSQL does it")
        progress = """SELECT count(*) FILTER (WHERE state = 'completed') AS completed,
            count(*) AS collections, coalesce(sum(records), 0) AS records FROM sequin.backfills"""
        began = time.monotonic()
        while True:
            row = self.database.sql(progress)[0]
            took = time.monotonic() - began
            self.terminal.progress(int(row.records), self.account.expected, took)
            if row.completed == row.collections and row.collections >= len(SEEDED):
                break
            check(took < BACKFILL_LIMIT, f"the backfill did not end in {BACKFILL_LIMIT:.0f} s")
            time.sleep(0.1)
        self.terminal.progress_done()
        self.run(
            """SELECT collection_id, pages, records,
       round(extract(epoch FROM finished_at - started_at), 1) AS seconds
FROM sequin.backfills ORDER BY records DESC"""
        )
        if self.account.expected is not None:
            stored = self.database.value("SELECT count(*) FROM sequin.records WHERE NOT deleted")
            check(stored >= 10_000, f"{stored} records are fewer than 10,000")
            check(stored == self.account.expected, f"{stored} records, but {self.account.expected} upstream")

    def query(self) -> None:
        self.terminal.step("It is a table: plain SQL, joins and all")
        rows = self.run(
            """SELECT customer.data ->> 'name' AS name, count(*) AS charges,
       to_char(sum((charge.data ->> 'amount')::bigint) / 100.0, 'FM999,999,990.00') AS amount
FROM sequin.records customer
JOIN sequin.records charge ON charge.data ->> 'customer' = customer.upstream_id
WHERE customer.collection_id = 'stripe:customer' AND charge.collection_id = 'stripe:charge'
GROUP BY customer.upstream_id, 1 ORDER BY sum((charge.data ->> 'amount')::bigint) DESC LIMIT 5"""
        )
        check(rows or self.account.expected is None, "the join found nothing")

    def consume(self) -> None:
        self.terminal.step("A consumer pulls records and acknowledges them")
        self.run(
            "SELECT sequin.create_consumer('crm', 'stripe',\n"
            '    filter => \'{"collection_id": "stripe:customer"}\')'
        )
        first = self.run(
            """SELECT updated_idx, deliver_count, record ->> 'upstream_id' AS customer,
       record #>> '{data,name}' AS name, ack_token FROM sequin.consume('crm', 3)"""
        )
        acked = self.run("SELECT sequin.ack('crm', %s)", [row.ack_token for row in first],
                         shown="SELECT sequin.ack('crm', :ack_tokens)")  # fmt: skip
        check(acked[0][0] == len(first), "not every token was live")

        began, count = time.monotonic(), len(first)
        while batch := self.database.sql("SELECT ack_token FROM sequin.consume('crm', 100)"):
            acked = self.database.value("SELECT sequin.ack('crm', %s)", [row.ack_token for row in batch])
            check(acked == len(batch), "not every token was live")
            count += len(batch)
        took = time.monotonic() - began
        customers = self.database.value(
            "SELECT count(*) FROM sequin.records WHERE collection_id = 'stripe:customer' AND NOT deleted"
        )
        check(count == customers, f"the consumer got {count} of {customers} customers")
        self.terminal.say(
            f"… and the rest, 100 at a time: {count:,} records, each acknowledged, in {took:.1f} s"
        )

    def arrival(self, customer: str, change: Callable[[], None], wanted: Callable[[Any], bool]) -> Any:
        """Changes something upstream and returns the record as the consumer gets it; acknowledges it."""
        pull = "SELECT ack_token, record FROM sequin.consume('crm', 100, wait_for => '30 s')"
        began = time.monotonic()
        change()
        changed = time.monotonic()
        self.terminal.sql(pull)
        while time.monotonic() - began < 60:
            batch = self.database.sql(pull)
            arrived = time.monotonic()
            self.database.sql("SELECT sequin.ack('crm', %s)", [row.ack_token for row in batch])
            for row in batch:
                if row.record["upstream_id"] == customer and wanted(row.record):
                    self.terminal.say(f"At the consumer {arrived - changed:.2f} s after the change:")
                    return row.record
        raise DemoFailed(f"the change of {customer} did not arrive in 60 s")

    def change_and_delete(self) -> None:
        if not self.account.writable:
            self.terminal.step("A change and a deletion: left out, this key is no test key")
            return
        customer = self.account.new_customer()
        name = f"Ada Lovelace, {time.strftime('%H:%M:%S')}"
        self.terminal.step(f"Somebody renames customer {customer} in Stripe")
        record = self.arrival(
            customer,
            lambda: self.account.rename(customer, name),
            lambda record: record["data"].get("name") == name,
        )
        self.terminal.json({k: record[k] for k in ("collection_id", "upstream_id", "deleted", "updated_idx")}
                           | {"data": {"name": record["data"]["name"]}})  # fmt: skip

        self.terminal.step(f"Somebody deletes customer {customer} in Stripe")
        record = self.arrival(
            customer, lambda: self.account.delete(customer), lambda record: record["deleted"]
        )
        self.terminal.json({k: record[k] for k in ("collection_id", "upstream_id", "deleted", "updated_idx")})
        rows = self.run(
            f"SELECT upstream_id, deleted, updated_idx, data ->> 'name' AS last_name\n"
            f"FROM sequin.records WHERE upstream_id = '{customer}'"
        )
        check(rows and rows[0].deleted, "the record does not say that it is deleted")

    def status(self) -> None:
        self.terminal.step("How it all stands")
        [row] = self.database.sql("SELECT to_jsonb(s) FROM sequin.status s")
        self.terminal.sql("SELECT * FROM sequin.status")
        self.terminal.json(row[0])
        check(row[0].get("health") in (None, "healthy"), f"the sync is {row[0].get('health')}")

    def all_steps(self) -> None:
        for step in (
            self.install, self.connect_account, self.backfill, self.query, self.consume,
            self.change_and_delete, self.status,
        ):  # fmt: skip
            step()


class Stage:
    """The cluster and the fake, in a place that a later run finds again if this one leaves them standing."""

    def __init__(self, real: bool) -> None:
        checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
        self.directory = Path(f"/tmp/sequin-demo-{checkout}")
        self._fake_pid = self.directory / "fake.pid"
        # Not the tests' settings: how fast changes arrive here is the defaults' doing.
        base = {name: SETTINGS[name] for name in ("shared_preload_libraries", "listen_addresses")}
        private = {} if real else {"sequin.allow_private_networks": "on"}
        self.cluster = Cluster(directory=self.directory, fsync=True, base=base, settings=private)
        self.fake: Fake | None = None
        self._real = real

    def build(self) -> None:
        self.clear()
        self.cluster.create().start()
        if not self._real:
            self.fake = Fake(*FAKE_ARGUMENTS)
            self._fake_pid.write_text(str(self.fake.process.pid))

    def clear(self) -> None:
        """Stops and removes everything, also what an earlier run left with KEEP=1."""
        if self.fake:
            self.fake.stop()
        elif self._fake_pid.exists():
            pid = int(self._fake_pid.read_text())
            command = Path(f"/proc/{pid}/cmdline")
            # A number alone may have gone to another process since.
            if command.exists() and b"\0fake\0" in command.read_bytes():
                os.kill(pid, signal.SIGTERM)
        self.cluster.remove()

    def keep(self, terminal: Terminal, database: Database) -> None:
        terminal.say("")
        terminal.say("KEEP=1: everything stays up. Look around with")
        terminal.say(f"  {self.cluster.psql_line(database.name)}")
        if self.fake:
            terminal.say(f"The fake Stripe answers at {self.fake.url}/stripe.")
        terminal.say("Stop and remove it with: make demo-stop")


def interrupted(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    real_key = os.environ.get("STRIPE_API_KEY", "")
    terminal = Terminal()
    stage = Stage(real=bool(real_key))
    if sys.argv[1:] == ["stop"]:
        stage.clear()
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)

    keep = os.environ.get("KEEP", "") not in ("", "0")
    kept = False
    began = time.monotonic()
    try:
        terminal.title("sequin: the APIs that a company runs on, as tables and streams in PostgreSQL")
        stage.build()
        if stage.fake:
            upstream = stage.fake.upstream("stripe")
            account: FakeAccount | RealAccount = FakeAccount(upstream)
            terminal.say(f"A fake Stripe with {account.expected:,} objects listens at {upstream.url}.")
            terminal.say("(Set STRIPE_API_KEY for the real one.)")
        else:
            account = RealAccount(real_key)
            terminal.say("The real Stripe, with the key of STRIPE_API_KEY.")
        terminal.say(f"A throwaway PostgreSQL runs in {stage.directory}.")
        database = stage.cluster.database("demo", extension=False)
        Demo(terminal, database, account).all_steps()
        terminal.success(f"All of it was seen to work, in {time.monotonic() - began:.0f} s.")
        kept = keep
        if keep:
            stage.keep(terminal, database)
        return 0
    except (DemoFailed, ServerError, FakeError, psycopg.Error, OSError) as error:
        terminal.failure(str(error))
        terminal.say(stage.cluster.log_tail(lines=30))
        return 1
    finally:
        if not kept:
            stage.clear()


if __name__ == "__main__":
    sys.exit(main())
