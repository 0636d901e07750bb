"""What Linux tells about a process: CPU time and memory."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far, in user and kernel mode."""
    return _cpu(Path(f"/proc/{pid}/stat").read_text())[1]


def thread_cpu_seconds(pid: int) -> Counter[str]:
    """The same by name of thread, of those that live."""
    found: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, seconds = _cpu((task / "stat").read_text())
        # The main thread bears the name of the program.
        found["main thread" if task.name == str(pid) else f"thread {name}"] += seconds
    return found


def _cpu(stat: str) -> tuple[str, float]:
    # The name is in brackets and may hold anything, so the fields are counted from the last bracket.
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, (int(fields[11]) + int(fields[12])) / TICKS


@dataclass(frozen=True)
class Memory:
    """Resident memory in bytes: the process's own, mapped files, and PostgreSQL's shared memory."""

    anonymous: int
    files: int
    shared: int


def memory(pid: int) -> Memory:
    kilobytes = dict.fromkeys(("RssAnon", "RssFile", "RssShmem"), 0)
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in kilobytes:
            kilobytes[name] = int(value.split()[0])
    return Memory(*(value * 1024 for value in kilobytes.values()))


class Sampler:
    """Calls `look` each `every` seconds on a thread of its own while the `with` block runs."""

    def __init__(self, look: Callable[[], None], every: float) -> None:
        self._look = look
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._problem: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.is_set():
                self._look()
                due += self._every
                self._stop.wait(max(0.0, due - time.monotonic()))
        except Exception as problem:
            self._problem = problem
