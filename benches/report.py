"""What was measured, for people and as JSON."""

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BUSY = 0.5
"""A load average above which something else is at work."""


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of the runs, pair by pair: what slows the machine for a while slows both."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


class Report:
    """Prints each figure as it comes, and keeps all of them."""

    def __init__(self) -> None:
        self._benchmarks: dict[str, dict[str, Any]] = {}
        self._current: dict[str, Any] = {}
        self._load = os.getloadavg()[0]
        if self._load > BUSY:
            print(f"The machine is busy (load {self._load:.1f}): the figures suffer from it.")

    def benchmark(self, name: str, what: str) -> None:
        """Begins a benchmark; `what` is its module's description, of which the first line is shown."""
        self._current = {"measured": [], "judged": [], "notes": []}
        self._benchmarks[name] = self._current
        print(f"\n{name}: {what.strip().splitlines()[0]}", flush=True)

    def measured(self, name: str, values: Sequence[float], unit: str) -> float:
        """Notes the runs of one contestant; returns their median."""
        median = statistics.median(values)
        runs = "   runs " + "  ".join(_number(value) for value in values) if len(values) > 1 else ""
        print(f"  {name:<34} {_number(median):>10} {unit}{runs}", flush=True)
        self._current["measured"].append({"name": name, "median": median, "unit": unit, "runs": list(values)})
        return median

    def judged(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Notes a figure that has a target: one of `at_least` and `at_most`, in the figure's unit."""
        target = at_least if at_least is not None else at_most
        assert target is not None
        if at_least is not None:
            met, sign, off = value >= target, ">=", target - value
        else:
            met, sign, off = value <= target, "<=", value - target
        verdict = "met" if met else f"MISSED by {_number(off)} {unit}"
        if not met and target:
            verdict += f" ({off / target:.0%} of the target)"
        line = f"{name:<34} {_number(value):>10} {unit:<10} target {sign} {_number(target)} {unit}: {verdict}"
        print(f"  {line}", flush=True)
        self._current["judged"].append(
            {
                "name": name,
                "value": value,
                "unit": unit,
                "target": f"{sign} {target:g}",
                "met": met,
                "line": line,
            }
        )

    def note(self, text: str) -> None:
        print(f"  {text}", flush=True)
        self._current["notes"].append(text)

    def summary(self) -> None:
        lines = [figure["line"] for each in self._benchmarks.values() for figure in each["judged"]]
        print("\nTargets")
        for line in lines:
            print(f"  {line}")

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        for each in self._benchmarks.values():
            for figure in each["judged"]:
                figure.pop("line", None)
        content = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": {
                "cpus": os.cpu_count(),
                "system": platform.platform(),
                "python": platform.python_version(),
                "load": self._load,
            },
            "benchmarks": self._benchmarks,
        }
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"\nAll figures are in {os.path.relpath(path)}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
