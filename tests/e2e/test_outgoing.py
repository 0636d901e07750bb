"""Where requests go: whom they trust, through which proxy, and where a redirect may lead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Cluster, Database, Fake, Upstream, eventually
from harness.api import Answer, Api, Asked, declaration, sync_api
from harness.proxy import Proxy
from harness.sync import start_sync
from harness.tls import make_certificates

CUSTOMERS = r"/v1/customers\?"
# Each of these changes what is set for the whole server.
own_cluster = pytest.mark.cluster_settings(**{"sequin.poll_interval": "200ms"})


@pytest.fixture
def ca(cluster: Cluster) -> Path:
    """Where PostgreSQL's user can read it."""
    return make_certificates(cluster.directory).ca


@pytest.fixture
def secure(cluster: Cluster, ca: Path) -> Iterator[Upstream]:
    """The fake's Stripe, over TLS."""
    certificate, key = cluster.directory / "server.pem", cluster.directory / "server.key"
    with Fake("--empty", "--no-limits", "--tls", str(certificate), str(key)) as fake:
        upstream = fake.upstream("stripe")
        upstream.url = f"https://127.0.0.1:{fake.tls_port}/stripe"
        yield upstream
        assert not upstream.overspent()


def set_up(cluster: Cluster, **settings: str) -> None:
    cluster.configure(**{f"sequin.{name}": value for name, value in settings.items()})
    cluster.reload()


def says(database: Database, *words: str) -> bool:
    status = database.status()
    return all(word in status for word in words)


@own_cluster
def test_https_with_a_ca_of_ones_own(
    cluster: Cluster, database: Database, secure: Upstream, ca: Path
) -> None:
    secure.seed(customer=150)
    sync = start_sync(database, secure, ["customer"])
    # A machine without certificates says that it has none.
    eventually(lambda: says(database, "no secure connection") or says(database, "no trusted CA"), 20)
    assert not secure.requests()

    set_up(cluster, ca_file=str(ca))
    sync.wait(60).converge()

    # An unusable file is said to be one, and nothing is asked without it.
    since = cluster.log_size()
    missing = str(ca.with_name("missing.pem"))
    set_up(cluster, ca_file=missing)
    eventually(lambda: says(database, missing, "failing"), 20, what=database.status)
    assert missing in cluster.log_text(since)
    asked = len(secure.requests())
    secure.update("customer", secure.any_id("customer"), name="changed meanwhile")
    empty = ca.with_name("empty.pem")
    empty.touch(0o644)
    set_up(cluster, ca_file=str(empty))
    eventually(lambda: says(database, str(empty), "no certificate in it"), 60, what=database.status)
    assert len(secure.requests()) == asked

    # The same name, another file.
    empty.write_bytes(ca.read_bytes())
    cluster.reload()
    sync.converge(60)
    eventually(lambda: sync.health("customer") == "healthy", 60, what=database.status)


@own_cluster
def test_https_through_a_proxy(cluster: Cluster, database: Database, secure: Upstream, ca: Path) -> None:
    secure.seed(customer=150)
    with Proxy("user:p ss") as proxy:
        set_up(cluster, ca_file=str(ca), proxy=f"http://user:wr0ng@{proxy.address}")
        sync = start_sync(database, secure, ["customer"])
        eventually(
            lambda: says(database, f"through the proxy {proxy.address}", "authorization"), 20,
            what=database.status,
        )  # fmt: skip
        assert not says(database, "wr0ng")
        assert not secure.requests()
        set_up(cluster, proxy=f"http://user:p%20ss@{proxy.address}")
        sync.wait(60).converge()
        # The proxy sees whom the worker speaks to, and nothing of what is said.
        target = secure.url.removeprefix("https://").removesuffix("/stripe")
        assert {(asked.method, asked.target) for asked in proxy.asked} == {("CONNECT", target)}
        assert not any("authorization" in asked.headers for asked in proxy.asked)


@own_cluster
def test_plain_http_through_a_proxy_and_past_it(
    cluster: Cluster, database: Database, stripe: Upstream
) -> None:
    stripe.seed(customer=20)
    with Proxy() as proxy:
        set_up(cluster, proxy=f"http://{proxy.address}")
        sync = start_sync(database, stripe, ["customer"]).wait(60)
        sync.converge()
        assert all(asked.target.startswith(f"{stripe.url}/v1/") for asked in proxy.asked)
        arrived = len(stripe.requests())
        assert len(proxy.asked) >= arrived
        # A proxy that can't be used is no leave to go past it.
        set_up(cluster, proxy="socks5://user:s3cret@localhost")
        eventually(lambda: says(database, "URL of the proxy", "failing"), 20, what=database.status)
        assert not says(database, "s3cret")
        seen = len(proxy.asked)
        set_up(cluster, proxy="")
        stripe.update("customer", stripe.any_id("customer"), name="past the proxy")
        sync.converge(60)
        assert len(proxy.asked) == seen


@own_cluster
def test_who_may_see_the_proxy(cluster: Cluster, database: Database) -> None:
    database.sql("CREATE ROLE nobody_special")
    with database.connect() as connection:
        connection.execute("SET ROLE nobody_special")
        shown = connection.execute("SELECT name FROM pg_settings WHERE name LIKE 'sequin.%'").fetchall()
    assert ("sequin.ca_file",) in shown
    assert ("sequin.proxy",) not in shown
    database.sql("DROP ROLE nobody_special")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_is_followed(database: Database, stripe: Upstream, status: int) -> None:
    """As GitHub answers for a repository that was renamed."""
    stripe.seed(customer=20)
    stripe.fault(
        "status", status=status, headers={"Location": "/stripe/v1/customers?limit=100"},
        match={"path": CUSTOMERS, "times": 1},
    )  # fmt: skip
    start_sync(database, stripe, ["customer"]).wait(20).converge()
    assert [asked.status for asked in stripe.requests(CUSTOMERS)][:2] == [status, 200]
    assert database.value("SELECT count(*) FROM sequin.sync_log WHERE event = 'failing'") == 0


def test_a_redirect_to_another_origin_is_not(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=20, product=20)
    with Api(lambda _: Answer({})) as elsewhere:
        stripe.fault(
            "status", status=302, headers={"Location": f"{elsewhere.url}/v1/customers?stolen"},
            match={"path": CUSTOMERS},
        )  # fmt: skip
        sync = start_sync(database, stripe, ["customer", "product"])
        eventually(lambda: sync.health("customer") == "failing", 20, what=database.status)
        assert says(database, elsewhere.url, stripe.fake.url, "base URL")
        assert not says(database, "stolen")
        assert not elsewhere.asked
    eventually(lambda: len(sync.live("product")) == 20, 20, what=database.status)


def test_a_circle_of_redirects_is_left(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=20)
    stripe.fault(
        "status",
        status=307,
        headers={"Location": "/stripe/v1/customers?limit=100"},
        match={"path": CUSTOMERS},
    )
    sync = start_sync(database, stripe, ["customer"])
    eventually(lambda: sync.health("customer") == "failing", 20, what=database.status)
    assert len(stripe.requests(CUSTOMERS)) == 6


PAGES = [
    {"kind": "link_header", "items": ""},
    {"kind": "next_url", "items": "/data", "next": "/next"},
]


@pytest.mark.parametrize("pagination", PAGES, ids=lambda each: each["kind"])
def test_a_next_page_elsewhere_is_not_asked_for(database: Database, pagination: dict[str, str]) -> None:
    with Api(lambda _: Answer([])) as elsewhere:

        def answer(_: Asked) -> Answer:
            url = f"{elsewhere.url}/things?page=2"
            things = [{"id": "one"}]
            if pagination["kind"] == "next_url":
                return Answer({"data": things, "next": url})
            return Answer(things, headers={"Link": f'<{url}>; rel="next"'})

        with Api(answer) as api:
            sync_api(database, api, declaration(pagination))
            eventually(lambda: says(database, elsewhere.url, "failing"), 20, what=database.status)
            assert api.asked
            assert api.asked[0].headers["x-api-key"] == "k3y"
        assert not elsewhere.asked
