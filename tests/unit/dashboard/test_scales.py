"""Axes have round ticks, and thinning loses no spike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists, none

from perfkit.dashboard.scales import gaps, nice_ticks, runs, thinned
from perfkit.dashboard.times import time_ticks
from perfkit.performance.snapshot import Trend


@given(highest=floats(1e-9, 1e12))
def test_ticks_reach_the_highest_value_in_a_few_even_steps(highest: float) -> None:
    ticks = nice_ticks(highest)
    assert ticks[0] == 0.0
    assert highest * (1 - 1e-6) <= ticks[-1] <= highest * 2
    assert 3 <= len(ticks) - 1 <= 8
    assert ticks[-1] == pytest.approx(ticks[1] * (len(ticks) - 1))


@pytest.mark.parametrize("highest", [0.0, -1.0, float("nan"), float("inf")])
def test_ticks_of_nothing_are_zero_and_one(highest: float) -> None:
    assert nice_ticks(highest) == (0.0, 1.0)


@given(start=integers(0, 2_000_000_000), length=integers(1, 40 * 86_400), offset=integers(-12, 14))
def test_times_on_an_axis_are_few_in_order_and_inside(start: int, length: int, offset: int) -> None:
    ticks = time_ticks(float(start), float(start + length), timezone(timedelta(hours=offset)))
    places = [place for place, _ in ticks]
    assert len(ticks) <= 7
    assert places == sorted(places)
    assert all(0.0 <= place <= 1.0 for place in places)


def test_times_on_an_axis_are_whole_in_the_servers_zone() -> None:
    end = datetime(2026, 1, 1, 14, 52, 10, tzinfo=UTC).timestamp()
    assert [said for _, said in time_ticks(end - 300, end, UTC)] == ["14:48", "14:49", "14:50", "14:51", "14:52"]
    nepal = timezone(timedelta(hours=5, minutes=45))
    assert [said for _, said in time_ticks(end - 4 * 3600, end, nepal)][:2] == ["17:00", "18:00"]
    assert time_ticks(end, end, UTC) == []


@given(values=lists(none() | floats(0.0, 100.0), max_size=400))
def test_thinning_keeps_the_spike_and_the_length_of_time(values: list[float | None]) -> None:
    series = tuple(values)
    trend = Trend(step=5.0, rate=series, errors=series, p50=series, p95=series, p99=series)
    thin = thinned(trend, limit=50)
    assert len(thin.p99) <= 50
    assert max((v for v in thin.p99 if v is not None), default=None) == max(
        (v for v in values if v is not None), default=None
    )
    assert thin.step * len(thin.p99) >= 5.0 * len(values)
    assert len(values) > 50 or thin == trend


def test_series_of_unlike_length_end_together() -> None:
    thin = thinned(Trend(step=1.0, rate=(1.0, 2.0, 3.0, 4.0), p99=(9.0,)), limit=2)
    assert thin.rate == (1.5, 3.5)
    assert thin.p99 == (None, 9.0)


def test_gaps_break_a_line() -> None:
    assert runs([None, 1.0, 2.0, None, float("nan"), 3.0]) == [[(1, 1.0), (2, 2.0)], [(5, 3.0)]]
    assert runs([None, None]) == []


def test_a_gap_lies_between_two_values() -> None:
    assert gaps((None, 1.0, None, None, 2.0, 3.0, None, 0.0, None)) == [(2, 3), (6, 6)]
    assert gaps((None, None)) == []
    assert gaps((1.0, 2.0)) == []
