"""Score and recommendations over the life of a system, whichever of its workers answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from perfkit import PerformanceSystem
from perfkit.core.findings import Finding, Priority
from perfkit.core.names import REQUEST_DURATION
from perfkit.store.layout import FINISHED, STARTED
from perfkit.testing import FakeClock
from tests.unit.advice.reports import a_finding, an_n_plus_one


def serve(system: PerformanceSystem, count: int, *, seconds: float = 0.05, error: str = "") -> None:
    store = system.store
    row = store.row(store.define(REQUEST_DURATION), ("GET", "/a", "500" if error else "200", "http", error))
    for _ in range(count):
        store.values[STARTED] += 1.0
        store.observe(row, seconds)
        store.values[FINISHED] += 1.0


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[PerformanceSystem]]:
    """Four workers of one service, each with files of its own in one directory, as four processes have them."""
    settings: dict[str, Any] = {"service": "shop", "store": {"mode": "auto", "directory": str(tmp_path)}}
    with ExitStack() as stack:
        yield [
            stack.enter_context(PerformanceSystem(settings, environment="testing", clock=FakeClock(), origin=""))
            for _ in range(4)
        ]


def told_of(findings: Iterable[Finding]) -> list[Finding]:
    """Without what the monitor finds in the process that runs the tests, such as long garbage collections."""
    return [finding for finding in findings if finding.component != "performance"]


def report(system: PerformanceSystem, monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(system.database, "findings", lambda: findings)


def test_all_workers_tell_the_same_score_and_the_same_recommendations(workers: list[PerformanceSystem]) -> None:
    for number, worker in enumerate(workers):
        serve(worker, 20 + number)
        serve(worker, number, error="500")
        for key in range(400):
            worker.cache.get(f"token-{key}")
        worker.cache.tick(worker.clock.monotonic())
    told = [worker.get_performance_dashboard() for worker in workers]
    assert all(each.is_shared for each in told)
    first = told[0].summary.score
    assert first is not None
    assert {part.name for part in first.parts} == {"speed", "errors", "cache", "runtime"}
    assert first.value < 100
    assert [each.summary.score.parts[:3] for each in told if each.summary.score] == [first.parts[:3]] * 4
    advice = [told_of(each.recommendations) for each in told]
    assert advice == [advice[0]] * 4
    assert [finding.kind for finding in advice[0]] == ["useless_cache"]


def test_there_is_no_score_before_fifty_requests() -> None:
    with PerformanceSystem({"service": "shop"}, environment="testing") as system:
        serve(system, 49)
        assert system.get_performance_dashboard().summary.overall_score is None
        serve(system, 1)
        assert system.get_performance_dashboard().summary.overall_score is not None


def test_a_component_that_cannot_say_what_is_wrong_silences_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Finding]:
        raise RuntimeError("the texts cannot be read")

    with PerformanceSystem({"service": "shop"}, environment="testing") as system:
        monkeypatch.setattr(system.cache, "findings", broken)
        report(system, monkeypatch, an_n_plus_one(requests=5))
        assert [finding.kind for finding in told_of(system.get_optimization_recommendations())] == ["n_plus_one"]


def test_time_saved_is_weighed_with_the_time_of_all_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    with PerformanceSystem({"service": "shop"}, environment="testing") as system:
        serve(system, 100, seconds=0.1)
        report(system, monkeypatch, an_n_plus_one(requests=50, seconds=0.06))
        (finding,) = told_of(system.get_optimization_recommendations())
    assert finding.estimate["request_time_share"] == pytest.approx(0.3)


def test_what_the_verdict_says_to_do_first_is_the_first_of_the_recommendations(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = a_finding("stock", Priority.HIGH, kind="failing_dependency", route="GET /a")
    with PerformanceSystem({"service": "shop"}, environment="testing") as system:
        serve(system, 90)
        report(system, monkeypatch, an_n_plus_one(requests=90, seconds=0.04), failing)
        slow = system.get_performance_dashboard()
        serve(system, 10, error="500")
        failed = system.get_performance_dashboard()
    for dashboard, name in ((slow, "n1"), (failed, "stock")):
        assert dashboard.summary.verdict.finding == dashboard.recommendations[0].fingerprint == name


def test_a_snooze_hides_a_finding_and_makes_no_request_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    with PerformanceSystem({"service": "shop"}, environment="testing", clock=clock) as system:
        system.store.tick(clock.advance(1.0))
        serve(system, 100, seconds=2.0)
        for component in ("cache", "load_balancer", "performance"):
            monkeypatch.setattr(getattr(system, component), "findings", lambda: ())
        report(system, monkeypatch, *(an_n_plus_one(each, requests=100, seconds=1.0, route="GET /a") for each in "ab"))
        system.store.tick(clock.advance(1.0))
        before = system.get_performance_dashboard()
        for name in "ab":
            system.snooze(name)
        system.store.tick(clock.advance(1.0))
        after = system.get_performance_dashboard()
    assert (len(before.recommendations), len(after.recommendations), len(after.snoozed)) == (2, 0, 2)
    assert before.summary.score == after.summary.score
    assert after.summary.score is not None
    assert {loss.fingerprint for loss in after.summary.score.parts[0].losses} == {"a"}
    assert after.summary.outlook is None


@pytest.mark.parametrize(("after", "is_told"), [(0.01, True), (1.99, False)])
def test_the_outlook_promises_no_points_that_stay_lost_after_the_fix(
    after: float, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    estimate = {"seconds_saved": 1.0, "p95_from": 2.0, "p95_to": after}
    with PerformanceSystem({"service": "shop"}, environment="testing", clock=clock) as system:
        system.store.tick(clock.advance(1.0))
        serve(system, 100, seconds=2.0)
        report(system, monkeypatch, an_n_plus_one(requests=100, route="GET /a", estimate=estimate))
        system.store.tick(clock.advance(1.0))
        summary = system.get_performance_dashboard().summary
    assert summary.score is not None
    assert [loss.fingerprint for loss in summary.score.parts[0].losses] == ["n1"]
    assert (summary.outlook is not None) == is_told
    if summary.outlook is not None:
        assert summary.outlook.score > summary.score.value


def test_with_performance_switched_off_there_is_advice_but_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"service": "shop", "performance": {"enabled": False}}
    with PerformanceSystem(settings, environment="testing") as system:
        report(system, monkeypatch, an_n_plus_one(requests=5))
        dashboard = system.get_performance_dashboard()
    assert dashboard.summary.score is None
    assert len(told_of(dashboard.recommendations)) == 1
    assert dashboard.summary.verdict.headline == "No verdict: performance is switched off"


def test_a_score_below_its_band_is_what_the_dashboards_status_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """All within the targets of p95 and errors, but each request sends a query for every row."""
    with PerformanceSystem({"service": "shop"}, environment="testing") as system:
        connection = system.database.wrap(sqlite3.connect(":memory:"))
        connection.execute("SELECT 1").fetchall()
        connection.close()
        serve(system, 96)
        serve(system, 4, seconds=2.0)
        report(system, monkeypatch, an_n_plus_one(requests=100))
        dashboard = system.get_performance_dashboard()
    score = dashboard.summary.score
    assert score is not None
    assert score.value < 85
    assert dashboard.status == score.status == "warning"
    assert {loss.code for part in score.parts for loss in part.losses} >= {"PK101"}
