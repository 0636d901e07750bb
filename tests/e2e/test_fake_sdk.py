"""Clients that others have made as the referees of the fakes: official SDKs, and jsforce."""

import fcntl
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from harness import Fake
from harness.shopify import with_shopify

REFEREES = Path(__file__).resolve().parents[1] / "fake" / "referee"
STRIPE = ("stripe@23.1.0",)
GITHUB = ("@octokit/rest@22.0.1", "@octokit/auth-app@8.3.1", "@octokit/plugin-throttling@11.0.5")
SHOPIFY = ("@shopify/admin-api-client@2.0.0", "@shopify/graphql-client@2.0.0")
STRIPE_CHECKS = {
    "autopaging", "paging backwards", "created filters", "retrieve", "create, update, delete", "events",
    "subscription", "invoice", "coupon", "nested lists", "expand", "idempotency", "error classes",
    "rate limit",
}  # fmt: skip
GITHUB_CHECKS = {
    "paginate every list", "reviews", "since", "stars with their time", "write issues",
    "write labels, milestones, releases", "conditional requests", "errors", "who it is", "renamed repository",
    "as an App", "limits",
}  # fmt: skip
HUBSPOT_CHECKS = {
    "page every list", "search every type", "batches", "create, update, archive", "merge", "forget",
    "associations", "owners, pipelines, properties, schemas", "OAuth", "errors", "limits",
}  # fmt: skip

SALESFORCE_CHECKS = {
    "refresh token", "JWT", "describe", "query", "queryAll and restore", "bulk2 query",
    "deleted and updated", "create, update, delete", "composite", "errors", "an expired session", "limits",
}  # fmt: skip
SHOPIFY_CHECKS = {
    "page through lists", "cost", "a write and what is wrong with one", "errors of a query", "a wrong token",
    "retries", "a missing scope", "throttling",
}  # fmt: skip


def installed(packages: Iterable[str]) -> Path:
    """A directory with the SDK in node_modules, kept between runs."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm and node are needed for the official SDKs")
    home = Path(tempfile.gettempdir()) / f"sequin-referee-{'-'.join(packages).replace('/', '+')}"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not (home / "installed").exists():
            (home / "package.json").write_text('{"private": true, "type": "module"}')
            install = [npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", *packages]
            subprocess.run(install, cwd=home, check=True, capture_output=True, timeout=150)
            (home / "installed").touch()
    return home


def placed(script: str, packages: Iterable[str]) -> Path:
    """The referee beside the packages that it needs."""
    home = installed(packages)
    for file in (script, "report.mjs"):
        (home / file).write_bytes((REFEREES / file).read_bytes())
    return home / script


def opinions(script: Path, fake: Fake, *arguments: str) -> dict[str, Any]:
    """Runs a referee, which must object to nothing: its checks and what they say."""
    host, _, port = fake.url.removeprefix("http://").partition(":")
    command = ["node", str(script), host, port, *arguments]
    run = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, timeout=120)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, run.stderr
    assert [result for result in results if not result["ok"]] == []
    return {result["check"]: result["detail"] for result in results}


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, str]:
    """An RSA key: the file of the private one, and the public one."""
    private = tmp_path / "private.pem"
    options = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(private)]
    subprocess.run(["openssl", "genpkey", *options], check=True, capture_output=True)
    show = ["openssl", "pkey", "-in", str(private), "-pubout"]
    return private, subprocess.run(show, check=True, capture_output=True, text=True).stdout


def test_the_official_sdk_finds_nothing_to_object_to() -> None:
    # The SDK can't be given a path before /v1, so it talks to the root. Its last check sets the limits.
    with Fake("--seed", "7", "--no-limits") as fake:
        details = opinions(placed("stripe.mjs", STRIPE), fake)
    assert set(details) == STRIPE_CHECKS
    assert details["autopaging"] == details["created filters"] == 350
    assert details["nested lists"] > 60


def test_octokit_finds_nothing_to_object_to(keys: tuple[Path, str]) -> None:
    private, public = keys
    # Its last check sets the limits.
    with Fake("--seed", "7", "--no-limits") as fake:
        app = {"id": 77, "public_key": public}
        fake.control("POST", "settings", {"provider": "github", "app": app})
        details = opinions(placed("github.mjs", GITHUB), fake, str(private))
    assert set(details) == GITHUB_CHECKS
    assert details["paginate every list"] > 600
    assert details["renamed repository"] > 0
    assert details["as an App"] > 0


def test_hubspots_client_finds_nothing_to_object_to() -> None:
    # Its package is one of tests/package.json. Its last check sets the limits.
    with Fake("--seed", "7", "--no-limits") as fake:
        details = opinions(REFEREES / "hubspot.mjs", fake)
    assert set(details) == HUBSPOT_CHECKS
    assert details["page every list"] > 1000
    assert details["search every type"] > 500
    assert 0 < details["OAuth"] <= 300


def test_jsforce_finds_nothing_to_object_to(keys: tuple[Path, str]) -> None:
    private, public = keys
    # Its last check sets the limits.
    with Fake("--seed", "7", "--no-limits") as fake:
        fake.control("POST", "settings", {"provider": "salesforce", "public_key": public})
        details = opinions(REFEREES / "salesforce.mjs", fake, str(private))
    assert set(details) == SALESFORCE_CHECKS
    assert details["query"] == details["bulk2 query"] == 2500
    assert details["describe"] > 30


def test_shopifys_client_finds_nothing_to_object_to() -> None:
    # Its last check sets the limits.
    with Fake("--seed", "7", "--no-limits", *with_shopify()) as fake:
        details = opinions(placed("shopify.mjs", SHOPIFY), fake)
    assert set(details) == SHOPIFY_CHECKS
    assert details["page through lists"] > 600
    assert details["throttling"] > 0
