"""The service's durations in consecutive slices of time: what was counted between two snapshots, all series together.

The slices are as wide as the snapshots lie apart: half a minute for the last minutes, more for what is longer ago. The
sum of a snapshot never changes, so it is made once; a snapshot is unpacked for it, which takes milliseconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from perfkit.core.families import Histogram, Point
from perfkit.store.history.snapshots import Snapshots

__all__ = ["Slice", "Slices"]

MOST_SUMS = 512
"""Sums kept, of about 1 kB each; there are some 72 snapshots, and the routes that somebody looks at."""


class Slice(NamedTuple):
    """What ended between two moments (Unix seconds).

    Attributes:
        counts: By bucket, those above the last boundary at the end.
    """

    start: float
    end: float
    counts: tuple[float, ...]


class Slices:
    """The slices of one store. Thread-safe: what is kept is replaced in one assignment."""

    def __init__(self) -> None:
        """Begin with nothing kept."""
        self._sums: dict[tuple[float, tuple[str, str] | None], array[float]] = {}

    def read(
        self,
        points: Sequence[Point],
        snapshots: Snapshots,
        seconds: float,
        now: float,
        born: float,
        *,
        end: float | None = None,
        route: tuple[str, str] | None = None,
    ) -> tuple[Sequence[float], tuple[Slice, ...]]:
        """Return the boundaries, and the slices of the last *seconds* before *end*, oldest first.

        Args:
            points: Cumulative, all buckets.
            seconds: How far to look back; the first slice may begin a little before.
            now: Unix seconds.
            born: Unix seconds at which counting began, for a service that has no snapshot so old.
            end: Where the last slice ends, or a little later; None is *now*.
            route: Only the requests of this method and template.
        """
        histograms = [
            point.value
            for point in points
            if isinstance(point.value, Histogram) and (route is None or point.labels[:2] == route)
        ]
        if not histograms:
            return (), ()
        size, until = len(histograms[0].counts), now if end is None else min(end, now)
        slack, age = _slack(now - until + seconds), 0.0 if until == now else _slack(now - until)
        moments = [at for at in snapshots.times() if until - seconds - slack <= at < min(until + age, now)]
        ends = [(at, self._sum(snapshots, at, size, route)) for at in moments]
        if until == now:
            ends.append((now, _added((each.counts for each in histograms), size)))
        if until - seconds <= born < until and (not moments or born < moments[0]):
            ends.insert(0, (born, array("d", bytes(8 * size))))
        found = []
        for (start, before), (end, after) in pairwise(ends):
            # Where the numbers began anew a count goes back; nothing is known of that slice.
            counts = tuple(max(0.0, b - a) for a, b in zip(before, after, strict=True))
            found.append(Slice(start, end, counts))
        return histograms[0].boundaries, tuple(found)

    def _sum(self, snapshots: Snapshots, at: float, size: int, route: tuple[str, str] | None = None) -> array[float]:
        known = self._sums.get((at, route))
        if known is None or len(known) != size:
            snapshot = snapshots.nearest(at, before=at)
            series = snapshot.series if snapshot is not None and snapshot.at == at else {}
            wanted = (each.counts for labels, each in series.items() if route is None or labels[:2] == route)
            known = _added(wanted, size)
            kept = list(self._sums.items())[-MOST_SUMS + 1 :]
            self._sums = {**dict(kept), (at, route): known}
        return known


def _added(several: Iterable[Sequence[float]], size: int) -> array[float]:
    total = array("d", bytes(8 * size))
    for counts in several:
        if len(counts) == size:
            total = array("d", map(float.__add__, total, map(float, counts)))
    return total


def _slack(seconds: float) -> float:
    """Return by how much the first snapshot may lie before the range: half a step of the ladder there."""
    return 15.0 if seconds <= 330.0 else 150.0 if seconds <= 3_900.0 else 1_800.0
