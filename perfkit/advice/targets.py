"""What the service should reach; beyond it, advice speaks up."""

from __future__ import annotations

from typing import Self

import msgspec

from perfkit.performance.settings import PerformanceSettings

__all__ = ["Targets"]


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """The limits a verdict compares with.

    Attributes:
        p95: Seconds that 95 of 100 requests should stay within.
        error_rate: Share of requests that may end in a 5xx or an exception, 0-1; five times that is failing.
        requests: Requests since the start before anything is judged.
        hit_ratio: Share of look-ups that a cache in use should answer, 0-1.
        event_loop_lag: Seconds that 95 of 100 callbacks should wait for the event loop at most.
        routes: Seconds for single routes, by method and template (``GET /reports``), in place of `p95`.
    """

    p95: float = 0.3
    error_rate: float = 0.01
    requests: int = 50
    hit_ratio: float = 0.8
    event_loop_lag: float = 0.1
    routes: dict[str, float] = {}

    @classmethod
    def from_settings(cls, settings: PerformanceSettings) -> Self:
        """Return the thresholds and targets of *settings*."""
        thresholds = settings.thresholds
        return cls(
            p95=thresholds.response_time,
            error_rate=thresholds.error_rate,
            event_loop_lag=thresholds.event_loop_lag,
            routes=dict(settings.targets),
        )

    def of_route(self, method: str, route: str) -> float:
        """Return the target of one route's p95 in seconds."""
        return self.routes.get(f"{method} {route}", self.p95)
