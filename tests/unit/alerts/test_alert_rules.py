"""Rules, objectives, and what they measure of a store's numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from perfkit.alerts import Rule, Severity, Slo, Spending
from perfkit.alerts.numbers.measures import bad_and_total, measure_burn, measure_rule
from perfkit.alerts.numbers.numbers import Numbers
from perfkit.alerts.parsing import parse_inhibition, parse_rule, parse_slo
from perfkit.alerts.rules.defaults import default_rules
from perfkit.alerts.rules.slo import SPENDINGS, detection_time, factor
from perfkit.alerts.states.machine import Reading
from perfkit.core.errors import AlertError
from perfkit.core.families import Definition, Family, GaugeMode, MetricType, Point
from perfkit.core.names import REQUEST_DURATION
from perfkit.store import Store, StoreSettings
from perfkit.store.layout import FINISHED, STARTED
from perfkit.testing import FakeClock

DEPTH = Definition(name="depth", type=MetricType.GAUGE, labels=("queue",), mode=GaugeMode.LATEST)
JOBS = Definition(name="jobs_total", type=MetricType.COUNTER, labels=("queue", "result"))
WAIT = Definition(name="wait_seconds", type=MetricType.HISTOGRAM, boundaries=(0.1, 1.0, 10.0))
SIZE = Definition(name="size_bytes", type=MetricType.SUMMARY)


class Bench:
    """A store, numbers over it and a clock."""

    def __init__(self, *, foreign: tuple[Family, ...] = ()) -> None:
        self.clock = FakeClock()
        self.store = Store(StoreSettings(mode="memory"), clock=self.clock)
        self.numbers = Numbers(self.store, lambda: foreign)

    def watch(self, *names: str, span: float = 600.0) -> None:
        for name in names:
            self.numbers.watch(name, span=span)
        self.numbers.sample(self.clock.unix)

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds // 10):
            self.clock.advance(10.0)
            self.store.tick(self.clock.now)
            self.numbers.sample(self.clock.unix)

    def add(self, amount: float, *labels: str) -> None:
        self.store.add(self.store.row(JOBS, labels), amount)

    def serve(self, count: int, *, seconds: float = 0.01, error: str = "", route: str = "/") -> None:
        row = self.store.row(REQUEST_DURATION, ("GET", route, "500" if error else "200", "http", error))
        for _ in range(count):
            self.store.values[STARTED] += 1.0
            self.store.observe(row, seconds)
            self.store.values[FINISHED] += 1.0

    def read(self, **fields: Any) -> dict[tuple[str, ...], Reading]:
        rule = Rule(**{"name": "R", "metric": JOBS.name, "above": 1.0, "window": 60.0, **fields})
        rule.check()
        return measure_rule(rule, self.numbers, self.clock.unix)

    def value(self, **fields: Any) -> float | None:
        (reading,) = self.read(**fields).values()
        return reading.value


def test_the_value_of_a_gauge_is_the_worst_of_its_series() -> None:
    bench = Bench()
    for queue, depth in (("mail", 3.0), ("print", 8.0)):
        bench.store.set(bench.store.row(DEPTH, (queue,)), depth)
    bench.watch(DEPTH.name)
    assert bench.value(metric=DEPTH.name) == 8.0
    assert bench.value(metric=DEPTH.name, above=None, below=1.0) == 3.0
    assert bench.value(metric=DEPTH.name, combine="sum") == 11.0
    assert bench.value(metric=DEPTH.name, combine="mean") == 5.5
    assert bench.value(metric=DEPTH.name, where={"queue": "mail"}) == 3.0
    assert bench.value(metric=DEPTH.name, per=16.0) == 0.5


def test_by_tells_alerts_of_one_rule_apart() -> None:
    bench = Bench()
    for queue, depth in (("mail", 3.0), ("print", 8.0)):
        bench.store.set(bench.store.row(DEPTH, (queue,)), depth)
    bench.watch(DEPTH.name)
    readings = bench.read(metric=DEPTH.name, by=("queue",))
    assert {group: reading.value for group, reading in readings.items()} == {("mail",): 3.0, ("print",): 8.0}


def test_rate_and_increase_of_a_counter() -> None:
    bench = Bench()
    bench.watch(JOBS.name)
    for _ in range(6):
        bench.add(20.0, "mail", "ok")
        bench.add(10.0, "mail", "failed")
        bench.pass_seconds(10)
    assert bench.value(measure="rate") == pytest.approx(3.0)
    assert bench.value(measure="increase") == pytest.approx(180.0)
    assert bench.value(measure="rate", where={"result": "failed"}) == pytest.approx(1.0)
    assert bench.value() == pytest.approx(180.0)


def test_the_ratio_of_one_counter() -> None:
    bench = Bench()
    bench.watch(JOBS.name)
    bench.add(30.0, "mail", "ok")
    bench.add(10.0, "mail", "failed")
    bench.pass_seconds(30)
    (reading,) = bench.read(measure="ratio", where={"result": "failed"}).values()
    assert reading == Reading(0.25, 40.0)


def test_a_ratio_by_group_counts_groups_without_any_part_as_zero() -> None:
    bench = Bench()
    bench.watch(JOBS.name)
    bench.add(30.0, "mail", "ok")
    bench.add(10.0, "print", "failed")
    bench.pass_seconds(30)
    readings = bench.read(measure="ratio", where={"result": "failed"}, by=("queue",))
    assert {group: reading.value for group, reading in readings.items()} == {("mail",): 0.0, ("print",): 1.0}


def test_without_events_a_ratio_is_unknown() -> None:
    bench = Bench()
    bench.watch(JOBS.name)
    bench.add(1.0, "mail", "ok")
    bench.pass_seconds(120)
    (reading,) = bench.read(measure="ratio", where={"result": "failed"}).values()
    assert reading == Reading(None, 0.0)


def test_an_increase_that_is_too_small_needs_the_whole_window() -> None:
    bench = Bench()
    bench.watch(JOBS.name)
    bench.add(1.0, "mail", "ok")
    bench.pass_seconds(30)
    assert bench.value(measure="increase", above=None, below=5.0) is None
    bench.pass_seconds(30)
    assert bench.value(measure="increase", above=None, below=5.0) == 1.0


def test_mean_quantile_and_share_of_a_histogram() -> None:
    bench = Bench()
    bench.watch(WAIT.name)
    row = bench.store.row(WAIT)
    for seconds in (0.05, 0.05, 0.5, 5.0):
        bench.store.observe(row, seconds)
    bench.pass_seconds(30)
    assert bench.value(metric=WAIT.name, measure="mean") == pytest.approx(1.4)
    assert bench.value(metric=WAIT.name, measure="share_above", bound=1.0) == 0.25
    assert bench.value(metric=WAIT.name, measure="share_above", bound=0.7) == 0.25
    assert bench.value(metric=WAIT.name, measure="share_above", bound=0.1) == 0.5
    assert bench.value(metric=WAIT.name, measure="share_above", bound=99.0) == 0.0
    quantile = bench.value(metric=WAIT.name, measure="quantile", quantile=0.99)
    assert quantile is not None
    assert 1.0 < quantile <= 10.0


def test_the_mean_of_a_gauge_is_that_of_its_samples() -> None:
    bench = Bench()
    row = bench.store.row(DEPTH, ("mail",))
    bench.store.set(row, 2.0)
    bench.watch(DEPTH.name)
    bench.store.set(row, 4.0)
    bench.pass_seconds(20)
    assert bench.value(metric=DEPTH.name, measure="mean") == pytest.approx(10.0 / 3.0)


def test_the_quantile_of_a_summary() -> None:
    bench = Bench()
    for number in range(1, 101):
        bench.store.observe(bench.store.row(SIZE), float(number))
    bench.watch(SIZE.name)
    assert bench.value(metric=SIZE.name, measure="quantile", quantile=0.9) == pytest.approx(90.0, rel=0.06)


def test_requests_are_read_from_the_stores_history() -> None:
    bench = Bench()
    bench.pass_seconds(60)
    bench.serve(90, seconds=0.01)
    bench.serve(10, seconds=2.0, error="ValueError")
    bench.pass_seconds(30)
    errors = {"error_type": "!~|client_disconnected"}
    fields: dict[str, Any] = {"metric": REQUEST_DURATION.name, "window": 60.0}
    (reading,) = bench.read(**fields, measure="ratio", where=errors).values()
    assert reading == Reading(0.1, 100.0)
    assert bench.value(**fields, measure="quantile", quantile=0.95) == pytest.approx(2.0, rel=0.06)
    bench.pass_seconds(120)
    (reading,) = bench.read(**fields, measure="ratio", where=errors).values()
    assert reading == Reading(None, 0.0)


def test_what_is_not_in_the_store_is_looked_for_in_what_components_bring() -> None:
    foreign = Family(Definition(name="theirs", type=MetricType.GAUGE), (Point((), 7.0),))
    bench = Bench(foreign=(foreign,))
    bench.watch("theirs")
    assert bench.value(metric="theirs") == 7.0


def test_a_metric_that_nobody_knows_reads_nothing() -> None:
    bench = Bench()
    bench.watch("nothing_total")
    bench.pass_seconds(30)
    for measure in ("value", "rate", "increase", "mean", "quantile", "ratio"):
        assert bench.read(metric="nothing_total", measure=measure, where={"a": "b"}) == {}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "neither above nor below"),
    ({"above": 1, "below": 2}, "both above and below"),
    ({"above": 1, "clear": 2}, "clear must be at most"),
    ({"below": 1, "clear": 0.5}, "clear must be at least"),
    ({"above": 1, "measure": "share_above"}, "without a bound"),
    ({"above": 1, "measure": "ratio"}, "Give where"),
    ({"above": 1, "abov": 2}, "Write above instead"),
    ({"above": 1, "for": -1}, "for is wrong"),
    ({"above": 1, "hold": 1}, "has the field 'hold'"),
    ({"above": "much"}, "above is wrong"),
    ({"above": 1, "measure": "sum"}, "measure is wrong"),
    ({"above": 1, "labels": {"1x": "y"}}, "Rename it"),
    ({"above": 1, "by": ["severity"]}, "Rename it"),
    ({"above": 1, "where": {"a": "=~("}}, "regular expression"),
    ({"above": 1, "severity": "fatal"}, "severity is wrong"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG)
def test_a_rule_that_cannot_work_is_refused_in_three_sentences(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(AlertError, match=words) as caught:
        parse_rule("Slow", {"metric": "m", **fields})
    assert str(caught.value).count(". ") >= 2 or words == "regular expression"


def test_a_rule_without_a_metric_is_refused() -> None:
    with pytest.raises(AlertError, match="has no metric"):
        parse_rule("Slow", {"above": 1})


def test_settings_say_for_and_code_says_hold() -> None:
    assert parse_rule("Slow", {"metric": "m", "above": 1, "for": 90}).hold == 90.0
    assert parse_rule("Slow", {"metric": "m", "above": 1, "severity": "critical"}).severity is Severity.CRITICAL


def test_a_severity_may_be_given_by_its_word() -> None:
    given: Any = "critical"
    assert Rule(name="Slow", metric="m", above=1.0, severity=given).severity is Severity.CRITICAL
    with pytest.raises(ValueError, match="not a valid Severity"):
        Rule(name="Slow", metric="m", above=1.0, severity=given[:4])


def test_objectives_and_inhibitions_are_checked_too() -> None:
    with pytest.raises(AlertError, match="objective is wrong"):
        parse_slo("checkout", {"objective": 99.9})
    with pytest.raises(AlertError, match="short one must be shorter"):
        parse_slo("c", {"objective": 0.9, "spendings": [{"spent": 0.1, "long": 60, "short": 60, "severity": "info"}]})
    with pytest.raises(AlertError, match="has no target"):
        parse_inhibition({"source": {"a": "b"}})


def test_the_default_rules_follow_the_thresholds() -> None:
    thresholds = {"response_time": 2.0, "error_rate": 0.02, "cpu": 0.8, "memory": 0.7, "event_loop_lag": 0.1}
    rules = {rule.name: rule for rule in default_rules(thresholds, {"GET /reports": 9.0})}
    for rule in rules.values():
        rule.check()
    above = {name: rule.above for name, rule in rules.items()}
    assert above == {
        "SlowResponses": 2.0,
        "SlowResponses GET /reports": 9.0,
        "ErrorRate": 0.02,
        "ErrorRateSevere": 0.2,
        "CpuUsage": 0.8,
        "MemoryUsage": 0.7,
        "EventLoopLag": 0.1,
        "HealthCheckFails": 1.5,
        "StuckRequests": 0.0,
        "RequestsLost": 0.0,
    }
    assert rules["SlowResponses GET /reports"].where == {"http_request_method": "GET", "http_route": "/reports"}
    assert rules["ErrorRateSevere"].severity is Severity.CRITICAL
    assert rules["SlowResponses"].minimum_traffic == 50


def test_the_factors_are_those_of_the_workbook() -> None:
    month = 30 * 86_400.0
    assert [factor(each, month) for each in SPENDINGS] == pytest.approx([14.4, 6.0, 3.0, 1.0])
    assert [each.short * 12 for each in SPENDINGS] == [each.long for each in SPENDINGS]


def test_the_detection_times_are_those_of_the_workbook() -> None:
    month, budget = 30 * 86_400.0, 0.001
    assert detection_time(SPENDINGS[0], month, budget, 1.0) == pytest.approx(51.84)
    assert detection_time(SPENDINGS[1], month, budget, 1.0) == pytest.approx(129.6)
    assert detection_time(SPENDINGS[0], month, budget, 0.01) == math.inf


def test_a_burn_is_the_lower_one_of_two_windows() -> None:
    bench = Bench()
    spending = Spending(spent=0.1, long=300.0, short=60.0, severity=Severity.CRITICAL)
    slo = Slo(
        name="jobs", objective=0.9, metric=JOBS.name, bad={"result": "failed"}, period=3_600.0, spendings=(spending,)
    )
    bench.watch(JOBS.name)
    for _ in range(30):
        bench.add(5.0, "mail", "ok")
        bench.add(5.0, "mail", "failed")
        bench.pass_seconds(10)
    (burn,) = slo.burns()
    assert burn.factor == pytest.approx(0.1 * 3_600 / 300)
    assert measure_burn(burn, bench.numbers, bench.clock.unix)[()].value == pytest.approx(5.0)
    for _ in range(6):
        bench.add(10.0, "mail", "ok")
        bench.pass_seconds(10)
    assert measure_burn(burn, bench.numbers, bench.clock.unix)[()].value == 0.0


def test_an_objective_on_latency_counts_what_was_slower() -> None:
    bench = Bench()
    bench.pass_seconds(60)
    bench.serve(80, seconds=0.1)
    bench.serve(20, seconds=0.9)
    bench.pass_seconds(30)
    slo = Slo(name="fast", objective=0.9, slower_than=0.5)
    counted = bad_and_total(slo, bench.numbers, 60.0, bench.clock.unix)
    assert counted is not None
    assert counted[:2] == (20.0, 100.0)


def test_bad_events_may_be_another_metric() -> None:
    bench = Bench()
    failures = Definition(name="failures_total", type=MetricType.COUNTER)
    bench.watch(JOBS.name, failures.name)
    bench.add(50.0, "mail", "ok")
    bench.store.add(bench.store.row(failures), 5.0)
    bench.pass_seconds(30)
    slo = Slo(name="jobs", objective=0.9, metric=JOBS.name, bad_metric=failures.name, bad={})
    counted = bad_and_total(slo, bench.numbers, 60.0, bench.clock.unix)
    assert counted is not None
    assert counted[:2] == (5.0, 50.0)


def test_an_objective_so_low_that_it_cannot_alert_says_so() -> None:
    assert [burn.factor for burn in Slo(name="low", objective=0.9).unreachable()] == pytest.approx([14.4])
    assert Slo(name="high", objective=0.999).unreachable() == []


def test_the_type_of_the_requests_is_known_without_reading_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.serve(3)
    reads: list[object] = []
    read = bench.store.families
    monkeypatch.setattr(bench.store, "families", lambda *args, **more: reads.append(args) or read(*args, **more))
    assert bench.value(metric=REQUEST_DURATION.name, measure="quantile", quantile=0.5, unit="seconds") == pytest.approx(
        0.01, rel=0.06
    )
    assert reads == []
