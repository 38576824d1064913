"""What a route has counted until a moment, and what it was like between two moments. Pure.

Two cumulative histograms less one another are the requests in between, exact to the bucket: so the figures before and
after a fix are those of all requests of all workers, and cost nothing but remembering where the line was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from perfkit.advice.wording import route_name
from perfkit.core.families import Histogram, Point
from perfkit.core.names import REQUEST_DURATION
from perfkit.performance.requests import is_error
from perfkit.store.quantiles import quantile
from perfkit.store.series.rows import bounds_of

__all__ = ["SERVICE", "Counts", "Figures", "MemoryTrail", "counts_of", "figures"]

SERVICE = ""
"""The name of all routes together."""

ENOUGH = 20
"""Requests from which a percentile says something."""

STEP = 4.0
"""Seconds between two points of a memory trail at least."""

STEPS = 900
"""Points of a memory trail: an hour, which is what is judged unless the settings say otherwise."""

_BOUNDS = bounds_of(REQUEST_DURATION)


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """What one route has counted since the service began.

    Attributes:
        requests: Requests finished.
        seconds: The time that they took.
        service: The time that all requests of the service took.
        queries: Statements that they sent; None where nobody counts them.
        buckets: Requests by bucket of the duration; those that hold none are left out.
        failed: Requests that failed.
        memory: Resident bytes of all workers, of the service alone; between two moments, what they have become more.
        at: Unix seconds; between two moments, the time from one to the other.
        blocked: Seconds for which calls blocked the event loops of all workers; None where nobody knows.
    """

    requests: float = 0.0
    seconds: float = 0.0
    service: float = 0.0
    queries: float | None = None
    buckets: dict[int, float] = {}
    failed: float = 0.0
    memory: float | None = None
    at: float = 0.0
    blocked: float | None = None

    def since(self, then: Counts) -> Counts:
        """Return what was counted after *then*; all of it where the numbers began anew in between."""
        buckets = {at: count - then.buckets.get(at, 0.0) for at, count in self.buckets.items()}
        if self.requests < then.requests or min(buckets.values(), default=0.0) < 0.0:
            return msgspec.structs.replace(self, blocked=None)
        queries = None if self.queries is None else max(0.0, self.queries - (then.queries or 0.0))
        return Counts(
            self.requests - then.requests,
            max(0.0, self.seconds - then.seconds),
            max(0.0, self.service - then.service),
            queries,
            {at: count for at, count in buckets.items() if count > 0.0},
            max(0.0, self.failed - then.failed),
            None if self.memory is None or then.memory is None else self.memory - then.memory,
            self.at - then.at,
            None if self.blocked is None or then.blocked is None else max(0.0, self.blocked - then.blocked),
        )


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a route was like for a while.

    Attributes:
        requests: Requests that were measured.
        p95: Seconds; None where there were fewer than 20.
        mean: Seconds; None where there was none.
        share: Part of the service's request time, 0-1.
        queries: Statements a request; None where nobody counts them.
        errors: Part of the requests that failed, 0-1.
        growth: Bytes a second by which the workers' memory grew; None where that is not known, and of a route.
        blocked: Part of the time for which calls blocked an event loop, all workers added up; None where that is not
            known, and of all that is no blocked loop.
    """

    requests: int
    p95: float | None = None
    mean: float | None = None
    share: float | None = None
    queries: float | None = None
    errors: float | None = None
    growth: float | None = None
    blocked: float | None = None


class MemoryTrail:
    """The memory of the service in the last hour: what a leak had grown from when it was told. Not thread-safe."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._points: deque[tuple[float, float]] = deque(maxlen=STEPS)

    def add(self, counts: Counts) -> None:
        """Take in the memory of the service in *counts*, unless it has just been."""
        if counts.memory is not None and (not self._points or counts.at - self._points[-1][0] >= STEP):
            self._points.append((counts.at, counts.memory))

    def back(self, counts: Counts, seconds: float) -> Counts:
        """Return *counts* with the memory, and the time, of so many *seconds* before, or of the first that is known."""
        for at, memory in self._points:
            if counts.at - seconds <= at < counts.at:
                return msgspec.structs.replace(counts, memory=memory, at=at)
        return counts


def figures(counts: Counts) -> Figures:
    """Return what the requests of *counts* were like."""
    requests = counts.requests
    if requests <= 0.0:
        return Figures(requests=0)
    p95 = None
    if requests >= ENOUGH:
        p95 = quantile(_BOUNDS, [counts.buckets.get(at, 0.0) for at in range(len(_BOUNDS) + 1)], 0.95)
    return Figures(
        requests=int(requests),
        p95=p95,
        mean=counts.seconds / requests,
        share=min(1.0, counts.seconds / counts.service) if counts.service > 0.0 else None,
        queries=None if counts.queries is None else counts.queries / requests,
        errors=min(1.0, counts.failed / requests),
        growth=counts.memory / counts.at if counts.memory is not None and counts.at > 0.0 else None,
        blocked=counts.blocked / counts.at if counts.blocked is not None and counts.at > 0.0 else None,
    )


def counts_of(
    points: Iterable[Point],
    queries: Mapping[str, float],
    *,
    memory: float | None = None,
    at: float = 0.0,
    blocked: float | None = None,
) -> dict[str, Counts]:
    """Return the counts of each route, and of all together as `SERVICE`.

    Args:
        points: The request durations of all workers since the start, with all buckets.
        queries: Statements by route.
        memory: Resident bytes of all workers; None where that is not known.
        at: Unix seconds.
        blocked: Seconds for which calls blocked the event loops of all workers; None where that is not known.
    """
    sums: dict[str, tuple[list[float], dict[int, float]]] = {SERVICE: ([0.0, 0.0, 0.0], {})}
    for point in points:
        if isinstance(point.value, Histogram) and point.value.count:
            for name in (SERVICE, route_name(*point.labels[:2])):
                totals, buckets = sums.setdefault(name, ([0.0, 0.0, 0.0], {}))
                totals[0] += point.value.count
                totals[1] += point.value.sum
                totals[2] += point.value.count if is_error(point.labels) else 0.0
                for place, count in enumerate(point.value.counts):
                    if count:
                        buckets[place] = buckets.get(place, 0.0) + count
    service = sums[SERVICE][0][1]
    asked = {**queries, SERVICE: sum(queries.values())} if queries else {}
    return {
        name: Counts(
            totals[0],
            totals[1],
            service,
            asked.get(name, 0.0) if asked else None,
            buckets,
            totals[2],
            memory if name == SERVICE else None,
            at,
            blocked,
        )
        for name, (totals, buckets) in sums.items()
    }
