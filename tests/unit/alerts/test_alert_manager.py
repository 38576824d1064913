"""The manager standing alone and in a system: rules in, alerts out."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from perfkit import PerformanceSystem, get_performance_config
from perfkit.alerts import Alert, AlertManager, AlertsSettings, Inhibition, Notification, Route, Rule, Severity, Slo
from perfkit.core.errors import AlertError, ConfigurationError
from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.core.status import Status
from perfkit.testing import FakeClock

DEPTH = Definition(name="queue_depth", type=MetricType.GAUGE, labels=("queue",), mode=GaugeMode.LATEST)
NOW = Route(group_by=None, group_wait=0.0, group_interval=0.0, rate=100.0, burst=100.0)
DEEP = Rule(name="Deep", metric=DEPTH.name, above=5.0, hold=0.0, keep_firing_for=0.0)


class Recorder:
    def __init__(self) -> None:
        self.got: list[Notification] = []

    def deliver(self, notification: Notification) -> None:
        self.got.append(notification)

    @property
    def words(self) -> list[str]:
        return [f"{each.status} {alert.name}" for each in self.got for alert in each.alerts]


class Bench:
    """A manager that stands alone, with a clock and a gauge."""

    def __init__(self, *rules: Rule, **settings: Any) -> None:
        self.clock = FakeClock()
        self.manager = AlertManager(settings=AlertsSettings(log=False, **settings), clock=self.clock)
        self.recorder = Recorder()
        self.manager.add_receiver("people", self.recorder, route=NOW)
        for rule in rules:
            self.manager.add_rule(rule)

    def depth(self, value: float, queue: str = "mail", *, seconds: int = 10) -> None:
        """Set the gauge and let time pass."""
        self.manager.store.set(self.manager.store.row(DEPTH, (queue,)), value)
        for _ in range(seconds):
            self.manager.tick(self.clock.advance(1.0))


def test_it_stands_alone() -> None:
    manager = AlertManager(clock=FakeClock())
    assert (manager.get_rules(), manager.get_active_alerts(), manager.get_alert_history()) == ([], [], [])
    assert manager.evaluate() == []
    assert manager.snapshot().status is Status.HEALTHY


def test_an_alert_carries_what_people_need() -> None:
    bench = Bench(msgspec.structs.replace(DEEP, severity=Severity.CRITICAL, source="jobs", by=("queue",)))
    seen: list[Alert] = []
    bench.manager.on_alert(seen.append)
    bench.depth(9.0)
    (alert,) = seen
    assert (alert.severity, alert.source, alert.value, alert.threshold) == ("critical", "jobs", 9.0, 5.0)
    assert (str(alert.state), alert.at) == ("firing", bench.manager.get_active_alerts()[0].started_at)
    assert alert.message == "value of queue_depth is 9, above 5"
    assert alert.labels == {"alertname": "Deep", "severity": "critical", "service": "app", "queue": "mail"}
    bench.depth(1.0)
    assert [str(each.state) for each in seen] == ["firing", "resolved"]
    assert seen[1].message == "over: now 1, the threshold is 5"


def test_the_summary_is_filled_in() -> None:
    summary = "{queue} holds {value} for {window}, {threshold} is much"
    bench = Bench(msgspec.structs.replace(DEEP, by=("queue",), summary=summary, unit="bytes"))
    bench.depth(4_096.0)
    assert bench.manager.get_active_alerts()[0].message == "mail holds 4 KiB for 5 min, 5 B is much"


def test_each_group_is_an_alert_of_its_own() -> None:
    bench = Bench(msgspec.structs.replace(DEEP, by=("queue",)))
    bench.depth(9.0, "mail", seconds=1)
    bench.depth(9.0, "print")
    assert {alert.labels["queue"] for alert in bench.manager.get_active_alerts()} == {"mail", "print"}
    bench.depth(1.0, "print")
    assert {alert.labels["queue"] for alert in bench.manager.get_active_alerts()} == {"mail"}


def test_alerts_are_bounded_and_the_rest_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(msgspec.structs.replace(DEEP, by=("queue",)), max_alerts=10)
    with caplog.at_level(logging.WARNING):
        for number in range(25):
            bench.depth(9.0, f"q{number}", seconds=1)
        bench.depth(9.0)
    assert len(bench.manager.get_active_alerts()) == 10
    assert "was left out" in caplog.text


def test_it_evaluates_at_its_interval() -> None:
    bench = Bench(DEEP, interval=30.0)
    bench.depth(1.0, seconds=1)
    bench.depth(9.0, seconds=29)
    assert bench.manager.get_active_alerts() == []
    bench.depth(9.0, seconds=1)
    assert len(bench.manager.get_active_alerts()) == 1


def test_a_pending_alert_is_told_to_nobody() -> None:
    bench = Bench(msgspec.structs.replace(DEEP, hold=60.0))
    bench.depth(9.0, seconds=30)
    snapshot = bench.manager.snapshot()
    assert ([each.name for each in snapshot.pending], snapshot.active, bench.recorder.got) == (["Deep"], (), [])
    assert snapshot.status is Status.HEALTHY


def test_a_flapping_alert_is_told_once_until_it_is_calm() -> None:
    bench = Bench(DEEP)
    for _ in range(10):
        bench.depth(9.0)
        bench.depth(1.0)
    told = bench.recorder.words
    assert len(told) <= 7
    assert bench.recorder.got[-1].alerts[0].is_flapping
    assert bench.manager.get_active_alerts()[0].is_flapping
    bench.depth(1.0, seconds=620)
    assert bench.recorder.words[-1] == "resolved Deep"
    assert bench.manager.get_active_alerts() == []


def test_silence_mutes_but_shows() -> None:
    bench = Bench(DEEP)
    silence = bench.manager.silence({"alertname": "=~De.*"}, duration=100.0, author="ann", comment="known")
    bench.depth(9.0, seconds=50)
    assert bench.recorder.got == []
    (alert,) = bench.manager.get_active_alerts()
    assert alert.is_silenced
    assert bench.manager.snapshot().status is Status.HEALTHY
    assert bench.manager.get_silences() == [silence]
    bench.depth(9.0, seconds=60)
    assert bench.recorder.words == ["firing Deep"]
    assert bench.manager.get_silences() == []


def test_events_keep_quiet_during_a_silence_too() -> None:
    bench = Bench(DEEP)
    seen: list[Alert] = []
    bench.manager.on_alert(seen.append)
    bench.manager.silence("Deep", duration=100.0)
    bench.depth(9.0, seconds=50)
    bench.depth(1.0, seconds=20)
    assert seen == []


def test_inhibitions_and_dependencies_mute() -> None:
    other = msgspec.structs.replace(DEEP, name="Deeper", above=8.0, severity=Severity.CRITICAL)
    follower = msgspec.structs.replace(DEEP, name="Follows", depends_on=("Deeper",))
    bench = Bench(DEEP, other, follower)
    bench.manager.add_inhibition(
        Inhibition(source={"alertname": "Deeper"}, target={"alertname": "Deep"}, equal=("service",))
    )
    bench.depth(9.0)
    assert bench.recorder.words == ["firing Deeper"]
    assert {each.name: each.inhibited_by for each in bench.manager.get_active_alerts()} == {
        "Deeper": "",
        "Deep": "Deeper",
        "Follows": "Deeper",
    }
    bench.depth(7.0)
    assert sorted(bench.recorder.words[1:]) == ["firing Deep", "firing Follows", "resolved Deeper"]


def test_an_unknown_alert_cannot_be_acknowledged() -> None:
    with pytest.raises(AlertError, match="No alert 'Nothing' fires"):
        Bench().manager.acknowledge("Nothing")


def test_history_tells_beginning_and_end_with_the_duration() -> None:
    bench = Bench(DEEP)
    bench.depth(9.0, seconds=20)
    bench.depth(1.0, seconds=20)
    over, began = bench.manager.get_alert_history()
    assert (str(began.state), began.duration, began.value) == ("firing", None, 9.0)
    assert (str(over.state), over.duration) == ("resolved", 20.0)
    assert bench.manager.get_alert_history(limit=1) == [over]


def test_a_rule_that_raises_harms_no_other(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    broken = Rule(name="Broken", metric="strange", above=1.0, hold=0.0)
    bench = Bench(broken, DEEP)

    def fail() -> Any:
        raise RuntimeError("the exporter is broken")

    monkeypatch.setattr(
        bench.manager._engine._numbers, "family", lambda metric: fail() if metric == "strange" else None
    )
    rule = msgspec.structs.replace(DEEP, measure="increase", above=-1.0)
    bench.manager.add_rule(rule)
    bench.depth(9.0, seconds=30)
    assert [alert.name for alert in bench.manager.get_active_alerts()] == ["Deep"]
    assert "'Broken' could not be evaluated" in caplog.text


def test_a_removed_rule_ends_its_alerts() -> None:
    bench = Bench(DEEP)
    bench.depth(9.0)
    assert bench.manager.remove_rule("Deep")
    assert not bench.manager.remove_rule("Deep")
    bench.depth(9.0)
    assert bench.recorder.words == ["firing Deep", "resolved Deep"]


def test_a_receiver_can_be_taken_away() -> None:
    bench = Bench(DEEP)
    assert bench.manager.remove_receiver("people")
    bench.depth(9.0)
    assert bench.recorder.got == []


def test_a_receiver_without_deliver_is_refused() -> None:
    with pytest.raises(AlertError, match="must have a method"):
        Bench().manager.add_receiver("x", object())  # type: ignore[arg-type]  # that is the point


def test_no_data_can_be_an_alert() -> None:
    bench = Bench(Rule(name="Gone", metric="heartbeat", above=1e9, no_data="alert", hold=20.0))
    bench.depth(1.0, seconds=40)
    assert [alert.name for alert in bench.manager.get_active_alerts()] == ["Gone"]


def test_budgets_are_shown_and_low_objectives_are_found() -> None:
    bench = Bench()
    jobs = Definition(name="jobs_total", type=MetricType.COUNTER, labels=("result",))
    bench.manager.add_slo(Slo(name="jobs", objective=0.9, metric=jobs.name, bad={"result": "failed"}))
    bench.depth(1.0, seconds=11)
    for result, count in (("ok", 95.0), ("failed", 5.0)):
        bench.manager.store.add(bench.manager.store.row(jobs, (result,)), count)
    bench.depth(1.0, seconds=70)
    (slo,) = bench.manager.snapshot().slos
    assert (slo.events, slo.bad, slo.budget_left) == (100.0, 5.0, pytest.approx(0.5))
    (finding,) = bench.manager.findings()
    assert (finding.kind, finding.object) == ("slo_unreachable", "jobs")


def test_a_rule_that_never_measures_anything_is_found() -> None:
    bench = Bench(DEEP, Rule(name="Typo", metric="queue_dept", above=1.0))
    bench.depth(1.0, seconds=30)
    assert list(bench.manager.findings()) == []
    bench.clock.advance(900.0)
    bench.depth(1.0)
    assert [(finding.kind, finding.object) for finding in bench.manager.findings()] == [
        ("alert_rule_without_data", "Typo")
    ]


def test_a_receiver_that_fails_for_long_is_found_and_fails_a_check() -> None:
    bench = Bench(DEEP)

    class Down:
        def deliver(self, notification: Notification) -> None:
            raise OSError("https://hooks.example.com/a-secret-token is unreachable")

    bench.manager.add_receiver("chat", Down(), route=NOW)
    bench.depth(9.0, seconds=400)
    (finding,) = bench.manager.findings()
    assert (finding.kind, finding.object) == ("alert_receiver_failing", "chat")
    (snapshot,) = [each for each in bench.manager.snapshot().receivers if each.name == "chat"]
    assert snapshot.last_error == "it raised OSError"
    assert snapshot.waiting == 1
    assert "a-secret-token" not in str(bench.manager.snapshot())


def test_the_snapshot_is_plain_json() -> None:
    bench = Bench(DEEP)
    bench.depth(9.0)
    decoded = msgspec.json.decode(msgspec.json.encode(bench.manager.snapshot()))
    assert decoded["active"][0]["name"] == "Deep"
    assert decoded["status"] == "warning"


def eventually(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("perfkit-alerts-")}


def test_after_start_each_receiver_has_a_thread_and_stop_ends_them() -> None:
    bench = Bench(DEEP)
    slow = threading.Event()
    entered = threading.Event()

    class Slow:
        def deliver(self, notification: Notification) -> None:
            entered.set()
            slow.wait(30)

    bench.manager.add_receiver("slow", Slow(), route=NOW)
    bench.manager.start()
    bench.manager.start()
    assert threads() == set()
    bench.depth(9.0)
    assert entered.wait(20)
    eventually(lambda: bench.recorder.words == ["firing Deep"])
    assert threads() == {"perfkit-alerts-slow", "perfkit-alerts-people"}
    slow.set()
    bench.manager.stop()
    bench.manager.stop()
    assert threads() == set()


def test_events_are_told_by_a_thread_after_start() -> None:
    bench = Bench(DEEP)
    seen: list[str] = []
    bench.manager.on_alert(lambda alert: seen.append(threading.current_thread().name))
    bench.manager.start()
    bench.depth(9.0)
    eventually(lambda: seen == ["perfkit-alerts-event"])
    bench.manager.stop()


def test_alerts_go_to_the_log_by_their_severity(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    manager = AlertManager(store=bench.manager.store, clock=bench.clock)
    manager.add_rule(msgspec.structs.replace(DEEP, severity=Severity.CRITICAL))
    bench.manager = manager
    with caplog.at_level(logging.INFO, logger="perfkit.alerts"):
        bench.depth(9.0)
        bench.depth(1.0)
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [
        ("ERROR", "FIRING Deep: value of queue_depth is 9, above 5"),
        ("INFO", "RESOLVED Deep: over: now 1, the threshold is 5"),
    ]


def test_the_firing_alerts_are_a_metric() -> None:
    bench = Bench(DEEP)
    bench.depth(9.0)
    (family,) = bench.manager.store.families({"perfkit_alerts_firing"})
    assert {point.labels[0]: point.value for point in family.points} == {"info": 0.0, "warning": 1.0, "critical": 0.0}
    (family,) = bench.manager.store.families({"perfkit_alert_notifications_total"})
    assert {point.labels: point.value for point in family.points} == {("people", "delivered"): 1.0}


def test_production_has_default_rules_and_the_others_none() -> None:
    rules = {
        environment: len(PerformanceSystem(environment=environment).alerts.get_rules())
        for environment in ("production", "development", "testing")
    }
    assert rules["production"] >= 6
    assert (rules["development"], rules["testing"]) == (0, 0)


def test_a_system_takes_rules_objectives_and_receivers_from_settings() -> None:
    settings = {
        "alerts": {
            "rules": {"Deep": {"metric": DEPTH.name, "above": 5, "for": 30}},
            "slos": {"checkout": {"objective": 0.999}},
            "receivers": {"ops": {"type": "webhook", "url": "https://example.com/a-secret-token"}},
        }
    }
    system = PerformanceSystem(settings, environment="testing")
    assert [(rule.name, rule.hold) for rule in system.alerts.get_rules()] == [("Deep", 30.0)]
    assert [check.name for check in system.alerts.checks()] == ["alert_delivery"]
    assert "a-secret-token" not in repr(system.config)
    assert system.get_component("alerts") is system.alerts


def test_wrong_settings_are_all_reported_without_secrets() -> None:
    settings = {
        "rules": {"Deep": {"metric": "m", "abov": 5}, "{Odd}": {"metric": "m"}},
        "slos": {"checkout": {"objective": 99.9}},
        "inhibitions": [{"source": {}}],
        "receivers": {"ops": {"type": "webhok", "url": "https://x/a-secret-token"}, "mail": {"type": "email"}},
        "interval": 0,
    }
    with pytest.raises(ConfigurationError) as caught:
        get_performance_config("testing", {"alerts": settings})
    message = str(caught.value)
    assert message.startswith("5 settings cannot be used:")
    for part in ("Write above instead", "'{Odd}'", "objective is wrong", "has no target", "'webhok'", "has no host"):
        assert part in message
    assert "a-secret-token" not in message


def test_receivers_may_come_from_the_environment() -> None:
    environ = {"PERFKIT_ALERTS__RECEIVERS": '{"ops": {"type": "log", "minimum_severity": "critical"}}'}
    config = get_performance_config("testing", environ=environ)
    assert config.alerts.receivers == {"ops": {"type": "log", "minimum_severity": "critical"}}


def test_a_secret_may_be_the_name_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    receivers = {"ops": {"type": "webhook", "url": "env:OPS_HOOK"}}
    with pytest.raises(ConfigurationError, match="OPS_HOOK, which is not set"):
        AlertManager(settings=AlertsSettings(receivers=receivers))
    monkeypatch.setenv("OPS_HOOK", "https://example.com/a-secret-token")
    assert AlertManager(settings=AlertsSettings(receivers=receivers)).get_rules() == []


def test_an_alert_of_a_running_system_is_an_event() -> None:
    settings = {
        "alerts": {"rules": {"Deep": {"metric": DEPTH.name, "above": 5, "for": 0}}, "log": False, "interval": 1}
    }
    seen: list[Alert] = []
    with PerformanceSystem(settings, environment="testing") as system:
        system.on("alert", seen.append)
        system.store.set(system.store.row(DEPTH, ("mail",)), 9.0)
        eventually(lambda: bool(seen))
        dashboard = system.get_performance_dashboard().to_dict()
    assert (seen[0].name, seen[0].value, str(seen[0].state)) == ("Deep", 9.0, "firing")
    assert dashboard["components"]["alerts"]["active"][0]["name"] == "Deep"


def test_without_receivers_nothing_for_networks_is_loaded() -> None:
    script = (
        "import sys; from perfkit.alerts import AlertManager; AlertManager().evaluate(); "
        "print([name for name in ('ssl', 'http.client', 'smtplib', 'asyncio', 'apprise') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
