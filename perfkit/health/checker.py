"""The health checker, first half: built-in process checks, liveness, readiness, startup, draining.

Checks run on the scheduler once a second; probes only read the last results, so a probe costs no check. Liveness looks
at this very process alone and never at a dependency: otherwise a slow database would restart every worker.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Self

import msgspec

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.status import Status
from perfkit.health.process import process_checks
from perfkit.health.settings import HealthSettings
from perfkit.health.snapshot import CheckSnapshot, HealthSnapshot

__all__ = ["HealthChecker"]


DRAIN = "health.drain"
"""The command by which one worker tells the others to drain."""


class _Watched:
    """A check and its last result. Written by the scheduler alone."""

    __slots__ = ("changed_at", "check", "checked_at", "result")

    def __init__(self, check: HealthCheck, at: float) -> None:
        self.check = check
        self.result = CheckResult(Status.UNKNOWN, "not run yet")
        self.changed_at, self.checked_at = at, None

    changed_at: float
    checked_at: float | None

    def take(self, result: CheckResult, at: float) -> None:
        if result.status is not self.result.status:
            self.changed_at = at
        self.result, self.checked_at = result, at

    def counted_status(self) -> Status:
        """The status that counts for the whole: what is not critical can only warn."""
        status = self.result.status
        return Status.WARNING if status is Status.CRITICAL and not self.check.critical else status


class HealthChecker(Component):
    """The health of this process and its service. Probes may be asked from any thread; they never wait."""

    name = "health"
    settings_type = HealthSettings

    def __init__(self, *, settings: HealthSettings | None = None, context: Context | None = None) -> None:
        """Watch this process; with a *context* also what its other components ask to be watched."""
        if context is None:
            from perfkit.store import Store

            context = Context(store=Store())
        self.settings = settings or HealthSettings()
        self._context = context
        self._clock = context.clock
        self._pid, self._lock = os.getpid(), threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._began: float | None = None
        self._is_draining = False
        self._last_tick: float | None = None
        context.store.control.on(DRAIN, self._on_drain)

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the checker of a system."""
        return cls(settings=settings, context=context)

    def start(self) -> None:
        """Begin to watch; the first results are taken at once, so that a started process has an answer.

        In a forked child everything begins anew: what the parent saw and when says nothing about the child.
        """
        if self._began is not None and self._pid == os.getpid():
            return
        self._pid, self._lock, self._watched = os.getpid(), threading.Lock(), {}
        self._began = self._clock.monotonic()
        self._is_draining = False
        for check in (*process_checks(self.settings, self._context), *self._context.checks()):
            self._watch(check)
        self.tick(self._began)

    def stop(self) -> None:
        """Stop watching; the next start looks at everything afresh."""
        self._began = self._last_tick = None
        with self._lock:
            self._watched = {}

    def drain(self) -> None:
        """Answer "not ready" in all workers from now on, so that no new traffic comes; requests are still served."""
        self._is_draining = True
        self._context.store.control.append(DRAIN, {})

    def _on_drain(self, payload: dict[str, Any]) -> None:
        self._is_draining = True

    def tick(self, now: float) -> None:
        """Run all checks."""
        for watched in list(self._watched.values()):
            self._run(watched)
        self._last_tick = now

    def _watch(self, check: HealthCheck) -> None:
        with self._lock:
            self._watched = {**self._watched, check.name: _Watched(check, self._clock.time())}

    def _run(self, watched: _Watched) -> None:
        try:
            answer: object = watched.check.run()
            if not isinstance(answer, CheckResult):
                raise TypeError(f"It answered {answer!r}. A check must answer with a CheckResult. Return one.")
            result = msgspec.structs.replace(answer, status=Status(answer.status))
        except Exception as error:  # noqa: BLE001 - a check that raises is a failed check
            self._context.errors.report("health", error, doing=f"the check {watched.check.name!r} raised")
            result = CheckResult(Status.CRITICAL, f"the check raised {type(error).__name__}")
        watched.take(result, self._clock.time())

    def _is_stalled(self) -> bool:
        """True if no check ran for so long that the background thread must be stuck or starved."""
        last = self._last_tick
        return last is not None and self._clock.monotonic() - last > self.settings.scheduler_stall

    def snapshot(self) -> HealthSnapshot:
        """Return status, probes and checks as of now."""
        return self.get_health_summary()

    def get_health_summary(self) -> HealthSnapshot:
        """Return status, probes and checks as of now. Never runs a check."""
        watched = list(self._watched.values())
        status = Status.worst(each.counted_status() for each in watched)
        if self._is_stalled():
            status = Status.CRITICAL
        is_started = self._began is not None
        is_live = (
            not any(each.check.liveness and each.result.status is Status.CRITICAL for each in watched)
            and not self._is_stalled()
        )
        return HealthSnapshot(
            status=status,
            is_live=is_live,
            is_ready=is_started and not self._is_draining and status is not Status.CRITICAL,
            is_started=is_started,
            is_draining=self._is_draining,
            uptime=0.0 if self._began is None else self._clock.monotonic() - self._began,
            checks=tuple(_snapshot(each) for each in watched),
        )


def _snapshot(watched: _Watched) -> CheckSnapshot:
    return CheckSnapshot(
        name=watched.check.name,
        status=watched.result.status,
        message=watched.result.message,
        value=watched.result.value,
        unit=watched.result.unit,
        critical=watched.check.critical,
        liveness=watched.check.liveness,
        changed_at=watched.changed_at,
        checked_at=watched.checked_at,
    )
