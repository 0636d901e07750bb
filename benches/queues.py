"""Two queues with the same clients: consumers of sequin, and pgmq."""

import multiprocessing
import subprocess
import time
import tomllib
from dataclasses import dataclass

import psycopg
from harness import Database
from peer import ENVIRONMENTS, PeerFailed
from psycopg import pq

PGMQ_CRATE = "0.34.0-alpha.7"
"""The release of the crate `pgmq` that carries the SQL of pgmq 1.13."""


@dataclass(frozen=True)
class Queue:
    """The first column of what `take` returns is what `done` is called with, as an array.

    `next` does both in one statement: it settles these, and takes more.
    """

    name: str
    take: str
    done: str
    next: str


SEQUIN = Queue(
    "sequin consume + ack",
    "SELECT * FROM sequin.consume('bench', {batch})",
    "SELECT sequin.ack('bench', $1)",
    "SELECT * FROM sequin.consume('bench', {batch}, ack => $1)",
)
PGMQ = Queue(
    "pgmq read + delete",
    "SELECT * FROM pgmq.read('bench', 30, {batch})",
    "SELECT count(*) FROM pgmq.delete('bench', $1::bigint[])",
    """SELECT r.* FROM (SELECT count(*) FROM pgmq.delete('bench', $1::bigint[])) AS d
       LEFT JOIN LATERAL pgmq.read('bench', 30, {batch}) AS r ON true""",
)


def pgmq_sql() -> str:
    """The SQL of pgmq as its authors ship it in a crate, which cargo downloads."""
    project = ENVIRONMENTS / "pgmq"
    (project / "src").mkdir(parents=True, exist_ok=True)
    (project / "src" / "lib.rs").touch()
    (project / "Cargo.toml").write_text(
        '[package]\nname = "peer"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
        f'[dependencies]\npgmq = "={PGMQ_CRATE}"\n'
    )
    command = ["cargo", "vendor", "--quiet", "--versioned-dirs", "vendor"]
    if not (project / "vendor").exists():
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PeerFailed(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    crate = project / "vendor" / f"pgmq-{PGMQ_CRATE}"
    assert tomllib.loads((crate / "Cargo.toml").read_text())["package"]["version"] == PGMQ_CRATE
    return next(crate.rglob("pgmq.sql")).read_text()


def install_pgmq(database: Database) -> None:
    database.sql("CREATE SCHEMA pgmq")
    database.sql(pgmq_sql())
    database.sql("SELECT pgmq.create('bench')")


def fill_pgmq(database: Database) -> None:
    """A message with the data of each record of the stream, and none besides."""
    database.sql("TRUNCATE pgmq.q_bench")
    database.sql("INSERT INTO pgmq.q_bench (vt, message) SELECT now(), data FROM sequin.records")
    database.sql("VACUUM ANALYZE pgmq.q_bench")


def drain(
    database: Database, queue: Queue, batch: int, sessions: int, seconds: float, in_one: bool = False
) -> float:
    """Messages a second that `sessions` clients take and settle together. `in_one`: in one statement."""
    start = multiprocessing.Barrier(sessions)
    results: multiprocessing.Queue[int] = multiprocessing.Queue()
    dsn = database.cluster.dsn(database.name)
    arguments = (dsn, queue, batch, seconds, start, results)
    work = _work_in_one if in_one else _work
    clients = [multiprocessing.Process(target=work, args=arguments) for _ in range(sessions)]
    for client in clients:
        client.start()
    total = sum(results.get(timeout=seconds + 60) for _ in clients)
    for client in clients:
        client.join()
    return total / seconds


def _work(dsn: str, queue: Queue, batch: int, seconds: float, start, results) -> None:
    """Receives whole rows, but reads only what it has to give back: the server is to be measured."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        raw = connection.pgconn
        raw.prepare(b"take", queue.take.format(batch=batch).encode())
        raw.prepare(b"done", queue.done.encode())
        start.wait()
        total = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            taken = _checked(raw.exec_prepared(b"take", []))
            if taken.ntuples == 0:
                continue
            tokens = _tokens(taken)
            settled = _checked(raw.exec_prepared(b"done", [tokens]))
            assert settled.get_value(0, 0) == str(taken.ntuples).encode(), (
                "not all that was taken was settled"
            )
            total += taken.ntuples
        results.put(total)


def _work_in_one(dsn: str, queue: Queue, batch: int, seconds: float, start, results) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        raw = connection.pgconn
        raw.prepare(b"next", queue.next.format(batch=batch).encode())
        start.wait()
        total, tokens = 0, b"{}"
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            taken = _checked(raw.exec_prepared(b"next", [tokens]))
            # Where there is nothing, there is no row, or one with nothing in it.
            is_empty = taken.ntuples == 0 or taken.get_value(0, 0) is None
            total += 0 if is_empty else taken.ntuples
            tokens = b"{}" if is_empty else _tokens(taken)
        results.put(total)


def _tokens(taken: pq.PGresult) -> bytes:
    return b"{" + b",".join([taken.get_value(row, 0) for row in range(taken.ntuples)]) + b"}"


def _checked(result: pq.PGresult) -> pq.PGresult:
    assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
    return result
