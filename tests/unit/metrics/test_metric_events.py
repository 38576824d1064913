"""The event ``metric_recorded``, and that it costs nothing while nobody listens."""

from __future__ import annotations

from typing import Any

import pytest
from metric_pages import build, shown

from perfkit import PerformanceSystem
from perfkit.metrics import MetricRecorded, MetricsCollector
from perfkit.metrics.children import CounterChild
from perfkit.store import BoundCounter


@pytest.fixture
def metrics() -> MetricsCollector:
    return build()


@pytest.fixture
def heard(metrics: MetricsCollector) -> list[MetricRecorded]:
    heard: list[MetricRecorded] = []
    metrics._context.events.on("metric_recorded", heard.append)
    return heard


def test_each_update_is_told(metrics: MetricsCollector, heard: list[MetricRecorded]) -> None:
    metrics.increment_counter("jobs", 2, {"kind": "a"})
    metrics.set_gauge("level", 42)
    metrics.define_metric("level", "gauge").decrement(2)
    metrics.record_histogram("size_bytes", 9)
    metrics.record_summary("weight", 3.5)
    metrics.time_function("query", int)
    told = [(each.name, each.type, each.value, each.labels) for each in heard]
    assert told[:5] == [
        ("jobs_total", "counter", 2.0, {"kind": "a"}),
        ("level", "gauge", 42.0, {}),
        ("level", "gauge", -2.0, {}),
        ("size_bytes", "histogram", 9.0, {}),
        ("weight", "summary", 3.5, {}),
    ]
    assert told[5][:2] == ("query_seconds", "timer")
    assert {each.at for each in heard} == {metrics._context.clock.time()}


def test_series_that_were_bound_before_are_told_too(metrics: MetricsCollector) -> None:
    bound = metrics.define_metric("jobs", "counter", labels=["kind"]).labels(kind="a")
    plain = metrics.define_metric("hits", "counter", labels=())
    heard: list[MetricRecorded] = []
    bound.increment()
    metrics._context.events.on("metric_recorded", heard.append)
    bound.increment()
    plain.increment()
    metrics._context.events.off("metric_recorded", heard.append)
    bound.increment()
    plain.increment()
    assert [each.name for each in heard] == ["jobs_total", "hits_total"]
    assert shown(metrics, "jobs") == {"jobs_total{kind=a}": 3.0}


def test_while_nobody_listens_an_update_is_the_stores_own(metrics: MetricsCollector) -> None:
    bound = metrics.define_metric("jobs", "counter", labels=["kind"]).labels(kind="a")
    assert type(bound) is CounterChild
    assert CounterChild.increment is BoundCounter.add
    listener = metrics._context.events.on("metric_recorded", print)
    assert type(bound) is not CounterChild
    metrics._context.events.off("metric_recorded", listener)
    assert type(bound) is CounterChild


def test_a_refused_update_is_not_told(metrics: MetricsCollector, heard: list[MetricRecorded]) -> None:
    with pytest.raises(ValueError, match="never goes down"):
        metrics.increment_counter("jobs", -1)
    assert heard == []


def test_a_listener_that_fails_does_not_reach_the_caller(metrics: MetricsCollector) -> None:
    def fails(_event: Any) -> None:
        raise RuntimeError

    metrics._context.events.on("metric_recorded", fails)
    metrics.increment_counter("jobs")
    assert shown(metrics, "jobs") == {"jobs_total": 1.0}


def test_a_listener_may_record_metrics_itself(metrics: MetricsCollector) -> None:
    def count(event: MetricRecorded) -> None:
        metrics.increment_counter("told", 1, {"of": event.name})

    metrics._context.events.on("metric_recorded", count)
    metrics.increment_counter("jobs")
    assert shown(metrics, "told") == {"told_total{of=jobs_total}": 1.0}


def test_the_system_tells_its_listeners() -> None:
    with PerformanceSystem(environment="testing") as system:
        heard: list[MetricRecorded] = []
        system.on("metric_recorded", heard.append)
        system.metrics.increment_counter("jobs", 3)
        assert [(each.name, each.value) for each in heard] == [("jobs_total", 3.0)]
