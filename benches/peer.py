"""The peers: each in a virtual environment of its own, with all its packages pinned."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import Cluster, Upstream

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent / ".cache" / "bench"


class PeerFailed(Exception):
    """A peer could not be installed, or did not do its work; the message has its words."""


@dataclass(frozen=True)
class Peer:
    """`program` is run by the Python that has the packages of `requirements`; both are files in peers/."""

    package: str
    requirements: str
    program: str

    @property
    def version(self) -> str:
        lines = (HERE / "peers" / self.requirements).read_text().splitlines()
        return next(line.partition("==")[2] for line in lines if line.startswith(f"{self.package}=="))

    @property
    def _environment(self) -> Path:
        return ENVIRONMENTS / self.package

    def install(self) -> None:
        """Does nothing where it has been done for these requirements."""
        wanted = HERE / "peers" / self.requirements
        done_for = self._environment / "requirements.txt"
        if done_for.exists() and done_for.read_text() == wanted.read_text():
            return
        print(f"  installing {self.package} {self.version} …", flush=True)
        shutil.rmtree(self._environment, ignore_errors=True)
        python = str(self._environment / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)]
        for command in ([sys.executable, "-m", "venv", str(self._environment)], pip):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise PeerFailed(
                    f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
                )
        shutil.copyfile(wanted, done_for)

    def run(self, *arguments: str) -> dict[str, float]:
        """Runs the program, with a directory of its own as last argument; returns the JSON it prints."""
        python = str(self._environment / "bin" / "python")
        program = str(HERE / "peers" / self.program)
        with tempfile.TemporaryDirectory(prefix=f"bench-{self.package}-") as directory:
            done = subprocess.run(
                [python, program, *arguments, directory],
                cwd=directory,
                capture_output=True,
                text=True,
                check=False,
            )
        lines = done.stdout.splitlines()
        if done.returncode != 0 or not lines:
            raise PeerFailed(f"{self.package}: exit status {done.returncode}\n{done.stderr[-4000:]}")
        return json.loads(lines[-1])


DLT = Peer("dlt", "dlt.txt", "dlt_load.py")
AIRBYTE = Peer("airbyte-cdk", "airbyte.txt", "airbyte_read.py")


def load_with_dlt(cluster: Cluster, upstream: Upstream, name: str, records: int) -> float:
    """Seconds that dlt takes to bring all customers into a database of that name, which is dropped again."""
    cluster.sql(f'CREATE DATABASE "{name}"')
    # dlt wants a password and a host name; libpq prefers the parameter to the host name.
    dsn = f"postgresql://postgres:none@localhost/{name}?host={cluster.directory}"
    seconds = _checked(DLT, records, upstream.url, upstream.api_key, dsn)
    cluster.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    return seconds


def read_with_airbyte(upstream: Upstream, records: int) -> float:
    """Seconds that airbyte-cdk takes to read all customers, and to write them nowhere."""
    return _checked(AIRBYTE, records, upstream.url, upstream.api_key)


def _checked(peer: Peer, records: int, *arguments: str) -> float:
    done = peer.run(*arguments)
    assert done["records"] == records, f"{peer.package} brought {done['records']} of {records} records"
    return done["seconds"]
