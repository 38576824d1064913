"""Timers by hand, as blocks and around functions; requests recorded by hand."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from perfkit.core.errors import MetricError, TimerError
from perfkit.core.families import Histogram
from perfkit.performance import PerformanceMonitor
from perfkit.performance.timers import MOST_RUNNING

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor()


def counted(monitor: PerformanceMonitor) -> dict[tuple[str, ...], float]:
    return {
        point.labels: point.value.count
        for family in monitor._store.families({"perfkit_timer_seconds"})
        for point in family.points
        if isinstance(point.value, Histogram)
    }


def test_a_timer_is_recorded_under_its_name_when_it_ends(monitor: PerformanceMonitor) -> None:
    timer = monitor.start_timer("work")
    assert timer.is_running
    assert counted(monitor) == {}
    seconds = monitor.end_timer(timer)
    assert timer.seconds == seconds >= 0.0
    assert counted(monitor) == {("work", ""): 1.0}


def test_a_name_ends_the_youngest_timer_of_that_name(monitor: PerformanceMonitor) -> None:
    outer, inner = monitor.start_timer("work"), monitor.start_timer("work")
    monitor.end_timer("work")
    assert outer.is_running
    assert not inner.is_running
    monitor.end_timer("work")
    assert not outer.is_running


async def test_two_tasks_with_timers_of_one_name_never_disturb_each_other(monitor: PerformanceMonitor) -> None:
    first_started, second_ended = asyncio.Event(), asyncio.Event()

    async def first() -> bool:
        timer = monitor.start_timer("work")
        first_started.set()
        await second_ended.wait()
        monitor.end_timer("work")
        return timer.is_running

    async def second() -> bool:
        await first_started.wait()
        timer = monitor.start_timer("work")
        monitor.end_timer("work")
        second_ended.set()
        return timer.is_running

    assert await asyncio.gather(first(), second()) == [False, False]
    assert counted(monitor) == {("work", ""): 2.0}


def test_a_timer_of_another_context_is_not_known_by_its_name(monitor: PerformanceMonitor) -> None:
    timer = contextvars.copy_context().run(monitor.start_timer, "work")
    with pytest.raises(TimerError, match="No timer 'work' runs in this context"):
        monitor.end_timer("work")
    monitor.end_timer(timer)


def test_a_timer_ends_once(monitor: PerformanceMonitor) -> None:
    timer = monitor.start_timer("work")
    monitor.end_timer(timer)
    with pytest.raises(LookupError, match="has ended"):
        monitor.end_timer(timer)


def test_a_timer_wants_a_name(monitor: PerformanceMonitor) -> None:
    with pytest.raises(TimerError, match="not empty"):
        monitor.start_timer(" ")


def test_timers_that_nobody_ends_are_forgotten(monitor: PerformanceMonitor) -> None:
    timers = [monitor.start_timer(f"work {n}") for n in range(MOST_RUNNING + 5)]
    with pytest.raises(TimerError):
        monitor.end_timer("work 0")
    assert monitor.end_timer(f"work {MOST_RUNNING + 4}") >= 0.0
    assert monitor.end_timer(timers[0]) >= 0.0


def test_labels_are_told_with_the_name(monitor: PerformanceMonitor) -> None:
    monitor.end_timer(monitor.start_timer("work", {"b": "2", "a": "1"}))
    assert counted(monitor) == {("work", "a=1,b=2"): 1.0}


def test_a_block_is_timed_however_it_ends(monitor: PerformanceMonitor) -> None:
    with monitor.time("work") as block:
        assert block.seconds == 0.0
    with pytest.raises(KeyError), monitor.time("work"):
        raise KeyError
    assert counted(monitor) == {("work", ""): 2.0}


async def test_an_async_block_and_a_coroutine_function_are_timed_until_they_are_done(
    monitor: PerformanceMonitor,
) -> None:
    @monitor.time("work")
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    async with monitor.time("work"):
        assert await work() == "done"
    assert counted(monitor) == {("work", ""): 2.0}


def test_a_decorated_function_may_call_itself(monitor: PerformanceMonitor) -> None:
    @monitor.time("work")
    def down(n: int) -> int:
        return down(n - 1) if n else 0

    assert down(3) == 0
    assert counted(monitor) == {("work", ""): 4.0}


def test_a_request_recorded_by_hand_is_one_of_the_summary(monitor: PerformanceMonitor) -> None:
    monitor.record_request(True, 0.25, {"endpoint": "/api/users"})
    monitor.record_request(False, 0.5, {"name": "import", "error": "ValueError"})
    summary = monitor.get_performance_summary()
    assert (summary.requests, summary.total_requests, summary.errors, summary.in_flight) == (2, 2, 1, 0)
    assert {(each.method, each.route, each.errors) for each in summary.routes} == {
        ("", "/api/users", 0),
        ("", "import", 1),
    }


@pytest.mark.parametrize("duration", [-1.0, float("nan"), float("inf")])
def test_a_duration_is_seconds(monitor: PerformanceMonitor, duration: float) -> None:
    with pytest.raises(MetricError, match="seconds from 0 up"):
        monitor.record_request(True, duration)
    assert monitor.get_performance_summary().requests == 0


def test_a_label_that_is_not_known_is_refused(monitor: PerformanceMonitor) -> None:
    with pytest.raises(MetricError, match="'user'"):
        monitor.record_request(True, 0.1, {"user": "7"})
