"""What the workers of one host tell each other about health, through the control log.

Two kinds of news. A *report* is what a worker says of itself: its probes and the checks that each worker runs; sent
when a status changes and, as a sign of life, every few seconds. *States* are the results of shared checks, sent by
whoever ran them. A newcomer says hello, and the others tell it what they know. Reports of the dead are dropped.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog
from perfkit.health.registered.record import State
from perfkit.health.snapshot import CheckSnapshot, WorkerHealth
from perfkit.store import Store

__all__ = ["HEARTBEAT", "Fleet", "Report"]

HELLO, REPORT, STATES, BYE = "health.hello", "health.report", "health.states", "health.bye"

HEARTBEAT = 5.0
"""Seconds between two reports of a worker with nothing new; longer for many workers, as each reads all of them."""

SHARE = 0.3
"""Seconds that each worker adds to all workers' heartbeats."""

LOOK = 2.0
"""Seconds between two looks at who is still alive."""

MOST_STATES = 20
"""States in one message; at most 64 KiB must fit."""

MOST_REPORTS = 1024


class Report(msgspec.Struct, frozen=True):
    """What one worker says of itself; *token* tells systems in one process apart."""

    token: str
    worker: WorkerHealth
    checks: list[CheckSnapshot]


class Fleet:
    """The other workers as this one knows them. Listeners are called by whichever thread reads the log.

    Attributes:
        reports: By token; this worker's own is among them once it was sent.
        token: This worker's own.
        is_asked: True if a newcomer wants to know everything.
    """

    def __init__(
        self, store: Store, clock: Clock, errors: ErrorLog, *, on_states: Callable[[list[State]], object]
    ) -> None:
        """Listen; call *on_states* with what others found out."""
        self._store, self._clock, self._errors, self._on_states = store, clock, errors, on_states
        for command, listener in (
            (HELLO, self._hear_hello),
            (REPORT, self._hear_report),
            (STATES, self._hear_states),
            (BYE, self._hear_bye),
        ):
            store.control.on(command, listener)
        self.begin()

    def begin(self) -> None:
        """Know nobody: at a start, and in a forked child."""
        self.token = os.urandom(8).hex()
        self.reports: dict[str, Report] = {}
        self.is_asked = self._has_greeted = False
        self._lock = threading.Lock()
        self._told: object = None
        self._told_at = self._looked_at = float("-inf")

    @property
    def others(self) -> list[Report]:
        """The reports of other workers than this one."""
        return [report for token, report in list(self.reports.items()) if token != self.token]

    def greet(self) -> None:
        """Ask the others what they know; once."""
        if self._store.is_shared and not self._has_greeted:
            self._has_greeted = True
            self._store.control.append(HELLO, {"token": self.token})

    def leave(self) -> None:
        """Tell the others that this worker ends."""
        if self._has_greeted:
            self._store.control.append(BYE, {"token": self.token})

    def report(self, worker: WorkerHealth, checks: Sequence[CheckSnapshot], now: float) -> None:
        """Tell the others of this worker at *now* (monotonic seconds), if there is news or it is time to."""
        if not self._store.is_shared:
            return
        digest = [(check.name, check.status) for check in checks], msgspec.structs.replace(worker, reported_at=0.0)
        beat = max(HEARTBEAT, SHARE * len(self.reports))
        if digest == self._told and now - self._told_at < beat and not self.is_asked:
            return
        self._told, self._told_at, self.is_asked = digest, now, False
        # The history of a check that each worker runs stays at home: a report is small, as all read it.
        brief = [msgspec.structs.replace(check, history=(), details=check.details[:300]) for check in checks]
        report = Report(self.token, worker, brief)
        # Kept before it is cut, so that what this worker shows of itself is what the others show of it.
        self._keep(report)
        for first in range(0, max(1, len(brief)), MOST_STATES):
            part = Report(self.token, worker, brief[first : first + MOST_STATES])
            self._store.control.append(REPORT, {"part": first, "report": msgspec.to_builtins(part)})

    def tell(self, states: Iterable[State]) -> None:
        """Send the results of shared checks that this worker ran."""
        waiting = list(states)
        if not self._store.is_shared:
            return
        for first in range(0, len(waiting), MOST_STATES):
            part = msgspec.to_builtins(waiting[first : first + MOST_STATES])
            self._store.control.append(STATES, {"token": self.token, "states": part})

    def look(self, now: float) -> None:
        """Forget the reports of workers that are not alive any more."""
        if not self.others or now - self._looked_at < max(LOOK, len(self.reports) / 8.0):
            return
        self._looked_at = now
        alive = {(worker.number, worker.pid) for worker in self._store.workers() if worker.is_alive}
        with self._lock:
            self.reports = {
                token: report
                for token, report in self.reports.items()
                if token == self.token or (report.worker.number, report.worker.pid) in alive
            }

    def _keep(self, report: Report) -> None:
        with self._lock:
            if report.token in self.reports or len(self.reports) < MOST_REPORTS:
                self.reports = {**self.reports, report.token: report}

    def _hear_hello(self, payload: dict[str, Any]) -> None:
        if payload.get("token") != self.token:
            self.is_asked = True

    def _hear_report(self, payload: dict[str, Any]) -> None:
        report = msgspec.convert(payload["report"], Report)
        if report.token == self.token:
            return
        known = self.reports.get(report.token)
        if payload["part"] and known is not None:
            report = Report(report.token, report.worker, [*known.checks, *report.checks])
        self._keep(report)

    def _hear_states(self, payload: dict[str, Any]) -> None:
        if payload.get("token") != self.token:
            self._on_states(msgspec.convert(payload["states"], list[State]))

    def _hear_bye(self, payload: dict[str, Any]) -> None:
        with self._lock:
            self.reports = {token: each for token, each in self.reports.items() if token != payload.get("token")}
