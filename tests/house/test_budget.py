"""What tells whether a budget was kept: harness/budget.py, which every test of a sync ends with."""

import time

import pytest
from harness.budget import Budgets, most_within

STRICT = {"allowed_requests": 3, "interval": 1}
LOOSE = {"allowed_requests": 10, "interval": 1}


def arrivals(credential: str, *moments: float) -> list[tuple[str, float]]:
    """So many seconds after now."""
    now = time.time() + 1
    return [(credential, now + moment) for moment in moments]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [([], (0, 0)), ([5.0], (1, 0)), ([0, 0.4, 0.9, 1.0, 1.1], (4, 1)), ([0, 1, 2], (1, 0))],
)
def test_the_fullest_window(moments: list[float], expected: tuple[int, int]) -> None:
    """What is a whole interval later is in the next window."""
    assert most_within(moments, 1.0) == expected


def test_one_request_too_many_is_seen() -> None:
    budgets = Budgets()
    budgets.grant("key", "owner", STRICT)
    assert not budgets.exceeded(arrivals("key", 0, 0.3, 0.6, 1.0, 1.3))
    [problem] = budgets.exceeded(arrivals("key", 0, 0.3, 0.6, 0.9))
    assert "4 requests" in problem


def test_credentials_count_by_themselves() -> None:
    budgets = Budgets()
    budgets.grant("one", "owner", STRICT)
    budgets.grant("two", "owner", STRICT)
    both = arrivals("one", 0, 0.3, 0.6) + arrivals("two", 0.1, 0.4, 0.7) + arrivals("none", *[0.5] * 20)
    assert not budgets.exceeded(both)


def test_the_strictest_budget_counts_from_when_it_is_given() -> None:
    budgets = Budgets()
    budgets.grant("key", "owner", LOOSE)
    before = [("key", time.time())] * 8
    time.sleep(0.01)
    budgets.grant("key", "owner", STRICT)
    budgets.grant("key", "owner", LOOSE)
    assert not budgets.exceeded(before + arrivals("key", 0, 0.3, 0.6))
    assert budgets.exceeded(before + arrivals("key", 0, 0.3, 0.6, 0.9))


def test_owners_that_do_not_know_of_each_other_have_a_budget_each() -> None:
    budgets = Budgets()
    budgets.grant("key", "one database", STRICT)
    budgets.grant("key", "another", STRICT)
    assert not budgets.exceeded(arrivals("key", *[n / 10 for n in range(6)]))
    assert budgets.exceeded(arrivals("key", *[n / 100 for n in range(60)]))
