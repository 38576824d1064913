"""What is worth keeping: failures, the slowest, one in many; never many."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.names import REQUEST_DURATION
from perfkit.recorder.choice import Budget, Choice
from perfkit.recorder.settings import RecorderSettings
from perfkit.store import Row

LABELS = ("GET", "/orders", "200", "http", "")


def choice(*, is_error: bool = False, target: float = 1.0, **settings: int) -> Choice:
    row = Row(REQUEST_DURATION, LABELS, 0)
    made = RecorderSettings(**settings)  # type: ignore[arg-type]
    return Choice(row, made, is_error=is_error, target=target, now=0.0)


def offered(one: Choice, seconds: float) -> str:
    """What an adapter does: it asks only from `keep_from` on."""
    return one.take(seconds) if seconds >= one.row.keep_from else ""


def counts(one: Choice, *durations: float) -> list[float]:
    bounds = one.row.bounds
    found = [0.0] * (len(bounds) + 1)
    for seconds in durations:
        found[sum(seconds > bound for bound in bounds)] += 1.0
    return found


def test_the_first_exchange_is_kept_and_then_only_slow_ones() -> None:
    one = choice(target=0.5)
    assert [offered(one, seconds) for seconds in (0.01, 0.01, 0.49, 0.5, 0.02)] == ["sample", "", "", "slow", ""]


def test_of_slow_ones_the_slowest_are_kept() -> None:
    one = choice(target=0.1, slowest=2)
    offered(one, 0.0)
    kept = [seconds for seconds in (0.2, 0.3, 0.25, 0.21, 0.9, 0.26, 0.31) if offered(one, seconds)]
    assert kept == [0.2, 0.3, 0.25, 0.9, 0.31]
    assert one.row.keep_from == 0.31


def test_a_new_window_begins_anew_with_what_is_slow_for_this_route() -> None:
    one = choice(target=1.0, sample=0)
    offered(one, 0.0)
    one.renew(one.row.bounds, counts(one, *[0.01] * 90, *[0.2] * 10), 60.0)
    assert 0.008 < one.row.keep_from <= 0.01
    assert offered(one, 0.15) == "slow"
    one.renew(one.row.bounds, counts(one, *[0.3] * 100), 100.0)
    assert one.row.keep_from <= 0.01, "the window is not over"
    one.renew(one.row.bounds, counts(one, *[0.3] * 100), 121.0)
    assert 0.25 < one.row.keep_from <= 0.3


def test_failures_are_kept_until_there_are_enough_in_a_window() -> None:
    one = choice(is_error=True, errors=3)
    assert [offered(one, 0.001) for _ in range(5)] == ["error", "error", "error", "", ""]
    assert math.isinf(one.row.keep_from)
    one.renew(one.row.bounds, counts(one), 61.0)
    assert offered(one, 0.001) == "error"


def test_one_in_many_is_kept_as_it_comes() -> None:
    one = choice(target=math.inf, sample=100)
    assert offered(one, 0.01) == "sample"
    one.renew(one.row.bounds, counts(one, *[0.01] * 49), 61.0)
    assert offered(one, 0.001) == ""
    one.renew(one.row.bounds, counts(one, *[0.01] * 100), 122.0)
    assert [offered(one, 0.0), offered(one, 0.0)] == ["sample", ""]


def test_at_rest_nothing_is_wanted() -> None:
    one = choice()
    one.rest()
    assert math.isinf(one.row.keep_from)
    one.resume()
    assert one.row.keep_from == 0.0


@pytest.mark.parametrize("total", [1_000, 30_000])
def test_a_steady_route_is_not_kept_more_often_the_busier_it_is(total: int) -> None:
    one, chance = choice(sample=0), random.Random(5)
    durations = [chance.lognormvariate(-3.0, 0.5) for _ in range(total)]
    one.renew(one.row.bounds, counts(one, *durations[:1000]), 60.0)
    kept = sum(bool(offered(one, seconds)) for seconds in durations)
    assert 3 <= kept <= 60


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 100)), max_size=100))
def test_a_budget_never_spends_more_than_it_has(spent: list[tuple[int, int]]) -> None:
    budget, now, taken = Budget(rate=10.0, burst=500.0, now=0.0), 0.0, 0
    for size, later in spent:
        now += later
        if budget.spend(size, now):
            taken += size
        assert taken <= 500.0 + 10.0 * now
