"""A bad argument is refused when it is given, and the refusal tells what to write instead."""

from collections.abc import Iterator

import psycopg
import pytest
from harness import Cluster, Database

# Data exception, integrity, dependent objects, unknown or duplicate or bad name, not in that state.
EXPECTED_CLASSES = ("0A", "22", "23", "2B", "42", "55")

# (call, what DETAIL or the message must show, what HINT must show)
REFUSED: list[tuple[str, str, str]] = [
    # streams
    ("create_stream('main')", "main", ""),
    ("create_stream('')", "", ""),
    ("create_stream(NULL)", "", ""),
    ("create_stream(repeat('n', 1000))", "1000", ""),
    ("create_stream('a', '[]')", "[]", ""),
    ("delete_stream('mian')", "mian", "main"),
    ("delete_stream('used')", "used", "force"),
    ("read_stream('mian')", "mian", "main"),
    ("read_stream('main', -1)", "-1", ""),
    ("read_stream('main', 0, 0)", "0", ""),
    ("read_stream('main', 0, -5)", "-5", ""),
    (
        "read_stream('main', 0, 10, '{\"colection_id\": \"stripe:customer\"}')",
        "colection_id",
        "collection_id",
    ),
    ("read_stream('main', 0, 10, '[]')", "[]", ""),
    # credentials
    ('create_credential(\'c\', \'strip\', \'{"kind": "api_key", "api_key": "k"}\')', "strip", "stripe"),
    ("create_credential('c', 'stripe', '{}')", "", "kind"),
    ("create_credential('c', 'stripe', '{\"kind\": \"password\"}')", "password", "api_key"),
    ("create_credential('c', 'stripe', '{\"kind\": \"api_key\"}')", "", "api_key"),
    ("create_credential('c', 'stripe', '{\"kind\": \"api_key\", \"api_key\": 5}')", "", "api_key"),
    ("create_credential('c', 'stripe', '[]')", "", ""),
    (
        "create_credential('c', 'stripe', "
        '\'{"kind": "api_key", "api_key": "k", "base_url": "ftp://x"}\')',
        "ftp",
        "http",
    ),
    ("delete_credential('ky')", "ky", "key"),
    ("delete_credential('key')", "used", ""),
    ("refresh_collections('ky')", "ky", "key"),
    # syncs
    ("create_sync('s', 'mian', 'key', '{customer}')", "mian", "main"),
    ("create_sync('s', 'main', 'ky', '{customer}')", "ky", "key"),
    ("create_sync('s', 'main', 'key', '{custmer}')", "custmer", "customer"),
    ("create_sync('s', 'main', 'key', '{stripe:invoces}')", "invoces", "invoice"),
    ("create_sync('s', 'main', 'key', '{github:issue}')", "github:issue", "stripe"),
    ("create_sync('s', 'main', 'key', '{}')", "", ""),
    ("create_sync('s', 'main', 'key', '{customer,NULL}')", "", ""),
    ("create_sync('s', 'main', 'key', '{customer}', frequency => 'hourly')", "hourly", "1h|4h|continuous"),
    ("create_sync('s', 'main', 'key', '{customer}', frequency => '-5m')", "-5m", "continuous"),
    ("create_sync('s', 'main', 'key', '{customer}', frequency => '0s')", "0s", "continuous"),
    ("create_sync('s', 'main', 'key', '{customer}', rate_limit => '{\"per_second\": 5}')", "per_second", ""),
    (
        "create_sync('s', 'main', 'key', '{customer}', "
        'rate_limit => \'{"allowed_requests": 0, "interval": 1}\')',
        "0",
        "",
    ),
    (
        "create_sync('s', 'main', 'key', '{customer}', "
        'rate_limit => \'{"allowed_requests": 5, "interval": -1}\')',
        "-1",
        "",
    ),
    ("create_sync('s', 'main', 'key', '{customer}', max_age => '-1 day')", "", ""),
    ("update_sync('used', max_age => '10000 years')", "1000 years", "90 days"),
    ("create_sync('s', 'main', 'key', '{customer}', options => '[]')", "[]", ""),
    (
        "create_sync('s', 'main', 'key', '{customer}', options => '{\"repositories\": []}')",
        "repositories",
        "",
    ),
    ("create_sync('used', 'main', 'key', '{customer}')", "used", ""),
    ("update_sync('usd')", "usd", "used"),
    ("update_sync('used', frequency => 'often')", "often", "continuous"),
    ("pause_sync('usd')", "usd", "used"),
    ("resume_sync('usd')", "usd", "used"),
    ("delete_sync('usd')", "usd", "used"),
    ("wait_for_sync('usd')", "usd", "used"),
    ("start_backfill('usd', 'customer')", "usd", "used"),
    ("start_backfill('used', 'custmer')", "custmer", "customer"),
    ("start_backfill('used', 'invoice')", "invoice", "update_sync"),
    ("cancel_backfill('00000000-0000-0000-0000-000000000000')", "00000000", ""),
    ("confirm_deletes('usd', 'customer')", "usd", "used"),
    ("confirm_deletes('used', 'custmer')", "custmer", "customer"),
    ("confirm_deletes('used', 'customer')", "stripe:customer", "held_back"),
    ("retry_rejected('usd')", "usd", "used"),
    ("retry_rejected('used', 'custmer')", "custmer", "customer"),
    ("retry_rejected('used', 'invoice')", "invoice", "update_sync"),
    # views
    ("create_view(NULL)", "null", "stripe:customer"),
    ("create_view('stripe:custmer')", "custmer", "stripe:customer"),
    ("create_view('stripe:customer', schema => 'sequin')", "sequin", "schema"),
    ("create_view('stripe:customer', schema => '')", "0", "63"),
    ("create_view('stripe:customer', name => repeat('n', 64))", "64", "63"),
    ("create_view('stripe:customer', stream => 'mian')", "mian", "main"),
    ("create_view('stripe:customer', sync => 'usd')", "usd", "used"),
    ("create_view('invoice', sync => 'used')", "stripe:customer", "sync"),
    ("create_view('stripe:customer', sync => 'used', stream => 'main')", "main", "stream"),
    ("create_view('stripe:customer', columns => '{emial}')", "emial", "columns"),
    ("create_view('stripe:customer', columns => '{NULL}')", "NULL", "columns"),
    ("create_view('stripe:event', writable => true)", "nothing", "writable"),
    ("as_timestamptz('0', 'unix')", "unix", "unix_seconds"),
    # consumers
    ("create_consumer('c', 'mian')", "mian", "main"),
    ("create_consumer('reader', 'main')", "reader", ""),
    ("create_consumer('c', 'main', deliver_policy => 'newest')", "newest", "all"),
    ("create_consumer('c', 'main', ack_wait => '-1 s')", "", ""),
    ("create_consumer('c', 'main', max_deliver => 0)", "0", ""),
    ("create_consumer('c', 'main', max_ack_pending => 0)", "0", ""),
    ("create_consumer('c', 'main', filter => '{\"colection_id\": \"x\"}')", "colection_id", "collection_id"),
    ("consume('raeder')", "raeder", "reader"),
    ("consume('reader', 0)", "0", ""),
    ("consume('reader', -1)", "-1", ""),
    ("consume('reader', 1, '-1 s')", "", ""),
    ("ack('raeder', '{x}')", "raeder", "reader"),
    ("ack('reader', NULL)", "NULL", ""),
    ("nack('raeder', '{x}')", "raeder", "reader"),
    ("nack('reader', '{}', '-1 s')", "", ""),
    ("extend('raeder', '{x}', '1 min')", "raeder", "reader"),
    ("extend('reader', '{}', '-1 min')", "", ""),
    ("delete_consumer('raeder')", "raeder", "reader"),
]


@pytest.fixture(scope="module")
def prepared(shared_cluster: Cluster) -> Iterator[Database]:
    database = shared_cluster.database("arguments")
    for stream in ("main", "used"):
        database.sql("SELECT sequin.create_stream(%s)", stream)
    # Nothing listens there: what is tested must not depend on an answer.
    database.sql(
        """SELECT sequin.create_credential('key', 'stripe',
               '{"kind": "api_key", "api_key": "sk_test_arguments", "base_url": "http://127.0.0.1:9/stripe"}')"""
    )
    database.sql("SELECT sequin.create_sync('used', 'used', 'key', '{customer}')")
    database.sql("SELECT sequin.create_consumer('reader', 'main')")
    yield database
    database.drop()


@pytest.mark.parametrize(("call", "detail", "hint"), REFUSED, ids=[call for call, _, _ in REFUSED])
def test_a_bad_argument_is_refused(prepared: Database, call: str, detail: str, hint: str) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        prepared.sql(f"SELECT sequin.{call}")
    diagnosis = refusal.value.diag
    said = f"{diagnosis.message_primary}\nDETAIL: {diagnosis.message_detail}\nHINT: {diagnosis.message_hint}"
    assert diagnosis.sqlstate is not None
    assert diagnosis.sqlstate.startswith(EXPECTED_CLASSES), f"SQLSTATE {diagnosis.sqlstate}: {said}"
    assert diagnosis.message_detail, said
    assert diagnosis.message_hint, said
    assert detail in f"{diagnosis.message_primary} {diagnosis.message_detail}", said
    if hint:
        assert any(each in diagnosis.message_hint for each in hint.split("|")), said


def test_a_refusal_changes_nothing(prepared: Database) -> None:
    """Nothing of a refused call stays, and the names that it used are free."""
    for view in ("streams", "syncs", "credentials", "consumers"):
        names = {row[0] for row in prepared.sql(f"SELECT name FROM sequin.{view}")}
        assert names <= {"main", "used", "key", "reader"}, view


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "http://api.stripe.com/", "https://10.0.0.1/"])
@pytest.mark.cluster_settings(**{"sequin.allow_private_networks": "off"})
def test_private_addresses_and_plain_http_need_the_setting(database: Database, address: str) -> None:
    properties = f'{{"kind": "api_key", "api_key": "k", "base_url": "{address}"}}'
    with pytest.raises(psycopg.Error) as refusal:
        database.sql("SELECT sequin.create_credential('c', 'stripe', %s)", properties)
    assert "sequin.allow_private_networks" in (refusal.value.diag.message_hint or "")


def test_wait_for_sync_gives_up(prepared: Database) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        prepared.sql("SELECT sequin.wait_for_sync('used', '200 ms')")
    assert "used" in str(refusal.value)
    assert refusal.value.diag.message_hint
