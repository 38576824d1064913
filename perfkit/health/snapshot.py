"""What health knows as of now."""

from __future__ import annotations

import msgspec

from perfkit.core.status import Status

__all__ = ["CheckSnapshot", "HealthSnapshot"]


class CheckSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One check's last answer.

    Attributes:
        changed_at: Unix seconds of the last change of status.
        checked_at: Unix seconds of the last run, or None before the first.
        value: What was measured, in *unit*.
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


class HealthSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The status of the whole service and of each check.

    Attributes:
        status: The worst of all checks; a critical answer of a check that is not critical counts as warning.
        is_live: False if this very process should be restarted.
        is_ready: False while starting, draining or failing.
        is_started: True once the start is over.
        is_draining: True after `drain()`.
        uptime: Seconds since this process started perfkit.
    """

    status: Status
    is_live: bool
    is_ready: bool
    is_started: bool
    is_draining: bool
    uptime: float
    checks: tuple[CheckSnapshot, ...]
