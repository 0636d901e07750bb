"""Fixtures of the end-to-end tests, and the check after each that the server saw nothing ugly."""

import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from harness import Cluster, Database, Fake, Upstream
from harness.consumers import CUSTOMER, OTHER_SYNC, Connection, make_stream, put
from harness.fake import Request
from harness.roles import As, connect_as, make_roles
from harness.sync import Sync, start_sync
from house.bodies import validate_body
from house.test_providers import validate_request

# What must never be in a server log. "terminated by signal" also covers a backend that aborted.
UGLY = re.compile(r"PANIC:|terminated by signal|panicked at|stack backtrace|TRAP:|memory allocation of")
# What a test that kills a process with signal 9 itself may find.
PROVOKED = re.compile(r"terminated by signal 9")

_names = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on a cluster of their own go last, so that the shared one is not idle beside them."""
    items.sort(key=lambda item: item.get_closest_marker("cluster_settings") is not None)


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    try:
        yield cluster.create().start()
    finally:
        cluster.remove()


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster that all tests share; with `@pytest.mark.cluster_settings(…)`, a new one with these."""
    marker = request.node.get_closest_marker("cluster_settings")
    own = Cluster(settings=marker.kwargs).create().start() if marker else None
    cluster = own or request.getfixturevalue("shared_cluster")
    if not cluster.running():  # the test before stopped it, and failed before it could start it again
        cluster.start()
    since = cluster.log_size()
    request.node.server_log = lambda: cluster.log_tail(since)
    try:
        yield cluster
        ugly = [line for line in cluster.log_text(since).splitlines() if UGLY.search(line)]
        if request.node.get_closest_marker("crashes"):
            hurt = "|".join(map(str, cluster.hurt)) or "none"
            provoked = re.compile(rf"{PROVOKED.pattern}|\[({hurt})\]|\(PID ({hurt})\)")
            ugly = [line for line in ugly if not provoked.search(line)]
        assert not ugly, "in the server log:\n" + "\n".join(ugly)
    finally:
        if own:
            own.remove()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """A new database with the extension."""
    database = cluster.database(f"e2e_{next(_names)}")
    try:
        yield database
    finally:
        if not cluster.running():
            cluster.start()
        database.drop()


@pytest.fixture
def db(database: Database) -> Iterator[Callable[[], Connection]]:
    """Gives connections to a database with the stream "s" and two syncs that nobody works on."""
    opened: list[Connection] = []

    def connect() -> Connection:
        opened.append(database.connect())
        return opened[-1]

    make_stream(connect())
    yield connect
    for conn in opened:
        conn.close()


@pytest.fixture
def roles(database: Database) -> Database:
    """A database, and login roles beside it: one in each role of the extension, and one in none."""
    make_roles(database)
    return database


@pytest.fixture
def as_role(roles: Database) -> Iterator[As]:
    """Gives connections of a role."""
    opened: list[Connection] = []

    def connect(role: str) -> Connection:
        opened.append(connect_as(roles, role))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def two_streams(roles: Database) -> Database:
    """The streams "s" and "t", each with a sync, five records, something set aside, and two consumers."""
    other = "(SELECT id FROM sequin.streams WHERE name = 't')"
    with roles.connect() as conn:
        make_stream(conn)
        conn.execute("INSERT INTO sequin.streams (id, name) VALUES (gen_random_uuid(), 't')")
        conn.execute(f"UPDATE sequin.syncs SET stream_id = {other} WHERE id = %s", [OTHER_SYNC])
        put(conn, *"abcde")
        put(conn, *"vwxyz", sync=OTHER_SYNC)
        conn.execute(f"UPDATE sequin.records SET stream_id = {other} WHERE sync_id = %s", [OTHER_SYNC])
        conn.execute(
            "INSERT INTO sequin._sync_collections (stream_id, sync_id, collection_id)"
            " SELECT stream_id, id, %s FROM sequin.syncs",
            [CUSTOMER],
        )
        conn.execute(
            "INSERT INTO sequin.rejected_records (stream_id, sync_id, collection_id, reason, raw)"
            " SELECT stream_id, id, %s, 'too odd', '?' FROM sequin.syncs",
            [CUSTOMER],
        )
        for stream in "st":
            conn.execute("SELECT sequin.create_consumer(%s, %s)", [f"queue {stream}", stream])
            conn.execute(
                "SELECT sequin.create_consumer(%s, %s, mode => 'batch')", [f"batch {stream}", stream]
            )
    return roles


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A fake of all the APIs, in a process of its own, with nothing in it yet and without rate limits."""
    with Fake() as fake:
        yield fake


@pytest.fixture
def stripe(fake: Fake) -> Iterator[Upstream]:
    """The fake's Stripe.

    After the test, every request that it got must be one that Stripe documents, and so must the body of each
    that it has not refused itself; and no budget exceeded that a sync was started with.
    """
    stripe = fake.upstream("stripe")
    yield stripe
    problems = {
        problem
        for request in stripe.requests()
        for problem in (
            *validate_request(request.method, request.path, request.query),
            *_body_problems(request),
        )
    }
    assert not problems, "\n".join(sorted(problems))
    overspent = stripe.overspent()
    assert not overspent, "\n".join(overspent)


@pytest.fixture
def synced(database: Database, stripe: Upstream) -> Sync:
    """A sync "main" of five customers and two products, whose backfills have completed."""
    stripe.seed(customer=5, product=2)
    sync = start_sync(database, stripe, ["customer", "product"]).wait(20)
    sync.converge()
    return sync


def _body_problems(request: Request) -> list[str]:
    if not request.body or request.status == 400:
        return []
    return validate_body(request.method, request.path, request.headers.get("content-type", ""), request.body)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    server_log = getattr(item, "server_log", None)
    if report.failed and server_log:
        report.sections.append(("server log, its tail", server_log()))
