"""Which thresholds are exceeded now, and since when. Pure: figures in, breaches out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from perfkit.performance.snapshot import Breach, PerformanceSnapshot

if TYPE_CHECKING:
    from perfkit.performance.settings import Thresholds

__all__ = ["Breaches"]

LEAST_REQUESTS = 20
"""Requests in the window below which the error rate is not judged; so it is with percentiles."""


class Breaches:
    """Compares with *thresholds*, and with *targets* for routes that have their own. Thread-safe enough: see `judge`.

    `since` is when this worker first saw it, so two workers may differ by some seconds.
    """

    def __init__(self, thresholds: Thresholds, targets: Mapping[str, float]) -> None:
        """Know nothing exceeded yet."""
        self._thresholds, self._targets = thresholds, targets
        self._since: dict[tuple[str, str], float] = {}

    def judge(
        self, summary: PerformanceSnapshot, *, cores: float | None = None, memory: float | None = None
    ) -> tuple[Breach, ...]:
        """Return what *summary* exceeds.

        Args:
            summary: The service over the window.
            cores: Cores that the service may use, None where that is not known.
            memory: Bytes that it may use, None where that is not known.
        """
        found = []
        since: dict[tuple[str, str], float] = {}
        for name, route, value, threshold in self._figures(summary, cores, memory):
            if value is not None and value > threshold:
                first = since[name, route] = self._since.get((name, route), summary.at)
                found.append(Breach(name=name, route=route, value=value, threshold=threshold, since=first))
        self._since = since  # one assignment: a reader in another thread loses at most the begin of a breach
        return tuple(found)

    def _figures(
        self, summary: PerformanceSnapshot, cores: float | None, memory: float | None
    ) -> Iterator[tuple[str, str, float | None, float]]:
        limits = self._thresholds
        yield "response_time", "", summary.latency.p95, limits.response_time
        for each in summary.routes:
            target = self._targets.get(f"{each.method} {each.route}")
            if target is not None:
                yield "response_time", f"{each.method} {each.route}", each.latency.p95, target
        yield "error_rate", "", summary.error_rate if summary.requests >= LEAST_REQUESTS else None, limits.error_rate
        if cores and summary.cpu is not None:
            yield "cpu", "", summary.cpu / cores, limits.cpu
        if memory and summary.memory is not None:
            yield "memory", "", summary.memory / memory, limits.memory
        yield "event_loop_lag", "", summary.event_loop_lag.p95, limits.event_loop_lag
        yield "queue_time", "", summary.queue_time.p95, limits.queue_time
