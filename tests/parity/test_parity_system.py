"""The seed document's system, call by call: built, initialized, started, asked, stopped."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from perfkit import PerfkitError, PerformanceSystem, get_performance_config
from perfkit.core.findings import Finding
from perfkit.core.names import REQUEST_DURATION
from perfkit.health import HealthChecker
from perfkit.metrics import MetricsCollector
from perfkit.performance import PerformanceMonitor
from perfkit.store.layout import FINISHED, STARTED


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    system = PerformanceSystem(get_performance_config("testing"))
    yield system
    system.stop()


def serve(system: PerformanceSystem, *, success: bool = True, count: int = 1) -> None:
    """Count requests as an adapter does."""
    store = system.store
    status, error = ("200", "") if success else ("500", "500")
    row = store.row(store.define(REQUEST_DURATION), ("GET", "/api/users", status, "http", error))
    for _ in range(count):
        store.values[STARTED] += 1.0
        store.observe(row, 0.05)
        store.values[FINISHED] += 1.0


def test_new_initialize_start_stop_and_is_running(system: PerformanceSystem) -> None:
    system.initialize()
    assert not system.is_running
    system.start()
    assert system.is_running
    system.stop()
    assert not system.is_running


@pytest.mark.anyio
async def test_the_awaitable_twins(system: PerformanceSystem) -> None:
    await system.ainitialize()
    await system.astart()
    assert system.is_running
    await system.astop()
    assert not system.is_running


def test_initialize_takes_a_database(system: PerformanceSystem) -> None:
    connection = sqlite3.connect(":memory:")
    assert system.initialize(connection) is system
    assert system.initialize("sqlite://") is system
    connection.close()


def test_start_before_initialize_initializes_and_stop_twice_is_harmless(system: PerformanceSystem) -> None:
    happened: list[str] = []
    system.on("initialized", lambda payload: happened.append("initialized"))
    system.start()
    system.stop()
    system.stop()
    assert happened == ["initialized"]


def test_with_and_async_with_are_start_and_stop() -> None:
    with PerformanceSystem(environment="testing") as system:
        assert system.is_running
    assert not system.is_running


def test_get_performance_dashboard(system: PerformanceSystem) -> None:
    system.start()
    serve(system, count=30)
    dashboard = system.get_performance_dashboard()
    assert dashboard.status in ("unknown", "healthy", "warning", "critical")
    assert dashboard.uptime >= 0.0
    score = dashboard.summary.overall_score
    assert score is None or 0 <= score <= 100
    assert dashboard.components["performance"].requests == 30
    assert dashboard.components["health"].status == "healthy"
    document = json.loads(json.dumps(dashboard.to_dict()))
    assert document["components"]["performance"]["requests"] == 30
    assert document["status"] == dashboard.status


def test_get_component(system: PerformanceSystem) -> None:
    assert isinstance(system.get_component("performance"), PerformanceMonitor)
    assert isinstance(system.get_component("health"), HealthChecker)
    assert isinstance(system.get_component("metrics"), MetricsCollector)
    assert system.get_component("health") is system.health
    with pytest.raises(PerfkitError, match="metrics, performance, health"):
        system.get_component("helth")


def test_export_metrics_as_json(system: PerformanceSystem) -> None:
    serve(system, count=3)
    assert REQUEST_DURATION.name in json.dumps(json.loads(system.export_metrics("json")))


def test_export_metrics_as_prometheus_is_the_default(system: PerformanceSystem) -> None:
    serve(system, count=3)
    page = system.export_metrics("prometheus")
    counts = [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == f"{REQUEST_DURATION.name}_count"
    ]
    assert counts == [3.0]
    assert f"{REQUEST_DURATION.name}_count" in system.export_metrics()


def test_export_metrics_as_csv(system: PerformanceSystem) -> None:
    serve(system, count=3)
    rows = list(csv.reader(io.StringIO(system.export_metrics("csv"))))
    assert any(REQUEST_DURATION.name in cell for row in rows[1:] for cell in row)
    assert len({len(row) for row in rows}) == 1


def test_export_metrics_as_openmetrics(system: PerformanceSystem) -> None:
    serve(system, count=3)
    assert system.export_metrics("openmetrics").endswith("# EOF\n")


def test_export_metrics_in_an_unknown_format_is_an_error_that_names_the_known_ones(system: PerformanceSystem) -> None:
    with pytest.raises(PerfkitError, match=r"prometheus, openmetrics, json, csv"):
        system.export_metrics("xml")


@pytest.mark.parametrize("event", ["initialized", "started", "stopped", "alert", "metric_recorded"])
def test_on_and_off_know_the_seeds_events(event: str, system: PerformanceSystem) -> None:
    def listener(payload: object) -> None:
        raise AssertionError("it was taken off")

    system.on(event, listener)
    assert system.off(event, listener)
    system.start()
    system.stop()


def test_the_events_of_the_life_of_a_system_happen_in_order(system: PerformanceSystem) -> None:
    happened: list[str] = []
    for event in ("started", "stopped", "initialized"):
        system.on(event, lambda payload, event=event: happened.append(event))
    system.start()
    system.stop()
    assert happened == ["initialized", "started", "stopped"]


def test_an_unknown_event_name_is_an_error(system: PerformanceSystem) -> None:
    with pytest.raises(PerfkitError, match="There is no event 'request'"):
        system.on("request", print)


def found_of(first: str, second: str, findings: Iterable[Finding]) -> list[Finding]:
    """Return those of two components: the process that runs the tests has troubles of its own, such as pauses."""
    return [finding for finding in findings if finding.component in (first, second)]


def test_get_optimization_recommendations(system: PerformanceSystem) -> None:
    """The seed prints the priority and the message of each; here each also says what to do, and why we think so."""
    system.initialize(sqlite3.connect(":memory:"))
    with system:
        assert not found_of("database", "cache", system.get_optimization_recommendations())
        for number in range(1200):
            system.cache.get(f"token-{number}")
        connection = system.database.wrap(sqlite3.connect(":memory:"))
        connection.execute("CREATE TABLE review (product_id INTEGER, stars INTEGER)")
        with system.database.watch("report"):
            for number in range(30):
                connection.execute("SELECT stars FROM review WHERE product_id = ?", (number,)).fetchall()
        connection.close()
        recommendations = system.get_optimization_recommendations()
    for recommendation in recommendations:
        print(f"{recommendation.priority}: {recommendation.message}")
    order = ["critical", "high", "medium", "low"]
    assert [each.priority for each in recommendations] == sorted(
        (each.priority for each in recommendations), key=order.index
    )
    assert all(each.message and each.action and each.evidence for each in recommendations)
    loop, useless = found_of("database", "cache", recommendations)[:2]
    assert (loop.priority, loop.component, loop.kind) == ("high", "database", "n_plus_one")
    assert (useless.priority, useless.component, useless.kind) == ("medium", "cache", "useless_cache")
    assert loop.site is not None
    assert "test_parity_system.py" in loop.site


def test_the_dashboard_has_the_overall_score_and_the_recommendations(system: PerformanceSystem) -> None:
    with system:
        assert system.get_performance_dashboard().summary.overall_score is None
        serve(system, count=90)
        serve(system, success=False, count=10)
        for number in range(1200):
            system.cache.get(f"token-{number}")
        dashboard = system.get_performance_dashboard()
    score = dashboard.summary.score
    assert score is not None
    assert dashboard.summary.overall_score == score.value == sum(part.points for part in score.parts)
    assert 0 < score.value < 60
    assert {part.name: part.points for part in score.parts}["errors"] == 0
    assert [each.kind for each in found_of("database", "cache", dashboard.recommendations)] == ["useless_cache"]
    told = json.loads(json.dumps(dashboard.to_dict()))
    assert told["summary"]["score"]["parts"][0]["losses"][0]["reason"] == "failed requests count as slow"
    assert "PK302" in [each["code"] for each in told["recommendations"]]
