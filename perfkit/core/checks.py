"""What a health check is and what it answers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from perfkit.core.status import Status

__all__ = ["CheckResult", "HealthCheck"]


class CheckResult(msgspec.Struct, frozen=True):
    """The answer of a check.

    Attributes:
        message: One sentence; shown only to those allowed to see details.
        value: What was measured, or None.
        unit: Unit of *value* (``seconds``, ``bytes``, ``ratio``).
    """

    status: Status
    message: str = ""
    value: float | None = None
    unit: str = ""


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A named question about the service.

    Attributes:
        run: Answers at once, without I/O; called once a second from the scheduler.
        critical: True lets a critical answer fail readiness; otherwise it counts as a warning.
        liveness: True lets a critical answer fail liveness too; for checks of this very process alone.
    """

    name: str
    run: Callable[[], CheckResult]
    critical: bool = True
    liveness: bool = False
