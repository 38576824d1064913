"""The status of a check, a component or the whole service: one word everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["Status"]


class Status(StrEnum):
    """How well something is, from best to worst: healthy, warning, critical; unknown before the first result."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def word(self) -> str:
        """The word people read: Collecting, Healthy, Degraded or Failing."""
        return _WORDS[self]

    @property
    def health_json(self) -> str:
        """The word of ``application/health+json``: pass, warn or fail; unknown passes, as nothing failed yet."""
        return _HEALTH_JSON[self]

    def is_better_than(self, other: Status) -> bool:
        """Return True if this status is strictly better than *other*; unknown counts as healthy."""
        return _SEVERITY[self] < _SEVERITY[other]

    @classmethod
    def worst(cls, statuses: Iterable[Status]) -> Status:
        """Return the worst of *statuses*; unknown if there is none or all are unknown."""
        worst = cls.UNKNOWN
        for status in statuses:
            if worst is cls.UNKNOWN or _SEVERITY[status] > _SEVERITY[worst]:
                worst = status
        return worst


_WORDS = {
    Status.UNKNOWN: "Collecting",
    Status.HEALTHY: "Healthy",
    Status.WARNING: "Degraded",
    Status.CRITICAL: "Failing",
}
_HEALTH_JSON = {
    Status.UNKNOWN: "pass",
    Status.HEALTHY: "pass",
    Status.WARNING: "warn",
    Status.CRITICAL: "fail",
}
_SEVERITY = {Status.UNKNOWN: 0, Status.HEALTHY: 0, Status.WARNING: 1, Status.CRITICAL: 2}
