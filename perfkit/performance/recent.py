"""A histogram of all workers over the last minutes: what was added since a reading that is as old as the window."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from perfkit.core.families import Histogram
from perfkit.performance.snapshot import Latency
from perfkit.store.quantiles import quantile

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["Recent"]

READINGS = 20
"""Readings kept of one window."""

LEAST = 20
"""Observations below which a percentile is not shown."""


class _Reading(NamedTuple):
    at: float
    boundaries: Sequence[float]
    counts: tuple[float, ...]
    sum: float


class Recent:
    """The last *window* seconds of one histogram. Not thread-safe for `tick`: the scheduler owns it."""

    def __init__(self, store: Store, name: str, window: float) -> None:
        """Read the metric *name* of *store*."""
        self._store, self._name, self._window = store, name, window
        self._past: deque[_Reading] = deque(maxlen=READINGS + 1)

    def tick(self, now: float) -> None:
        """Keep a reading at *now* (monotonic seconds) if one is due."""
        if not self._past or now - self._past[-1].at >= self._window / READINGS:
            self._past.append(self._read(now))

    def latency(self, now: float) -> Latency:
        """Return mean and percentiles since the reading nearest to the window's begin; of all where there is none."""
        boundaries, counts, total, _ = self._added(now)
        count = sum(counts)
        if count < 1:
            return Latency()
        if count < LEAST:
            return Latency(mean=total / count)
        p50, p90, p95, p99, top = (quantile(boundaries, counts, q) for q in (0.5, 0.9, 0.95, 0.99, 1.0))
        return Latency(mean=total / count, p50=p50, p90=p90, p95=p95, p99=p99, max=top)

    def share(self, now: float) -> float | None:
        """Return the seconds counted for each second that passed; None while nothing is known of the past."""
        _, _, total, passed = self._added(now)
        return total / passed if passed > 0.0 else None

    def _added(self, now: float) -> tuple[Sequence[float], list[float], float, float]:
        """Return boundaries, counts and sum of what was added, and the seconds that it took; 0.0: since ever."""
        new = self._read(now)
        # A list: its own making lets no other thread append in between, as that of a tuple may.
        old = next((each for each in list(self._past) if now - each.at <= self._window), None)
        counts = list(new.counts)
        if old is None or (old.counts and len(old.counts) != len(counts)):
            return new.boundaries, counts, new.sum, 0.0
        if old.counts:
            counts = [max(0.0, count - before) for count, before in zip(counts, old.counts, strict=True)]
        return new.boundaries, counts, max(0.0, new.sum - old.sum), now - old.at

    def _read(self, now: float) -> _Reading:
        boundaries: Sequence[float] = ()
        counts: list[float] = []
        total = 0.0
        for family in self._store.families({self._name}, detailed=True):
            for point in family.points:
                if isinstance(point.value, Histogram):
                    boundaries, added = point.value.boundaries, point.value.counts
                    counts = [a + b for a, b in zip(counts, added, strict=True)] if counts else list(added)
                    total += point.value.sum
        return _Reading(now, boundaries, tuple(counts), total)
