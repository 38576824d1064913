"""The reference document's alerts: its examples, translated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from patience import until

from perfkit import PerformanceSystem
from perfkit.alerts import Alert, AlertManager, Rule
from perfkit.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def performance_system(clock: FakeClock) -> Iterator[PerformanceSystem]:
    with PerformanceSystem(environment="testing", clock=clock) as system:
        yield system


def fill_the_queue(system: PerformanceSystem, clock: FakeClock) -> None:
    system.alerts.add_rule(Rule(name="QueueIsFull", metric="queue_depth", above=100.0, hold=0.0))
    system.metrics.set_gauge("queue_depth", 250)
    system.store.tick(clock.advance(1.0))
    system.alerts.evaluate()


def test_listen_for_alerts(performance_system: PerformanceSystem, clock: FakeClock) -> None:
    printed: list[str] = []
    performance_system.on("alert", lambda alert: printed.append(f"Alert: {alert.message} ({alert.severity})"))
    fill_the_queue(performance_system, clock)
    until(lambda: printed)
    assert printed == ["Alert: value of queue_depth is 250, above 100 (warning)"]


def test_monitoring_logs(performance_system: PerformanceSystem, clock: FakeClock) -> None:
    alerts: list[str] = []
    metrics: list[str] = []
    performance_system.on("alert", lambda alert: alerts.append(f"[{alert.severity.upper()}] {alert.message}"))
    performance_system.on(
        "metric_recorded", lambda metric: metrics.append(f"Metric recorded: {metric.name} = {metric.value}")
    )
    fill_the_queue(performance_system, clock)
    assert metrics == ["Metric recorded: queue_depth = 250.0"]
    until(lambda: alerts)
    assert alerts == ["[WARNING] value of queue_depth is 250, above 100"]


def test_an_alert_has_these_fields(performance_system: PerformanceSystem, clock: FakeClock) -> None:
    seen: list[Alert] = []
    performance_system.on("alert", seen.append)
    fill_the_queue(performance_system, clock)
    (alert,) = until(lambda: seen)
    assert (alert.severity, alert.source, alert.value, alert.threshold) == ("warning", "queue_depth", 250.0, 100.0)
    assert alert.at == clock.time()


def test_off_ends_it(performance_system: PerformanceSystem, clock: FakeClock) -> None:
    seen: list[Alert] = []
    performance_system.on("alert", seen.append)
    assert performance_system.off("alert", seen.append)
    heard: list[Alert] = []
    performance_system.on("alert", heard.append)
    fill_the_queue(performance_system, clock)
    until(lambda: heard)
    assert seen == []
    assert [alert.name for alert in performance_system.alerts.get_active_alerts()] == ["QueueIsFull"]


def test_the_alert_manager_stands_alone() -> None:
    assert AlertManager(clock=FakeClock()).get_active_alerts() == []
