"""The reference document's metrics collector: its examples, translated."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from perfkit import PerformanceSystem
from perfkit.metrics import MetricsCollector

pytestmark = pytest.mark.anyio


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem(environment="testing") as system:
        yield system


@pytest.fixture(params=["in a system", "alone"])
def metrics_collector(request: pytest.FixtureRequest, system: PerformanceSystem) -> MetricsCollector:
    if request.param == "alone":
        return MetricsCollector()
    component = system.get_component("metrics")
    assert isinstance(component, MetricsCollector)
    assert component is system.metrics
    return component


def samples(metrics: MetricsCollector) -> dict[str, float]:
    return {
        sample["name"] + json.dumps(sample["labels"]): sample["value"]
        for family in json.loads(metrics.export_metrics("json"))
        for sample in family["samples"]
    }


async def test_the_documents_example(metrics_collector: MetricsCollector) -> None:
    # Define custom metrics
    metrics_collector.define_metric("api_requests_total", type="counter", description="Total number of API requests")

    # Record metrics
    metrics_collector.increment_counter("api_requests_total", 1, {"endpoint": "/api/users"})
    metrics_collector.set_gauge("active_connections", 42)
    metrics_collector.record_histogram("response_time_ms", 250)

    # Time functions
    async def execute_query() -> list[str]:
        return ["row"]

    result = await metrics_collector.time_function("database_query", execute_query)
    assert result == ["row"]

    # Export metrics
    found = samples(metrics_collector)
    assert found['api_requests_total{"endpoint":"/api/users"}'.replace(":", ": ", 1)] == 1.0
    assert found["active_connections{}"] == 42.0
    assert found["response_time_ms_count{}"] == 1.0
    assert found["response_time_ms_sum{}"] == 250.0
    assert found["database_query_seconds_count{}"] == 1.0
    page = metrics_collector.export_metrics("prometheus")
    assert "# HELP api_requests_total Total number of API requests" in page
    assert 'api_requests_total{endpoint="/api/users"} 1.0' in page


def test_all_words_of_define_metric(metrics_collector: MetricsCollector) -> None:
    size = metrics_collector.define_metric(
        "upload", type="histogram", description="Size.", labels=["kind"], unit="bytes", buckets=[1024, 4096]
    )
    size.labels(kind="image").record(2000)
    page = metrics_collector.export_metrics("openmetrics")
    assert "# TYPE upload_bytes histogram\n# UNIT upload_bytes bytes\n# HELP upload_bytes Size.\n" in page
    assert 'upload_bytes_bucket{kind="image",le="4096.0"} 1.0' in page


def test_the_five_types(metrics_collector: MetricsCollector) -> None:
    for kind in ("counter", "gauge", "histogram", "summary", "timer"):
        metrics_collector.define_metric(f"a_{kind}", type=kind)
    metrics_collector.increment_counter("a_counter")
    metrics_collector.set_gauge("a_gauge", 1.5)
    metrics_collector.record_histogram("a_histogram", 2)
    metrics_collector.record_summary("a_summary", 3)
    assert metrics_collector.time_function("a_timer", lambda: "sync") == "sync"
    families = {family["name"]: family for family in json.loads(metrics_collector.export_metrics("json"))}
    assert {name: families[name]["type"] for name in families if name.startswith("a_")} == {
        "a_counter_total": "counter",
        "a_gauge": "gauge",
        "a_histogram": "histogram",
        "a_summary": "summary",
        "a_timer_seconds": "histogram",
    }
    quantiles = [sample["labels"].get("quantile") for sample in families["a_summary"]["samples"]]
    assert quantiles[:4] == ["0.5", "0.9", "0.95", "0.99"]


def test_bound_children(metrics_collector: MetricsCollector) -> None:
    requests = metrics_collector.define_metric("requests", "counter", labels=["endpoint"])
    requests.labels(endpoint="/x").increment()
    assert samples(metrics_collector)['requests_total{"endpoint": "/x"}'] == 1.0


@pytest.mark.parametrize("format", ["json", "prometheus", "csv", "openmetrics"])
def test_export_metrics_of_the_system_and_of_the_component(system: PerformanceSystem, format: str) -> None:
    system.metrics.set_gauge("active_connections", 42)
    page = system.export_metrics(format)
    assert "active_connections" in page
    assert "active_connections" in system.metrics.export_metrics(format)
    if format == "json":
        assert json.loads(page)
    if format == "csv":
        assert next(csv.reader(io.StringIO(page))) == ["name", "type", "labels", "value", "timestamp"]


def test_the_event_metric_recorded(system: PerformanceSystem) -> None:
    heard: list[Any] = []
    system.on("metric_recorded", heard.append)
    system.metrics.increment_counter("jobs", 2, {"kind": "a"})
    assert [(event.name, event.type, event.value, event.labels) for event in heard] == [
        ("jobs_total", "counter", 2.0, {"kind": "a"})
    ]
    system.off("metric_recorded", heard.append)
    system.metrics.increment_counter("jobs", 2, {"kind": "a"})
    assert len(heard) == 1


def test_standing_alone_nothing_starts_a_thread_before_start() -> None:
    before = set(threading.enumerate())
    metrics = MetricsCollector()
    metrics.increment_counter("jobs")
    assert "jobs_total 1.0" in metrics.export_metrics()
    assert not set(threading.enumerate()) - before
    metrics.start()
    (started,) = set(threading.enumerate()) - before
    metrics.stop()
    assert not started.is_alive()
