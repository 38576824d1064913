"""The seed document's performance and health summaries, in a system and standing alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perfkit import PerformanceSystem
from perfkit.core.names import REQUEST_DURATION
from perfkit.health import HealthChecker
from perfkit.metrics import MetricsCollector
from perfkit.performance import PerformanceMonitor
from perfkit.store.layout import FINISHED, STARTED


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem(environment="testing") as system:
        yield system


def test_get_performance_summary(system: PerformanceSystem) -> None:
    store = system.store
    for status, error in (("200", ""), ("500", "500")):
        row = store.row(store.define(REQUEST_DURATION), ("GET", "/api", status, "http", error))
        for _ in range(15):
            store.values[STARTED] += 1.0
            store.observe(row, 0.05)
            store.values[FINISHED] += 1.0
    summary = system.performance.get_performance_summary()
    assert (summary.requests, summary.errors, summary.error_rate) == (30, 15, 0.5)
    assert summary.rate > 0
    latency = summary.latency
    for percentile in (latency.p50, latency.p90, latency.p95, latency.p99, latency.max):
        assert percentile == pytest.approx(0.05, rel=0.06)
    assert (summary.memory or 0) > 2**20
    assert (summary.threads or 0) >= 1
    assert (summary.open_files or 0) >= 1
    assert summary.uptime >= 0.0


def test_get_health_summary(system: PerformanceSystem) -> None:
    summary = system.health.get_health_summary()
    assert summary.status in ("healthy", "warning", "critical")
    assert {check.name for check in summary.checks} >= {"memory", "uptime"}
    for check in summary.checks:
        assert check.status in ("healthy", "warning", "critical", "unknown")
        assert check.message


def test_health_is_unknown_before_the_first_result() -> None:
    assert PerformanceSystem(environment="testing").health.get_health_summary().status == "unknown"


def test_each_component_stands_alone_and_starts_no_thread() -> None:
    monitor, checker, metrics = PerformanceMonitor(), HealthChecker(), MetricsCollector()
    monitor.start()
    checker.start()
    assert monitor.get_performance_summary().requests == 0
    assert checker.get_health_summary().is_started
    assert metrics.export_metrics("json")
    checker.stop()
    monitor.stop()
