"""What is known of one registered check: damped status, history, durations, and when it is due.

Pure: time and chance are passed in. A record is changed under the checker's lock and read without one, as what is
shown is one immutable struct, exchanged as a whole. The state can be told to another worker, which goes on from it.
"""

from __future__ import annotations

import math
import random
from collections import deque
from typing import Any

import msgspec

from perfkit.core.checks import CheckResult
from perfkit.core.status import Status
from perfkit.health.registered.hysteresis import Hysteresis
from perfkit.health.registered.pacing import pause
from perfkit.health.registered.registration import Registration
from perfkit.health.snapshot import KEPT_CHANGES, CheckSnapshot, StatusChange

__all__ = ["Record", "State"]

KEPT_DURATIONS = 32
"""Runs of which the p95 is taken."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker tells the others of a shared check.

    Attributes:
        seen: What it shows.
        against: Results in a row that spoke against its status.
        next_in: Seconds until it is due.
        has_passed: True once it was well.
        ran: Runs since the start, in whichever workers.
    """

    seen: CheckSnapshot
    against: int
    next_in: float
    has_passed: bool
    ran: int


class Record:
    """One registered check.

    Attributes:
        registration: What the user wants.
        seen: What is shown.
        last: The last result, not damped.
        due: Monotonic seconds of the next run.
        run: The run under way, or None; whoever runs checks puts it there.
        has_timed_out: True if the run under way has taken too long.
        has_passed: True once the status was healthy or warning.
        is_news: True if there is something to tell the other workers.
    """

    def __init__(self, registration: Registration, *, now: float, at: float, rng: random.Random) -> None:
        """Know nothing, due after the initial delay, at *now* monotonic and *at* Unix seconds."""
        self.registration = registration
        self._rng = rng
        self._damped = Hysteresis(rise=registration.rise, fall=registration.fall)
        self._durations: deque[float] = deque(maxlen=KEPT_DURATIONS)
        self._resulted_at: float | None = None
        self._ran = 0
        self.due = now + registration.initial_delay
        self.run: Any = None
        self.has_timed_out = self.has_passed = self.is_news = False
        self.last = CheckResult(Status.UNKNOWN, "not run yet")
        self.seen = CheckSnapshot(
            name=registration.name,
            status=Status.UNKNOWN,
            message="not run yet",
            value=None,
            unit="",
            critical=registration.critical,
            liveness=registration.liveness,
            changed_at=at,
            checked_at=None,
            tags=registration.tags,
            depends_on=registration.depends_on,
            startup=registration.startup,
            is_shared=registration.is_shared,
        )

    def take(self, result: CheckResult, *, now: float, at: float, duration: float | None = None) -> bool:
        """Take the result of a run that took *duration* seconds; return True if the status changed.

        None is a run that is still under way: it counts as another failure, and when it is due says how long to wait.
        """
        before, self.last = self.seen, result
        failures = before.failures + 1 if result.status is Status.CRITICAL else 0
        has_changed = self._damped.observe(result.status)
        if duration is not None:
            self._durations.append(duration)
            self._ran += 1
        status = self._damped.status
        self.has_passed = self.has_passed or status in (Status.HEALTHY, Status.WARNING)
        message = result.message
        if result.status is not status:
            message = f"{message or result.status.value} ({result.status.value}, {failures or 1} in a row)"
        history = before.history
        if has_changed:
            history = (*history, StatusChange(at, status, message))[-KEPT_CHANGES:]
        self.seen = msgspec.structs.replace(
            before,
            status=status,
            message=message,
            value=result.value,
            unit=result.unit,
            details=result.details,
            changed_at=at if has_changed else before.changed_at,
            checked_at=at,
            duration=before.duration if duration is None else duration,
            p95=p95(self._durations),
            failures=failures,
            is_running=duration is None,
            history=history,
        )
        self._resulted_at = now
        self.plan(now)
        self.is_news = True
        return has_changed

    def plan(self, now: float) -> None:
        """Be due again after the pause that the last result asks for."""
        registration = self.registration
        self.due = now + pause(
            interval=registration.interval,
            failures=self.seen.failures,
            is_settled=self._damped.against == 0,
            jitter=registration.jitter,
            rng=self._rng,
        )

    def count_timeout(self) -> None:
        """Count that the run under way took too long."""
        self.has_timed_out = True
        self.seen = msgspec.structs.replace(self.seen, timeouts=self.seen.timeouts + 1)

    def come_late(self, result: CheckResult | None, duration: float, now: float) -> None:
        """Take what a run answered *duration* seconds after its start, too late: its failure stands, and is told so.

        None is one that never answered: it was cancelled.
        """
        self._durations.append(duration)
        self._ran += 1
        message, details = f"timeout after {self.registration.timeout:g} s", ""
        if result is not None:
            said = f"{result.status.value}: {result.message}" if result.message else result.status.value
            message, details = f"{message}; it answered after {duration:.1f} s ({said})", result.details
        self.seen = msgspec.structs.replace(
            self.seen,
            message=message,
            details=details,
            duration=duration,
            p95=p95(self._durations),
            is_running=False,
        )
        self.plan(now)
        self.is_news = True

    def is_stale(self, now: float) -> bool:
        """Return True if the last result is older than it may be; what hangs has results."""
        return self._resulted_at is not None and now - self._resulted_at > self.registration.ttl

    def state(self, now: float) -> State:
        """Return what other workers need to go on from here."""
        return State(
            seen=self.seen,
            against=self._damped.against,
            next_in=max(0.0, self.due - now),
            has_passed=self.has_passed,
            ran=self._ran,
        )

    def adopt(self, state: State, now: float) -> None:
        """Go on from what another worker found out."""
        registration = self.registration
        self.seen = msgspec.structs.replace(
            state.seen,
            critical=registration.critical,
            tags=registration.tags,
            depends_on=registration.depends_on,
            startup=registration.startup,
        )
        self._damped.status, self._damped.against = self.seen.status, state.against
        if self.seen.duration is not None and state.ran != self._ran:
            self._durations.append(self.seen.duration)
        self._ran = state.ran
        self._resulted_at = None if self.seen.checked_at is None else now
        self.has_passed = self.has_passed or state.has_passed
        self.due, self.is_news = now + state.next_in, False


def p95(durations: deque[float]) -> float | None:
    """Return the value below which 95 of 100 lie (nearest rank), None without any."""
    if not durations:
        return None
    ordered = sorted(durations)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]
