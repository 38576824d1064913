"""The registered checks of one worker: who is due, who hangs, and what came back."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from perfkit.core.checks import CheckResult
from perfkit.core.context import Context
from perfkit.core.errors import HealthError
from perfkit.core.status import Status
from perfkit.health.meters import CHECK_DURATION, CHECK_STATUS, CHECK_TIMEOUTS, LEVELS
from perfkit.health.registered.record import Record, State
from perfkit.health.registered.registration import Registration
from perfkit.health.registered.runner import Run, Runner

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["PATIENCE", "Roster"]

logger = logging.getLogger("perfkit.health")

PATIENCE = 10.0
"""Seconds that the leader may be late with a shared check before another worker runs it; more for higher numbers."""

RunnerFactory = Callable[[], Runner]


class Roster:
    """The registered checks. Thread-safe: changed under one lock, which nobody holds while a check runs.

    Attributes:
        registrations, records: By name, in the order in which they were registered.
    """

    def __init__(self, context: Context, *, rng: random.Random, runner: RunnerFactory | None = None) -> None:
        """Know no check yet; *runner* makes what runs them, threads by default."""
        self._context, self._clock, self._rng = context, context.clock, rng
        self._make_runner = runner or self._threads
        self.registrations: dict[str, Registration] = {}
        self.records: dict[str, Record] = {}
        self._runner: Runner | None = None
        self._lock, self._pid = threading.RLock(), os.getpid()

    def _threads(self) -> Runner:
        return Runner(clock=self._clock, loops=self._context.loops, errors=self._context.errors)

    def begin(self) -> None:
        """Begin afresh: at a start, and in a forked child, where neither locks nor threads are those of the parent."""
        if self._pid != os.getpid():
            self._lock, self._pid = threading.RLock(), os.getpid()
            self._runner = None
        with self._lock:
            self.records = {name: self._new_record(each) for name, each in self.registrations.items()}

    def end(self) -> None:
        """End the threads; what hangs is left alone."""
        with self._lock:
            runner, self._runner = self._runner, None
            runs = [record.run for record in self.records.values() if record.run is not None]
            self.records = {name: self._new_record(each) for name, each in self.registrations.items()}
        if runner is not None and self._pid == os.getpid():
            for run in runs:
                if run.started_at is not None:
                    runner.give_up(run)
            runner.stop()

    def add(self, registration: Registration) -> None:
        """Watch one more; what is wrong with it was checked before."""
        with self._lock:
            self.registrations = {**self.registrations, registration.name: registration}
            self.records = {**self.records, registration.name: self._new_record(registration)}

    def remove(self, name: str) -> bool:
        """Watch it no more; return whether there was one.

        Raises:
            HealthError: Others depend on it.
        """
        with self._lock:
            children = [each.name for each in self.registrations.values() if name in each.depends_on]
            if children:
                raise HealthError(
                    f"The health check {name!r} is what {', '.join(map(repr, children))} depends on. "
                    f"It cannot go before those. Unregister {children[0]!r} first."
                )
            record = self.records.get(name)
            if record is not None and record.run is not None and record.run.started_at is not None:
                self._runner_now().give_up(record.run)
            self.registrations = {each: kept for each, kept in self.registrations.items() if each != name}
            self.records = {each: kept for each, kept in self.records.items() if each != name}
        self._show(name, Status.UNKNOWN)
        return record is not None

    def _new_record(self, registration: Registration) -> Record:
        return Record(registration, now=self._clock.monotonic(), at=self._clock.time(), rng=self._rng)

    def _runner_now(self) -> Runner:
        if self._runner is None:
            self._runner = self._make_runner()
        return self._runner

    def tick(self, now: float) -> None:
        """Notice what hangs and begin what is due at *now* (monotonic seconds); runs nothing itself."""
        with self._lock:
            for record in list(self.records.values()):
                if record.run is not None:
                    self._look_at(record, record.run, now)
                if record.run is None and self._is_due(record, now):
                    self._begin(record)

    def _is_due(self, record: Record, now: float) -> bool:
        late = now - record.due
        if late < 0.0:
            return False
        if self.failing_parent(record.registration) is not None:
            return False
        store = self._context.store
        if not record.registration.is_shared or store.is_leader:
            return True
        # Whoever leads may not have this check, or may stand still.
        return late > PATIENCE + record.registration.timeout + store.number % 16

    def _look_at(self, record: Record, run: Run, now: float) -> None:
        """Let the run under way fail if it takes too long, once, and again whenever it would be due."""
        if run.is_lost:
            record.run, record.has_timed_out, record.due = None, False, now
            return
        if run.started_at is None or now - run.started_at <= record.registration.timeout:
            return
        if not record.has_timed_out:
            self._runner_now().give_up(run)
            record.count_timeout()
            self._count(CHECK_TIMEOUTS.name, record)
        elif now < record.due:
            return
        result = CheckResult(Status.CRITICAL, f"timeout after {record.registration.timeout:g} s")
        self._take(record, result, None)

    def _begin(self, record: Record, loop: AbstractEventLoop | None = None) -> Run:
        """Run the check of *record* soon. The caller holds the lock."""
        registration = record.registration

        def done(run: Run, result: CheckResult | None) -> None:
            self._finish(record, run, result)

        record.has_timed_out = False
        run = self._runner_now().run(registration.fn, done, is_async=registration.is_async, loop=loop)
        if not run.is_over:
            record.run = run
        return run

    def _finish(self, record: Record, run: Run, result: CheckResult | None) -> None:
        """Take the *result* of *run*; called by the thread that ran it."""
        now = self._clock.monotonic()
        duration = now - (run.started_at if run.started_at is not None else now)
        with self._lock:
            if self.records.get(record.registration.name) is not record or record.run not in (run, None):
                return
            record.run = None
            if record.has_timed_out or run.is_given_up:
                record.has_timed_out = False
                record.come_late(result, duration, now)
            elif result is not None:
                self._take(record, result, duration)
        self._count(CHECK_DURATION.name, record, duration)

    def _take(self, record: Record, result: CheckResult, duration: float | None) -> None:
        now, at = self._clock.monotonic(), self._clock.time()
        before = record.seen.status
        has_changed = record.take(result, now=now, at=at, duration=duration)
        seen = record.seen
        self._show(seen.name, seen.status)
        if not has_changed or (before is Status.UNKNOWN and seen.status is Status.HEALTHY):
            return
        level = logging.INFO if seen.status is Status.HEALTHY else logging.WARNING
        logger.log(level, "health check %r is %s: %s", seen.name, seen.status.value, seen.message or "no message")
        if before is Status.CRITICAL:
            for child in self.records.values():
                if seen.name in child.registration.depends_on:
                    child.due = now

    def _show(self, name: str, status: Status) -> None:
        store = self._context.store
        with self._context.errors.guarded("health", "the status of a check could not be counted"):
            store.set(store.row(CHECK_STATUS, (name,)), LEVELS[status])

    def _count(self, metric: str, record: Record, seconds: float = 1.0) -> None:
        store, labels = self._context.store, (record.registration.name,)
        with self._context.errors.guarded("health", "the run of a check could not be counted"):
            if metric == CHECK_TIMEOUTS.name:
                store.add(store.row(CHECK_TIMEOUTS, labels), 1.0)
            else:
                store.observe(store.row(CHECK_DURATION, labels), max(0.0, seconds))

    def failing_parent(self, registration: Registration) -> str | None:
        """Return the name of the check that *registration* depends on and that fails, the furthest up; None if well."""
        seen: set[str] = set()

        def look(each: Registration) -> str | None:
            for name in each.depends_on:
                parent = self.records.get(name)
                if parent is None or name in seen:
                    continue
                seen.add(name)
                above = look(parent.registration)
                if above is not None or parent.seen.status is Status.CRITICAL:
                    return above or name
            return None

        return look(registration)

    def adopt(self, states: list[State]) -> None:
        """Go on from what another worker found out about shared checks."""
        now = self._clock.monotonic()
        with self._lock:
            for state in states:
                record = self.records.get(state.seen.name)
                if record is not None and record.registration.is_shared and record.run is None:
                    record.adopt(state, now)
                    self._show(state.seen.name, state.seen.status)

    def news(self, *, everything: bool) -> list[State]:
        """Return the states of shared checks that the others do not know yet; *everything* for a newcomer."""
        now = self._clock.monotonic()
        with self._lock:
            states = []
            for record in self._shared():
                if record.is_news or (everything and record.seen.checked_at is not None):
                    record.is_news = False
                    states.append(record.state(now))
            return states

    def _shared(self) -> Iterator[Record]:
        return (record for record in self.records.values() if record.registration.is_shared)

    def start_now(self, name: str, loop: AbstractEventLoop | None, on_end: Callable[[], object]) -> Record:
        """Run the check *name* now, or wait for the run under way; call *on_end* when it is over.

        Raises:
            HealthError: There is no such check.
        """
        with self._lock:
            record = self.records.get(name)
            if record is None:
                names = ", ".join(self.records) or "none"
                raise HealthError(
                    f"There is no health check {name!r} to run. The registered ones are: {names}. Use one of these."
                )
            run = record.run
            if run is not None and run.is_lost:
                run = record.run = None
            if record.has_timed_out and run is not None:
                on_end()
                return record
            run = run or self._begin(record, loop)
            run.listeners.append(on_end)
        if run.is_over:
            on_end()
        return record

    def expire(self, record: Record) -> None:
        """Let the run of *record* that somebody waited for in vain count as a timeout."""
        with self._lock:
            run = record.run
            if run is not None and run.started_at is not None and not record.has_timed_out:
                self._look_at(record, run, run.started_at + record.registration.timeout + 1e-3)
