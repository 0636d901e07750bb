"""`make bench`: figures beside their peers', each pair from one run. README.md says how to read them.

usage: benches/run.py [NAME…]    the benchmarks to run, all of them unless named
Needs the extension installed (`make install`). The exit status is 0 if everything ran, whatever the figures.
"""

import signal
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]

import apply  # noqa: E402
import backfill  # noqa: E402
import backlog  # noqa: E402
import budget  # noqa: E402
import bulk  # noqa: E402
import consume  # noqa: E402
import crowd  # noqa: E402
import delivery  # noqa: E402
import fetch  # noqa: E402
import fresh  # noqa: E402
import idle  # noqa: E402
import latency  # noqa: E402
import many  # noqa: E402
import memory  # noqa: E402
import mutations  # noqa: E402
from report import Report  # noqa: E402

import providers  # noqa: E402

MODULES = (
    backfill,
    bulk,
    budget,
    providers,
    apply,
    memory,
    idle,
    latency,
    fresh,
    many,
    consume,
    fetch,
    backlog,
    crowd,
    delivery,
    mutations,
)
BENCHMARKS = {each.__name__: each for each in MODULES}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(
            f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr
        )
        return 2
    # Ended from outside, the clusters are removed all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report()
    failed = []
    for name in names or BENCHMARKS:
        began = time.monotonic()
        report.benchmark(name, BENCHMARKS[name].__doc__ or "")
        try:
            BENCHMARKS[name].run(report)
        except Exception:
            traceback.print_exc()
            failed.append(name)
        report.note(f"took {time.monotonic() - began:.0f} s")
    report.summary()
    report.save(ROOT / "target" / "bench.json")
    for name in failed:
        print(f"{name} did not run to its end: see its error above")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
