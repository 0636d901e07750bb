"""The official Stripe SDK as the referee of the fake."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import Fake

REFEREE = Path(__file__).resolve().parents[1] / "fake" / "referee" / "stripe.mjs"
PACKAGE = "stripe@23.1.0"
CHECKS = {
    "autopaging", "paging backwards", "created filters", "retrieve", "create, update, delete", "events",
    "subscription", "invoice", "coupon", "nested lists", "expand", "idempotency", "error classes",
    "rate limit",
}  # fmt: skip


@pytest.fixture(scope="module")
def sdk() -> Path:
    """A directory with the SDK in node_modules, kept between runs."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm and node are needed for the official SDK")
    home = Path(tempfile.gettempdir()) / f"sequin-referee-{PACKAGE}"
    if not (home / "installed").exists():
        home.mkdir(exist_ok=True)
        (home / "package.json").write_text('{"private": true, "type": "module"}')
        install = [npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", PACKAGE]
        subprocess.run(install, cwd=home, check=True, capture_output=True, timeout=150)
        (home / "installed").touch()
    return home


def test_the_official_sdk_finds_nothing_to_object_to(sdk: Path) -> None:
    script = sdk / REFEREE.name
    script.write_bytes(REFEREE.read_bytes())
    # The SDK can't be given a path before /v1, so it talks to the root. Its last check sets the limits.
    with Fake("--seed", "7", "--no-limits") as fake:
        host, _, port = fake.url.removeprefix("http://").partition(":")
        command = ["node", script.name, host, port]
        run = subprocess.run(command, cwd=sdk, capture_output=True, text=True, timeout=120)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, run.stderr
    assert [result for result in results if not result["ok"]] == []
    assert {result["check"] for result in results} == CHECKS
    details = {result["check"]: result["detail"] for result in results}
    assert details["autopaging"] == details["created filters"] == 350
    assert details["nested lists"] > 60
