"""What happens to a server: it stops, it crashes, processes die, locks are taken, the disk is full."""

import time

from harness import ServerError, eventually

from .world import Actor, World

CLIENTS = "torture client"
WORKER, LAUNCHER = "sequin worker", "sequin launcher"
# A file can't grow beyond: for the worker's next WAL it is as if the disk were full. The server panics and
# recovers, as it does from a full disk once there is room again.
FULL = 64 * 1024
STOPPED_WITHIN = 15
"""Seconds; at a standstill of the machine as well."""


class Trouble(Actor):
    """One thing after another, until the world is calm; then the server runs, and its workers with it."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "trouble", world.calm)
        self._last_one = True

    def act(self) -> None:
        # Each with how often it is chosen. Workers that end soon are started again later and later.
        kinds = {
            self._terminate_worker: 2,
            self._terminate_launcher: 1,
            self._cancel_worker: 4,
            self._stop_fast: 2,
            self._stop_immediate: 3,
            self._kill: 3,
            self._fill_disk: 2,
            self._lock_stream: 4,
            self._lock_records: 3,
            self._reload: 2,
        }
        self.rng.choices(list(kinds), list(kinds.values()))[0]()
        self.pause(0.8)

    def finish(self) -> None:
        if not self.world.cluster.running():
            self.world.cluster.start()
        self.session.execute("ALTER SYSTEM RESET sequin.poll_interval")
        self.session.execute("ALTER SYSTEM RESET sequin.request_timeout")
        self.world.cluster.reload()
        if self._last_one:
            # The last that happens, as a crash would cover up what it has done.
            self._last_one = False
            before = eventually(lambda: self._pids(LAUNCHER), 20, what="there is no launcher")
            self._terminate_launcher()
            eventually(lambda: set(self._pids(LAUNCHER)) - set(before), 20, what="there is no new launcher")
        [wanted] = self.session.execute("SHOW sequin.workers").fetchone()
        eventually(lambda: len(self._pids(WORKER)) >= int(wanted), 40, what="workers are missing")
        # A launcher that doesn't know of them would start others within a moment.
        time.sleep(1.0)
        workers = self._pids(WORKER)
        assert len(workers) == int(wanted), f"{wanted} workers are wanted, and there are {workers}"

    def _pids(self, kind: str) -> list[int]:
        rows = self.session.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = %s", [kind])
        return [pid for (pid,) in rows]

    def _signal(self, function: str, kind: str) -> None:
        pids = self._pids(kind)
        if pids:
            pid = self.rng.choice(pids)
            self.world.note(function, f"{kind} {pid}")
            self.session.execute(f"SELECT {function}(%s)", [pid])

    def _terminate_worker(self) -> None:
        self._signal("pg_terminate_backend", WORKER)

    def _terminate_launcher(self) -> None:
        self._signal("pg_terminate_backend", LAUNCHER)

    def _cancel_worker(self) -> None:
        """The statement that it is at fails; a statement_timeout would do nothing to a worker."""
        self._signal("pg_cancel_backend", WORKER)

    def _stop_fast(self) -> None:
        self._stop("fast")

    def _stop_immediate(self) -> None:
        self._stop("immediate")

    def _stop(self, mode: str) -> None:
        self.world.note(f"stop {mode}")
        cluster = self.world.cluster
        self.world.clients.crashes.append(time.monotonic())
        try:
            cluster.stop(mode, STOPPED_WITHIN)
        except ServerError:
            left = "\n".join(cluster.processes())
            self.world.problems.append(f"promise 9: stop -m {mode} within {STOPPED_WITHIN} s left\n{left}")
            cluster.stop("immediate")
        self.pause(0.2)
        cluster.start()

    def _kill(self) -> None:
        """As the kernel does that has no memory left; then the server restarts all processes."""
        kind = self.rng.choice((WORKER, LAUNCHER, "client backend", "walwriter", "background writer"))
        victims = self._pids(kind)
        if victims:
            self.world.note("kill", kind)
            self.world.clients.crashes.append(time.monotonic())
            self.world.cluster.kill(self.rng.choice(victims))

    def _fill_disk(self) -> None:
        pids = self._pids(WORKER)
        if pids:
            pid = self.rng.choice(pids)
            self.world.note("disk full", f"for worker {pid}")
            self.world.clients.crashes.append(time.monotonic())
            with self.world.cluster.limited_files(pid, FULL):
                self.pause(0.2)

    def _lock_stream(self) -> None:
        """Another session writes the stream, and takes its time."""
        stream = self.rng.choice(sorted({sync.stream for sync in self.world.syncs.values()}))
        self.world.note("lock", f"stream {stream}")
        with self.session.transaction():
            self.session.execute(
                "SELECT sequin._lock_stream(id) FROM sequin.streams WHERE name = %s", [stream]
            )
            self.pause(0.6)

    def _lock_records(self) -> None:
        mode = self.rng.choice(("SHARE", "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"))
        self.world.note("lock", f"sequin.records in {mode} mode")
        with self.session.transaction():
            self.session.execute(f"LOCK TABLE sequin.records IN {mode} MODE")
            self.pause(0.4)

    def _reload(self) -> None:
        poll, timeout = self.rng.choice(("100ms", "200ms", "1s")), self.rng.choice(("1s", "2s", "5s"))
        workers = self.rng.randrange(1, 4)
        self.world.note("reload", f"poll_interval {poll}, request_timeout {timeout}, workers {workers}")
        self.session.execute(f"ALTER SYSTEM SET sequin.workers = {workers}")
        self.session.execute(f"ALTER SYSTEM SET sequin.poll_interval = '{poll}'")
        self.session.execute(f"ALTER SYSTEM SET sequin.request_timeout = '{timeout}'")
        self.world.cluster.reload()


class Terminator(Actor):
    """Ends sessions of clients, one now and then, until the end."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "terminator", world.over)

    def act(self) -> None:
        self.pause(0.4)
        rows = self.session.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s ORDER BY pid", [CLIENTS]
        ).fetchall()
        if not rows:
            return
        [pid] = self.rng.choice(rows)
        self.world.clients.kills[pid].append(time.monotonic())
        self.session.execute("SELECT pg_terminate_backend(%s)", [pid])
        self.world.done["client terminated"] += 1
