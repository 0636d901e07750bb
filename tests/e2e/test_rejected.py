"""What was set aside is kept byte by byte, and fetched again when somebody asks for it."""

from typing import NamedTuple

import psycopg
import pytest
from harness import Database, Upstream, eventually
from harness.sync import Sync, start_sync

CUSTOMERS = r"/v1/customers\?"
WAITING = "SELECT count(*) FROM sequin.rejected_records WHERE retry_requested_at IS NOT NULL"


def create_odd(stripe: Upstream, collection: str, kind: str) -> str:
    """An object that the API always shows so."""
    body = {"collection": f"stripe:{collection}", "odd": kind, "data": {}, "event": False}
    return stripe.fake.control("POST", "create", body)["id"]


class Notice(NamedTuple):
    severity: str | None
    detail: str
    hint: str


def retry(database: Database, arguments: str = "'main'") -> tuple[int, list[Notice]]:
    """What sequin.retry_rejected returns, and the notices that it gives."""
    notices: list[Notice] = []

    def note(given: psycopg.errors.Diagnostic) -> None:
        notices.append(Notice(given.severity, given.message_detail or "", given.message_hint or ""))

    with database.connect() as connection:
        connection.add_notice_handler(note)
        row = connection.execute(f"SELECT sequin.retry_rejected({arguments})").fetchone()
        assert row is not None
        return row[0], notices


def refuse(database: Database, *ids: str) -> None:
    """The database refuses these objects, as a domain or a check of the user's could."""
    listed = ", ".join(f"'{each}'" for each in ids)
    database.sql(f"ALTER TABLE sequin.records ADD CONSTRAINT odd CHECK (upstream_id NOT IN ({listed}))")


@pytest.fixture
def refusing(database: Database, stripe: Upstream) -> Sync:
    """A sync with three objects that the database has refused, and would take now."""
    stripe.seed(customer=150)
    refuse(database, *sorted(stripe.objects("customer"))[:3])
    sync = start_sync(database, stripe, ["customer"]).wait(30)
    assert database.value("SELECT count(*) FROM sequin.rejected_records") == 3
    assert len(sync.live("customer")) == 147
    database.sql("ALTER TABLE sequin.records DROP CONSTRAINT odd")
    return sync


def test_what_can_be_stored_now_is_stored(refusing: Sync) -> None:
    database = refusing.database
    asked = len(refusing.upstream.requests(CUSTOMERS))
    assert retry(database) == (3, [])
    refusing.converge(20)
    assert not database.sql("SELECT 1 FROM sequin.rejected_records")
    assert len(refusing.upstream.requests(CUSTOMERS)) == asked, "the list was read again"
    assert retry(database) == (0, [])


def test_a_fault_on_the_way_is_overcome(refusing: Sync) -> None:
    refusing.upstream.fault("status", status=500, match={"path": r"/v1/customers/cus_", "times": 2})
    assert retry(refusing.database, "'main', 'customer'")[0] == 3
    refusing.converge(30)
    eventually(lambda: refusing.health("customer") == "healthy", 10, what=refusing.database.status)
    assert not refusing.database.sql("SELECT 1 FROM sequin.rejected_records")


def test_a_refusal_of_one_object_is_told_and_not_repeated(refusing: Sync) -> None:
    database = refusing.database
    odd = sorted(refusing.upstream.objects("customer"))[0]
    refusing.upstream.fault("status", status=403, match={"path": f"/v1/customers/{odd}"})
    assert retry(database)[0] == 3
    eventually(lambda: database.value(WAITING) == 0, 20, what=database.status)
    [row] = database.sql("SELECT upstream_id, retry_error FROM sequin.rejected_records")
    assert row.upstream_id == odd
    assert "403" in row.retry_error
    assert refusing.health("customer") == "healthy"


def test_it_waits_while_the_sync_is_paused(refusing: Sync) -> None:
    database = refusing.database
    database.sql("SELECT sequin.pause_sync('main')")
    assert retry(database)[0] == 3
    database.sql("SELECT sequin.resume_sync('main')")
    refusing.converge(20)


def test_an_object_that_is_gone_goes(refusing: Sync) -> None:
    gone = sorted(refusing.upstream.objects("customer"))[0]
    refusing.upstream.delete("customer", gone, event=False)
    retry(refusing.database)
    refusing.converge(20)
    eventually(lambda: not refusing.database.sql("SELECT 1 FROM sequin.rejected_records"), 10)
    assert gone not in refusing.records("customer")


def test_bytes_that_are_no_text_are_kept_as_they_are(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=120)
    odd = create_odd(stripe, "customer", "invalid_utf8")
    start_sync(database, stripe, ["customer"]).wait(30)
    rows = "SELECT upstream_id, raw, reason, first_seen_at, retry_error FROM sequin.rejected_records"
    [row] = database.sql(rows)
    assert row.upstream_id == odd
    assert b'"odd":"caf\xe9 \xff"' in bytes(row.raw)
    assert bytes(row.raw).startswith(b"{")
    assert bytes(row.raw).endswith(b"}")
    assert "UTF-8" in row.reason
    # It is still the same: nothing changes, and it is not asked for again and again.
    assert retry(database)[0] == 1
    eventually(lambda: database.value(WAITING) == 0, 20, what=database.status)
    assert database.sql(rows) == [row]
    assert len(stripe.requests(f"/v1/customers/{odd}")) == 1


def test_what_can_not_be_asked_for_needs_a_backfill(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=120)
    stripe.fault("odd", kind="no_id", match={"path": CUSTOMERS, "nth": 1})
    sync = start_sync(database, stripe, ["customer"]).wait(30)
    assert database.value("SELECT count(*) FROM sequin.rejected_records") == 1
    count, [notice] = retry(database)
    assert count == 0
    assert notice.severity == "NOTICE"
    assert "1 of stripe:customer" in notice.detail
    assert "sequin.start_backfill('main', 'stripe:customer')" in notice.hint
    sync.converge()
