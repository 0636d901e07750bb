"""Stripe, read completely: what is there, what changes, what disappears, in any order that Stripe allows."""

import time
from itertools import pairwise

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.sync import start_sync
from psycopg.types.json import Jsonb

EVENTS, CUSTOMERS = r"/v1/events\?", r"/v1/customers\?"

# Objects that live under another one, and the list of their parents.
NESTED = {
    "invoice_line_item": "invoice",
    "subscription_item": "subscription",
    "customer_balance_transaction": "customer",
    "checkout_session_line_item": "checkout_session",
    "credit_note_line_item": "credit_note",
}


# What is there


def test_backfill_of_every_collection_equals_the_truth(database: Database, stripe: Upstream) -> None:
    collections = stripe.collections()
    assert len(collections) >= 40
    for collection in collections:
        stripe.seed(**{collection: 3})
    stripe.seed(customer=250, product=120, invoice=120, charge=230, subscription=110)
    sync = start_sync(database, stripe, collections).wait(90)
    sync.converge()
    assert sync.count() > 1000
    assert not database.sql("SELECT 1 FROM sequin.rejected_records")


@pytest.mark.parametrize(("collection", "parent"), NESTED.items())
def test_nested_collections(database: Database, stripe: Upstream, collection: str, parent: str) -> None:
    stripe.seed(**{parent: 3})
    parents = list(stripe.objects(parent))
    for number, each in enumerate(parents):
        # More than a page under the first parent, none under the last.
        count = (130, 2, 0)[number]
        if count:
            stripe.create(collection, count=count, parent=each, event=False)
    assert len(stripe.objects(collection)) >= 132
    start_sync(database, stripe, [collection]).wait(30).converge()


def test_the_records_of_a_page_have_the_documented_shape(database: Database, stripe: Upstream) -> None:
    [customer] = stripe.create("customer", created=1_700_000_000, event=False)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    [(position, record)] = database.sql("SELECT updated_idx, record FROM sequin.read_stream('main')")
    row = sync.records("customer")[customer]
    inserted_at = record.pop("inserted_at")
    assert inserted_at.endswith("Z")
    assert len(inserted_at) == len("2024-01-01T00:00:00.000000Z")
    assert record.pop("upstream_updated_at", "missing") != "missing"
    expected = {
        "id": str(row.id),
        "stream_id": str(row.stream_id),
        "sync": {"id": str(row.sync_id), "external_id": None, "metadata": {}},
        "sync_external_id": None,
        "provider": "stripe",
        "collection_id": "stripe:customer",
        "upstream_id": customer,
        "data": stripe.objects("customer")[customer],
        "deleted": False,
        "updated_idx": position,
        "upstream_created_at": "2023-11-14T22:13:20.000000Z",
    }
    assert {name: record.get(name, "missing") for name in expected} == expected


def test_many_objects_of_one_second(database: Database, stripe: Upstream) -> None:
    """`created` is in seconds: pages, ranges and look-backs all end in the middle of one."""
    now = int(time.time())
    stripe.create("customer", count=350, created=now - 5000, event=False)
    stripe.create("customer", count=350, created=now - 4999, event=False)
    stripe.create("customer", count=150, created=now - 1, event=False)
    sync = start_sync(database, stripe, ["customer"]).wait(30)
    sync.converge()
    # And as many events of one second.
    stripe.update("customer", *list(stripe.objects("customer"))[:300], description="all at once")
    sync.converge()


def test_a_collection_that_is_added_later_is_backfilled(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=120, product=110)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    asked = len(stripe.requests(CUSTOMERS))
    database.sql("SELECT sequin.update_sync('main', collections => ARRAY['customer', 'product'])")
    sync.collections.append("product")
    sync.wait(20).converge()
    assert len(stripe.requests(CUSTOMERS)) == asked, "the first collection was read again"


# What changes


@pytest.mark.parametrize("collection", ["customer", "product", "invoice", "subscription", "charge"])
def test_a_change_arrives(database: Database, stripe: Upstream, collection: str) -> None:
    stripe.seed(**{collection: 3})
    sync = start_sync(database, stripe, [collection]).wait(20)
    changed = stripe.any_id(collection)
    before = sync.records(collection)[changed]
    stripe.update(collection, changed, metadata={"changed": "yes"})
    sync.converge()
    after = sync.records(collection)[changed]
    assert after.data["metadata"]["changed"] == "yes"
    assert after.id == before.id
    assert after.updated_idx > before.updated_idx


def test_a_new_object_arrives(database: Database, stripe: Upstream) -> None:
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    [created] = stripe.create("customer", name="Ada")
    sync.converge()
    assert sync.live("customer")[created]["name"] == "Ada"


def test_a_deleted_object_keeps_its_record_and_last_data(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    gone = stripe.any_id("customer")
    before = sync.records("customer")[gone]
    stripe.delete("customer", gone)
    eventually(lambda: sync.records("customer")[gone].deleted, 15, what=database.status)
    after = sync.records("customer")[gone]
    assert after.id == before.id
    assert after.updated_idx > before.updated_idx
    assert after.data["id"] == gone
    sync.converge()


def test_changes_during_the_backfill_arrive(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=1500)
    ids = list(stripe.objects("customer"))
    sync = start_sync(
        database, stripe, ["customer"],
        rate_limit={"allowed_requests": 10, "interval": 1, "max_concurrent_requests": 2},
    )  # fmt: skip
    eventually(lambda: sync.count() >= 300, 20)
    # Objects that were read already, and others that were not.
    stripe.update("customer", *ids[::50], name="changed while it was read")
    stripe.delete("customer", *ids[7::50])
    stripe.create("customer", count=20)
    sync.wait(60).converge()


@pytest.mark.parametrize(
    "event",
    [{"late": 3}, {"backdate": 30}, {"late": 3, "backdate": 300}],
    ids=["late", "behind the cursor", "late and far behind the cursor"],
)
@pytest.mark.parametrize("change", ["update", "delete", "create"])
def test_an_event_that_appears_behind_the_cursor(
    database: Database, stripe: Upstream, event: dict[str, float], change: str
) -> None:
    stripe.seed(customer=3)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    late = stripe.any_id("customer")
    match change:
        case "update":
            stripe.update("customer", late, event=event, name="late")
        case "delete":
            stripe.delete("customer", late, event=event)
        case "create":
            stripe.create("customer", event=event, name="late")
    # The cursor passes the place where the late event will appear.
    other = sorted(stripe.objects("customer"))[-1]
    stripe.update("customer", other, description="on time")
    sync.converge()


def test_more_events_than_a_page(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=400)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    database.sql("SELECT sequin.pause_sync('main')")
    stripe.update("customer", *stripe.objects("customer"), description="while nobody looked")
    database.sql("SELECT sequin.resume_sync('main')")
    sync.converge()


# What happened while nobody looked


def test_a_state_older_than_the_events_is_read_again_as_a_whole(database: Database, stripe: Upstream) -> None:
    """Events are kept for 30 days. After a longer gap only a full comparison finds what was deleted."""
    stripe.seed(customer=250)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    database.sql("SELECT sequin.pause_sync('main')")
    ids = list(stripe.objects("customer"))
    stripe.delete("customer", *ids[:5])
    stripe.update("customer", *ids[10:15], name="changed while nobody looked")
    stripe.create("customer", count=5)
    unchanged = {key: sync.records("customer")[key].row_version for key in ids[20:]}
    # As after 31 days without the server.
    stripe.forget_events()
    database.sql("UPDATE sequin._feeds SET cursor = cursor - interval '31 days', polled_at = NULL")
    stripe.create("customer", count=1)  # the only event that is left
    database.sql("SELECT sequin.resume_sync('main')")
    sync.converge(60)
    rows = sync.records("customer")
    assert [key for key in ids[:5] if rows[key].deleted] == ids[:5]
    assert {key: rows[key].row_version for key in ids[20:]} == unchanged, "unchanged records were written"


def test_work_goes_on_where_it_was_after_a_restart(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=300)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    cluster.stop()
    stripe.update("customer", *list(stripe.objects("customer"))[:30], name="changed while it was down")
    asked = len(stripe.requests(CUSTOMERS))
    cluster.start()
    sync.converge()
    assert len(stripe.requests(CUSTOMERS)) == asked, "a restart read the collection again"


# How often


def test_an_interval_is_kept(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3)
    sync = start_sync(database, stripe, ["customer"], frequency="2s").wait(20)
    asked = len(stripe.requests(EVENTS))
    polls = eventually(lambda: stripe.requests(EVENTS)[asked : asked + 4][3:] and stripe.requests(EVENTS), 20)
    moments = [poll.received for poll in polls[asked : asked + 4]]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(1.5 < gap < 3.5 for gap in gaps), f"polls were {gaps} s apart"
    stripe.update("customer", stripe.any_id("customer"), name="changed")
    sync.converge(6)


def test_pause_and_resume(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    eventually(lambda: stripe.requests(EVENTS), 5)
    database.sql("SELECT sequin.pause_sync('main')")

    def silent_for(seconds: float) -> bool:
        asked = len(stripe.requests())
        time.sleep(seconds)
        return len(stripe.requests()) == asked

    # What was on its way when the pause began may still arrive.
    eventually(lambda: silent_for(1.0), 10, what=database.status)
    stripe.update("customer", stripe.any_id("customer"), name="changed")
    assert silent_for(1.0)
    assert sync.difference()
    database.sql("SELECT sequin.resume_sync('main')")
    sync.converge(10)


def test_deleting_a_sync_takes_its_records_or_keeps_them(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=10, product=5)
    start_sync(database, stripe, ["customer"], name="goes").wait(20)
    start_sync(database, stripe, ["product"], name="goes but leaves").wait(20)
    database.sql("SELECT sequin.delete_sync('goes')")
    database.sql("SELECT sequin.delete_sync('goes but leaves', keep_records => true)")
    left = database.sql("SELECT collection_id, count(*) FROM sequin.records WHERE NOT deleted GROUP BY 1")
    assert left == [("stripe:product", 5)]


def test_backfill_since_reads_only_what_is_younger(database: Database, stripe: Upstream) -> None:
    stripe.create("customer", count=500, created=1_600_000_000, event=False)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    asked = len(stripe.requests(CUSTOMERS))
    # Changed without an event, which Stripe does not do: so only the backfill can find it.
    [young] = stripe.create("customer", event=False)
    backfill = database.value(
        "SELECT sequin.start_backfill('main', 'customer', since => now() - interval '1 day')"
    )
    eventually(lambda: young in sync.live("customer"), 15, what=database.status)
    eventually(
        lambda: database.value("SELECT state FROM sequin.backfills WHERE id = %s", backfill) == "completed",
        15,
    )
    assert len(stripe.requests(CUSTOMERS)) - asked <= 2, "it read more than the last day"
    sync.converge()


def test_a_cancelled_backfill_stops_asking(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3000)
    sync = start_sync(
        database, stripe, ["customer"],
        rate_limit={"allowed_requests": 5, "interval": 1, "max_concurrent_requests": 1},
    )  # fmt: skip
    eventually(lambda: sync.count() >= 200, 20)
    [backfill] = [row.id for row in database.sql("SELECT id FROM sequin.backfills")]
    database.sql("SELECT sequin.cancel_backfill(%s)", backfill)
    asked = len(stripe.requests(CUSTOMERS))
    stripe.update("customer", *list(stripe.objects("customer"))[:5], name="changed")
    # Changes are still polled; pages of the backfill are not.
    polls = len(stripe.requests(EVENTS))
    eventually(lambda: len(stripe.requests(EVENTS)) >= polls + 3, 20, what=database.status)
    assert len(stripe.requests(CUSTOMERS)) - asked <= 1
    assert sync.count() < 3000


def test_options_and_metadata_of_a_sync_are_in_its_records(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=1)
    start_sync(database, stripe, ["customer"]).wait(20)
    database.sql("SELECT sequin.update_sync('main', metadata => %s)", Jsonb({"team": "billing"}))
    [(record,)] = database.sql("SELECT record FROM sequin.read_stream('main')")
    assert record["sync"]["metadata"] == {"team": "billing"}


def test_a_collection_that_was_out_for_a_while_loses_what_is_gone(
    database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=3, coupon=5)
    sync = start_sync(database, stripe, ["customer", "coupon"]).wait(20)
    sync.converge()
    database.sql("SELECT sequin.update_sync('main', collections => '{customer}')")
    # Its event is older than what a feed looks back to.
    stripe.delete("coupon", stripe.any_id("coupon"), event={"backdate": 1200})
    database.sql("SELECT sequin.update_sync('main', collections => '{customer,coupon}')")
    sync.wait(20).converge(10)


def test_an_answer_that_does_not_show_the_object_is_no_answer(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=3)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    stripe.fault("garbage", kind="no_data", match={"path": r"/v1/customers/cus_", "times": 1})
    stripe.update("customer", stripe.any_id("customer"), name="changed")
    sync.converge(15)
    assert not database.sql("SELECT 1 FROM sequin.rejected_records")
