"""Consumers against a model of what they promise: random operations of several sessions (tests/model)."""

import os
import subprocess
from pathlib import Path

import pytest
from harness import Database

CHECKOUT = Path(__file__).resolve().parents[2]


# A cold build of the model can take minutes beside other builds.
@pytest.mark.timeout(900)
def test_consumers_do_what_their_model_does(database: Database) -> None:
    environment = {
        "DATABASE_URL": database.cluster.dsn(database.name),
        "CARGO_TARGET_DIR": str(CHECKOUT / "target"),
        "PROPTEST_CASES": os.environ.get("PROPTEST_CASES", "250"),
    }
    done = subprocess.run(
        ["cargo", "test", "--quiet", "--locked", "--package", "sequin-consumer-model"],
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
