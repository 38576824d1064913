"""How fast a series rises: a line through its lower envelope that neither outliers nor a saw-tooth can bend.

Source: P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968); the test on the
share of rising pairs is Mann's (Econometrica 13, 1945). Deviation: the points are the minima of equal pieces of time,
as memory in use goes up and down with the garbage collector, and only a floor that rises is a leak; so the lowest of
each third of the time must rise, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

__all__ = ["Slope", "floor_of", "slope"]

PIECES = 30
"""Points of the lower envelope."""

LEAST_PIECES = 9
"""Points below which nothing is said."""

RISING = 0.9
"""Part of all pairs of points that must rise."""


class Slope(NamedTuple):
    """A line through the floor of a series.

    Attributes:
        per_second: The median of the slopes of all pairs of points.
        low, high: The tenth and the ninetieth of a hundred of them.
        rising: Part of the pairs that rise, 0-1.
        seconds: Time between the first and the last point.
        is_steady: True if the floor of each third lies above that of the one before, and nearly all pairs rise.
    """

    per_second: float
    low: float
    high: float
    rising: float
    seconds: float
    is_steady: bool

    @property
    def growth(self) -> float:
        """By how much the line rises over the whole time."""
        return self.per_second * self.seconds


def floor_of(points: Sequence[tuple[float, float]], window: float) -> list[tuple[float, float]]:
    """Return the lowest of *points* (seconds and value, ascending) in each piece of the last *window* seconds."""
    if not points:
        return []
    end, piece = points[-1][0], window / PIECES
    floor: dict[int, tuple[float, float]] = {}
    for at, value in points:
        index = int((end - at) / piece)
        if index < PIECES and (index not in floor or value < floor[index][1]):
            floor[index] = (at, value)
    return [floor[index] for index in sorted(floor, reverse=True)]


def slope(points: Sequence[tuple[float, float]]) -> Slope | None:
    """Return the line through *points* (seconds and value, ascending); None if there are too few."""
    if len(points) < LEAST_PIECES:
        return None
    pairs = sorted(
        (later - value) / (then - at)
        for i, (at, value) in enumerate(points)
        for then, later in points[i + 1 :]
        if then > at
    )
    if not pairs:
        return None
    rising = sum(each > 0.0 for each in pairs) / len(pairs)
    third = len(points) // 3
    floors = [min(value for _, value in part) for part in (points[:third], points[third:-third], points[-third:])]
    return Slope(
        per_second=median(pairs),
        low=pairs[len(pairs) // 10],
        high=pairs[-1 - len(pairs) // 10],
        rising=rising,
        seconds=points[-1][0] - points[0][0],
        is_steady=floors[0] < floors[1] < floors[2] and rising >= RISING,
    )
