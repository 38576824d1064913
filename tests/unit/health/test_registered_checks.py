"""Checks that users register: when they run, what they may answer, and that none of them harms the others."""

from __future__ import annotations

import inspect
import itertools
import random
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.checks import CheckResult
from perfkit.core.errors import HealthError
from perfkit.core.status import Status
from perfkit.health import CheckOptions, CheckSnapshot, HealthChecker, HealthSnapshot, http_check
from perfkit.health.registered.answers import failure, understand
from perfkit.health.registered.pacing import pause
from perfkit.health.registered.runner import Run
from perfkit.testing import FakeClock


def test_the_decorators_options_are_those_of_the_method() -> None:
    options = inspect.signature(HealthChecker.register_health_check, eval_str=True).parameters
    named = {name: each.annotation for name, each in options.items() if each.kind is inspect.Parameter.KEYWORD_ONLY}
    assert named == get_type_hints(CheckOptions)
    assert CheckOptions.__required_keys__ == frozenset()


class Desk:
    """Runs checks when the test says so: each call is one run, over when it is answered."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.is_quick = True
        self.open: list[Run] = []
        self.given_up: list[Run] = []

    def run(self, fn: Callable[[], Any], on_done: Any, *, is_async: bool, loop: Any = None) -> Run:
        run = Run(fn, on_done)
        run.started_at = self.clock.monotonic()
        self.open.append(run)
        if self.is_quick:
            self.finish()
        return run

    def finish(self) -> None:
        run = self.open.pop()
        try:
            result = understand(run.fn())
        except Exception as error:
            result = failure(error)
        run.is_over = True
        run.on_done(run, result)
        for listener in run.listeners:
            listener()

    def give_up(self, run: Run) -> None:
        run.is_given_up = True
        self.given_up.append(run)

    def stop(self) -> None:
        self.open.clear()


class Clinic:
    """A checker on a fake clock whose registered checks are run by a `Desk`."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.desk = Desk(self.clock)
        self.health = HealthChecker(
            clock=self.clock,
            rng=random.Random(1),
            runner=lambda: self.desk,  # type: ignore[arg-type,return-value]  # has the same methods
        )
        self.answers: dict[str, Any] = {}
        self.runs: list[str] = []

    def add(self, name: str, answer: Any = True, **options: Any) -> None:
        self.answers[name] = answer

        def fn() -> Any:
            self.runs.append(name)
            given = self.answers[name]
            if isinstance(given, BaseException):
                raise given
            return given

        self.health.register_health_check(name, fn, **{"jitter": 0.0, **options})

    def pass_seconds(self, seconds: int) -> HealthSnapshot:
        for _ in range(seconds):
            self.health.tick(self.clock.advance(1.0))
        return self.health.get_health_summary()

    def check(self, name: str) -> CheckSnapshot:
        return next(each for each in self.health.get_health_summary().checks if each.name == name)


@pytest.fixture(autouse=True)
def without_process_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfkit.health.checker.process_checks", lambda settings, context: ())


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


def test_the_first_result_counts_at_once(clinic: Clinic) -> None:
    clinic.add("database", False, critical=True)
    clinic.health.start()
    assert clinic.check("database").status is Status.CRITICAL
    assert not clinic.health.get_health_summary().is_ready


def test_a_check_runs_once_an_interval_and_a_summary_runs_none(clinic: Clinic) -> None:
    clinic.add("database", interval=10.0)
    clinic.health.start()
    clinic.pass_seconds(60)
    assert len(clinic.runs) == 7


def test_only_what_is_critical_fails_readiness(clinic: Clinic) -> None:
    clinic.add("cache", False)
    clinic.add("database", True, critical=True)
    clinic.health.start()
    summary = clinic.health.get_health_summary()
    assert (summary.status, summary.is_ready, summary.is_live) == (Status.WARNING, True, True)
    assert clinic.check("cache").status is Status.CRITICAL


def test_one_bad_result_does_not_fail_a_healthy_check_and_three_do(clinic: Clinic) -> None:
    clinic.add("database", True, critical=True)
    clinic.health.start()
    clinic.answers["database"] = {"status": "critical", "message": "gone"}
    clinic.pass_seconds(10)
    check = clinic.check("database")
    assert (check.status, check.failures) == (Status.HEALTHY, 1)
    assert check.message == "gone (critical, 1 in a row)"
    clinic.pass_seconds(3)
    assert (clinic.check("database").status, clinic.check("database").message) == (Status.CRITICAL, "gone")


def test_two_good_results_bring_it_back_within_seconds(clinic: Clinic) -> None:
    clinic.add("database", False, critical=True)
    clinic.health.start()
    clinic.answers["database"] = True
    assert not clinic.pass_seconds(1).is_ready
    assert clinic.pass_seconds(1).is_ready
    assert [change.status for change in clinic.check("database").history] == [Status.CRITICAL, Status.HEALTHY]


def test_what_stays_dead_is_asked_less_and_less(clinic: Clinic) -> None:
    clinic.add("database", OSError("refused"))
    clinic.health.start()
    began, times, seen = clinic.clock.now, [0.0], 1
    for _ in range(130):
        clinic.pass_seconds(1)
        if len(clinic.runs) > seen:
            seen = len(clinic.runs)
            times.append(clinic.clock.now - began)
    assert [int(b - a) for a, b in itertools.pairwise(times)] == [1, 2, 4, 8, 16, 30, 30, 30]


@given(
    interval=st.floats(1, 86_400),
    failures=st.integers(0, 10_000),
    jitter=st.floats(0, 0.5),
    is_settled=st.booleans(),
    seed=st.integers(),
)
def test_a_pause_is_never_longer_than_interval_or_back_off(
    interval: float, failures: int, jitter: float, is_settled: bool, seed: int
) -> None:
    seconds = pause(interval=interval, failures=failures, is_settled=is_settled, jitter=jitter, rng=random.Random(seed))
    most = max(30.0, interval) if failures else interval
    assert 0.5 <= seconds <= most * (1 + jitter) + 1e-6
    if not failures and is_settled:
        assert interval * (1 - jitter) - 1e-6 <= seconds


def test_a_check_that_hangs_is_critical_and_is_not_started_again(clinic: Clinic) -> None:
    clinic.add("stuck", critical=True, timeout=2.0)
    clinic.desk.is_quick = False
    clinic.health.start()
    clinic.pass_seconds(2)
    assert clinic.check("stuck").status is Status.UNKNOWN
    clinic.pass_seconds(1)
    check = clinic.check("stuck")
    assert (check.status, check.message, check.is_running) == (Status.CRITICAL, "timeout after 2 s", True)
    clinic.pass_seconds(300)
    assert len(clinic.desk.open) == 1
    assert (clinic.check("stuck").timeouts, len(clinic.desk.given_up)) == (1, 1)
    assert clinic.check("stuck").failures > 10


def test_a_healthy_check_that_begins_to_hang_fails_within_seconds(clinic: Clinic) -> None:
    clinic.add("stuck", critical=True, timeout=2.0)
    clinic.health.start()
    clinic.desk.is_quick = False
    clinic.pass_seconds(10)
    assert clinic.check("stuck").status is Status.HEALTHY
    assert not clinic.pass_seconds(7).is_ready


def test_a_late_answer_is_taken_as_such_and_the_check_runs_again(clinic: Clinic) -> None:
    clinic.add("slow", {"status": "healthy", "message": "yawns"})
    clinic.desk.is_quick = False
    clinic.health.start()
    clinic.pass_seconds(4)
    clinic.desk.finish()
    check = clinic.check("slow")
    assert (check.status, check.is_running) == (Status.CRITICAL, False)
    assert check.message == "timeout after 2 s; it answered after 4.0 s (healthy: yawns)"
    assert check.duration == 4.0
    clinic.desk.is_quick = True
    clinic.pass_seconds(5)
    assert clinic.check("slow").status is Status.HEALTHY


def test_while_a_parent_fails_its_children_are_skipped_and_not_counted(clinic: Clinic) -> None:
    clinic.add("network")
    clinic.add("database", depends_on=["network"], critical=True)
    clinic.add("reports", depends_on=["database"], critical=True)
    clinic.health.start()
    for name in clinic.answers:
        clinic.answers[name] = False
    clinic.pass_seconds(20)
    clinic.runs.clear()
    summary = clinic.pass_seconds(60)
    assert set(clinic.runs) == {"network"}
    assert (summary.status, summary.is_ready) == (Status.WARNING, True)
    for name in ("database", "reports"):
        check = clinic.check(name)
        assert (check.status, check.skipped_because) == (Status.UNKNOWN, "network")
        assert check.message == 'skipped because "network" fails'


def test_children_run_again_as_soon_as_their_parent_is_well(clinic: Clinic) -> None:
    clinic.add("network", False, interval=10.0)
    clinic.add("database", depends_on=["network"], interval=3600.0)
    clinic.health.start()
    clinic.answers["network"] = True
    clinic.pass_seconds(4)
    assert clinic.check("database").status is Status.HEALTHY


def test_the_start_is_over_when_each_startup_check_was_well_once(clinic: Clinic) -> None:
    clinic.add("model", False, startup=True)
    clinic.health.start()
    summary = clinic.pass_seconds(3)
    assert (summary.is_started, summary.is_ready, summary.is_live) == (False, False, True)
    clinic.answers["model"] = True
    assert clinic.pass_seconds(30).is_started
    clinic.answers["model"] = False
    assert clinic.pass_seconds(60).is_started


def test_a_liveness_check_fails_liveness_alone_of_all_checks(clinic: Clinic) -> None:
    clinic.add("database", False, critical=True)
    clinic.add("deadlock", True, liveness=True)
    clinic.health.start()
    assert clinic.health.get_health_summary().is_live
    clinic.answers["deadlock"] = False
    assert not clinic.pass_seconds(30).is_live


def test_a_check_without_results_for_long_warns(clinic: Clinic) -> None:
    clinic.add("late", True, ttl=60.0)
    clinic.health.start()
    clinic.clock.advance(61.0)
    assert clinic.check("late").status is Status.WARNING
    assert "no result for more than 60 s" in clinic.check("late").message


def test_a_raised_error_names_its_class_and_keeps_its_secrets(clinic: Clinic) -> None:
    clinic.add("database", ConnectionError("postgres://admin:hunter2@db:5432/shop refused, password=hunter2"))
    clinic.health.start()
    check = clinic.check("database")
    assert check.message == "the check raised ConnectionError"
    assert check.details == "postgres://***@db:5432/shop refused, password=***"


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
def test_whatever_is_raised_is_a_failure(error: BaseException) -> None:
    assert failure(error).status is Status.CRITICAL


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (CheckResult(Status.WARNING, "slow"), Status.WARNING, "slow"),
        (Status.CRITICAL, Status.CRITICAL, ""),
        ("healthy", Status.HEALTHY, ""),
        ("UP", Status.HEALTHY, ""),
        (True, Status.HEALTHY, ""),
        (False, Status.CRITICAL, ""),
        (None, Status.HEALTHY, ""),
        ({"status": "healthy", "message": "OK"}, Status.HEALTHY, "OK"),
        ({"status": "warn", "message": 7}, Status.WARNING, "7"),
    ],
)
def test_many_forms_of_an_answer_are_understood(answer: object, status: Status, message: str) -> None:
    found = understand(answer)
    assert (found.status, found.message) == (status, message)


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    "answer", [object(), Hostile(), 1, 0.5, [], {}, {"status": 7}, "splendid", "x" * 10**6, "\ud800", b"ok", lambda: 1]
)
def test_rubbish_is_critical_and_says_what_was_expected(answer: object) -> None:
    found = understand(answer)
    assert found.status is Status.CRITICAL
    assert "something else than a status" in found.message
    assert "It must answer with a CheckResult" in found.details
    assert len(found.details) < 1200


@given(answer=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_no_answer_raises_and_every_result_can_be_sent(answer: object) -> None:
    found = understand({"status": "healthy", "message": answer, "value": answer, "details": answer})
    assert found.status is Status.HEALTHY
    found.message.encode()
    found.details.encode()


def test_a_check_may_be_registered_by_a_decorator_and_unregistered() -> None:
    clinic = Clinic()

    @clinic.health.check("database", critical=True, interval=5.0)
    def check_database() -> bool:
        return True

    assert check_database()
    clinic.health.start()
    assert clinic.check("database").critical
    assert clinic.health.unregister("database")
    assert not clinic.health.unregister("database")
    assert clinic.health.get_health_summary().checks == ()


async def waits() -> bool:
    return True


def takes(argument: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("name", "fn", "options", "words"),
    [
        ("", bool, {}, "1 to 100 printable"),
        ("a\nb", bool, {}, "1 to 100 printable"),
        (7, bool, {}, "1 to 100 printable"),
        ("known", bool, {}, "already"),
        ("new", True, {}, "must be a function"),
        ("new", takes, {}, "takes arguments"),
        ("new", bool, {"timeout": 0}, "timeout of"),
        ("new", bool, {"timeout": float("nan")}, "timeout of"),
        ("new", bool, {"interval": 0.5}, "interval of"),
        ("new", bool, {"interval": "10"}, "interval of"),
        ("new", bool, {"interval": 3.0, "timeout": 4.0}, "Raise interval"),
        ("new", bool, {"rise": 0}, "rise of"),
        ("new", bool, {"fall": True}, "fall of"),
        ("new", bool, {"jitter": 0.9}, "jitter of"),
        ("new", bool, {"ttl": 1.0}, "ttl of"),
        ("new", bool, {"tags": "one"}, "list of texts"),
        ("new", bool, {"tags": [1]}, "must be a text"),
        ("new", bool, {"depends_on": ["knwon"]}, "Did you mean 'known'"),
        ("new", bool, {"depends_on": ["new"]}, "circle"),
        ("new", bool, {"liveness": True, "depends_on": ["known"]}, "depends on other checks"),
        ("new", waits, {"liveness": True}, "coroutine function"),
        ("new", http_check("http://localhost/"), {"liveness": True}, "network"),
        ("new", bool, {"liveness": True, "shared": True}, "shared between workers"),
    ],
)
def test_what_cannot_work_is_refused_with_words(name: Any, fn: Any, options: dict[str, Any], words: str) -> None:
    health = HealthChecker(clock=FakeClock())
    health.register_health_check("known", bool)
    with pytest.raises(HealthError, match=words) as error:
        health.register_health_check(name, fn, **options)
    assert str(error.value).count(". ") >= 2


def test_a_parent_cannot_go_before_its_children() -> None:
    health = HealthChecker(clock=FakeClock())
    health.register_health_check("parent", bool)
    health.register_health_check("child", bool, depends_on=["parent"])
    with pytest.raises(HealthError, match="Unregister 'child' first"):
        health.unregister("parent")


def test_there_may_be_two_hundred_checks() -> None:
    health = HealthChecker(clock=FakeClock())
    for number in range(200):
        health.register_health_check(f"check {number}", bool)
    with pytest.raises(HealthError, match="200 at most"):
        health.register_health_check("one more", bool)


def test_a_tag_selects_checks(clinic: Clinic) -> None:
    clinic.add("database", False, critical=True, tags=["storage"])
    clinic.add("mail", True, tags=["outside"])
    clinic.health.start()
    summary = clinic.health.get_health_summary(tag="outside")
    assert [check.name for check in summary.checks] == ["mail"]
    assert summary.status is Status.HEALTHY


def test_registered_checks_survive_stop_and_start(clinic: Clinic) -> None:
    clinic.add("database", False)
    clinic.health.start()
    clinic.health.stop()
    assert clinic.check("database").status is Status.UNKNOWN
    clinic.answers["database"] = True
    clinic.health.start()
    assert clinic.check("database").status is Status.HEALTHY


def test_checks_are_counted(clinic: Clinic) -> None:
    clinic.add("database", False)
    clinic.health.start()
    families = {each.definition.name: each for each in clinic.health._context.store.families()}
    assert {point.labels: point.value for point in families["perfkit_health_status"].points} == {("database",): 2.0}
    assert families["perfkit_health_check_duration_seconds"].points[0].value.count == 1  # type: ignore[union-attr]


def test_a_change_of_status_is_logged_once(clinic: Clinic, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="perfkit.health")
    clinic.add("database", True)
    clinic.health.start()
    assert caplog.messages == []
    clinic.answers["database"] = {"status": "critical", "message": "gone"}
    clinic.pass_seconds(100)
    assert caplog.messages == ["health check 'database' is critical: gone"]


def test_run_check_runs_it_now_and_needs_no_start(clinic: Clinic) -> None:
    clinic.add("database", {"status": "warning", "message": "slow"})
    assert clinic.health.run_check("database") == CheckResult(Status.WARNING, "slow")
    assert clinic.check("database").status is Status.WARNING
    with pytest.raises(HealthError, match="no health check 'databse'"):
        clinic.health.run_check("databse")


def test_check_now_runs_all(clinic: Clinic) -> None:
    clinic.add("one", True)
    clinic.add("two", False, critical=True)
    assert clinic.health.check_now().status is Status.CRITICAL
    assert clinic.runs == ["one", "two"]
