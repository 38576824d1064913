"""Health: the status of all checks together, and what the probes say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.context import Context
from perfkit.core.errors import ErrorLog
from perfkit.core.status import Status
from perfkit.health import CheckSnapshot, HealthChecker, HealthSettings, HealthSnapshot, StatusChange
from perfkit.store import Store, StoreSettings
from perfkit.store.backing.identity import Server
from perfkit.testing import FakeClock


class Health:
    """A checker under test with checks whose answers the test gives, without those of the process."""

    def __init__(self, settings: HealthSettings | None = None) -> None:
        self.clock = FakeClock()
        self.counted: list[tuple[str, str]] = []
        errors = ErrorLog(clock=self.clock, count=lambda component, kind: self.counted.append((component, kind)))
        self.checks: list[HealthCheck] = []
        self.answers: dict[str, Any] = {}
        self.runs: list[str] = []
        store = Store(StoreSettings(mode="memory"), clock=self.clock, errors=errors)
        context = Context(store=store, clock=self.clock, errors=errors, checks=lambda: self.checks)
        self.checker = HealthChecker(settings=settings, context=context)

    def add(self, name: str, answer: Any, *, critical: bool = True, liveness: bool = False) -> None:
        """Add a check that gives *answer*, or raises it, or is called if it can be."""
        self.answers[name] = answer

        def run() -> CheckResult:
            self.runs.append(name)
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            given: CheckResult = answer() if callable(answer) else answer
            return given

        self.checks.append(HealthCheck(name=name, run=run, critical=critical, liveness=liveness))

    def tick(self, seconds: float = 1.0) -> HealthSnapshot:
        self.checker.tick(self.clock.advance(seconds))
        return self.summary

    @property
    def summary(self) -> HealthSnapshot:
        return self.checker.get_health_summary()

    def check(self, name: str) -> CheckSnapshot:
        return next(each for each in self.summary.checks if each.name == name)


@pytest.fixture(autouse=True)
def without_process_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own state must not decide these tests; the built-in checks have their own file."""
    monkeypatch.setattr("perfkit.health.checker.process_checks", lambda settings, context: ())


@pytest.fixture
def health() -> Health:
    return Health()


def result(status: Status, message: str = "") -> CheckResult:
    return CheckResult(status, message)


def test_before_the_start_nothing_is_known_and_nobody_should_send_traffic(health: Health) -> None:
    health.add("database", result(Status.HEALTHY))
    summary = health.summary
    assert (summary.status, summary.is_live, summary.is_ready, summary.is_started) == (
        Status.UNKNOWN,
        True,
        False,
        False,
    )
    assert summary.checks == ()
    assert health.runs == []


def test_the_start_runs_every_check_once_so_that_there_is_an_answer(health: Health) -> None:
    health.add("database", result(Status.HEALTHY, "answers"))
    health.checker.start()
    assert health.runs == ["database"]
    assert (health.summary.status, health.summary.is_ready, health.summary.is_started) == (Status.HEALTHY, True, True)
    assert health.check("database") == CheckSnapshot(
        name="database",
        status=Status.HEALTHY,
        message="answers",
        value=None,
        unit="",
        critical=True,
        liveness=False,
        changed_at=health.clock.unix,
        checked_at=health.clock.unix,
        history=(StatusChange(health.clock.unix, Status.HEALTHY, "answers"),),
    )


def test_a_start_that_is_repeated_does_nothing(health: Health) -> None:
    health.add("database", result(Status.HEALTHY))
    health.checker.start()
    health.checker.start()
    assert health.runs == ["database"]


def test_each_tick_runs_every_check_and_a_summary_runs_none(health: Health) -> None:
    health.add("one", result(Status.HEALTHY))
    health.add("two", result(Status.HEALTHY))
    health.checker.start()
    health.tick()
    for _ in range(5):
        assert health.summary == health.checker.snapshot()
    assert health.runs == ["one", "two"] * 2


@pytest.mark.parametrize("status", Status)
def test_a_critical_check_speaks_for_the_whole(status: Status, health: Health) -> None:
    health.add("database", result(status))
    health.checker.start()
    assert health.summary.status is status
    assert health.summary.is_ready is (status is not Status.CRITICAL)
    assert health.summary.is_live


@pytest.mark.parametrize("status", Status)
def test_what_is_not_critical_can_only_warn(status: Status, health: Health) -> None:
    health.add("disk", result(status), critical=False)
    health.checker.start()
    assert health.summary.status is (Status.WARNING if status is Status.CRITICAL else status)
    assert health.check("disk").status is status
    assert health.summary.is_ready


@given(answers=st.lists(st.tuples(st.sampled_from(Status), st.booleans(), st.booleans()), max_size=8))
def test_the_summary_agrees_with_the_obvious_model(answers: list[tuple[Status, bool, bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perfkit.health.checker.process_checks", lambda settings, context: ())
        health = Health()
        for number, (status, critical, liveness) in enumerate(answers):
            health.add(str(number), result(status), critical=critical, liveness=liveness)
        health.checker.start()
    counted = {Status.WARNING if s is Status.CRITICAL and not critical else s for s, critical, _ in answers}
    order = [Status.CRITICAL, Status.WARNING, Status.HEALTHY, Status.UNKNOWN]
    summary = health.summary
    assert summary.status is next((status for status in order if status in counted), Status.UNKNOWN)
    assert summary.is_ready is (Status.CRITICAL not in counted)
    assert summary.is_live is not any(s is Status.CRITICAL and liveness for s, _, liveness in answers)


def test_only_a_check_of_this_very_process_fails_liveness(health: Health) -> None:
    health.add("database", result(Status.CRITICAL))
    health.add("deadlock", result(Status.HEALTHY), liveness=True)
    health.checker.start()
    assert health.summary.is_live
    health.answers["deadlock"] = result(Status.CRITICAL)
    assert not health.tick().is_live


def test_a_failure_passes_and_the_service_is_ready_again(health: Health) -> None:
    health.add("database", result(Status.CRITICAL))
    health.checker.start()
    assert not health.summary.is_ready
    health.answers["database"] = result(Status.HEALTHY)
    assert health.tick().is_ready


def test_a_change_of_status_has_its_time_and_a_change_of_words_has_none(health: Health) -> None:
    health.add("database", result(Status.HEALTHY, "1 ms"))
    health.checker.start()
    began = health.clock.unix
    health.answers["database"] = result(Status.HEALTHY, "2 ms")
    health.tick(5)
    assert (health.check("database").message, health.check("database").changed_at) == ("2 ms", began)
    assert health.check("database").checked_at == began + 5
    health.answers["database"] = result(Status.WARNING, "900 ms")
    health.tick(5)
    assert health.check("database").changed_at == began + 10


def test_a_check_that_raises_is_critical_and_counted(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    health.add("database", ConnectionError("to postgres://user:secret@host refused"))
    health.checker.start()
    check = health.check("database")
    assert (check.status, check.message) == (Status.CRITICAL, "the check raised ConnectionError")
    assert health.counted == [("health", "ConnectionError")]
    health.tick()
    assert len(health.counted) == 2
    assert len([record for record in caplog.records if "database" in record.getMessage()]) == 1


@pytest.mark.parametrize("answer", [None, True, "healthy", Status.HEALTHY, object()])
def test_an_answer_that_is_no_result_is_critical_and_counted(answer: object, health: Health) -> None:
    health.add("odd", answer)
    health.checker.start()
    assert health.check("odd").status is Status.CRITICAL
    assert health.counted == [("health", "TypeError")]


def test_an_unknown_status_is_critical_and_counted(health: Health) -> None:
    health.add("odd", CheckResult("splendid"))  # type: ignore[arg-type]
    health.checker.start()
    assert health.check("odd").status is Status.CRITICAL
    assert health.counted == [("health", "ValueError")]


def test_a_status_given_as_text_is_understood(health: Health) -> None:
    health.add("odd", CheckResult("warning"))  # type: ignore[arg-type]
    health.checker.start()
    assert health.check("odd").status is Status.WARNING
    assert health.counted == []


@pytest.mark.parametrize("answer", [ValueError("broken"), None])
def test_one_broken_check_does_not_keep_the_others_from_running(answer: object, health: Health) -> None:
    health.add("broken", answer)
    health.add("well", result(Status.HEALTHY))
    health.checker.start()
    for _ in range(30):
        health.tick()
    assert health.runs.count("well") == 31
    assert health.check("well").status is Status.HEALTHY
    assert health.summary.is_live


def test_uptime_is_the_time_since_the_start(health: Health) -> None:
    assert health.summary.uptime == 0.0
    health.checker.start()
    health.tick(30)
    assert health.summary.uptime == 30.0


def test_checks_that_do_not_run_any_more_are_a_stall(health: Health) -> None:
    health.add("database", result(Status.HEALTHY))
    health.checker.start()
    health.clock.advance(10.0)
    assert (health.summary.status, health.summary.is_live) == (Status.HEALTHY, True)
    health.clock.advance(0.1)
    summary = health.summary
    assert (summary.status, summary.is_live, summary.is_ready) == (Status.CRITICAL, False, False)
    assert health.tick().is_live
    assert health.summary.status is Status.HEALTHY


def test_the_time_of_a_stall_is_a_setting() -> None:
    health = Health(HealthSettings(scheduler_stall=60.0))
    health.checker.start()
    health.clock.advance(59.0)
    assert health.summary.is_live
    health.clock.advance(2.0)
    assert not health.summary.is_live


def test_before_start_and_after_stop_nothing_is_stalled(health: Health) -> None:
    health.clock.advance(1000.0)
    assert health.summary.is_live
    health.checker.start()
    health.checker.stop()
    health.clock.advance(1000.0)
    assert health.summary.is_live


def test_after_stop_nothing_is_known_and_the_next_start_begins_afresh(health: Health) -> None:
    health.add("database", result(Status.CRITICAL))
    health.checker.start()
    health.checker.stop()
    health.checker.stop()
    assert (health.summary.status, health.summary.is_started, health.summary.checks) == (Status.UNKNOWN, False, ())
    health.answers["database"] = result(Status.HEALTHY)
    health.clock.advance(100)
    health.checker.start()
    assert (health.summary.status, health.summary.uptime, health.summary.is_ready) == (Status.HEALTHY, 0.0, True)


def test_draining_fails_readiness_alone(health: Health) -> None:
    health.add("database", result(Status.HEALTHY))
    health.checker.start()
    health.checker.drain()
    summary = health.tick()
    assert (summary.status, summary.is_draining, summary.is_ready, summary.is_live, summary.is_started) == (
        Status.HEALTHY,
        True,
        False,
        True,
        True,
    )


def test_draining_ends_with_the_next_start(health: Health) -> None:
    health.checker.start()
    health.checker.drain()
    health.checker.stop()
    health.checker.start()
    assert not health.summary.is_draining


class Workers:
    """Workers on the same files and one clock; each works for a server of its own, or for that of another."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory, self.clock = directory, FakeClock()
        self.stores: list[Store] = []
        self.servers: dict[Store, Server | None] = {}
        self.turn: Store | None = None
        monkeypatch.setattr("perfkit.health.checker.find_server", self.server_of_turn)
        self.checkers: list[HealthChecker] = []

    def server_of_turn(self) -> Server | None:
        return None if self.turn is None else self.servers[self.turn]

    def join(self, server: Server | None) -> HealthChecker:
        store = Store(StoreSettings(directory=str(self.directory)), clock=self.clock)
        store.open()
        self.stores.append(store)
        self.servers[store] = server
        checker = HealthChecker(context=Context(store=store, clock=self.clock))
        self.checkers.append(checker)
        self.turn = store
        checker.start()
        return checker

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            for store, checker in zip(self.stores, self.checkers, strict=True):
                self.turn = store
                store.tick(self.clock.now)
                checker.tick(self.clock.now)

    def close(self) -> None:
        for store, checker in zip(self.stores, self.checkers, strict=True):
            checker.stop()
            store.close()


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    workers = Workers(tmp_path, monkeypatch)
    yield workers
    workers.close()


OLD, NEW = Server(pid=10, started=1, namespace=5), Server(pid=20, started=2, namespace=5)


def test_draining_reaches_all_workers_and_those_that_take_their_places(workers: Workers) -> None:
    first, second = workers.join(OLD), workers.join(OLD)
    workers.turn = workers.stores[1]
    second.drain()
    workers.pass_seconds(1)
    assert first.get_health_summary().is_draining
    assert second.get_health_summary().is_draining
    assert workers.join(OLD).get_health_summary().is_draining


def test_who_comes_when_all_are_gone_drains_too(workers: Workers) -> None:
    workers.join(OLD).drain()
    workers.pass_seconds(1)
    workers.close()
    workers.stores, workers.checkers = [], []
    assert workers.join(OLD).is_draining


def test_draining_ends_in_all_workers_and_for_those_who_come_later(workers: Workers) -> None:
    first, second = workers.join(OLD), workers.join(OLD)
    workers.turn = workers.stores[0]
    first.drain()
    workers.pass_seconds(1)
    workers.turn = workers.stores[1]
    second.resume()
    workers.pass_seconds(1)
    assert not first.is_draining
    assert not second.is_draining
    assert first.get_health_summary().is_ready
    assert not workers.join(OLD).is_draining


@pytest.mark.parametrize("server", [NEW, None], ids=["another server", "no server"])
def test_draining_does_not_reach_those_who_start_after_it(workers: Workers, server: Server | None) -> None:
    workers.join(OLD).drain()
    workers.pass_seconds(1)
    late = workers.join(server)
    workers.pass_seconds(10)
    assert not late.get_health_summary().is_draining


def test_a_process_that_stands_alone_drains_without_those_who_come_later(workers: Workers) -> None:
    first = workers.join(None)
    first.drain()
    late = workers.join(None)
    workers.pass_seconds(5)
    assert first.is_draining
    assert not late.is_draining


def test_it_stands_alone() -> None:
    checker = HealthChecker()
    checker.start()
    assert checker.get_health_summary().is_started
    checker.stop()


def in_a_child(work: Callable[[], bool]) -> bool:
    """Run *work* in a forked child; return what it returned there."""
    pid = os.fork()
    if pid == 0:
        verdict = 1
        try:
            verdict = 0 if work() else 1
        finally:
            os._exit(verdict)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_forked_child_starts_its_own_watch(health: Health) -> None:
    health.add("database", result(Status.HEALTHY))
    health.checker.start()
    health.checker.drain()
    health.clock.advance(3600.0)

    def child() -> bool:
        health.checker.start()
        summary = health.summary
        return (
            (summary.is_live, summary.is_ready, summary.is_draining) == (True, True, False)
            and summary.uptime == 0.0
            and health.runs == ["database"] * 2
        )

    assert in_a_child(child)
    assert health.runs == ["database"]
