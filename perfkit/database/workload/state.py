"""How the last look at the indexes went, for whoever wonders why there is no advice."""

from __future__ import annotations

import msgspec

__all__ = ["IndexState"]


class IndexState(msgspec.Struct, frozen=True, kw_only=True):
    """How the last look at the indexes went, in this worker; only the leader looks.

    Attributes:
        at: Unix seconds of it; 0 where there was none.
        seconds: Processor time that it took; the next look waits for a hundred times as long.
        statements: Shapes that were looked at.
        open: Indexes that are advised now.
        verified_by: How the advice was checked: ``hypopg``, ``planner`` or ``rules``.
        reason: Why there is no advice, or empty.
    """

    at: float = 0.0
    seconds: float = 0.0
    statements: int = 0
    open: int = 0
    verified_by: str = ""
    reason: str = ""
