"""`python -m fake`: starts the fake APIs, prints one line of JSON with the URL, serves until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .core.app import Fake
from .core.clock import Clock
from .core.server import Server
from .github import DEFAULT_TOKEN, GitHub
from .github.catalog import COLLECTIONS as GITHUB_COLLECTIONS
from .hubspot import DEFAULT_TOKEN as HUBSPOT_TOKEN
from .hubspot import HubSpot
from .hubspot.catalog import COUNTED as HUBSPOT_COUNTED
from .ledger import DEFAULT_KEY as LEDGER_KEY
from .ledger import Ledger
from .ledger.catalog import COLLECTIONS as LEDGER_COLLECTIONS
from .oauth import OAuth
from .salesforce import DEFAULT_TOKEN as SALESFORCE_TOKEN
from .salesforce import Salesforce
from .salesforce.catalog import OBJECTS as SALESFORCE_OBJECTS
from .shopify.catalog import COLLECTIONS as SHOPIFY_COLLECTIONS
from .stripe import DEFAULT_KEY, Stripe
from .stripe.catalog import COLLECTIONS

SHOPIFY_TOKEN = "shpat_fake"
GITHUB_LIMITS = ("rate", "anonymous_rate", "points_rate", "writes_rate", "concurrency")
HUBSPOT_LIMITS = ("burst", "oauth_burst", "search_rate", "daily")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fake", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument(
        "--tls",
        nargs=2,
        metavar=("CERTIFICATE", "KEY"),
        help="PEM files: listens on another port too, with TLS",
    )
    parser.add_argument("--seed", type=int, default=1, help="all randomness comes from it")
    parser.add_argument(
        "--now", type=float, help="epoch seconds at which the fake clock starts (default: now)"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the size of every collection")
    parser.add_argument("--empty", action="store_true", help="no objects but those asked for")
    parser.add_argument("--no-events", action="store_true", help="no events of the objects to start with")
    parser.add_argument("--no-limits", action="store_true", help="no rate limits")
    parser.add_argument(
        "--oauth", action="store_true", help="an authorization server as well, and an API behind it"
    )
    parser.add_argument(
        "--shopify",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="Shopify as well, by introspections of its schema (admin_<version>.json.gz); needs graphql-core",
    )
    parser.add_argument("--api-version", default="2024-04-10", help="the Stripe account's default version")
    counts = parser.add_argument_group("objects of each collection (nested ones: at most so many a parent)")
    for collection in COLLECTIONS:
        names = {f"--{collection.name.replace('_', '-')}"}
        if "{" not in collection.path:
            names.add("--" + collection.path.replace("/", "-").replace("_", "-"))
        counts.add_argument(*sorted(names), dest=f"stripe_{collection.name}", type=int, metavar="N")
    for collection in LEDGER_COLLECTIONS:
        names = {f"--ledger-{collection.name}", "--ledger-" + collection.path.rpartition("/")[2]}
        counts.add_argument(*sorted(names), dest=f"ledger_{collection.name}", type=int, metavar="N")
    for each in GITHUB_COLLECTIONS:
        counts.add_argument(f"--github-{each.name.replace('_', '-')}", type=int, metavar="N")
    for name in HUBSPOT_COUNTED:
        counts.add_argument(f"--hubspot-{name.replace('_', '-')}", type=int, metavar="N")
    for each in SALESFORCE_OBJECTS:
        counts.add_argument(f"--salesforce-{each.name}", type=int, metavar="N")
    for each in SHOPIFY_COLLECTIONS:
        if not each.own:
            counts.add_argument(f"--shopify-{each.name.replace('_', '-')}", type=int, metavar="N")
    return parser.parse_args()


def counts_of(options: argparse.Namespace, prefix: str, collections: Iterable[Any]) -> dict[str, int]:
    """How many objects of each collection; `prefix` of the option that says so."""
    return {
        each.name: _count(options, f"{prefix}_{each.name}", each.count, bool(each.parent))
        for each in collections
    }


def _count(options: argparse.Namespace, option: str, usual: int, nested: bool = False) -> int:
    given = getattr(options, option, None)
    scale = 0 if options.empty else 1 if nested else options.scale
    return round(usual * scale) if given is None else given


async def serve(options: argparse.Namespace) -> None:
    clock = Clock(options.now)
    fake = Fake(clock, options.seed)
    # Wherever the time is a fixed one, so are the objects, however long they take to make.
    with clock.held():
        stripe = Stripe(
            clock,
            options.seed,
            counts_of(options, "stripe", COLLECTIONS),
            events=not options.no_events,
            api_version=options.api_version,
        )
        ledger = Ledger(clock, options.seed, counts_of(options, "ledger", LEDGER_COLLECTIONS))
        github = GitHub(clock, options.seed, counts_of(options, "github", GITHUB_COLLECTIONS))
        hubspot = HubSpot(
            clock,
            options.seed,
            {name: _count(options, f"hubspot_{name}", usual) for name, usual in HUBSPOT_COUNTED.items()},
        )
        salesforce = Salesforce(clock, options.seed, counts_of(options, "salesforce", SALESFORCE_OBJECTS))
    if options.no_limits:
        stripe.configure({"global_rate": None, "endpoint_rate": None})
        ledger.configure({"quota": None, "cost": None})
        github.configure(dict.fromkeys(GITHUB_LIMITS))
        hubspot.configure(dict.fromkeys(HUBSPOT_LIMITS))
        salesforce.configure({"daily": None, "concurrency": None})
    fake.mount(stripe)
    fake.mount(ledger)
    fake.mount(github)
    fake.mount(hubspot)
    fake.mount(salesforce)
    if options.oauth:
        fake.mount(OAuth(clock, options.seed))
    if options.shopify:
        # Imported here: nothing else needs what it needs.
        from .shopify.provider import Shopify

        shopify = Shopify(
            clock, options.seed, options.shopify, counts_of(options, "shopify", SHOPIFY_COLLECTIONS)
        )
        if options.no_limits:
            shopify.configure({"cost": None})
        fake.mount(shopify)

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    servers = [Server(fake)]
    port = await servers[0].start(options.host, options.port)
    url = f"http://{options.host}:{port}"
    started = {
        "url": url,
        "control": f"{url}/_control",
        "port": port,
        "providers": {
            "stripe": {"base_url": f"{url}/stripe", "api_key": DEFAULT_KEY},
            "ledger": {"base_url": f"{url}/ledger", "api_key": LEDGER_KEY},
            "github": {"base_url": f"{url}/github", "api_key": DEFAULT_TOKEN},
            "hubspot": {"base_url": f"{url}/hubspot", "api_key": HUBSPOT_TOKEN},
            "salesforce": {"base_url": f"{url}/salesforce", "api_key": SALESFORCE_TOKEN},
            **({"oauth": {"base_url": f"{url}/oauth"}} if options.oauth else {}),
            **(
                {"shopify": {"base_url": f"{url}/shopify", "api_key": SHOPIFY_TOKEN}}
                if options.shopify
                else {}
            ),
        },
    }
    if options.tls:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*options.tls)
        servers.append(Server(fake))
        started["tls_port"] = await servers[1].start(options.host, 0, tls)
    print(json.dumps(started), flush=True)
    await stopped.wait()
    for server in servers:
        server.stop()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
