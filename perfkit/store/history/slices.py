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

MOST_SUMS = 128
"""Sums kept; there are some 72 snapshots."""


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
        self._sums: dict[float, array[float]] = {}

    def read(
        self, points: Sequence[Point], snapshots: Snapshots, seconds: float, now: float, born: float
    ) -> tuple[Sequence[float], tuple[Slice, ...]]:
        """Return the boundaries, and the slices of the last *seconds* before *now*, oldest first.

        Args:
            points: Cumulative, all buckets.
            seconds: How far to look back; the first slice may begin a little before.
            now: Unix seconds.
            born: Unix seconds at which counting began, for a service that has no snapshot so old.
        """
        histograms = [point.value for point in points if isinstance(point.value, Histogram)]
        if not histograms:
            return (), ()
        size = len(histograms[0].counts)
        moments = [at for at in snapshots.times() if now - seconds - _slack(seconds) <= at < now]
        ends = [(at, self._sum(snapshots, at, size)) for at in moments]
        ends.append((now, _added((each.counts for each in histograms), size)))
        if born >= now - seconds and (not moments or born < moments[0]):
            ends.insert(0, (born, array("d", bytes(8 * size))))
        found = []
        for (start, before), (end, after) in pairwise(ends):
            # Where the numbers began anew a count goes back; nothing is known of that slice.
            counts = tuple(max(0.0, b - a) for a, b in zip(before, after, strict=True))
            found.append(Slice(start, end, counts))
        return histograms[0].boundaries, tuple(found)

    def _sum(self, snapshots: Snapshots, at: float, size: int) -> array[float]:
        known = self._sums.get(at)
        if known is None or len(known) != size:
            snapshot = snapshots.nearest(at, before=at)
            series = snapshot.series.values() if snapshot is not None and snapshot.at == at else ()
            known = _added((buckets.counts for buckets in series), size)
            kept = list(self._sums.items())[-MOST_SUMS + 1 :]
            self._sums = {**dict(kept), at: known}
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
