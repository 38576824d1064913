from __future__ import annotations

import os
import threading
import time

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.core.scheduler import Scheduler
from perfkit.testing import FakeClock


def test_jobs_run_at_their_planned_times_without_drift() -> None:
    clock, runs = FakeClock(start=0.0), list[float]()
    scheduler = Scheduler(clock=clock)

    def job(now: float) -> None:
        runs.append(round(now, 3))
        clock.advance(0.3)

    scheduler.every(1.0, job, name="job")
    for _ in range(5):
        clock.advance(scheduler.run_due())
        scheduler.run_due()
    assert runs == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_job_that_took_too_long_skips_the_missed_runs() -> None:
    clock, runs = FakeClock(start=0.0), list[float]()
    scheduler = Scheduler(clock=clock)

    def job(now: float) -> None:
        runs.append(now)
        if len(runs) == 1:
            clock.advance(3.5)

    scheduler.every(1.0, job, name="slow")
    clock.advance(1.0)
    scheduler.run_due()
    assert scheduler.run_due() == pytest.approx(0.5)
    clock.advance(0.5)
    scheduler.run_due()
    assert runs == [1.0, 5.0]


def test_a_failing_job_is_counted_and_called_again() -> None:
    clock, counted = FakeClock(), list[tuple[str, str]]()
    scheduler = Scheduler(clock=clock, errors=ErrorLog(clock=clock, count=lambda c, k: counted.append((c, k))))

    def fail(_: float) -> None:
        raise ZeroDivisionError

    scheduler.every(1.0, fail, name="fails")
    for _ in range(3):
        clock.advance(1.0)
        scheduler.run_due()
    assert counted == [("scheduler", "ZeroDivisionError")] * 3


def test_a_cancelled_job_is_not_called_again() -> None:
    clock, runs = FakeClock(), list[float]()
    scheduler = Scheduler(clock=clock)
    job = scheduler.every(1.0, runs.append, name="job")
    scheduler.cancel(job)
    scheduler.cancel(job)
    clock.advance(2.0)
    scheduler.run_due()
    assert runs == []


def test_the_thread_runs_jobs_and_stops_at_once() -> None:
    ran = threading.Event()
    scheduler = Scheduler(name="perfkit-test")
    scheduler.every(0.01, lambda _: ran.set(), name="job")
    assert not scheduler.is_running
    scheduler.start()
    scheduler.start()
    assert [thread.name for thread in threading.enumerate()].count("perfkit-test") == 1
    assert ran.wait(60)
    began = time.monotonic()
    scheduler.stop()
    scheduler.stop()
    assert time.monotonic() - began < 30
    assert not scheduler.is_running


def test_it_starts_again_after_a_stop() -> None:
    scheduler, ran = Scheduler(), threading.Event()
    scheduler.start()
    scheduler.stop()
    scheduler.every(0.01, lambda _: ran.set(), name="job")
    scheduler.start()
    assert ran.wait(60)
    scheduler.stop()


def test_a_job_may_stop_its_own_scheduler() -> None:
    scheduler, stopped = Scheduler(), threading.Event()

    def stop(_: float) -> None:
        scheduler.stop()
        stopped.set()

    scheduler.every(0.01, stop, name="stop")
    scheduler.start()
    assert stopped.wait(60)


def test_a_forked_child_starts_its_own_thread() -> None:
    scheduler = Scheduler()
    scheduler.every(0.01, lambda _: None, name="job")
    scheduler.start()
    pid = os.fork()
    if pid == 0:
        ran = threading.Event()
        fresh = not scheduler.is_running
        scheduler.every(0.01, lambda _: ran.set(), name="child")
        scheduler.start()
        os._exit(0 if fresh and ran.wait(60) else 1)
    _, status = os.waitpid(pid, 0)
    scheduler.stop()
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_job_is_ended_once_when_the_scheduler_stops_even_if_another_one_cannot_be() -> None:
    ended: list[str] = []

    def cannot() -> None:
        raise RuntimeError("it cannot be ended")

    scheduler = Scheduler(errors=ErrorLog(clock=FakeClock()))
    scheduler.every(60.0, lambda now: None, name="broken", at_end=cannot)
    scheduler.every(60.0, lambda now: None, name="job", at_end=lambda: ended.append("job"))
    scheduler.stop()
    assert ended == [], "it did not run"
    scheduler.start()
    scheduler.stop()
    scheduler.stop()
    assert ended == ["job"]
