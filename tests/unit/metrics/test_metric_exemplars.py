"""Exemplars: which request stands behind a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from metric_pages import build
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from perfkit.core.errors import MetricError
from perfkit.metrics import MetricsCollector
from perfkit.metrics.exemplars import MAX_SERIES
from perfkit.testing.exposition import agreement_problems, problems


@pytest.fixture
def metrics() -> MetricsCollector:
    return build()


def exemplars(metrics: MetricsCollector) -> dict[str, tuple[Mapping[str, str], float]]:
    """Return the exemplars of the page by the end of the series' name and its bound."""
    page = metrics.export_metrics("openmetrics")
    assert problems(page, openmetrics=True) == []
    assert agreement_problems(metrics.export_metrics(), page) == []
    return {
        sample.name + sample.labels.get("le", ""): (sample.exemplar.labels, sample.exemplar.value)
        for family in read_openmetrics(page)
        for sample in family.samples
        if sample.exemplar
    }


def test_an_exemplar_can_be_given(metrics: MetricsCollector) -> None:
    jobs = metrics.define_metric("jobs", "counter", labels=())
    wait = metrics.define_metric("wait", "histogram", unit="seconds", buckets=[1, 2], labels=["of"])
    jobs.increment_with_exemplar(3, {"trace_id": "abc"})
    wait.labels("x").record_with_exemplar(0.5, {"trace_id": "old"})
    wait.labels("x").record_with_exemplar(0.75, {"trace_id": "low"})
    wait.labels("x").record_with_exemplar(9, {"trace_id": "high"})
    wait.labels("x").record(1.5)
    assert exemplars(metrics) == {
        "jobs_total": ({"trace_id": "abc"}, 3.0),
        "wait_seconds_bucket1.0": ({"trace_id": "low"}, 0.75),
        "wait_seconds_bucket+Inf": ({"trace_id": "high"}, 9.0),
    }
    assert "trace_id" not in metrics.export_metrics("prometheus")


@pytest.mark.parametrize("labels", [{"trace_id": "x" * 121}, {"a-b": "c"}, {"a": "b" * 128}])
def test_an_exemplar_that_cannot_be_shown_is_an_error(metrics: MetricsCollector, labels: Mapping[str, str]) -> None:
    with pytest.raises(MetricError, match="at most 128 characters"):
        metrics.define_metric("jobs", "counter").increment_with_exemplar(1, labels)


def test_a_timer_shows_the_exemplars_of_the_buckets_that_are_shown(metrics: MetricsCollector) -> None:
    timer = metrics.define_metric("query", "timer")
    timer.record_with_exemplar(0.02, {"trace_id": "abc"})
    assert exemplars(metrics) == {"query_seconds_bucket0.025": ({"trace_id": "abc"}, 0.02)}


def test_exemplars_follow_the_trace_source(metrics: MetricsCollector) -> None:
    traces: list[Mapping[str, str] | None] = [{"trace_id": "one"}, None, {"trace_id": "three"}]
    metrics.trace_source(lambda: traces.pop(0))
    jobs = metrics.define_metric("jobs", "counter", exemplars=True)
    for _ in range(3):
        jobs.increment()
    assert exemplars(metrics) == {"jobs_total": ({"trace_id": "three"}, 1.0)}


def test_a_trace_source_that_fails_costs_the_exemplar_only(metrics: MetricsCollector) -> None:
    metrics.trace_source(lambda: {"trace_id": "x" * 500})
    metrics.define_metric("jobs", "counter", exemplars=True).increment()
    assert exemplars(metrics) == {}
    assert "jobs_total 1.0" in metrics.export_metrics()


@pytest.fixture
def tracer() -> Iterator[trace.Tracer]:
    provider = TracerProvider()
    yield provider.get_tracer("test")
    provider.shutdown()


def test_opentelemetrys_current_span_is_the_exemplar(metrics: MetricsCollector, tracer: trace.Tracer) -> None:
    wait = metrics.define_metric("wait", "histogram", buckets=[1], exemplars=True, labels=["of"]).labels(of="x")
    wait.record(5)
    with tracer.start_as_current_span("request") as span:
        wait.record(0.5)
        context = span.get_span_context()
    labels = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    assert exemplars(metrics) == {"wait_bucket1.0": (labels, 0.5)}


def test_a_span_that_is_not_sampled_is_no_exemplar(metrics: MetricsCollector) -> None:
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("test")
    jobs = metrics.define_metric("jobs", "counter", exemplars=True)
    with tracer.start_as_current_span("request"):
        jobs.increment()
    assert exemplars(metrics) == {}


def test_exemplars_are_bounded(metrics: MetricsCollector) -> None:
    jobs = metrics.define_metric("jobs", "counter", labels=["n"], max_series=MAX_SERIES + 10)
    for n in range(MAX_SERIES + 10):
        jobs.labels(n).increment_with_exemplar(1, {"trace_id": "x"})
    assert len(metrics._catalogue.recording.exemplars._kept) == MAX_SERIES
