"""Plain output for a person: colour and a moving progress bar on a terminal, bare lines anywhere else."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any


class Terminal:
    def __init__(self) -> None:
        self._moving = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._moving and "NO_COLOR" not in os.environ
        self._width = min(shutil.get_terminal_size((100, 24)).columns, 110)
        self._steps = 0
        self._last_line = -1.0

    def _styled(self, style: str, text: str) -> str:
        return f"\033[{style}m{text}\033[0m" if self._colour else text

    def say(self, text: str) -> None:
        print(text, flush=True)

    def title(self, text: str) -> None:
        self.say(f"\n{self._styled('1', text)}\n")

    def step(self, text: str) -> None:
        self._steps += 1
        self.say(f"\n{self._styled('1;36', f'{self._steps}. {text}')}")

    def success(self, text: str) -> None:
        self.say(f"\n{self._styled('1;32', text)}")

    def failure(self, text: str) -> None:
        self.say(f"\n{self._styled('1;31', 'FAILED: ' + text)}")

    def sql(self, statement: str) -> None:
        prompt = "demo=# "
        lines = statement.rstrip(";").splitlines()
        shown = "\n".join(
            (prompt if number == 0 else " " * len(prompt)) + line for number, line in enumerate(lines)
        )
        self.say(self._styled("33", shown + ";"))

    def json(self, value: Any) -> None:
        self.say(
            "\n".join("  " + line for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines())
        )

    def table(self, rows: Sequence[Any], limit: int, seconds: float) -> None:
        """Rows with named columns, aligned, cut to the terminal's width; then their time."""
        if rows and len(rows[0]):
            names = list(rows[0]._fields)
            cells = [[_cell(value) for value in row] for row in rows[:limit]]
            widths = [max(len(line[column]) for line in [names, *cells]) for column in range(len(names))]
            numeric = [
                isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in rows[0]
            ]
            for line in [names, ["-" * width for width in widths], *cells]:
                padded = [
                    cell.rjust(width) if right else cell.ljust(width)
                    for cell, width, right in zip(line, widths, numeric, strict=True)
                ]
                self.say(("  " + "  ".join(padded))[: self._width].rstrip())
            if len(rows) > limit:
                self.say(f"  … {len(rows) - limit} more")
        self.say(self._styled("2", f"  ({seconds * 1000:.0f} ms)"))

    def progress(self, done: int, total: int | None, seconds: float) -> None:
        """A bar that is drawn over itself, or, where nothing can move, a line a second."""
        rate = f"{done / seconds:,.0f}/s" if seconds > 0.2 else ""
        if total:
            share = min(done / total, 1.0)
            filled = round(share * 40)
            line = (
                f"  [{'#' * filled}{'.' * (40 - filled)}] {share:4.0%}  {done:,} of {total:,} objects  {rate}"
            )
        else:
            line = f"  {done:,} objects  {rate}"
        if self._moving:
            print(f"\r{line}\033[K", end="", flush=True)
        elif seconds - self._last_line >= 1 or (total is not None and done >= total):
            self._last_line = seconds
            self.say(line)

    def progress_done(self) -> None:
        if self._moving:
            print(flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
