"""What the system knows as of now: typed, for people's own code and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from perfkit.advice import Outlook, Score, Verdict
from perfkit.advice.ledger import Fixed, Release, Snoozed
from perfkit.core.findings import Finding
from perfkit.core.message import SCHEMA_VERSION
from perfkit.core.status import Status

__all__ = ["SCHEMA_VERSION", "DashboardSummary", "PerformanceDashboard"]


class DashboardSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The answer in short.

    Attributes:
        overall_score: 0–100; None while there is nothing to score from.
        score: The same with its parts and where each lost point went.
        outlook: About what it would be without the first two recommendations that cost points.
    """

    verdict: Verdict
    overall_score: int | None = None
    score: Score | None = None
    outlook: Outlook | None = None


class PerformanceDashboard(msgspec.Struct, frozen=True, kw_only=True):
    """Everything as of now, typed.

    Attributes:
        at: Unix seconds.
        uptime: Seconds since the oldest live worker of the service started.
        version: Of perfkit.
        components: Each component's snapshot by its word.
        release: Of the app: what `mark_release` said, the setting, or what git has checked out.
        recommendations: What to do, the most urgent first.
        fixed: What was wrong and is gone, the latest first, with how its route was before and since.
        snoozed: What nobody wants to hear of now.
        releases: The changes of the release, the latest last.
        is_shared: True where several workers count together.
        degraded: Why the numbers are those of this worker only; empty if they are not.
        schema_version: Of this struct as JSON.
    """

    status: Status
    at: float
    uptime: float
    service: str
    environment: str
    release: str | None
    version: str
    summary: DashboardSummary
    components: dict[str, Any]
    is_shared: bool
    degraded: str
    recommendations: tuple[Finding, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    snoozed: tuple[Snoozed, ...] = ()
    releases: tuple[Release, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, numbers and texts, ready for JSON."""
        result: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return result
