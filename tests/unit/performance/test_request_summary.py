"""Rates, errors, shares and percentiles out of buckets, against an obvious model of single requests."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.families import Family, Histogram, Point
from perfkit.core.names import CLIENT_DISCONNECTED, REQUEST_DURATION, ROUTE_STATEMENTS
from perfkit.performance.requests import MINIMUM, summarize, with_queries
from perfkit.performance.snapshot import Latency
from perfkit.store.boundaries import FINE, RELATIVE_ERROR

Labels = tuple[str, str, str, str, str]

labels = st.tuples(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["", "/a", "/items/{item_id}"]),
    st.sampled_from(["200", "404", "500", ""]),
    st.sampled_from(["http", "https"]),
    st.sampled_from(["", "500", "ValueError", CLIENT_DISCONNECTED, "cancelled"]),
)
seconds = st.floats(0.0001, 10.0)
requests = st.lists(st.tuples(labels, seconds), max_size=200)


def points_of(made: list[tuple[Labels, float]]) -> list[Point]:
    """Return what a store would show of single requests."""
    series: dict[Labels, list[float]] = defaultdict(list)
    for key, duration in made:
        series[key].append(duration)
    points = []
    for key, durations in series.items():
        counts = [0.0] * (len(FINE) + 1)
        for duration in durations:
            counts[bisect_left(FINE, duration)] += 1.0
        points.append(Point(key, Histogram(FINE, counts, math.fsum(durations))))
    return points


def is_failure(key: Labels) -> bool:
    return key[4] not in ("", CLIENT_DISCONNECTED)


def nearest_rank(durations: list[float], q: float) -> float:
    return sorted(durations)[max(0, math.ceil(q * len(durations)) - 1)]


@given(made=requests, duration=st.floats(0.001, 86_400))
def test_counts_rates_and_errors_agree_with_single_requests(made: list[tuple[Labels, float]], duration: float) -> None:
    total, routes = summarize(points_of(made), duration)
    failures = sum(is_failure(key) for key, _ in made)
    assert (total.requests, total.errors) == (len(made), failures)
    assert total.rate == pytest.approx(len(made) / duration)
    assert total.error_rate == (failures / len(made) if made else 0.0)

    groups: dict[tuple[str, str], list[tuple[Labels, float]]] = defaultdict(list)
    for key, took in made:
        groups[key[:2]].append((key, took))
    assert {(route.method, route.route) for route in routes} == set(groups)
    for route in routes:
        group = groups[route.method, route.route]
        assert route.requests == len(group)
        assert route.errors == sum(is_failure(key) for key, _ in group)
        assert route.error_rate == route.errors / route.requests
        assert route.rate == pytest.approx(len(group) / duration)
        assert route.seconds == pytest.approx(sum(took for _, took in group))
        assert route.latency.mean == pytest.approx(route.seconds / route.requests)


@given(made=requests)
def test_shares_of_the_time_sum_to_one_and_the_busiest_comes_first(made: list[tuple[Labels, float]]) -> None:
    _, routes = summarize(points_of(made), 60.0)
    shares = [route.share for route in routes]
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert sum(shares) == pytest.approx(1.0 if made else 0.0)
    assert shares == sorted(shares, reverse=True)


@given(durations=st.lists(seconds, min_size=MINIMUM, max_size=300))
def test_percentiles_are_within_six_percent_of_the_true_ones(durations: list[float]) -> None:
    total, (route,) = summarize(points_of([(("GET", "/", "200", "http", ""), took) for took in durations]), 60.0)
    assert route.latency == total.latency
    for q, found in {
        0.5: total.latency.p50,
        0.9: total.latency.p90,
        0.95: total.latency.p95,
        0.99: total.latency.p99,
    }.items():
        assert found == pytest.approx(nearest_rank(durations, q), rel=RELATIVE_ERROR + 1e-6)
    assert total.latency.max == pytest.approx(max(durations), rel=RELATIVE_ERROR + 1e-6)


@given(durations=st.lists(seconds, min_size=1, max_size=MINIMUM - 1))
def test_fewer_than_twenty_requests_have_a_mean_but_no_percentile(durations: list[float]) -> None:
    total, _ = summarize(points_of([(("GET", "/", "200", "http", ""), took) for took in durations]), 60.0)
    assert total.latency == Latency(mean=pytest.approx(sum(durations) / len(durations)))


def test_a_route_may_be_too_quiet_for_percentiles_where_the_service_is_not() -> None:
    made: list[tuple[Labels, float]] = [(("GET", f"/{n % 4}", "200", "http", ""), 0.01) for n in range(40)]
    total, routes = summarize(points_of(made), 60.0)
    assert total.latency.p95 is not None
    assert [route.latency.p95 for route in routes] == [None] * 4


def test_nothing_at_all_is_zeros_and_no_latency() -> None:
    total, routes = summarize([], 0.0)
    assert (total.requests, total.rate, total.errors, total.error_rate) == (0, 0.0, 0, 0.0)
    assert total.latency == Latency()
    assert routes == ()


def test_a_client_that_left_is_a_request_but_no_error() -> None:
    made: list[tuple[Labels, float]] = [(("GET", "/", "200", "http", CLIENT_DISCONNECTED), 0.1)] * 5
    total, (route,) = summarize(points_of(made), 10.0)
    assert (total.requests, total.errors, total.error_rate) == (5, 0, 0.0)
    assert (route.requests, route.errors) == (5, 0)


@pytest.mark.parametrize("error", ["500", "503", "ValueError", "cancelled", "incomplete_response", "no_response"])
def test_any_other_failure_is_one(error: str) -> None:
    total, _ = summarize(points_of([(("GET", "/", "", "http", error), 0.1)]), 10.0)
    assert total.errors == 1


def test_what_found_no_room_of_its_own_is_of_unknown_outcome() -> None:
    made: list[tuple[Labels, float]] = [(("_other", "_other", "_other", "_other", "_other"), 0.1)]
    total, (route,) = summarize(points_of(made), 10.0)
    assert (total.requests, total.errors, route.errors) == (1, 0, 0)


def test_a_status_of_the_clients_own_making_is_none() -> None:
    made: list[tuple[Labels, float]] = [(("GET", "/", status, "http", ""), 0.1) for status in ("400", "404", "429")]
    assert summarize(points_of(made), 10.0)[0].errors == 0


def test_schemes_and_statuses_of_one_route_are_one_line() -> None:
    made: list[tuple[Labels, float]] = [
        (("GET", "/", status, scheme, ""), 0.1) for status in ("200", "404") for scheme in ("http", "https")
    ]
    _, routes = summarize(points_of(made), 10.0)
    assert [(route.method, route.route, route.requests) for route in routes] == [("GET", "/", 4)]


def test_a_point_that_is_no_histogram_is_passed_over() -> None:
    other: Any = Point(("GET", "/", "200", "http", ""), 3.0)
    assert summarize([other], 10.0)[0].requests == 0


def test_statements_a_request_are_those_of_all_requests_of_a_route() -> None:
    fine, failed, other = (
        ("GET", "/a", "200", "http", ""),
        ("GET", "/a", "500", "http", "ValueError"),
        ("GET", "/b", "200", "http", ""),
    )
    points = points_of([(fine, 0.1), (fine, 0.2), (failed, 0.1), (failed, 0.3), (other, 0.1)])
    _, routes = summarize(points, 60.0)
    durations, sent = Family(REQUEST_DURATION, points), Family(ROUTE_STATEMENTS, [Point(("GET /a",), 10.0)])
    told = {route.route: route.queries for route in with_queries(routes, [durations, sent])}
    assert told == {"/a": 2.5, "/b": 0.0}
    assert {route.queries for route in with_queries(routes, [durations])} == {None}
