"""What health knows as of now."""

from __future__ import annotations

import msgspec

from perfkit.core.status import Status

__all__ = ["KEPT_CHANGES", "CheckSnapshot", "HealthSnapshot", "StatusChange", "WorkerHealth"]

KEPT_CHANGES = 10
"""Changes of status that are remembered of each check."""


class StatusChange(msgspec.Struct, frozen=True):
    """One change of a check's status.

    Attributes:
        at: Unix seconds.
        status: What it became.
        message: What the check said then.
    """

    at: float
    status: Status
    message: str = ""


class CheckSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One check's last answer; of a check that each worker runs, that of the worst one.

    Attributes:
        changed_at: Unix seconds of the last change of status.
        checked_at: Unix seconds of the last run, or None before the first.
        value: What was measured, in *unit*.
        details: More than a sentence, without secrets, such as the text of an error.
        startup: True if the start is not over before it was well once.
        is_shared: True if one worker runs it for all of the host.
        duration: Seconds of the last run that ended, p95 of the last 32; None for those of perfkit itself.
        failures: Critical results in a row.
        timeouts: Runs that took too long, since the start.
        is_running: True while a run is under way that should have been over.
        skipped_because: Name of the failing check that this one depends on; it is not run meanwhile and not counted.
        worker: Number of the worker that says so, where each runs it; None for shared ones, or where there is one.
        history: The latest changes of status, oldest first.
    """

    name: str
    status: Status
    message: str
    value: float | None
    unit: str
    critical: bool
    liveness: bool
    changed_at: float
    checked_at: float | None
    details: str = ""
    tags: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    startup: bool = False
    is_shared: bool = False
    duration: float | None = None
    p95: float | None = None
    failures: int = 0
    timeouts: int = 0
    is_running: bool = False
    skipped_because: str = ""
    worker: int | None = None
    history: tuple[StatusChange, ...] = ()

    @property
    def counted_status(self) -> Status:
        """The status that counts for the whole: what is not critical can only warn."""
        return Status.WARNING if self.status is Status.CRITICAL and not self.critical else self.status


class WorkerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One live worker of the host, as it said last.

    Attributes:
        number: Its number in the store.
        status: The worst of the checks that it runs for itself.
        reported_at: Unix seconds at which it said so.
    """

    number: int
    pid: int
    status: Status
    is_live: bool
    is_started: bool
    is_draining: bool
    reported_at: float


class HealthSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The status of the whole service and of each check, all workers of the host together.

    Attributes:
        status: The worst of all checks; a critical answer of a check that is not critical counts as warning.
        is_live: False if this very process should be restarted.
        is_ready: False while starting, draining or failing.
        is_started: True once the start is over: every startup check was well once.
        is_draining: True after `drain()`.
        uptime: Seconds since this process started perfkit.
        workers: What each worker says of itself; empty where there is only one.
    """

    status: Status
    is_live: bool
    is_ready: bool
    is_started: bool
    is_draining: bool
    uptime: float
    checks: tuple[CheckSnapshot, ...]
    workers: tuple[WorkerHealth, ...] = ()
