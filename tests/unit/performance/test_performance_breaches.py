"""Which thresholds are exceeded, and since when; the lag of the loops and the queue time in the summary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perfkit.core.context import Context
from perfkit.core.names import PROCESS_MEMORY, REQUEST_DURATION, REQUEST_QUEUE
from perfkit.performance import PerformanceMonitor, PerformanceSettings
from perfkit.performance.blocking.metrics import LOOP_LAG
from perfkit.performance.settings import Thresholds
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock

SETTINGS = PerformanceSettings(
    thresholds=Thresholds(response_time=0.5, error_rate=0.1, event_loop_lag=0.05, queue_time=0.2),
    targets={"GET /reports": 0.1},
)


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
def monitor(store: Store, clock: FakeClock) -> PerformanceMonitor:
    return PerformanceMonitor(settings=SETTINGS, context=Context(store=store, clock=clock))


def serve(store: Store, count: int, seconds: float, *, route: str = "/", error: str = "") -> None:
    row = store.row(store.define(REQUEST_DURATION), ("GET", route, "500" if error else "200", "http", error))
    for _ in range(count):
        store.observe(row, seconds)


def exceeded(monitor: PerformanceMonitor) -> set[tuple[str, str]]:
    return {(breach.name, breach.route) for breach in monitor.get_performance_summary().breaches}


def test_nothing_is_exceeded_by_a_service_that_does_well(monitor: PerformanceMonitor, store: Store) -> None:
    serve(store, 100, 0.01)
    assert exceeded(monitor) == set()


def test_slow_responses_exceed_their_threshold(monitor: PerformanceMonitor, store: Store) -> None:
    serve(store, 100, 0.8)
    (breach,) = monitor.get_performance_summary().breaches
    assert (breach.name, breach.threshold) == ("response_time", 0.5)
    assert breach.value == pytest.approx(0.8, rel=0.06)


def test_a_route_with_a_target_is_held_to_it(monitor: PerformanceMonitor, store: Store) -> None:
    serve(store, 100, 0.2, route="/reports")
    assert exceeded(monitor) == {("response_time", "GET /reports")}


def test_a_handful_of_requests_is_not_judged(monitor: PerformanceMonitor, store: Store) -> None:
    serve(store, 5, 3.0, error="ValueError")
    assert exceeded(monitor) == set()


def test_errors_loop_lag_and_queue_time_exceed_theirs(monitor: PerformanceMonitor, store: Store) -> None:
    serve(store, 30, 0.01, error="ValueError")
    for _ in range(50):
        store.observe(store.row(LOOP_LAG, ("main",)), 0.1)
        store.observe(store.row(REQUEST_QUEUE), 0.4)
    assert exceeded(monitor) == {("error_rate", ""), ("event_loop_lag", ""), ("queue_time", "")}
    summary = monitor.get_performance_summary()
    assert summary.event_loop_lag.p95 == pytest.approx(0.1, rel=0.06)
    assert summary.queue_time.mean == pytest.approx(0.4)


def test_memory_is_compared_with_what_there_is(monitor: PerformanceMonitor, store: Store) -> None:
    store.set(store.row(PROCESS_MEMORY), 1e15)
    assert exceeded(monitor) == {("memory", "")}


def test_a_breach_keeps_its_begin_and_begins_anew_after_it_was_over(
    monitor: PerformanceMonitor, store: Store, clock: FakeClock
) -> None:
    row = store.row(PROCESS_MEMORY)
    store.set(row, 1e15)
    (first,) = monitor.get_performance_summary().breaches
    clock.advance(60.0)
    (later,) = monitor.get_performance_summary().breaches
    assert later.since == first.since
    store.set(row, 1.0)
    assert exceeded(monitor) == set()
    store.set(row, 1e15)
    (again,) = monitor.get_performance_summary().breaches
    assert again.since == clock.time()


def test_a_tick_sees_when_a_breach_began(monitor: PerformanceMonitor, store: Store, clock: FakeClock) -> None:
    monitor.start()
    serve(store, 100, 0.8)
    began = clock.time()
    monitor.tick(clock.monotonic())
    monitor.stop()
    clock.advance(5.0)
    (breach,) = [each for each in monitor.get_performance_summary().breaches if each.name == "response_time"]
    assert breach.since == began


def test_the_lag_is_that_of_the_window(monitor: PerformanceMonitor, store: Store, clock: FakeClock) -> None:
    monitor.start()
    row = store.row(LOOP_LAG, ("main",))
    for _ in range(100):
        store.observe(row, 1.0)
    monitor.tick(clock.monotonic())
    for _ in range(40):
        for _ in range(5):
            store.observe(row, 0.001)
        monitor.tick(clock.advance(15.0))
    monitor.stop()
    assert monitor.get_performance_summary().event_loop_lag.p99 == pytest.approx(0.001, rel=0.1)
