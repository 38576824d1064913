"""The default rules over the metrics as their components define them."""

from __future__ import annotations

from perfkit.alerts import AlertManager
from perfkit.alerts.rules import defaults
from perfkit.alerts.rules.defaults import default_rules
from perfkit.health.meters import CHECK_STATUS, LEVELS
from perfkit.performance.blocking.metrics import LOOP_LAG
from perfkit.performance.stuck.watch import STUCK
from perfkit.testing import FakeClock


def manager(clock: FakeClock) -> AlertManager:
    made = AlertManager(clock=clock)
    for rule in default_rules({}, {}):
        made.add_rule(rule)
    return made


def pass_seconds(alerts: AlertManager, clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        alerts.tick(clock.advance(1.0))


def test_the_names_are_those_of_the_components() -> None:
    assert (CHECK_STATUS.name, STUCK.name, LOOP_LAG.name) == (defaults.HEALTH, defaults.STUCK, defaults.LAG)
    assert max(LEVELS.values()) == defaults.CRITICAL_HEALTH


def test_a_critical_health_check_is_an_alert_of_its_own() -> None:
    clock = FakeClock()
    alerts = manager(clock)
    for check, level in (("database", 2.0), ("queue", 1.0), ("search", 2.0), ("disk", -1.0)):
        alerts.store.set(alerts.store.row(CHECK_STATUS, (check,)), level)
    pass_seconds(alerts, clock, 80)
    assert {alert.message for alert in alerts.get_active_alerts()} == {
        "the health check database is critical",
        "the health check search is critical",
    }
    alerts.store.set(alerts.store.row(CHECK_STATUS, ("database",)), 0.0)
    pass_seconds(alerts, clock, 150)
    assert [alert.labels["check"] for alert in alerts.get_active_alerts()] == ["search"]


def test_stuck_requests_are_an_alert_until_they_end() -> None:
    clock = FakeClock()
    alerts = manager(clock)
    alerts.store.set(alerts.store.row(STUCK), 3.0)
    pass_seconds(alerts, clock, 80)
    (alert,) = alerts.get_active_alerts()
    assert (alert.name, alert.message) == ("StuckRequests", "3 requests hold a thread and do not come to an end")
    alerts.store.set(alerts.store.row(STUCK), 0.0)
    pass_seconds(alerts, clock, 150)
    assert alerts.get_active_alerts() == []
