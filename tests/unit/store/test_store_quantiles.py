"""Percentiles out of buckets: how wrong they can be."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists

from perfkit.core.names import HTTP_BOUNDARIES
from perfkit.store.boundaries import FINE, FINEST, GUARANTEED, RELATIVE_ERROR, fine_with
from perfkit.store.quantiles import (
    SUMMARY_BUCKETS,
    SUMMARY_WIDTH,
    quantile,
    summary_bucket,
    summary_quantile,
)

latencies = lists(floats(FINEST, GUARANTEED), min_size=1, max_size=60)
shares = integers(1, 999).map(lambda thousandth: thousandth / 1000)


def count(values: list[float], boundaries: tuple[float, ...] = FINE) -> list[float]:
    counts = [0.0] * (len(boundaries) + 1)
    for value in values:
        counts[bisect_left(boundaries, value)] += 1.0
    return counts


def true_quantile(values: list[float], q: float) -> float:
    return sorted(values)[max(1, math.ceil(q * len(values))) - 1]


def test_the_fine_boundaries_are_about_120_and_hold_opentelemetrys() -> None:
    assert 110 <= len(FINE) <= 125
    assert set(HTTP_BOUNDARIES) <= set(FINE)
    assert list(FINE) == sorted(set(FINE))
    assert (FINE[1], FINE[-1]) == (FINEST, 3600.0)


def test_neighbours_are_near_enough_for_the_guarantee() -> None:
    inside = [bound for bound in FINE if bound <= GUARANTEED]
    assert max(high / low for low, high in pairwise(inside)) <= (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
    per_decade = [bound for bound in FINE if 0.001 < bound <= 0.01]
    assert len(per_decade) == 20


def test_shown_boundaries_are_always_among_the_fine_ones() -> None:
    assert fine_with(HTTP_BOUNDARIES) is FINE
    assert set(fine_with((0.0123,))) == {*FINE, 0.0123}


@given(latencies, shares)
def test_a_percentile_is_within_six_percent(values: list[float], q: float) -> None:
    assert quantile(FINE, count(values), q) == pytest.approx(true_quantile(values, q), rel=RELATIVE_ERROR + 1e-9)


@given(lists(latencies, min_size=1, max_size=8), shares)
def test_a_percentile_of_several_workers_is_within_six_percent(workers: list[list[float]], q: float) -> None:
    merged = [sum(slot) for slot in zip(*map(count, workers), strict=True)]
    everything = [value for values in workers for value in values]
    assert quantile(FINE, merged, q) == pytest.approx(true_quantile(everything, q), rel=RELATIVE_ERROR + 1e-9)


@given(latencies, shares)
def test_a_percentile_lies_in_the_bucket_of_the_true_one(values: list[float], q: float) -> None:
    boundaries = (0.001, 0.1, 1.0)
    found = quantile(boundaries, count(values, boundaries), q)
    bucket = bisect_left(boundaries, true_quantile(values, q))
    assert (boundaries[bucket - 1] if bucket else 0.0) <= found <= boundaries[min(bucket, 2)]


def test_coarse_buckets_are_interpolated_on_a_logarithmic_scale() -> None:
    assert quantile((1.0, 100.0), [0.0, 10.0, 0.0], 0.5) == pytest.approx(10.0)
    assert quantile((1.0, 100.0), [10.0, 0.0, 0.0], 0.5) == pytest.approx(0.5)


def test_beyond_the_last_bound_nothing_more_is_known() -> None:
    assert quantile((1.0, 2.0), [0.0, 0.0, 5.0], 0.5) == 2.0


def test_nothing_has_no_percentile() -> None:
    assert math.isnan(quantile(FINE, [0.0] * (len(FINE) + 1), 0.5))
    assert math.isnan(summary_quantile([0.0] * SUMMARY_BUCKETS, 0.5))


def test_negative_boundaries_do_not_break_anything() -> None:
    assert quantile((-2.0, -1.0, 1.0), [0.0, 4.0, 0.0, 0.0], 0.5) <= -1.0


@given(lists(floats(2.0**-29, 2.0**49), min_size=1, max_size=60), shares)
def test_a_summarys_quantile_is_within_six_percent(values: list[float], q: float) -> None:
    counts = [0.0] * SUMMARY_BUCKETS
    for value in values:
        counts[summary_bucket(value)] += 1.0
    assert summary_quantile(counts, q) == pytest.approx(true_quantile(values, q), rel=0.06)


@given(floats(allow_nan=False))
def test_every_number_has_a_bucket(value: float) -> None:
    assert 0 <= summary_bucket(value) < SUMMARY_BUCKETS


def test_zeros_and_negatives_have_their_own() -> None:
    counts = [0.0] * SUMMARY_BUCKETS
    for value in (-5.0, 0.0, 0.0, 8.0):
        counts[summary_bucket(value)] += 1.0
    assert summary_quantile(counts, 0.25) == -math.inf
    assert summary_quantile(counts, 0.75) == 0.0
    assert summary_quantile(counts, 1.0) == pytest.approx(8.0, rel=0.06)
    assert SUMMARY_WIDTH <= 1000
