"""The reference document's health checks: `registerHealthCheck(name, fn)` and `getHealthSummary()`, in Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from patience import until

from perfkit import PerformanceSystem
from perfkit.health import CheckSnapshot


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    with PerformanceSystem(environment="testing") as system:
        yield system


def check(system: PerformanceSystem, name: str) -> CheckSnapshot:
    return next(each for each in system.health.get_health_summary().checks if each.name == name)


def test_register_health_check_with_a_function_that_answers_status_and_message(system: PerformanceSystem) -> None:
    def check_database() -> dict[str, str]:
        return {"status": "healthy", "message": "Database connection OK"}

    system.health.register_health_check("database", check_database)
    found = until(lambda: check(system, "database"), lambda each: each.status != "unknown")
    assert (found.status, found.message) == ("healthy", "Database connection OK")


def test_register_health_check_with_a_coroutine_function(system: PerformanceSystem) -> None:
    async def check_external_api() -> dict[str, str]:
        return {"status": "critical", "message": "External API unreachable"}

    system.health.register_health_check("external-api", check_external_api, critical=True)
    until(lambda: system.health.get_health_summary().status, lambda status: status == "critical")
    assert check(system, "external-api").message == "External API unreachable"


def test_register_health_check_as_a_decorator(system: PerformanceSystem) -> None:
    @system.health.register_health_check("queue", critical=False, timeout=1.0, interval=5.0)
    def check_queue() -> bool:
        return False

    until(lambda: check(system, "queue").status, lambda status: status == "critical")
    assert system.health.get_health_summary().is_ready


def test_a_health_check_is_unknown_before_its_first_result() -> None:
    system = PerformanceSystem(environment="testing")
    system.health.register_health_check("database", lambda: True)
    assert check(system, "database").status == "unknown"


def test_get_health_summary_tells_the_status_and_all_checks(system: PerformanceSystem) -> None:
    system.health.register_health_check("failing", lambda: {"status": "critical", "message": "down"})
    until(lambda: check(system, "failing").status, lambda status: status == "critical")
    summary = system.health.get_health_summary()
    assert summary.status in ("warning", "critical")
    assert {"memory", "uptime", "failing"} <= {each.name for each in summary.checks}


def test_a_component_is_reached_by_its_name(system: PerformanceSystem) -> None:
    assert system.get_component("health") is system.health
