"""A throwaway PostgreSQL cluster with the extension preloaded."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from .database import Database
from .waiting import eventually

SETTINGS: dict[str, str] = {
    "shared_preload_libraries": "sequin",
    "sequin.allow_private_networks": "on",  # the fake listens on 127.0.0.1 over plain HTTP
    "sequin.poll_interval": "200ms",
    "sequin.request_timeout": "5s",  # what hangs is given up while a test waits
    "listen_addresses": "",  # the socket in the cluster's directory suffices, so no port can collide
    "max_worker_processes": "24",
    "restart_after_crash": "on",
    "log_line_prefix": "%m [%p] %b %d ",
    "log_error_verbosity": "default",
    "autovacuum_naptime": "5min",  # idle tests measure WAL: no other process may write it
    "checkpoint_timeout": "1h",
}


class ServerError(Exception):
    """One of PostgreSQL's programs failed; the message has its output and the tail of the server log."""


class Cluster:
    """A cluster in a directory of its own, run by `postgres` when the caller is root, as PostgreSQL demands.

    `settings` are added to `base`. With `fsync` off (the default) a crash of the *server* loses nothing,
    only one of the machine would. `directory` is made if it is missing; a temporary one otherwise.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        fsync: bool = False,
        directory: Path | None = None,
        base: Mapping[str, str] = SETTINGS,
    ) -> None:
        pg_config = os.environ.get("PG_CONFIG", "/usr/lib/postgresql/15/bin/pg_config")
        self.bin = Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.directory = directory or Path(tempfile.mkdtemp(prefix="sequin-", dir="/tmp"))
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.settings = {**base, "fsync": "on" if fsync else "off", **(settings or {})}
        self.hurt: set[int] = set()
        """Processes whose end, and last words, are the test's doing."""

    # Life

    def create(self) -> "Cluster":
        """Makes the data directory (initdb); does not start the server."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.directory, self.user)
        os.chmod(self.directory, 0o700)
        self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync",
                 "--locale=C.UTF-8")  # fmt: skip
        self.configure(unix_socket_directories=str(self.directory), **self.settings)
        return self

    def configure(self, **settings: str) -> None:
        """Appends settings to the server's configuration; `reload` or `restart` makes them count."""
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            for name, value in settings.items():
                conf.write(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n")

    def start(self, timeout: int = 60) -> "Cluster":
        self.run("pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-w", "-t", str(timeout), "-s")
        return self

    def stop(self, mode: str = "fast", timeout: int = 60) -> float:
        """Stops the server (`smart`, `fast` or `immediate`); returns the seconds that it took."""
        began = time.monotonic()
        self.run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-w", "-t", str(timeout), "-s")
        return time.monotonic() - began

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def reload(self) -> None:
        self.run("pg_ctl", "reload", "-D", str(self.data), "-s")

    def running(self) -> bool:
        return self.call("pg_ctl", "status", "-D", str(self.data)).returncode == 0

    def remove(self) -> None:
        """Stops the server, if it runs, and removes everything. Safe at any time, and twice."""
        if (self.data / "PG_VERSION").exists() and self.running():
            self.call("pg_ctl", "stop", "-D", str(self.data), "-m", "immediate", "-w", "-t", "20", "-s")
        shutil.rmtree(self.directory, ignore_errors=True)

    # Processes

    def call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs one of PostgreSQL's programs as the server's user, in the cluster's directory."""
        return self._as_user(str(self.bin / program), *arguments)

    def _as_user(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        as_user = {"user": self.user, "group": self.user, "extra_groups": []} if os.geteuid() == 0 else {}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment |= {"LC_ALL": "C.UTF-8", "HOME": str(self.directory)}
        return subprocess.run(
            [program, *arguments],
            cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, **as_user,
        )  # fmt: skip

    def run(self, program: str, *arguments: str) -> str:
        """As `call`; returns the standard output. Raises ServerError when the program fails."""
        done = self.call(program, *arguments)
        if done.returncode != 0:
            raise ServerError(
                f"{program} {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
                f"--- server log\n{self.log_tail()}"
            )
        return done.stdout

    def processes(self) -> list[str]:
        """The server's processes: their ids, what they call themselves, and where in the kernel they wait."""
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return []
        postmaster = pid_file.read_text().split()[0]
        columns = ["-o", "pid,stat,etime,wchan:24,args"]
        return subprocess.run(
            ["ps", *columns, "--pid", postmaster, "--ppid", postmaster],
            capture_output=True, text=True, check=False,
        ).stdout.splitlines()  # fmt: skip

    def kill(self, pid: int) -> None:
        """kill -9, as the kernel's OOM killer does: the server restarts all its processes and recovers."""
        os.kill(pid, signal.SIGKILL)

    def crash(self, pid: int, by: signal.Signals = signal.SIGKILL) -> None:
        """Kills a process, and waits until the server has ended all others because of it."""
        since = self.log_size()
        self.hurt.add(pid)
        os.kill(pid, by)
        eventually(lambda: "all server processes terminated" in self.log_text(since), 20)

    def end_worker(self, database: str) -> None:
        """Ends the worker of a database; the launcher starts another one."""
        workers = "FROM pg_stat_activity WHERE backend_type = 'sequin worker' AND datname = %s"
        ended = self.sql(f"SELECT pg_terminate_backend(pid, 2000) {workers}", database)
        assert ended == [(True,)], ended

    @contextmanager
    def limited_files(self, pid: int, size: int) -> Iterator[None]:
        """The process can't write beyond byte `size` of any file: as on a full disk, but for this one alone.

        The server's log is one of the files, so what the process says meanwhile is lost.
        """
        self.hurt.add(pid)
        # By its own user, as not every root may.
        self._as_user("prlimit", f"--pid={pid}", f"--fsize={size}:")
        try:
            yield
        finally:
            # It fails where the process has died.
            self._as_user("prlimit", f"--pid={pid}", "--fsize=unlimited:")

    # Connections

    def dsn(self, database: str = "postgres") -> str:
        return f"host={self.directory} user=postgres dbname={database}"

    def psql_line(self, database: str = "postgres") -> str:
        return f"{self.bin}/psql -h {self.directory} -U postgres {database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        deadline = time.monotonic() + 20
        while True:
            try:
                return psycopg.connect(self.dsn(database), autocommit=True, connect_timeout=10)
            except psycopg.OperationalError as error:
                # As a client would, after a crash.
                coming_back = "not yet accepting" in str(error) or "in recovery mode" in str(error)
                if not coming_back or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def sql(self, query: str, *params: object, database: str = "postgres") -> list:
        """Runs one statement on a connection of its own, so that it holds no database open."""
        with self.connect(database) as connection:
            cursor = connection.execute(query, params or None)
            return cursor.fetchall() if cursor.description else []

    def database(self, name: str, extension: bool = True) -> Database:
        """A new database, with the extension unless told otherwise."""
        self.sql(f'CREATE DATABASE "{name}"')
        database = Database(self, name)
        if extension:
            database.sql("CREATE EXTENSION sequin")
        return database

    # Log

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def log_text(self, since: int = 0) -> str:
        """The server log from byte `since` on."""
        if not self.log.exists():
            return ""
        with open(self.log, "rb") as log:
            log.seek(since)
            return log.read().decode("utf-8", "replace")

    def log_tail(self, since: int = 0, lines: int = 60) -> str:
        return "\n".join(self.log_text(since).splitlines()[-lines:])
