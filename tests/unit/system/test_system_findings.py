"""What becomes of findings over the life of a system, the same in all workers: states, proof, releases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perfkit import PerformanceSystem
from perfkit.core.errors import FindingNotFoundError
from perfkit.core.findings import Finding, Priority, State
from perfkit.testing import FakeClock
from tests.unit.system.test_system_advice import serve, told_of

PRINT = "n_plus_one:1:shop/views.py"


def problem(seen: int) -> Finding:
    return Finding(
        code="PK101",
        kind="n_plus_one",
        component="database",
        priority=Priority.HIGH,
        message="54 queries in one request load Review one by one.",
        action="Load them with the products.",
        route="GET /a",
        evidence={"count": 54, "requests": seen},
        fingerprint=PRINT,
        seen=seen,
    )


class Fleet:
    """Workers of one service with one clock, that report what the test says."""

    def __init__(self, stack: ExitStack, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        self._stack, self._folder, self._patch = stack, folder, monkeypatch
        self.clock = FakeClock()
        self.told: tuple[Finding, ...] = ()
        self.workers = [self.join() for _ in range(count)]

    def join(self, **more: Any) -> PerformanceSystem:
        store = {"mode": "auto", "directory": str(self._folder)}
        settings: dict[str, Any] = {"service": "shop", "store": store, **more}
        system = PerformanceSystem(settings, environment="testing", clock=self.clock, origin="")
        self._patch.setattr(system.database, "findings", lambda: self.told)
        # The processes that the test stands for tick by themselves; here the test does.
        self._patch.setattr(system.scheduler, "start", lambda: None)
        return self._stack.enter_context(system)

    def pass_time(self, seconds: float = 2.0) -> None:
        self.clock.advance(seconds)
        for worker in self.workers:
            worker.store.tick(self.clock.monotonic())
        for worker in self.workers:
            worker._get_advisor().keeper.observe()
        for worker in self.workers:
            worker.store.control.poll()

    def states(self) -> list[list[State]]:
        return [[each.state for each in told_of(worker._get_advisor().findings())] for worker in self.workers]

    def break_it(self, requests: int = 60) -> None:
        for _ in range(3):
            serve(self.workers[0], requests, seconds=0.4)
            self.told = (problem((self.told[0].seen or 0) + requests if self.told else requests),)
            self.pass_time()

    def mend_it(self) -> None:
        self.pass_time()
        serve(self.workers[-1], 120, seconds=0.02)
        self.pass_time(20.0)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(stack, tmp_path, monkeypatch, 3)


def test_all_workers_tell_what_was_fixed_and_the_proof(fleet: Fleet) -> None:
    fleet.pass_time()
    fleet.break_it()
    assert fleet.states() == [[State.OPEN]] * 3
    fleet.mend_it()
    assert fleet.states() == [[State.FIXED]] * 3
    told = [worker.get_performance_dashboard() for worker in fleet.workers]
    assert [told_of(each.recommendations) for each in told] == [[]] * 3
    first = told[0].fixed
    assert [each.fixed for each in told] == [first] * 3
    (fixed,) = first
    assert (fixed.fingerprint, fixed.code, fixed.route) == (PRINT, "PK101", "GET /a")
    assert (fixed.before.requests, fixed.after.requests) == (120, 120)
    assert fixed.proof.startswith("p95 4")
    assert fixed.first_seen < fixed.since < fixed.fixed_at


def test_what_a_component_itself_saw_mended_is_no_advice_and_is_measured_too(fleet: Fleet) -> None:
    fleet.break_it()
    fleet.told = (msgspec.structs.replace(problem(180), state=State.FIXED, seen=500),)
    fleet.pass_time()
    told = [worker.get_performance_dashboard() for worker in fleet.workers]
    assert [(told_of(each.recommendations), each.fixed) for each in told] == [([], ())] * 3
    fleet.mend_it()
    assert [each.code for each in fleet.workers[1].get_performance_dashboard().fixed] == ["PK101"]


def test_what_comes_back_is_told_again(fleet: Fleet) -> None:
    fleet.break_it()
    fleet.mend_it()
    fleet.break_it()
    assert fleet.states() == [[State.RETURNED]] * 3
    (finding,) = told_of(fleet.workers[1].get_optimization_recommendations())
    assert finding.state is State.RETURNED


def test_a_snooze_in_one_worker_holds_in_all_and_ends(fleet: Fleet) -> None:
    fleet.break_it()
    fleet.workers[2].snooze(PRINT, 3_600.0)
    for worker in fleet.workers:
        worker.store.tick(fleet.clock.advance(1.0))
    assert fleet.states() == [[State.SNOOZED]] * 3
    told = [worker.get_performance_dashboard() for worker in fleet.workers]
    assert [told_of(each.recommendations) for each in told] == [[]] * 3
    assert [[each.finding.fingerprint for each in one.snoozed] for one in told] == [[PRINT]] * 3
    fleet.pass_time(3_601.0)
    assert fleet.states() == [[State.OPEN]] * 3


def test_what_is_snoozed_may_be_reopened_and_is_fixed_all_the_same(fleet: Fleet) -> None:
    fleet.break_it()
    fleet.workers[0].snooze(PRINT, 3_600.0)
    fleet.pass_time(1.0)
    fleet.workers[1].reopen(PRINT)
    fleet.pass_time(1.0)
    assert fleet.states() == [[State.OPEN]] * 3
    fleet.workers[0].snooze(PRINT, 3_600.0)
    fleet.mend_it()
    assert fleet.states() == [[State.FIXED]] * 3


def test_a_fixed_one_may_be_reopened(fleet: Fleet) -> None:
    fleet.break_it()
    fleet.mend_it()
    fleet.workers[1].reopen(PRINT)
    fleet.pass_time()
    assert fleet.states() == [[State.OPEN]] * 3
    fleet.pass_time(60.0)
    assert fleet.states() == [[State.OPEN]] * 3


def test_only_what_was_told_can_be_snoozed(fleet: Fleet) -> None:
    with pytest.raises(FindingNotFoundError, match="There is no finding 'nothing'"):
        fleet.workers[0].snooze("nothing", 60.0)
    with pytest.raises(FindingNotFoundError):
        fleet.workers[0].reopen("nothing")


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9, float("nan"), float("inf")])
def test_a_snooze_lasts_a_year_at_most(fleet: Fleet, seconds: float) -> None:
    fleet.break_it()
    with pytest.raises(ValueError, match="more than 0 and at most a year"):
        fleet.workers[0].snooze(PRINT, seconds)


def test_another_leader_goes_on_and_so_does_a_service_that_starts_again(fleet: Fleet) -> None:
    fleet.break_it()
    fleet.workers[1].snooze(PRINT, 10.0)
    leader = next(worker for worker in fleet.workers if worker.store.is_leader)
    leader.stop()
    fleet.workers.remove(leader)
    fleet.pass_time(30.0)
    assert fleet.states() == [[State.OPEN]] * 2
    first_seen = told_of(fleet.workers[0]._get_advisor().findings())[0].first_seen
    for worker in fleet.workers:
        worker.stop()
    fleet.workers = [fleet.join(), fleet.join()]
    fleet.pass_time(2.0)
    (known,) = told_of(fleet.workers[1]._get_advisor().findings())
    assert (known.state, known.first_seen) == (State.OPEN, first_seen)
    serve(fleet.workers[0], 120, seconds=0.02)
    fleet.pass_time(20.0)
    assert fleet.states() == [[State.FIXED]] * 2


def test_releases_are_marked_and_say_what_a_fix_came_with(fleet: Fleet) -> None:
    fleet.workers[0].mark_release("2.8.0")
    fleet.pass_time()
    fleet.break_it()
    fleet.workers[2].mark_release("2.8.1")
    fleet.mend_it()
    told = [worker.get_performance_dashboard() for worker in fleet.workers]
    assert [each.release for each in told] == ["2.8.1"] * 3
    assert [[mark.name for mark in each.releases] for each in told] == [["2.8.0", "2.8.1"]] * 3
    assert [each.fixed[0].release for each in told] == ["2.8.1"] * 3


def test_a_worker_of_another_release_marks_it_once(fleet: Fleet) -> None:
    for release in ("2.8.0", "2.8.0", "2.8.1", "2.8.1"):
        fleet.workers.append(fleet.join(release=release))
        fleet.pass_time()
    releases = fleet.workers[0].get_performance_dashboard().releases
    assert [mark.name for mark in releases] == ["2.8.0", "2.8.1"]
    assert releases[0].at < releases[1].at
    assert fleet.workers[-1].release == "2.8.1"


def test_the_release_before_one_that_is_marked_at_once_is_known(fleet: Fleet) -> None:
    worker = fleet.join(release="2.8.0")
    fleet.workers.append(worker)
    worker.mark_release("2.8.1")
    assert [mark.name for mark in worker.get_performance_dashboard().releases] == ["2.8.0", "2.8.1"]


def test_in_one_process_without_files_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    system = PerformanceSystem({"service": "shop"}, environment="testing", clock=clock)
    monkeypatch.setattr(system.scheduler, "start", lambda: None)
    told = [problem(50)]
    with system:
        monkeypatch.setattr(system.database, "findings", lambda: told)
        keeper = system._get_advisor().keeper
        serve(system, 50, seconds=0.4)
        keeper.observe()
        clock.advance(2.0)
        keeper.observe()
        clock.advance(20.0)
        serve(system, 120, seconds=0.02)
        keeper.observe()
        (fixed,) = system.get_performance_dashboard().fixed
        assert fixed.proof.startswith("p95 4")
        system.reopen(PRINT)
        clock.advance(2.0)
        keeper.observe()
        assert [each.state for each in told_of(system._get_advisor().findings())] == [State.OPEN]


def test_what_was_met_until_the_end_is_not_taken_for_the_next_releases_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        old = Fleet(stack, tmp_path, monkeypatch, 0)
        old.workers = [old.join(release="1.0")]
        old.pass_time()
        old.break_it()
        old.workers[0]._get_advisor().keeper.close()
    with ExitStack() as stack:
        new = Fleet(stack, tmp_path, monkeypatch, 0)
        new.clock, new.told = old.clock, old.told
        new.workers = [new.join(release="1.1")]
        serve(new.workers[0], 40, seconds=0.02)  # before the first look
        new.pass_time()
        serve(new.workers[0], 120, seconds=0.02)
        new.pass_time(20.0)
        new.pass_time()
        (fixed,) = new.workers[0].get_performance_dashboard().fixed
        # Of the last sixty nobody knows whether they came before or after it was mended: they do not count.
        assert fixed.before.requests == 120
        assert fixed.after.requests >= 120
        assert fixed.after.p95 is not None
        assert fixed.after.p95 < 0.03
        assert fixed.release == "1.1"
