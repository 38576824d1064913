"""Recording by name: metrics that need no instrument in the hand, nor a definition."""

from __future__ import annotations

import logging

import pytest
from metric_pages import build, shown

from perfkit.core.errors import MetricError
from perfkit.metrics import MetricsCollector


@pytest.fixture
def metrics() -> MetricsCollector:
    return build()


def test_what_is_not_defined_is_defined_by_its_first_use(metrics: MetricsCollector) -> None:
    metrics.increment_counter("jobs", labels={"kind": "a"})
    metrics.increment_counter("jobs", 2, {"kind": "a"})
    metrics.set_gauge("level", 42)
    metrics.record_histogram("response_time_ms", 250)
    metrics.record_summary("weight", 3.0, {"of": "x"})
    assert metrics.time_function("query", lambda: 7) == 7
    assert shown(metrics, "jobs") == {"jobs_total{kind=a}": 3.0}
    assert shown(metrics, "level") == {"level": 42.0}
    assert shown(metrics, "response_time_ms")["response_time_ms_bucket{le=250.0}"] == 1.0
    assert shown(metrics, "weight")["weight_count{of=x}"] == 1.0
    assert shown(metrics, "query_seconds")["query_seconds_count"] == 1.0


def test_both_the_given_and_the_full_name_work(metrics: MetricsCollector) -> None:
    metrics.define_metric("sent", "counter", unit="bytes")
    metrics.increment_counter("sent", 5)
    metrics.increment_counter("sent_bytes_total", 6)
    assert shown(metrics, "sent_bytes_total") == {"sent_bytes_total": 11.0}


def test_the_order_of_labels_does_not_matter(metrics: MetricsCollector) -> None:
    metrics.increment_counter("jobs", 1, {"a": 1, "b": 2})
    metrics.increment_counter("jobs", 1, {"b": 2, "a": 1})
    assert shown(metrics, "jobs") == {"jobs_total{a=1,b=2}": 2.0}


def test_a_timer_takes_histogram_values_and_times_may_go_to_histograms_and_summaries(metrics: MetricsCollector) -> None:
    metrics.define_metric("one", "timer")
    metrics.define_metric("two", "histogram", unit="seconds")
    metrics.define_metric("three", "summary", unit="seconds", labels=["a"])
    metrics.record_histogram("one", 0.5)
    metrics.time_function("two", int)
    metrics.time_function("three", int, "7", labels={"a": "b"})
    for name, labels in (("one_seconds", ""), ("two_seconds", ""), ("three_seconds", "{a=b}")):
        assert shown(metrics, name)[f"{name}_count{labels}"] == 1.0


@pytest.mark.parametrize("call", ["increment_counter", "set_gauge", "record_histogram", "record_summary"])
@pytest.mark.parametrize("type", ["counter", "gauge", "histogram", "summary", "timer"])
def test_the_wrong_call_is_an_error_that_names_the_right_one(metrics: MetricsCollector, call: str, type: str) -> None:
    right = {
        "counter": ["increment_counter"],
        "gauge": ["set_gauge"],
        "histogram": ["record_histogram", "time_function"],
        "summary": ["record_summary", "time_function"],
        "timer": ["time_function", "record_histogram"],
    }[type]
    metrics.define_metric("x", type)
    if call in right:
        getattr(metrics, call)("x", 1)
    else:
        with pytest.raises(MetricError, match=f"It is a {type}. Use {' or '.join(right)}"):
            getattr(metrics, call)("x", 1)


def test_wrong_labels_are_an_error(metrics: MetricsCollector) -> None:
    metrics.increment_counter("jobs", 1, {"kind": "a"})
    for labels in (None, {}, {"sort": "a"}, {"kind": "a", "sort": "b"}):
        with pytest.raises(MetricError, match="Its labels are 'kind'"):
            metrics.increment_counter("jobs", 1, labels)


def test_a_negative_amount_counts_nothing(metrics: MetricsCollector) -> None:
    with pytest.raises(MetricError, match="never goes down"):
        metrics.increment_counter("jobs", -1)
    assert shown(metrics, "jobs") == {"jobs_total": 0.0}


def test_names_made_of_data_do_not_fill_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    metrics = build(max_metrics=10)
    with caplog.at_level(logging.WARNING, logger="perfkit"):
        for n in range(1000):
            metrics.increment_counter(f"user_{n}")
            assert metrics.time_function(f"call_{n}", lambda: 1) == 1
    page = metrics.export_metrics()
    assert "user_4_total 1.0" in page
    assert "user_5_total" not in page
    assert "There are 10 metrics" in caplog.text
    with pytest.raises(MetricError, match=r"metrics\.max_metrics"):
        metrics.define_metric("one_more", "gauge")
    metrics.define_metric("user_0", "counter")
