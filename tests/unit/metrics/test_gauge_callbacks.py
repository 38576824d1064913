"""Callback gauges: asked once a second, in each worker, and none can hurt another."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from metric_pages import build, shown

from perfkit.metrics import MetricsCollector
from perfkit.metrics.sampler import MAX_THREADS, PATIENCE
from perfkit.testing import FakeClock


@pytest.fixture
def metrics() -> Iterator[MetricsCollector]:
    metrics = build()
    yield metrics
    metrics.stop()


def ask(metrics: MetricsCollector, now: float = 1.0) -> None:
    metrics.tick(now)
    assert metrics._catalogue.sampler.wait(10.0)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_gauge_is_set_to_what_its_callback_returns(metrics: MetricsCollector) -> None:
    values = iter([3, 4.5])
    metrics.define_metric("level", "gauge", callback=lambda: next(values))
    ask(metrics)
    assert shown(metrics, "level") == {"level": 3.0}
    ask(metrics)
    assert shown(metrics, "level") == {"level": 4.5}


def test_a_callback_may_be_a_coroutine_function(metrics: MetricsCollector) -> None:
    async def level() -> float:
        return 7.0

    metrics.define_metric("level", "gauge").on_sample(level)
    ask(metrics)
    assert shown(metrics, "level") == {"level": 7.0}


def test_on_sample_decorates(metrics: MetricsCollector) -> None:
    level = metrics.define_metric("level", "gauge")

    @level.on_sample
    def current() -> int:
        return 5

    assert current() == 5
    ask(metrics)
    assert shown(metrics, "level") == {"level": 5.0}


def test_a_mapping_sets_the_series_it_names_and_unsets_the_others(metrics: MetricsCollector) -> None:
    pools = [{"a": 1, "b": 2}, {"b": 3, "c": None}]
    metrics.define_metric("busy", "gauge", labels=["pool"], callback=lambda: pools.pop(0))
    ask(metrics)
    assert shown(metrics, "busy") == {"busy{pool=a}": 1.0, "busy{pool=b}": 2.0}
    ask(metrics)
    assert shown(metrics, "busy") == {"busy{pool=b}": 3.0}


def test_a_mapping_may_have_tuples_of_label_values(metrics: MetricsCollector) -> None:
    metrics.define_metric("busy", "gauge", labels=["pool", "zone"], callback=lambda: {("a", 1): 2})
    ask(metrics)
    assert shown(metrics, "busy") == {"busy{pool=a,zone=1}": 2.0}


def test_none_is_no_value(metrics: MetricsCollector) -> None:
    values = iter([3, None])
    metrics.define_metric("level", "gauge", callback=lambda: next(values))
    ask(metrics)
    ask(metrics)
    assert shown(metrics, "level") == {}


def test_the_newest_callback_holds(metrics: MetricsCollector) -> None:
    for value in (1.0, 2.0):
        metrics.define_metric("level", "gauge", callback=lambda value=value: value)
    ask(metrics)
    assert shown(metrics, "level") == {"level": 2.0}


@pytest.mark.parametrize("rubbish", ["many", object(), {"a": 1}, [1]])
def test_a_callback_that_fails_loses_its_value_and_hurts_no_other(
    metrics: MetricsCollector, rubbish: object, caplog: pytest.LogCaptureFixture
) -> None:
    results = [1.0, rubbish]
    metrics.define_metric("broken", "gauge", callback=lambda: results.pop(0))
    metrics.define_metric("level", "gauge", callback=lambda: 5)
    ask(metrics)
    assert shown(metrics, "broken") == {"broken": 1.0}
    with caplog.at_level(logging.WARNING, logger="perfkit"):
        for _ in range(3):
            ask(metrics)
    assert shown(metrics, "broken") == {}
    assert shown(metrics, "level") == {"level": 5.0}
    assert "the callback of the gauge 'broken' failed" in caplog.text


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "perfkit-gauges"]


def test_a_callback_that_hangs_is_left_alone_and_the_others_go_on(
    metrics: MetricsCollector, caplog: pytest.LogCaptureFixture
) -> None:
    release, calls = threading.Event(), []
    before = len(threads())

    def hangs() -> float:
        calls.append(True)
        release.wait(60.0)
        return 1.0

    metrics.define_metric("hanging", "gauge", callback=hangs)
    metrics.define_metric("level", "gauge", callback=lambda: 5)
    metrics.tick(0.0)
    eventually(lambda: bool(calls))
    with caplog.at_level(logging.WARNING, logger="perfkit"):
        for second in range(1, 12):
            metrics.tick(float(second))
    assert "the callback of the gauge 'hanging' hangs" in caplog.text
    assert metrics._catalogue.sampler.wait(10.0)
    eventually(lambda: shown(metrics, "level") == {"level": 5.0})
    assert (len(calls), shown(metrics, "hanging")) == (1, {})
    assert len(threads()) - before <= 2
    release.set()

    def is_asked_again() -> bool:
        ask(metrics, 100.0)
        return shown(metrics, "hanging") == {"hanging": 1.0}

    eventually(is_asked_again)
    assert len(calls) >= 2


def test_hanging_callbacks_hold_a_bounded_number_of_threads(metrics: MetricsCollector) -> None:
    release, started = threading.Event(), []
    before = len(threads())

    def hanging(number: int) -> Callable[[], float]:
        def hangs() -> float:
            started.append(number)
            release.wait(60.0)
            return 1.0

        return hangs

    for number in range(MAX_THREADS + 5):
        metrics.define_metric(f"hanging_{number}", "gauge", callback=hanging(number))
    now = 0.0
    for number in range(1, MAX_THREADS + 1):
        metrics.tick(now)
        eventually(lambda number=number: len(started) >= number)  # type: ignore[misc]  # a bound default
        metrics.tick(now)
        now += PATIENCE
        metrics.tick(now)
    for _ in range(10):
        now += 1.0
        metrics.tick(now)
    assert len(threads()) - before <= MAX_THREADS + 1
    release.set()
    eventually(lambda: len(threads()) - before <= 2)


def test_alone_and_not_started_gauges_are_asked_when_they_are_shown() -> None:
    metrics = MetricsCollector(clock=FakeClock())
    metrics.define_metric("level", "gauge", callback=lambda: 5)
    assert "level 5.0" in metrics.export_metrics()
    metrics.stop()


def test_alone_and_started_gauges_are_asked_by_a_thread_of_its_own() -> None:
    metrics = MetricsCollector()
    metrics.define_metric("level", "gauge", callback=lambda: 5.0)
    metrics.start()
    metrics.start()
    try:
        # A callback that returns after the stop is not heard any more.
        eventually(lambda: "level 5.0" in metrics.export_metrics())
    finally:
        metrics.stop()
        metrics.stop()
    assert "level 5.0" in metrics.export_metrics()
    metrics.stop()


def test_nothing_runs_without_a_callback(metrics: MetricsCollector) -> None:
    before = threading.active_count()
    metrics.define_metric("level", "gauge").set(1)
    metrics.tick(1.0)
    assert threading.active_count() == before


def test_a_forked_child_asks_for_itself(metrics: MetricsCollector) -> None:
    asked_by: list[int] = []
    metrics.define_metric("level", "gauge", callback=lambda: asked_by.append(os.getpid()) or 5)  # type: ignore[func-returns-value]  # None, then 5
    ask(metrics)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            ask(metrics)
            code = 0 if asked_by[-1] == os.getpid() and shown(metrics, "level") == {"level": 5.0} else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
