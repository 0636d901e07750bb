"""What the API refuses, and what goes wrong on the way: tried again where that is safe, and nowhere else."""

from typing import Any

import pytest
from harness import Database, Upstream, eventually
from harness.mutations import (
    all_done,
    describe,
    failing,
    mutate,
    mutation,
    named,
    reached,
    record_at,
    register_keyless,
)
from harness.sync import Sync, api_key, start_sync
from psycopg.types.json import Jsonb

# What the API says no to

REFUSALS: dict[str, tuple[str, str, str | None, dict[str, Any], int, str, str]] = {
    # collection, action, upstream id, data; status, code and parameter of the refusal
    "unknown parameter": ("customer", "create", None, {"nam": "x"}, 400, "parameter_unknown", "nam"),
    "missing parameter": ("product", "create", None, {}, 400, "parameter_missing", "name"),
    "no integer": ("customer", "create", None, {"balance": 1.5}, 400, "parameter_invalid_integer", "balance"),
    "no such object": ("customer", "update", "cus_none", {"name": "x"}, 404, "resource_missing", "id"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_is_final_and_has_the_words_of_the_api(synced: Sync, kind: str) -> None:
    database, stripe = synced.database, synced.upstream
    collection, action, upstream_id, data, status, code, parameter = REFUSALS[kind]
    refused = reached(database, mutate(database, collection, action, upstream_id, data), "failed")
    assert (refused.status, refused.error_code, refused.attempts) == (status, code, 1)
    assert refused.error_class in ("bad_request", "missing")
    assert refused.response["error"]["param"] == parameter
    assert refused.response["error"]["message"] in refused.error
    assert refused.finished_at is not None and refused.updated_idx is None
    # It is in nobody's way: neither of another change of the record nor of what the sync reads.
    later = "cus_later" if upstream_id is None else upstream_id
    reached(database, mutate(database, collection, "delete", later))
    assert len(stripe.writes()) == 2
    assert synced.health(collection) == "healthy"
    synced.converge()


def test_a_deletion_of_what_is_gone_is_done(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    key = stripe.any_id("customer")
    stripe.delete("customer", key, event=False)
    done = reached(database, mutate(database, "customer", "delete", key))
    assert record_at(database, done.updated_idx).upstream_id == key
    assert synced.records("customer")[key].deleted
    assert len(stripe.writes()) == 1


def test_a_cancellation_that_is_asked_for_twice_leaves_what_stays(
    database: Database, stripe: Upstream
) -> None:
    """Stripe knows nothing of a subscription that is to be canceled again, and shows it all the same."""
    [subscription] = stripe.create("subscription", status="active", event=False)
    sync = start_sync(database, stripe, ["subscription"]).wait()
    stripe.fault("drop", apply=True, match={"method": "DELETE", "times": 1})
    done = reached(database, mutate(database, "subscription", "delete", subscription))
    assert [each.status for each in stripe.writes()][1:] == [404]
    assert record_at(database, done.updated_idx).data["status"] == "canceled"
    assert subscription in sync.live("subscription")
    sync.converge()


def test_a_forbidden_change_is_final(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    stripe.fault("status", status=403, match={"method": "POST", "times": 1})
    refused = reached(database, mutate(database, "customer", "create", data={"name": "Ada"}), "failed")
    assert (refused.status, refused.error_class) == (403, "permission")
    assert not named(stripe, "Ada")


# With idempotency keys

PASSING: dict[str, tuple[str, dict[str, Any]]] = {
    "dropped before": ("drop", {"apply": False}),
    "dropped after": ("drop", {"apply": True}),
    "reset after": ("drop", {"apply": True, "reset": True}),
    "cut off": ("cut", {"at": 0.5}),
    "cut off by a reset": ("cut", {"at": 0.9, "reset": True}),
    "no answer": ("hang", {"apply": True}),
    "no body": ("hang", {"apply": True, "after_head": True}),
    "no JSON": ("garbage", {"kind": "html"}),
    "in use": ("status", {"status": 409}),
    "too many": ("rate_limit", {"retry_after": 1}),
}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("action", ["create", "update"])
def test_what_failed_on_the_way_is_asked_again_under_its_key(synced: Sync, fault: str, action: str) -> None:
    database, stripe = synced.database, synced.upstream
    kind, options = PASSING[fault]
    stripe.fault(kind, match={"method": "POST", "times": 2}, **options)
    key = stripe.any_id("customer") if action == "update" else None
    done = reached(database, mutate(database, "customer", action, key, {"name": "once"}), timeout=40)
    assert done.attempts == len(stripe.writes()) == 3
    assert {each.key for each in stripe.writes()} == {str(done.id)}
    assert len({each.body for each in stripe.writes()}) == 1
    assert len(named(stripe, "once")) == 1
    assert sum(each["request"]["idempotency_key"] == str(done.id) for each in stripe.events()) == 1
    synced.converge()


@pytest.mark.parametrize("applied", [True, False])
def test_an_error_that_the_api_repeats_is_no_reason_for_another_key(synced: Sync, applied: bool) -> None:
    """Stripe repeats a 500 under the key for a day: nobody knows what has become of the change."""
    database, stripe = synced.database, synced.upstream
    stripe.fault("status", status=500, apply=applied, match={"method": "POST", "times": 1})
    asked = mutate(database, "customer", "create", data={"name": "Ada"})
    waits = failing(database, asked)
    assert (waits.status, waits.error_class) == (500, "transient")
    assert waits.retry_at is not None
    # What comes after it does not wait for it.
    reached(database, mutate(database, "customer", "create", data={"name": "Bo"}))

    def again() -> bool:
        return mutation(database, asked).attempts >= 3

    eventually(again, 20, what=lambda: describe(database))
    keys = [each.key for each in stripe.writes() if each.form["name"] == "Ada"]
    assert len(keys) >= 3 and set(keys) == {str(asked)}
    assert len(named(stripe, "Ada")) == applied


def test_a_pause_that_the_api_asks_for_is_kept(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    stripe.fault("rate_limit", retry_after=3, match={"method": "POST", "times": 1})
    done = reached(database, mutate(database, "customer", "create", data={"name": "Ada"}))
    refused, accepted = stripe.writes()
    assert (refused.status, done.attempts) == (429, 2)
    assert accepted.received - refused.received >= 3.0
    assert len(named(stripe, "Ada")) == 1


def test_a_key_that_is_refused_and_then_mended(synced: Sync) -> None:
    database, stripe = synced.database, synced.upstream
    stripe.configure(keys=["sk_of_somebody_else"])
    asked = [mutate(database, "customer", "create", data={"name": name}) for name in ("Ada", "Bo")]
    waits = failing(database, asked[0])
    assert (waits.status, waits.error_class) == (401, "credential")
    assert stripe.api_key not in waits.error
    stripe.configure(keys=None)
    database.sql("SELECT sequin.update_credential('upstream')")
    all_done(database, 2)
    assert len(named(stripe, "Ada")) == len(named(stripe, "Bo")) == 1


# Without idempotency keys


@pytest.fixture
def keyless(database: Database, stripe: Upstream) -> Sync:
    """A sync of five customers of an API without idempotency keys."""
    stripe.seed(customer=5)
    return start_sync(database, register_keyless(database, stripe), ["customer"]).wait(20)


REFUSED = ("in use", "too many")
UNKNOWN = {name: fault for name, fault in PASSING.items() if name not in REFUSED} | {
    "an error": ("status", {"status": 500, "apply": True}),
    "an error before": ("status", {"status": 503}),
}


# Those that are met before anything has happened.
BEFORE = ("dropped before", "an error before")


@pytest.mark.parametrize("fault", [name for name in UNKNOWN if name not in BEFORE])
def test_an_update_that_has_happened_is_seen(keyless: Sync, fault: str) -> None:
    database, stripe = keyless.database, keyless.upstream
    kind, options = UNKNOWN[fault]
    stripe.fault(kind, match={"method": "POST", "times": 1}, **options)
    key = stripe.any_id("customer")
    done = reached(database, mutate(database, "customer", "update", key, {"name": "once"}))
    assert done.attempts == len(stripe.writes()) == 1
    assert record_at(database, done.updated_idx).data["name"] == "once"
    keyless.converge()


@pytest.mark.parametrize(
    ("action", "fault"), [*(("create", name) for name in UNKNOWN), *(("update", name) for name in BEFORE)]
)
def test_what_may_have_happened_is_not_repeated(keyless: Sync, fault: str, action: str) -> None:
    database, stripe = keyless.database, keyless.upstream
    kind, options = UNKNOWN[fault]
    stripe.fault(kind, match={"method": "POST", "times": 1}, **options)
    key = stripe.any_id("customer") if action == "update" else None
    asked = mutate(database, "customer", action, key, {"name": "perhaps"})
    unknown = reached(database, asked, "uncertain")
    assert unknown.attempts == len(stripe.writes()) == 1
    assert unknown.error
    assert stripe.writes()[0].key is None
    says = database.value(
        "SELECT hint FROM sequin.mutation_status WHERE sync = 'main' AND collection_id = 'keyless:customer'"
    )
    assert "sequin.retry_mutation" in says and "sequin.dismiss_mutation" in says
    # Whether or not it has happened, the stream is what the API says.
    keyless.converge()


def test_an_uncertain_change_holds_up_those_of_its_record_alone(keyless: Sync) -> None:
    database, stripe = keyless.database, keyless.upstream
    held, free, *_ = stripe.ids("customer")
    stripe.fault("drop", apply=False, match={"method": "POST", "times": 1})
    first = mutate(database, "customer", "update", held, {"name": "first"})
    reached(database, first, "uncertain")
    second = mutate(database, "customer", "update", held, {"name": "second"})
    reached(database, mutate(database, "customer", "update", free, {"name": "beside"}))
    assert mutation(database, second).state == "pending"
    database.sql("SELECT sequin.dismiss_mutation(%s)", first)
    reached(database, second)
    dismissed = mutation(database, first)
    assert dismissed.state == "cancelled" and dismissed.error
    assert [each.form["name"] for each in stripe.writes()] == ["first", "beside", "second"]


def test_an_uncertain_change_is_made_when_it_is_asked_for_again(keyless: Sync) -> None:
    database, stripe = keyless.database, keyless.upstream
    key = stripe.any_id("customer")
    stripe.fault("drop", apply=False, match={"method": "POST", "times": 1})
    first = mutate(database, "customer", "update", key, {"name": "first"})
    mutate(database, "customer", "update", key, {"name": "second"})
    reached(database, first, "uncertain")
    database.sql("SELECT sequin.retry_mutation(%s)", first)
    all_done(database, 2)
    assert [each.form["name"] for each in stripe.writes()] == ["first", "first", "second"]
    keyless.converge()


def test_a_refusal_for_the_rate_is_no_unknown_outcome(keyless: Sync) -> None:
    database, stripe = keyless.database, keyless.upstream
    stripe.fault("rate_limit", retry_after=1, match={"method": "POST", "times": 2})
    done = reached(database, mutate(database, "customer", "create", data={"name": "once"}))
    assert (done.attempts, len(named(stripe, "once"))) == (3, 1)


def test_a_refused_key_is_no_unknown_outcome(keyless: Sync) -> None:
    database, stripe = keyless.database, keyless.upstream
    stripe.configure(keys=["sk_of_somebody_else"])
    asked = mutate(database, "customer", "create", data={"name": "once"})
    assert failing(database, asked).error_class == "credential"
    stripe.configure(keys=None)
    database.sql("SELECT sequin.update_credential('upstream')")
    reached(database, asked)
    assert len(named(stripe, "once")) == 1


def test_a_connection_that_is_refused_is_no_unknown_outcome(keyless: Sync) -> None:
    """The request has surely not been sent."""
    database, stripe = keyless.database, keyless.upstream

    def lead_to(url: str) -> None:
        properties = {"kind": "api_key", "api_key": api_key(stripe, "upstream"), "base_url": url}
        create = "SELECT sequin.create_credential('upstream', 'keyless', %s)"
        database.sql(create, Jsonb(properties))

    lead_to("http://127.0.0.1:9/stripe")
    asked = mutate(database, "customer", "create", data={"name": "once"})
    assert failing(database, asked).status is None
    lead_to(stripe.url)
    reached(database, asked)
    assert len(named(stripe, "once")) == 1


@pytest.mark.parametrize("fault", ["dropped before", "dropped after", "no answer"])
def test_a_deletion_may_be_repeated(keyless: Sync, fault: str) -> None:
    database, stripe = keyless.database, keyless.upstream
    kind, options = PASSING[fault]
    key = stripe.any_id("customer")
    stripe.fault(kind, match={"method": "DELETE", "times": 1}, **options)
    reached(database, mutate(database, "customer", "delete", key))
    # Only what is still there is deleted once more.
    assert len(stripe.writes()) == (2 if fault == "dropped before" else 1)
    assert keyless.records("customer")[key].deleted
    assert key not in stripe.objects("customer")
    keyless.converge()


def test_what_is_declared_repeatable_is_repeated(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=5)
    upstream = register_keyless(database, stripe, repeatable=True)
    sync = start_sync(database, upstream, ["customer"]).wait(20)
    key = stripe.any_id("customer")
    stripe.fault("drop", apply=False, match={"method": "POST", "times": 1})
    reached(database, mutate(database, "customer", "update", key, {"name": "once"}))
    assert len(stripe.writes()) == 2
    assert stripe.objects("customer")[key]["name"] == "once"
    # Of a creation that can't be said.
    stripe.fault("drop", match={"method": "POST", "times": 1})
    reached(database, mutate(database, "customer", "create", data={"name": "perhaps"}), "uncertain")
    sync.converge()
