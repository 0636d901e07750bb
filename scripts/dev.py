"""`make dev` and `make dev-stop`: a cluster for working on the extension.

It lives below /tmp and not in the checkout, which the server's user may not be able to enter.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Cluster  # noqa: E402

DATABASE = "dev"


def development_cluster() -> Cluster:
    checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    directory = Path(tempfile.gettempdir()) / f"sequin-dev-{checkout}"
    return Cluster(directory=directory, fsync=True, base={"include_if_exists": "dev.conf"})


def start() -> None:
    cluster = development_cluster()
    new = not (cluster.data / "PG_VERSION").exists()
    if new:
        cluster.create()
    shutil.copyfile(ROOT / "pgrx-config" / "postgresql.conf", cluster.data / "dev.conf")
    os.chmod(cluster.data / "dev.conf", 0o644)
    if cluster.running():
        # `make dev` has just installed the library anew: only a restart loads it.
        cluster.restart()
    else:
        cluster.start()
    if not cluster.sql("SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
        cluster.database(DATABASE)
    print(f"PostgreSQL is running in {cluster.directory}; its log is {cluster.log}")
    print(f"  {cluster.psql_line(DATABASE)}")
    print("Stop it and remove it with: make dev-stop")


def stop() -> None:
    development_cluster().remove()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["start"]:
            start()
        case ["stop"]:
            stop()
        case _:
            sys.exit("usage: scripts/dev.py start | stop")
