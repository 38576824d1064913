"""Several workers, one health: shared checks run once, what ails one worker is seen from all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet import GUNICORN, Fleet, fleet
from patience import until

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.context import Context
from perfkit.core.status import Status
from perfkit.health import HealthChecker, HealthSnapshot
from perfkit.health.registered.answers import understand
from perfkit.health.registered.runner import Run
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock


class AtOnce:
    """Runs checks in the thread that asks."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    def run(self, fn: Callable[[], Any], on_done: Any, *, is_async: bool, loop: Any = None) -> Run:
        run = Run(fn, on_done)
        run.started_at, run.is_over = self.clock.monotonic(), True
        on_done(run, understand(fn()))
        return run

    def give_up(self, run: Run) -> None:
        """Nothing is ever under way."""

    def stop(self) -> None:
        """There is nothing to end."""


class Host:
    """Workers of one service on the same files; one clock. All share the check `database`, each has its `disk`."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.clock = directory, FakeClock()
        self.workers: list[HealthChecker] = []
        self.dead: list[HealthChecker] = []
        self.runs: list[int] = []
        self.answer: object = True
        self.ill: set[int] = set()

    def join(self) -> HealthChecker:
        store = Store(StoreSettings(directory=str(self.directory)), clock=self.clock)
        store.open()

        def local() -> CheckResult:
            is_ill = store.number in self.ill
            return CheckResult(Status.CRITICAL if is_ill else Status.HEALTHY, "full" if is_ill else "free")

        context = Context(store=store, clock=self.clock, checks=lambda: [HealthCheck(name="disk", run=local)])
        runner = AtOnce(self.clock)
        health = HealthChecker(context=context, runner=lambda: runner)  # type: ignore[arg-type,return-value]  # alike

        def database() -> object:
            self.runs.append(store.number)
            return self.answer

        health.register_health_check("database", database, critical=True, interval=10.0)
        health.start()
        self.workers.append(health)
        return health

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            for worker in self.workers:
                worker._context.store.tick(self.clock.now)
                worker.tick(self.clock.now)

    def kill(self, worker: HealthChecker) -> None:
        """It is gone without a word; its files are unlocked, as the kernel does."""
        self.workers.remove(worker)
        self.dead.append(worker)

    @property
    def leader(self) -> HealthChecker:
        (found,) = [each for each in self.workers if each._context.store.is_leader]
        return found

    def summaries(self) -> list[HealthSnapshot]:
        return [worker.get_health_summary() for worker in self.workers]

    def close(self) -> None:
        for worker in [*self.workers, *self.dead]:
            worker.stop()
            worker._context.store.close()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr("perfkit.health.checker.process_checks", lambda settings, context: ())
    host = Host(tmp_path)
    yield host
    host.close()


def test_a_shared_check_runs_once_an_interval_and_not_once_a_worker(host: Host) -> None:
    for _ in range(4):
        host.join()
    host.pass_seconds(120)
    assert 11 <= len(host.runs) <= 15
    assert len(set(host.runs)) == 1
    assert {summary.status for summary in host.summaries()} == {Status.HEALTHY}


def test_every_worker_shows_the_same_checks(host: Host) -> None:
    for _ in range(4):
        host.join()
    host.pass_seconds(30)
    host.answer = {"status": "critical", "message": "gone"}
    host.pass_seconds(30)
    summaries = host.summaries()
    assert {(each.status, each.is_ready, each.is_live) for each in summaries} == {(Status.CRITICAL, False, True)}
    assert len({each.checks for each in summaries}) == 1
    assert all(len(each.workers) == 4 for each in summaries)


def test_what_ails_one_worker_is_seen_from_all_and_names_it(host: Host) -> None:
    for _ in range(3):
        host.join()
    host.pass_seconds(10)
    host.ill = {host.workers[1]._context.store.number}
    host.pass_seconds(2)
    for summary in host.summaries():
        (disk,) = [check for check in summary.checks if check.name == "disk"]
        assert (summary.status, disk.status, {disk.worker}) == (Status.CRITICAL, Status.CRITICAL, host.ill)
        assert disk.message.startswith(f"full (worker {disk.worker}, pid ")
    host.ill = set()
    host.pass_seconds(2)
    assert {summary.status for summary in host.summaries()} == {Status.HEALTHY}


def test_when_the_leader_dies_the_next_takes_over_within_seconds(host: Host) -> None:
    for _ in range(3):
        host.join()
    host.pass_seconds(25)
    dead = host.leader
    host.kill(dead)
    host.runs.clear()
    host.answer = False
    host.pass_seconds(30)
    assert host.runs
    assert dead._context.store.number not in host.runs
    assert {summary.status for summary in host.summaries()} == {Status.CRITICAL}


def test_a_newcomer_knows_within_seconds_what_the_others_know(host: Host) -> None:
    host.join()
    host.answer = {"status": "warning", "message": "slow"}
    host.pass_seconds(30)
    host.runs.clear()
    late = host.join()
    host.pass_seconds(2)
    (check,) = [each for each in late.get_health_summary().checks if each.name == "database"]
    assert (check.status, len(host.runs) <= 1) == (Status.WARNING, True)
    assert check.history


def test_a_check_that_the_leader_does_not_have_is_run_by_another(host: Host) -> None:
    for _ in range(3):
        host.join()
    host.pass_seconds(5)
    other = next(worker for worker in host.workers if worker is not host.leader)
    ran: list[float] = []
    other.register_health_check("own", lambda: ran.append(host.clock.now))
    host.pass_seconds(60)
    assert ran


def test_a_worker_that_stops_is_forgotten_at_once(host: Host) -> None:
    first, second = host.join(), host.join()
    host.pass_seconds(5)
    assert len(first.get_health_summary().workers) == 2
    second.stop()
    host.workers.remove(second)
    host.dead.append(second)
    host.pass_seconds(1)
    assert first.get_health_summary().workers == ()


def summary(running: Fleet) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(running.get("/health", token=True)[1])
    return answer


@pytest.mark.server
@pytest.mark.timeout(300)
def test_four_workers_of_gunicorn_answer_with_one_health(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    ran.touch()
    with fleet(GUNICORN.replace("fleet_app", "health_app"), env={"HEALTH_RAN": str(ran)}) as running:
        # Of one answer: the next may be of a worker that has not heard of the others yet.
        workers = until(lambda: summary(running).get("workers", ()), lambda told: len(told) == 4)
        chosen = min(worker["pid"] for worker in workers)
        (tmp_path / "ill").write_text(str(chosen))

        def ailing() -> list[str]:
            return [check["message"] for check in summary(running)["checks"] if check["name"] == "local"]

        for _ in range(12):
            until(ailing, lambda said: f"pid {chosen}" in "".join(said))
        before = len(ran.read_text().split())
        began = summary(running)["checks"]
        until(lambda: len(ran.read_text().split()), lambda count: count >= before + 3)
        assert {check["name"] for check in began} >= {"database", "local", "memory"}
        # Each line is the process of one run; a leader may be followed by another meanwhile.
        assert len(set(ran.read_text().split())) <= 2
