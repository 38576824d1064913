"""The checks that components bring along: run at once by the scheduler, in every worker, without damping."""

from __future__ import annotations

import msgspec

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.context import Context
from perfkit.core.status import Status
from perfkit.health.meters import CHECK_STATUS, LEVELS
from perfkit.health.snapshot import KEPT_CHANGES, CheckSnapshot, StatusChange

__all__ = ["Watched"]

EARLY = 0.5
"""Seconds before its time at which a check is run all the same: the scheduler comes by once a second."""


class Watched:
    """One such check. Run by the scheduler alone, read by everybody.

    Attributes:
        seen: What is shown.
    """

    __slots__ = ("_context", "_due", "check", "seen")

    def __init__(self, check: HealthCheck, context: Context) -> None:
        """Know nothing of *check* yet."""
        self.check, self._context = check, context
        self._due = float("-inf")
        self.seen = CheckSnapshot(
            name=check.name,
            status=Status.UNKNOWN,
            message="not run yet",
            value=None,
            unit="",
            critical=check.critical,
            liveness=check.liveness,
            changed_at=context.clock.time(),
            checked_at=None,
            tags=check.tags,
        )

    def tick(self, now: float) -> None:
        """Run the check if it is time."""
        if now >= self._due - EARLY:
            self.run(now)

    def run(self, now: float) -> None:
        """Run the check now."""
        self._due = now + self.check.interval
        self._take(self._answer())

    def _answer(self) -> CheckResult:
        try:
            answer: object = self.check.run()
            if not isinstance(answer, CheckResult):
                raise TypeError(f"It answered {answer!r}. A check must answer with a CheckResult. Return one.")
            return msgspec.structs.replace(answer, status=Status(answer.status))
        except Exception as error:  # noqa: BLE001 - a check that raises is a failed check
            self._context.errors.report("health", error, doing=f"the check {self.check.name!r} raised")
            return CheckResult(Status.CRITICAL, f"the check raised {type(error).__name__}")

    def _take(self, result: CheckResult) -> None:
        before, at = self.seen, self._context.clock.time()
        has_changed = result.status is not before.status
        history = before.history
        if has_changed:
            history = (*history, StatusChange(at, result.status, result.message))[-KEPT_CHANGES:]
        self.seen = msgspec.structs.replace(
            before,
            status=result.status,
            message=result.message,
            value=result.value,
            unit=result.unit,
            details=result.details,
            changed_at=at if has_changed else before.changed_at,
            checked_at=at,
            failures=before.failures + 1 if result.status is Status.CRITICAL else 0,
            history=history,
        )
        store = self._context.store
        with self._context.errors.guarded("health", "the status of a check could not be counted"):
            store.set(store.row(CHECK_STATUS, (self.check.name,)), LEVELS[result.status])
