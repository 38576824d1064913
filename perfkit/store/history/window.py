"""The last seconds of the service: what is counted now, less what was counted then."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from operator import sub

import msgspec

from perfkit.core.families import Histogram, Point
from perfkit.store.history.snapshots import Buckets, Labels, Snapshot, Snapshots

__all__ = ["Window", "between", "buckets_of", "difference", "window"]


class Window(msgspec.Struct, frozen=True):
    """The request durations of a while.

    Attributes:
        duration: Seconds it covers: about as many as were asked for, or the age of a younger service.
        points: Its histograms, all buckets, without the series in which nothing happened.
        end: Unix seconds at which it ends.
    """

    duration: float
    points: list[Point]
    end: float = 0.0

    @property
    def start(self) -> float:
        """Unix seconds at which it begins."""
        return self.end - self.duration


def window(
    points: Sequence[Point],
    snapshots: Snapshots,
    seconds: float,
    now: float,
    born: float,
    *,
    base: Snapshot | None = None,
) -> Window:
    """Return the last *seconds* before *now*, from the cumulative *points*; *born* if there is no snapshot.

    Args:
        points: Cumulative, all buckets.
        now: Unix seconds.
        born: Unix seconds at which counting began.
        base: Where the window begins; None takes the snapshot that lies nearest.
    """
    if base is None:
        # A snapshot of a moment ago may be the nearest, but nobody who asks for a minute wants two seconds.
        base = snapshots.nearest(now - seconds, before=now - seconds / 2.0)
    return between(points, now, base, born)


def between(points: Sequence[Point], end: float, base: Snapshot | None, born: float) -> Window:
    """Return what was counted from *base* (None: from *born* on, both Unix seconds) to the *points* as of *end*."""
    then: Mapping[Labels, Buckets] = base.series if base is not None else {}
    duration = max(0.001, end - (base.at if base is not None else born))
    passed = (_since(point, then.get(point.labels)) for point in points)
    return Window(duration, [point for point in passed if point is not None], end)


def buckets_of(points: Sequence[Point], known: Mapping[Labels, Buckets] | None = None) -> dict[Labels, Buckets]:
    """Return the histograms of *points* by their labels; those that are in *known* as they are there."""
    known = known or {}
    found = {}
    for point in points:
        if isinstance(point.value, Histogram):
            buckets = Buckets(array("d", point.value.counts), point.value.sum)
            old = known.get(point.labels)
            found[point.labels] = old if old is not None and _are_equal(old.counts, buckets.counts) else buckets
    return found


def difference(now: Buckets, then: Buckets | None) -> Buckets | None:
    """Return what was counted between *then* (None: nothing was before) and *now*, None if nothing was.

    Raises:
        ValueError: A count went back: the numbers began anew in between.
    """
    if then is None:
        return now if any(now.counts) else None
    if _are_equal(now.counts, then.counts):
        return None
    if len(now.counts) != len(then.counts):
        raise ValueError("the buckets changed")
    counts = list(map(sub, now.counts, then.counts))
    if min(counts) < 0.0:
        raise ValueError("a count went back")
    return Buckets(counts, now.sum - then.sum)


def _are_equal(counts: Sequence[float], others: Sequence[float]) -> bool:
    """Compare counts; arrays by their bytes, as Python would make two floats of each pair."""
    if counts is others:
        return True
    if isinstance(counts, array) and isinstance(others, array):
        return counts.tobytes() == others.tobytes()
    return list(counts) == list(others)


def _since(point: Point, then: Buckets | None) -> Point | None:
    histogram = point.value
    if not isinstance(histogram, Histogram):
        return None
    now = Buckets(histogram.counts, histogram.sum)
    try:
        passed = difference(now, then)
    except ValueError:
        passed = now
    if passed is None:
        return None
    if passed is now:
        return point
    return Point(point.labels, Histogram(histogram.boundaries, passed.counts, passed.sum))
