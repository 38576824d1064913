"""The trend of the last minutes: which tick falls into which slot, and what a slot says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.performance.requests import trend
from perfkit.performance.snapshot import Trend
from perfkit.store import Tick
from perfkit.store.history.ring import Column

NOW = 1_700_000_000.0

quantiles = st.none() | st.floats(0.0001, 10.0)
columns = st.builds(
    Column,
    count=st.integers(0, 1000).map(float),
    errors=st.integers(0, 1000).map(float),
    sum=st.floats(0.0, 100.0),
    p50=quantiles,
    p95=quantiles,
    p99=quantiles,
)


def tick(age: float, column: Column, duration: float = 1.0) -> Tick:
    return Tick(NOW - age, duration, {"total": column, "GET /": column})


ticks = st.lists(st.builds(tick, st.floats(0.0, 400.0), columns, st.floats(0.1, 60.0)), max_size=60)


def column(count: float = 10.0, errors: float = 0.0, p95: float | None = 0.1) -> Column:
    return Column(count, errors, 1.0, p95, p95, p95)


def last_minutes(*given: Tick) -> Trend:
    return trend(given, now=NOW, seconds=300.0, step=5.0)


@given(given_ticks=ticks)
def test_each_slot_agrees_with_the_obvious_model(given_ticks: list[Tick]) -> None:
    found = trend(given_ticks, now=NOW, seconds=300.0, step=5.0)
    assert found.step == 5.0
    for slot in range(60):
        youngest = (59 - slot) * 5.0
        inside = [each for each in given_ticks if youngest <= NOW - each.at < youngest + 5.0]
        totals = [each.columns["total"] for each in inside]
        count = sum(each.count for each in totals)
        duration = sum(each.duration for each in inside)
        assert found.rate[slot] == (pytest.approx(count / duration) if inside else None)
        assert found.errors[slot] == (pytest.approx(sum(each.errors for each in totals) / count) if count else None)
        for name in ("p50", "p95", "p99"):
            known = [value for each in totals if (value := getattr(each, name)) is not None]
            assert getattr(found, name)[slot] == (max(known) if known else None)


def test_without_ticks_every_slot_says_that_nothing_is_known() -> None:
    found = last_minutes()
    assert found.rate == found.errors == found.p50 == found.p95 == found.p99 == (None,) * 60


def test_the_youngest_is_last() -> None:
    found = last_minutes(tick(1.0, column(count=10.0)), tick(299.0, column(count=5.0)))
    assert (found.rate[59], found.rate[0]) == (10.0, 5.0)


def test_a_second_without_requests_has_a_rate_of_zero_and_no_error_rate() -> None:
    found = last_minutes(tick(1.0, column(count=0.0, p95=None)))
    assert (found.rate[59], found.errors[59], found.p95[59]) == (0.0, None, None)


def test_ticks_of_unequal_length_weigh_by_their_length() -> None:
    found = last_minutes(tick(1.0, column(count=10.0), duration=1.0), tick(2.0, column(count=10.0), duration=9.0))
    assert found.rate[59] == 2.0


def test_of_percentiles_the_highest_stands_for_the_slot() -> None:
    assert last_minutes(tick(1.0, column(p95=0.1)), tick(2.0, column(p95=0.9))).p95[59] == 0.9


def test_a_tick_of_a_clock_slightly_ahead_is_the_youngest() -> None:
    assert last_minutes(tick(-0.5, column())).rate[59] == 10.0


@pytest.mark.parametrize("age", [-30.0, 300.0, 4000.0])
def test_a_tick_outside_of_the_time_is_left_out(age: float) -> None:
    assert set(last_minutes(tick(age, column())).rate) == {None}
