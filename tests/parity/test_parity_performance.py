"""The reference document's performance monitor: its examples, translated."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from perfkit import PerformanceSystem
from perfkit.performance import PerformanceMonitor
from perfkit.testing import FakeClock


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem(environment="testing") as system:
        yield system


@pytest.fixture(params=["in a system", "alone"])
def perf_monitor(request: pytest.FixtureRequest, system: PerformanceSystem) -> PerformanceMonitor:
    if request.param == "alone":
        return PerformanceMonitor()
    component = system.get_component("performance")
    assert isinstance(component, PerformanceMonitor)
    assert component is system.performance
    return component


def test_a_timer_started_by_name_is_ended_by_its_name(perf_monitor: PerformanceMonitor) -> None:
    timer = perf_monitor.start_timer("api_request")
    duration = perf_monitor.end_timer(timer.name)
    assert duration == timer.seconds
    assert duration >= 0.0


def test_a_timer_is_a_block_too(perf_monitor: PerformanceMonitor) -> None:
    with perf_monitor.time("api_request") as block:
        pass
    assert block.seconds >= 0.0


def test_recorded_requests_are_in_the_summary(perf_monitor: PerformanceMonitor) -> None:
    perf_monitor.record_request(True, 0.250, {"endpoint": "/api/users"})
    summary = perf_monitor.get_performance_summary()
    assert (summary.requests, summary.errors, summary.error_rate) == (1, 0, 0.0)
    assert summary.latency.mean == pytest.approx(0.25)


def test_a_middleware_of_ones_own_records_with_timer_and_request(perf_monitor: PerformanceMonitor) -> None:
    for status in (200, 200, 500):
        timer = perf_monitor.start_timer("http_request")
        duration = perf_monitor.end_timer(timer.name)
        perf_monitor.record_request(status < 400, duration, {"method": "GET", "route": "/items/{id}"})
    (route,) = perf_monitor.get_performance_summary().routes
    assert (route.method, route.route, route.requests, route.errors) == ("GET", "/items/{id}", 3, 1)


def test_standing_alone_the_clock_is_passed_in() -> None:
    clock = FakeClock()
    perf_monitor = PerformanceMonitor(clock=clock)
    timer = perf_monitor.start_timer("api_request")
    clock.advance(2.5)
    assert perf_monitor.end_timer(timer.name) == 2.5
    with perf_monitor.time("api_request") as block:
        clock.advance(0.5)
    assert block.seconds == 0.5
    perf_monitor.record_request(True, 0.25, {"method": "GET", "route": None})
    (route,) = perf_monitor.get_performance_summary().routes
    assert (route.method, route.route) == ("GET", "")


def test_the_summary_has_all_that_is_named(system: PerformanceSystem) -> None:
    summary = system.performance.get_performance_summary()
    for name in [
        "requests",
        "rate",
        "error_rate",
        "latency",
        "cpu",
        "memory",
        "event_loop_lag",
        "queue_time",
        "threads",
        "open_files",
        "uptime",
        "breaches",
    ]:
        assert hasattr(summary, name)
    for name in ("p50", "p90", "p95", "p99", "max"):
        assert hasattr(summary.latency, name)
    assert (summary.memory or 0.0) > 0.0
    assert (summary.threads or 0) > 0
    assert msgspec.json.encode(summary)


def test_thresholds_are_settings_and_what_exceeds_them_is_told() -> None:
    settings = {"performance": {"thresholds": {"response_time": 0.1, "error_rate": 0.05}}}
    with PerformanceSystem(settings, environment="testing") as system:
        for _ in range(30):
            system.performance.record_request(False, 0.5)
        breaches = {breach.name: breach for breach in system.performance.get_performance_summary().breaches}
        assert {"response_time", "error_rate"} <= set(breaches)
        assert breaches["error_rate"].value == 1.0
        assert breaches["error_rate"].threshold == 0.05


def test_thresholds_of_every_kind_have_their_names() -> None:
    thresholds = PerformanceSystem(environment="testing").config.performance.thresholds
    names = ("response_time", "error_rate", "cpu", "memory", "event_loop_lag", "queue_time")
    assert thresholds.__struct_fields__ == names
