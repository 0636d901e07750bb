"""Waiting for a condition, with a deadline: the only way that a test here lets time pass."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

T = TypeVar("T")


def eventually(
    predicate: Callable[[], T],
    timeout: float = 15.0,
    every: float = 0.05,
    what: str | Callable[[], object] = "",
) -> T:
    """Calls `predicate` until it returns something true, and returns that.

    `timeout` and `every` are in seconds. `what` goes into the failure: a text, or a function that is asked
    then (such as `database.status`). A connection that fails counts as "not yet": servers restart in
    these tests. An AssertionError inside the predicate counts as "not yet" as well.

    Raises AssertionError with the last value when the deadline has passed.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            last: object = predicate()
            if last:
                return last  # type: ignore[return-value]
        except (AssertionError, psycopg.OperationalError) as error:
            last = error
        if time.monotonic() >= deadline:
            detail = what() if callable(what) else what
            raise AssertionError(f"not within {timeout:g} s; last value: {last!r}\n{detail}".rstrip())
        time.sleep(every)
