"""The fake's control endpoint: faults, data, clock, evidence."""

import http.client
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fake.client import Answer, Client
from harness import Fake

DAY = 86_400


@pytest.fixture(scope="module")
def server() -> Iterator[Fake]:
    with Fake("--seed", "5", "--no-limits") as fake:
        yield fake


@pytest.fixture
def stripe(server: Fake) -> Iterator[Client]:
    client = Client(server.url)
    client.control("POST", "reset")
    yield client
    client.control("POST", "reset")


def fault(stripe: Client, action: str, match: dict[str, Any] | None = None, **options: Any) -> int:
    rule = {"match": match or {}, "action": {"type": action, **options}}
    return stripe.control("POST", "faults", rule)["ids"][0]


def ids(answer: Answer) -> list[Any]:
    return [each["id"] for each in answer.json["data"]]


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


# Faults: when


def test_rules_count_what_they_match(stripe: Client) -> None:
    match = {"path": r"/v1/customers\?", "method": "GET", "nth": [2, 4], "provider": "stripe"}
    fault(stripe, "status", match, status=503)
    statuses = [stripe.get("customers", limit=1).status for _ in range(5)]
    assert statuses == [200, 503, 200, 503, 200]
    assert stripe.get("products", limit=1).status == 200
    [rule] = stripe.control("GET", "faults")
    assert (rule["seen"], rule["applied"]) == (5, 2)


def test_after_every_and_times(stripe: Client) -> None:
    fault(stripe, "status", {"after": 1, "every": 2, "times": 2}, status=500)
    statuses = [stripe.get("customers").status for _ in range(8)]
    assert statuses == [200, 500, 200, 500, 200, 200, 200, 200]


def test_probability_is_seeded() -> None:
    def run() -> list[int]:
        with Fake("--empty", "--seed", "3", "--no-limits") as fake:
            stripe = Client(fake.url)
            fault(stripe, "status", {"probability": 0.5}, status=500)
            return [stripe.get("customers").status for _ in range(30)]

    first = run()
    assert first == run()
    assert set(first) == {200, 500}


def test_rules_are_cleared(stripe: Client) -> None:
    first, _ = fault(stripe, "status", status=500), fault(stripe, "status", status=502)
    assert stripe.get("customers").status == 500
    assert stripe.control("DELETE", f"faults/{first}") == {"cleared": 1}
    assert stripe.get("customers").status == 502
    assert stripe.control("DELETE", "faults") == {"cleared": 1}
    assert stripe.get("customers").status == 200


@pytest.mark.parametrize(
    "rule",
    [
        {"match": {}, "action": {"type": "explode"}},
        {"match": {"nht": 1}, "action": {"type": "cut"}},
        {"match": {}, "action": {"type": "odd", "kind": "strange"}},
        {"match": {}, "action": {"type": "garbage", "kind": "strange"}},
        {"match": {"path": "("}, "action": {"type": "cut"}},
        {"when": {}, "action": {"type": "cut"}},
        {},
    ],
)
def test_a_rule_that_could_never_fire_is_refused(stripe: Client, rule: dict) -> None:
    answer = stripe.request("POST", "/_control/faults", json.dumps(rule).encode())
    assert answer.status == 400
    assert stripe.control("GET", "faults") == []


# Faults: what


def test_status_with_body_and_headers(stripe: Client) -> None:
    fault(stripe, "status", status=502, body="<b>", headers={"X-Edge": "1"}, content_type="text/html")
    answer = stripe.get("customers")
    assert (answer.status, answer.body, answer.headers["x-edge"]) == (502, b"<b>", "1")
    assert answer.headers["content-type"] == "text/html"


def test_errors_are_in_the_words_of_the_api(stripe: Client) -> None:
    fault(stripe, "status", {"times": 1}, status=500)
    failed = stripe.get("customers")
    assert failed.error["type"] == "api_error"
    assert failed.headers["stripe-should-retry"] == "true"
    fault(stripe, "rate_limit", {"times": 1}, retry_after=7)
    limited = stripe.get("customers")
    assert (limited.status, limited.headers["retry-after"]) == (429, "7")
    assert limited.error["code"] == "rate_limit"


@pytest.mark.parametrize(("action", "options"), [("cut", {"at": 0.5}), ("cut", {"at": 0.0})])
def test_a_cut_body_is_shorter_than_promised(stripe: Client, action: str, options: dict) -> None:
    fault(stripe, action, **options)
    with pytest.raises(http.client.IncompleteRead):
        stripe.get("customers", limit=50)


@pytest.mark.parametrize("reset", [True, False])
def test_a_dropped_connection_says_nothing(stripe: Client, reset: bool) -> None:
    fault(stripe, "drop", reset=reset)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        stripe.get("customers")


def test_a_dropped_write_has_happened_unless_told_otherwise(stripe: Client) -> None:
    def customers() -> int:
        return stripe.control("GET", "counts")["stripe"]["customer"]["count"]

    before = customers()
    for apply in (True, False):
        fault(stripe, "drop", {"method": "POST", "times": 1}, apply=apply)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            stripe.post("customers", {"name": "Lost"})
    assert customers() == before + 1


def test_a_hanging_answer_ends_with_the_client(stripe: Client) -> None:
    fault(stripe, "hang", {"times": 1})
    with socket.create_connection((stripe.host, stripe.port)) as connection:
        connection.sendall(b"GET /stripe/v1/customers HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: stripe.control("GET", "rates")["concurrent"] == 1)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    until(lambda: stripe.control("GET", "rates")["concurrent"] == 0)


def test_a_dripping_body_comes_whole_and_slowly(stripe: Client) -> None:
    fault(stripe, "drip", {"times": 1}, bytes_per_second=40_000)
    start = time.monotonic()
    slow = stripe.get("customers", limit=10)
    assert time.monotonic() - start > 0.1
    assert slow.json == stripe.get("customers", limit=10).json


@pytest.mark.parametrize("kind", ["html", "invalid_json", "empty", "array", "null", "no_data", "binary"])
def test_garbage_has_status_200(stripe: Client, kind: str) -> None:
    fault(stripe, "garbage", kind=kind)
    answer = stripe.get("customers")
    assert answer.status == 200
    assert b'"has_more":true,"url"' not in answer.body


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delayed_answer_is_stale_or_fresh(stripe: Client, when: str) -> None:
    name = f"changed {when}"
    [customer] = stripe.control("POST", "create", {"collection": "customer"})["ids"]
    fault(stripe, "delay", {"path": f"/v1/customers/{customer}"}, ms=600, when=when)
    with ThreadPoolExecutor() as pool:
        late = pool.submit(stripe.get, f"customers/{customer}")
        until(lambda: stripe.control("GET", "rates")["concurrent"] == 1)
        stripe.control("POST", "update", {"collection": "customer", "id": customer, "data": {"name": name}})
        answer = late.result()
    assert (answer.json["name"] == name) == (when == "before")


def test_latency_holds_for_every_answer(stripe: Client) -> None:
    stripe.control("POST", "latency", {"ms": 120})
    start = time.monotonic()
    assert stripe.get("customers").status == 200
    assert time.monotonic() - start >= 0.12


def test_a_repeated_tail_loses_nothing(stripe: Client) -> None:
    expected = ids(stripe.get("customers", limit=100))
    fault(stripe, "duplicate", {"path": "starting_after", "times": 2}, count=3)
    found, after = [], {}
    while len(found) < 100:
        answer = stripe.get("customers", limit=20, **after)
        found += ids(answer)
        after = {"starting_after": found[-1]}
    assert len(found) - len(set(found)) == 6
    assert list(dict.fromkeys(found))[:90] == expected[:90]


def test_a_repeated_tail_is_what_it_is_now(stripe: Client) -> None:
    """An API repeats objects, and not what it has said of them: a page never shows what is no longer so."""
    first = stripe.get("customers", limit=20)
    changed, gone = ids(first)[-1], ids(first)[-2]
    fault(stripe, "duplicate", {"path": "starting_after"}, count=3)
    stripe.get("customers", limit=20)
    stripe.control("POST", "update", {"collection": "customer", "id": changed, "data": {"name": "now"}})
    stripe.control("POST", "delete", {"collection": "customer", "id": gone})
    second = stripe.get("customers", limit=20, starting_after=changed)
    assert gone not in ids(second)
    assert [each["name"] for each in second.json["data"] if each["id"] == changed] == ["now"]


def test_a_repeated_tail_is_of_the_same_list(stripe: Client) -> None:
    fault(stripe, "duplicate", {}, count=3)
    parents = stripe.get("customers", limit=2)
    for parent in ids(parents):
        for _ in range(2):
            stripe.control("POST", "create", {"collection": "customer_source", "parent": parent})
        listed = stripe.get(f"customers/{parent}/sources", limit=100)
        assert {each["customer"] for each in listed.json["data"]} == {parent}


def test_a_reordered_page_has_the_same_objects_and_cursor(stripe: Client) -> None:
    expected = ids(stripe.get("customers", limit=50))
    fault(stripe, "reorder")
    found = ids(stripe.get("customers", limit=50))
    assert found != expected
    assert sorted(found) == sorted(expected)
    assert found[-1] == expected[-1]


def test_a_short_page_says_that_there_is_more(stripe: Client) -> None:
    fault(stripe, "truncate_page", keep=2)
    answer = stripe.get("customers", limit=50).json
    assert (len(answer["data"]), answer["has_more"]) == (2, True)


ODD = {
    "nul": b"\\u0000", "nul_key": b'odd\\u0000":', "no_id": b'"object": "customer"', "null_id": b'"id": null',
    "empty_id": b'"id": ""', "numeric_id": b'"id": 4815162342', "huge": b"x" * 10_000_000,
    "invalid_utf8": b"\xe9 \xff", "lone_surrogate": b"\\ud83d of", "big_number": b"1e400",
    "precise_number": b"12345678901234567890.1234", "deep": b"[" * 10_000,
    "duplicate_key": b'"odd":1,"odd":2',
    "duplicate_id": b"another content", "not_an_object": b'"just a string"', "null": b",null,",
    "long_id": b"x" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_odd_records_come_as_they_are(stripe: Client, kind: str) -> None:
    usual = stripe.get("customers", limit=10).body
    assert ODD[kind] not in usual
    fault(stripe, "odd", kind=kind)
    body = stripe.get("customers", limit=10).body
    assert ODD[kind] in body
    assert len(body) > len(usual)


@pytest.mark.parametrize("kind", ["nul", "invalid_utf8", "lone_surrogate", "not_an_object", "huge"])
def test_an_odd_record_can_be_there_to_stay(stripe: Client, kind: str) -> None:
    body = {"collection": "coupon", "odd": kind, "data": {"name": f"odd {kind}"}}
    id = stripe.control("POST", "create", body)["id"]
    for answer in (stripe.get("coupons", limit=100), stripe.get(f"coupons/{id}")):
        assert ODD[kind] in answer.body
    truth = stripe.control("GET", "truth?collection=coupon")
    assert truth["odd"][id] == kind
    assert truth["objects"][id]["name"] == f"odd {kind}"
    stripe.control("POST", "delete", {"collection": "coupon", "id": id})


# Data


def test_changes_from_behind_the_api(stripe: Client) -> None:
    data = {"email": "x@example.com", "metadata": {"a": "1"}}
    made = stripe.control("POST", "create", {"collection": "stripe:customer", "data": data, "count": 3})
    assert len(made["ids"]) == 3
    id = made["id"]
    change = {"collection": "customer", "id": id, "data": {"name": "N", "metadata": {"a": None, "b": "2"}}}
    stripe.control("POST", "update", change)
    seen = stripe.get(f"customers/{id}").json
    assert (seen["name"], seen["email"], seen["metadata"]) == ("N", "x@example.com", {"b": "2"})
    stripe.control("POST", "delete", {"collection": "customer", "ids": made["ids"]})
    truth = stripe.control("GET", "truth?collection=customer")
    assert set(made["ids"]) <= set(truth["deleted"])
    assert not set(made["ids"]) & set(truth["objects"])


def test_a_silent_change_has_no_event(stripe: Client) -> None:
    before = ids(stripe.get("events", limit=1))
    id = stripe.control("POST", "create", {"collection": "customer", "event": False})["id"]
    stripe.control("POST", "delete", {"collection": "customer", "id": id, "event": False})
    assert ids(stripe.get("events", limit=1)) == before


def test_a_late_event_turns_up_behind_the_cursor(stripe: Client) -> None:
    late = {"collection": "customer", "event": {"late": 50, "backdate": 30}}
    first = stripe.control("POST", "create", late)["id"]
    second = stripe.control("POST", "create", {"collection": "customer"})["id"]
    newest = stripe.get("events", limit=1).json["data"][0]
    assert newest["data"]["object"]["id"] == second
    stripe.control("POST", "clock", {"seconds": 51})
    page = stripe.get("events", limit=100).json["data"]
    named = [each["data"]["object"]["id"] for each in page]
    assert first in named
    assert named.index(first) > named.index(second)
    behind = next(each for each in page if each["data"]["object"]["id"] == first)
    assert behind["created"] < newest["created"]


def test_events_are_kept_for_30_days() -> None:
    with Fake("--empty", "--no-limits") as fake:
        stripe = Client(fake.url)
        stripe.control("POST", "create", {"collection": "customer"})
        [event] = ids(stripe.get("events"))
        stripe.control("POST", "clock", {"days": 29})
        stripe.control("POST", "create", {"collection": "customer"})
        assert len(ids(stripe.get("events"))) == 2
        stripe.control("POST", "clock", {"days": 2})
        assert len(ids(stripe.get("events"))) == 1
        assert stripe.get(f"events/{event}").status == 404
        assert stripe.get("events", starting_after=event).status == 400
        assert stripe.control("POST", "purge_events") == {"purged": 1}
        assert ids(stripe.get("events")) == []


def test_lag_makes_events_late_at_random() -> None:
    with Fake("--empty", "--no-limits") as fake:
        stripe = Client(fake.url)
        stripe.control("POST", "settings", {"event_lag": {"probability": 0.5, "seconds": 100}})
        stripe.control("POST", "create", {"collection": "customer", "count": 60})
        assert 0 < stripe.control("GET", "settings")["events_waiting"] < 60
        stripe.control("POST", "clock", {"seconds": 100})
        assert len(ids(stripe.get("events", limit=100))) == 60


def test_every_random_mutation_can_be_learnt_from_events() -> None:
    """Replaying the events over the state of before gives the state of after, but for embedded objects."""
    with Fake("--seed", "9", "--no-limits", "--no-events") as fake:
        stripe = Client(fake.url)
        names = ["customer", "product", "coupon", "invoice", "subscription", "tax_rate"]
        known = {name: stripe.control("GET", f"truth?collection={name}")["objects"] for name in names}
        done = stripe.control("POST", "mutate_random", {"n": 500, "seed": 4, "collections": names})
        assert sum(done.values()) == 500
        assert min(done.values()) > 20
        for event in reversed(list(stripe.all("events"))):
            shown = event["data"]["object"]
            if shown["object"] not in known:
                continue
            known[shown["object"]][shown["id"]] = shown
            if event["type"].endswith(".deleted") and shown["object"] != "subscription":
                del known[shown["object"]][shown["id"]]
        for name in names:
            assert known[name] == stripe.control("GET", f"truth?collection={name}")["objects"], name


def test_the_same_seed_gives_the_same_account() -> None:
    def state() -> list[Any]:
        with Fake("--seed", "21", "--now", "1760000000", "--no-limits") as fake:
            stripe = Client(fake.url)
            stripe.control("POST", "mutate_random", {"n": 100})
            names = stripe.control("GET", "counts")["stripe"]
            return [stripe.control("GET", f"truth?collection={name}&fields=ids") for name in names]

    assert state() == state()


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("create", {"collection": "nothing"}),
        ("create", {}),
        ("create", {"collection": "customer", "event": {"soon": 1}}),
        ("create", {"collection": "customer", "odd": "strange"}),
        ("create", {"collection": "tax_id", "parent": "cus_none"}),
        ("update", {"collection": "customer", "id": "cus_none", "data": {}}),
        ("delete", {"collection": "charge", "id": "ch_1"}),
        ("delete", {"collection": "customer"}),
        ("clock", {"seconds": -1}),
        ("settings", {"nonsense": 1}),
        ("mutate_random", {"n": 1, "weights": {"destroy": 1}}),
    ],
)
def test_a_control_request_without_sense_is_refused(stripe: Client, route: str, body: dict) -> None:
    before = stripe.control("GET", "counts")
    answer = stripe.request("POST", f"/_control/{route}", json.dumps(body).encode())
    assert answer.status == 400
    assert answer.json["error"]
    assert stripe.control("GET", "counts") == before


# Evidence


def test_the_log_has_everything_but_secrets(stripe: Client) -> None:
    stripe.get("customers", limit=3)
    stripe.post("customers", {"name": "Logged"})
    stripe.get("nothing")
    first, second, third = stripe.control("GET", "requests")["requests"]
    assert (first["method"], first["path"], first["query"]) == ("GET", "/v1/customers", "limit=3")
    assert (first["endpoint"], first["status"]) == ("GET /v1/customers", 200)
    assert first["received"] <= first["answered"] <= time.time() + 1
    assert second["body"] == "name=Logged"
    assert third["status"] == 404
    assert "sk_test_fake" not in json.dumps([each["headers"] for each in (first, second, third)])
    found = stripe.control("GET", "requests?method=POST&status=200&path=customers")["requests"]
    assert [each["number"] for each in found] == [second["number"]]
    assert stripe.control("GET", f"requests?after={second['number']}")["requests"] == [third]
    stripe.control("DELETE", "requests")
    assert stripe.control("GET", "requests")["requests"] == []


def test_rates_are_the_most_in_any_window(stripe: Client) -> None:
    for _ in range(5):
        stripe.get("customers")
    for id in ids(stripe.get("products", limit=3)):
        stripe.get(f"products/{id}")
    rates = stripe.control("GET", "rates?interval=60")
    assert rates["overall"] == rates["requests"] == 9
    assert rates["endpoints"]["stripe GET /v1/customers"] == 5
    assert rates["endpoints"]["stripe GET /v1/products/{id}"] == 3
    assert rates["statuses"] == {"200": 9}
    assert stripe.control("GET", "rates?interval=0.000001")["overall"] == 1


def test_requests_arrive_when_they_are_sent_and_not_when_the_fake_has_time(stripe: Client) -> None:
    """Else a client that keeps its rate would be accused whenever the machine is busy."""
    apart = 0.05
    with ThreadPoolExecutor(8) as pool:
        busy = pool.submit(stripe.control, "POST", "create", {"collection": "customer", "count": 10_000})
        asked = []
        for _ in range(6):
            asked.append(pool.submit(stripe.get, "products", limit=1))
            time.sleep(apart)
        assert not busy.done(), "the fake was not busy"
        assert [each.result().status for each in asked] == [200] * 6
    moments = sorted(each["received"] for each in stripe.control("GET", "requests")["requests"])
    assert moments[-1] - moments[0] > 4 * apart


def test_the_concurrent_peak_is_seen(stripe: Client) -> None:
    stripe.control("POST", "latency", {"ms": 300})
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: stripe.get("customers"), range(6)))
    rates = stripe.control("GET", "rates")
    assert 2 <= rates["concurrent_peak"] <= 6
    assert rates["concurrent"] == 0


# The server


def raw(stripe: Client, *parts: bytes) -> bytes:
    """Sends the parts one by one and reads until the server closes."""
    with socket.create_connection((stripe.host, stripe.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


HEAD = b"Host: x\r\nAuthorization: Bearer sk_test_fake\r\n"
CLOSE = HEAD + b"Connection: close\r\n"


def test_pipelined_requests_are_answered_in_order(stripe: Client) -> None:
    request = b"GET /stripe/v1/%s?limit=1 HTTP/1.1\r\n%s\r\n"
    answer = raw(stripe, request % (b"customers", HEAD) + request % (b"products", CLOSE))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.index(b'"/v1/customers"') < answer.index(b'"/v1/products"')


def test_a_chunked_body_is_understood(stripe: Client) -> None:
    head = b"POST /stripe/v1/customers HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n"
    typed = b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    answer = raw(stripe, head, typed, b"5\r\nname=", b"\r\n7\r\nChunked\r\n", b"0\r\n\r\n")
    assert b'"name": "Chunked"' in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(stripe: Client, request_bytes: bytes) -> None:
    assert raw(stripe, request_bytes).startswith(b"HTTP/1.1 400 ")


def test_nothing_is_at_other_prefixes(stripe: Client) -> None:
    assert stripe.request("GET", "/nothing/user").status == 404
    assert stripe.request("GET", "/_control/nothing").status == 404
    assert stripe.request("GET", "/v1/customers?limit=1").status == 200


def test_sigterm_ends_it_at_once() -> None:
    fake = Fake("--empty")
    try:
        stripe = Client(fake.url)
        fault(stripe, "hang")
        with socket.create_connection((stripe.host, stripe.port)) as connection:
            connection.sendall(b"GET /stripe/v1/customers HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: stripe.control("GET", "rates")["concurrent"] == 1)
            fake.process.send_signal(signal.SIGTERM)
            assert fake.process.wait(5) == 0
    finally:
        fake.stop()
