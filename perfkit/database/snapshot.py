"""The state of the database optimizer as of now."""

from __future__ import annotations

import msgspec

from perfkit.database.report.statistics import SlowQuery
from perfkit.database.workload.state import IndexState

__all__ = ["CaptureState", "DatabaseSnapshot"]


class CaptureState(msgspec.Struct, frozen=True, kw_only=True):
    """One way of capturing.

    Attributes:
        name: ``sqlalchemy``, ``django``, ``asyncpg``.
        is_active: Whether a self-test was captured.
        reason: Why not, or empty.
    """

    name: str
    is_active: bool
    reason: str = ""


class DatabaseSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the service asks of its databases, all workers since they started.

    Attributes:
        statements: How many were sent.
        seconds: How long they took in all.
        errors: How many failed.
        slow: How many were slow.
        top: The shapes that took most time.
        captures: What is hooked into, in this worker.
        indexes: How the last look at the indexes went.
    """

    statements: int
    seconds: float
    errors: int
    slow: int
    top: tuple[SlowQuery, ...] = ()
    captures: tuple[CaptureState, ...] = ()
    indexes: IndexState = IndexState()
