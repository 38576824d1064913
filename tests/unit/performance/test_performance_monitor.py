"""The performance monitor over a store: standing alone, in a system, and with several workers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from perfkit.core.context import Context
from perfkit.core.names import PROCESS_CPU, PROCESS_START, REQUEST_DURATION
from perfkit.performance import PerformanceMonitor, PerformanceSettings
from perfkit.store import Store, StoreSettings
from perfkit.store.layout import FINISHED, STARTED
from perfkit.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Iterator[Store]:
    store = Store(StoreSettings(mode="memory"), clock=clock)
    store.open()
    yield store
    store.close()


@pytest.fixture
def monitor(store: Store, clock: FakeClock) -> Iterator[PerformanceMonitor]:
    monitor = PerformanceMonitor(context=Context(store=store, clock=clock))
    yield monitor
    monitor.stop()


def serve(store: Store, count: int = 1, *, seconds: float = 0.01, error: str = "", route: str = "/") -> None:
    """Count requests as an adapter would."""
    row = store.row(store.define(REQUEST_DURATION), ("GET", route, "500" if error else "200", "http", error))
    for _ in range(count):
        store.values[STARTED] += 1.0
        store.observe(row, seconds)
        store.values[FINISHED] += 1.0


def seconds_of(store: Store, clock: FakeClock, seconds: int) -> None:
    """Let *seconds* pass as the scheduler would."""
    for _ in range(seconds):
        store.tick(clock.advance(1.0))


def value(store: Store, name: str) -> float:
    (family,) = store.families({name})
    (point,) = family.points
    assert isinstance(point.value, float)
    return point.value


def test_it_stands_alone() -> None:
    summary = PerformanceMonitor().get_performance_summary()
    assert (summary.requests, summary.total_requests, summary.in_flight) == (0, 0, 0)
    assert summary.latency.mean is None


def test_requests_of_the_window_are_summed_up(monitor: PerformanceMonitor, store: Store, clock: FakeClock) -> None:
    serve(store, 30, seconds=0.1)
    serve(store, 10, seconds=0.1, error="ValueError", route="/boom")
    seconds_of(store, clock, 20)
    summary = monitor.get_performance_summary()
    assert (summary.requests, summary.total_requests, summary.errors, summary.error_rate) == (40, 40, 10, 0.25)
    assert summary.rate == pytest.approx(40 / summary.window)
    assert summary.latency.p50 == pytest.approx(0.1, rel=0.06)
    assert {(route.route, route.requests, route.errors) for route in summary.routes} == {
        ("/", 30, 0),
        ("/boom", 10, 10),
    }


def test_requests_before_the_window_are_in_the_total_alone(
    monitor: PerformanceMonitor, store: Store, clock: FakeClock
) -> None:
    serve(store, 100)
    seconds_of(store, clock, 120)
    serve(store, 5)
    seconds_of(store, clock, 5)
    summary = monitor.get_performance_summary(window=30)
    assert (summary.requests, summary.total_requests) == (5, 105)
    assert 20 <= summary.window <= 60


def test_the_window_is_that_of_the_settings(store: Store, clock: FakeClock) -> None:
    monitor = PerformanceMonitor(settings=PerformanceSettings(window=60), context=Context(store=store, clock=clock))
    serve(store, 100)
    seconds_of(store, clock, 300)
    assert monitor.snapshot().requests == 0
    assert monitor.get_performance_summary(window=600).requests == 100


def test_requests_under_way_are_in_flight(monitor: PerformanceMonitor, store: Store) -> None:
    store.values[STARTED] += 3.0
    assert monitor.get_performance_summary().in_flight == 3
    assert monitor.get_performance_summary().workers[0].in_flight == 3


def test_a_read_changes_nothing(monitor: PerformanceMonitor, store: Store) -> None:
    serve(store, 25)
    assert monitor.get_performance_summary() == monitor.get_performance_summary()


def test_the_trend_shows_when_it_happened(monitor: PerformanceMonitor, store: Store, clock: FakeClock) -> None:
    store.tick(clock.advance(1.0))
    for _ in range(10):
        serve(store, 20)
        store.tick(clock.advance(1.0))
    seconds_of(store, clock, 10)
    trend = monitor.get_performance_summary().trend
    assert len(trend.rate) == 60
    assert trend.rate[-1] == 0.0
    assert trend.rate[0] is None
    assert max(rate for rate in trend.rate if rate is not None) == pytest.approx(20.0)


def test_start_takes_the_first_sample(monitor: PerformanceMonitor, clock: FakeClock) -> None:
    assert monitor.get_performance_summary().memory is None
    monitor.start()
    summary = monitor.get_performance_summary()
    assert summary.memory == pytest.approx(psutil.Process().memory_info().rss, rel=0.5)
    assert (summary.threads or 0) >= 1
    assert (summary.open_files or 0) >= 1
    assert summary.cpu is None
    assert summary.workers[0].pid == os.getpid()
    assert summary.workers[0].is_self


def test_a_tick_tells_the_cores_in_use(monitor: PerformanceMonitor, clock: FakeClock) -> None:
    monitor.start()
    monitor.tick(clock.advance(1.0))
    cpu = monitor.get_performance_summary().cpu
    assert cpu is not None
    assert cpu >= 0.0


def test_nothing_is_sampled_before_start_and_after_stop(monitor: PerformanceMonitor, store: Store) -> None:
    monitor.tick(1.0)
    assert store.families({PROCESS_CPU.name}) == []
    monitor.start()
    counted = value(store, PROCESS_CPU.name)
    monitor.stop()
    sum(range(10**6))
    monitor.tick(2.0)
    assert value(store, PROCESS_CPU.name) == counted


def test_the_cpu_counter_goes_on_over_a_restart_and_counts_nothing_twice(
    monitor: PerformanceMonitor, store: Store, clock: FakeClock
) -> None:
    monitor.start()
    for _ in range(3):
        before = value(store, PROCESS_CPU.name)
        monitor.stop()
        monitor.start()
        monitor.tick(clock.advance(1.0))
        times = psutil.Process().cpu_times()
        assert before <= value(store, PROCESS_CPU.name) <= times.user + times.system + 0.1


def test_start_called_again_does_nothing(monitor: PerformanceMonitor, store: Store) -> None:
    monitor.start()
    counted = value(store, PROCESS_CPU.name)
    monitor.start()
    assert value(store, PROCESS_CPU.name) == counted


def test_the_start_of_the_process_is_told(monitor: PerformanceMonitor, store: Store) -> None:
    monitor.start()
    assert value(store, PROCESS_START.name) == pytest.approx(psutil.Process().create_time())


def test_debug_logging_shows_each_sample_and_leaves_other_loggers_alone(
    store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    own, parent = logging.getLogger("perfkit.performance"), logging.getLogger("perfkit")
    levels = own.level, parent.level
    monitor = PerformanceMonitor(
        settings=PerformanceSettings(debug_logging=True), context=Context(store=store, clock=clock)
    )
    try:
        monitor.start()
        for _ in range(3):
            monitor.tick(clock.advance(1.0))
        assert parent.level == levels[1]
    finally:
        own.setLevel(levels[0])
    samples = [record for record in caplog.records if record.name == "perfkit.performance"]
    assert [record.levelname for record in samples] == ["DEBUG"] * 3
    assert "cpu_seconds" in samples[0].getMessage()


def test_without_debug_logging_samples_are_silent(
    monitor: PerformanceMonitor, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monitor.start()
    monitor.tick(clock.advance(1.0))
    assert caplog.records == []


def test_each_worker_has_its_own_figures_and_the_service_the_sum(tmp_path: Path, clock: FakeClock) -> None:
    def worker() -> tuple[Store, PerformanceMonitor]:
        store = Store(StoreSettings(directory=str(tmp_path)), clock=clock)
        store.open()
        assert store.is_shared
        monitor = PerformanceMonitor(context=Context(store=store, clock=clock))
        monitor.start()
        return store, monitor

    first, second = worker(), worker()
    serve(first[0], 30)
    serve(second[0], 12)
    second[0].values[STARTED] += 2.0
    for store, monitor in (first, second):
        store.tick(clock.advance(1.0))
        monitor.tick(clock.now)
    for store, monitor in (first, second):
        summary = monitor.get_performance_summary()
        assert (summary.requests, summary.total_requests, summary.in_flight) == (42, 42, 2)
        assert [(each.requests, each.in_flight) for each in summary.workers] == [(30, 0), (12, 2)]
        assert [each.is_self for each in summary.workers] == [each is store for each in (first[0], second[0])]
        assert summary.memory == pytest.approx(sum(each.memory or 0 for each in summary.workers))
        assert summary.cpu == pytest.approx(sum(each.cpu or 0.0 for each in summary.workers))
        assert (summary.threads or 0) == sum(each.threads or 0 for each in summary.workers)
        assert (summary.open_files or 0) == sum(each.open_files or 0 for each in summary.workers)
    for store, monitor in (first, second):
        monitor.stop()
        store.close()


def test_a_worker_that_has_left_keeps_its_counts_and_loses_its_figures(tmp_path: Path, clock: FakeClock) -> None:
    stores = [Store(StoreSettings(directory=str(tmp_path)), clock=clock) for _ in range(2)]
    monitors = [PerformanceMonitor(context=Context(store=store, clock=clock)) for store in stores]
    for store, monitor in zip(stores, monitors, strict=True):
        store.open()
        monitor.start()
        serve(store, 10)
    stores[1].close()
    stores[0].tick(clock.advance(2.0))
    summary: Any = monitors[0].get_performance_summary()
    assert summary.total_requests == 20
    assert [each.number for each in summary.workers] == [stores[0].number]
    assert summary.memory == summary.workers[0].memory
    stores[0].close()
