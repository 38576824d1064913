"""Quantiles of summaries and timers against sorted data."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.core.families import Histogram, Summary
from perfkit.metrics import MetricsCollector
from perfkit.store.boundaries import FINEST, GUARANTEED
from perfkit.store.quantiles import SUMMARY_QUANTILES, quantile
from perfkit.testing import FakeClock

unhurried = settings(deadline=None)

LOWEST, HIGHEST = 2.0**-30, 2.0**50
"""Between these a summary tells values apart."""

magnitudes = st.floats(LOWEST, HIGHEST * 0.99)
near = st.floats(0.5, 2.0)
values = st.lists(magnitudes | near | st.just(0.0), min_size=1, max_size=200)


def exact(ordered: list[float], q: float) -> float:
    """Return the smallest value that at least the share *q* of all does not exceed."""
    return ordered[max(0, math.ceil(q * len(ordered) - 1e-9) - 1)]


def recorded(observed: list[float]) -> Summary:
    metrics = MetricsCollector(clock=FakeClock())
    summary = metrics.define_metric("weight", "summary")
    for value in observed:
        summary.record(value)
    (family,) = metrics._context.store.families({"weight"})
    value = family.points[0].value
    assert isinstance(value, Summary)
    return value


@unhurried
@given(values)
def test_quantiles_of_a_summary_are_within_6_percent_at_any_magnitude(observed: list[float]) -> None:
    found = recorded(observed)
    assert found.count == len(observed)
    assert found.sum == pytest.approx(sum(observed))
    ordered = sorted(observed)
    for q, at in found.quantiles:
        assert at == pytest.approx(exact(ordered, q), rel=0.06)


@unhurried
@given(st.lists(st.floats(-1e12, 0.0, exclude_max=True), min_size=1, max_size=50), values)
def test_negative_values_lie_below_all_others_and_are_not_told_apart(below: list[float], above: list[float]) -> None:
    found = recorded([*below, *above])
    ordered = sorted([*below, *above])
    for q, at in found.quantiles:
        wanted = exact(ordered, q)
        assert at == (-math.inf if wanted < 0 else pytest.approx(wanted, rel=0.06))
    assert tuple(q for q, _ in found.quantiles) == SUMMARY_QUANTILES


@unhurried
@given(st.lists(st.floats(HIGHEST, 1e300) | st.just(math.inf), min_size=1, max_size=20))
def test_what_is_too_large_counts_as_the_largest(observed: list[float]) -> None:
    for _, at in recorded(observed).quantiles:
        assert at == pytest.approx(HIGHEST, rel=0.06)


@unhurried
@given(st.lists(st.floats(5e-324, LOWEST), min_size=1, max_size=20))
def test_what_is_too_small_counts_as_the_smallest(observed: list[float]) -> None:
    for _, at in recorded(observed).quantiles:
        assert at == pytest.approx(LOWEST, rel=0.06)


@unhurried
@given(st.lists(st.just(math.nan), max_size=3), values)
def test_what_is_no_number_is_no_observation(nothing: list[float], observed: list[float]) -> None:
    assert recorded([*nothing, *observed]) == recorded(observed)


@unhurried
@given(st.lists(st.floats(FINEST, GUARANTEED), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 0.999]))
def test_percentiles_of_a_timer_are_within_6_percent(observed: list[float], q: float) -> None:
    metrics = MetricsCollector(clock=FakeClock())
    timer = metrics.define_metric("query", "timer")
    for value in observed:
        timer.record(value)
    (family,) = metrics._context.store.families({"query_seconds"}, detailed=True)
    value = family.points[0].value
    assert isinstance(value, Histogram)
    assert quantile(value.boundaries, value.counts, q) == pytest.approx(exact(sorted(observed), q), rel=0.0601)
