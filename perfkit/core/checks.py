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
        details: More than a sentence, such as the text of an error; shown only to those allowed to see details.
    """

    status: Status
    message: str = ""
    value: float | None = None
    unit: str = ""
    details: str = ""


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A named question about one process, asked by a component of perfkit; users register functions of their own.

    Attributes:
        run: Answers at once, without I/O; called by the scheduler, in every worker.
        critical: True lets a critical answer fail readiness; otherwise it counts as a warning.
        liveness: True lets a critical answer fail liveness too; for checks of this very process alone.
        interval: Seconds between two runs; the scheduler comes by once a second.
        tags: Groups that it belongs to.
    """

    name: str
    run: Callable[[], CheckResult]
    critical: bool = True
    liveness: bool = False
    interval: float = 1.0
    tags: tuple[str, ...] = ()
