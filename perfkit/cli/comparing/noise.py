"""How far a percentile may move by chance alone. Pure.

Source: the distribution-free confidence interval of a quantile by order statistics (W. J. Conover, "Practical
Nonparametric Statistics", 3rd ed., 1999, section 3.2): the rank of the true q-quantile among n observations is
binomial, so it lies within z * sqrt(q * (1 - q) / n) of q. Deviations: the normal approximation of the binomial; the
values at both ranks are read from the few percentiles that are known, between which durations are taken to fall off
exponentially; below the lowest one the distance is mirrored. The requests are taken to be independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from perfkit.performance.snapshot import Latency

__all__ = ["DEVIATIONS", "interval", "noise"]

DEVIATIONS = 3.0
"""Standard deviations: a service has dozens of routes, and at two each fortieth would be an alarm for nothing."""

_KNOWN = ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"))


def noise(faster: tuple[Latency, int], slower: tuple[Latency, int], quantile: float) -> float:
    """Return the seconds by which chance alone may tell the *quantile* of two samples apart.

    Args:
        faster: Latency and number of requests of the one whose quantile is lower.
        slower: The same of the other one.
        quantile: 0.5 or 0.95.
    """
    low, high = interval(*faster, quantile), interval(*slower, quantile)
    found = math.hypot(low[2] - low[1], high[1] - high[0])
    return found if math.isfinite(found) else 0.0  # of times that no service has


def interval(latency: Latency, requests: int, quantile: float) -> tuple[float, float, float]:
    """Return the least, the likeliest and the greatest value of the *quantile* of *requests*; seconds."""
    points = _points(latency, requests)
    margin = DEVIATIONS * math.sqrt(quantile * (1.0 - quantile) / requests)
    middle, greatest = _value(points, quantile), _value(points, quantile + margin)
    lower = quantile - margin
    if lower >= _KNOWN[0][0]:
        return _value(points, lower), middle, greatest
    # Nothing is known of the faster half: it is taken to lie as far below as the slower one lies above, by ratio.
    beyond = _value(points, min(1.0, 2.0 * _KNOWN[0][0] - lower))
    median = points[0][1]
    return median * (median / beyond) if beyond > 0.0 else 0.0, middle, greatest


def _points(latency: Latency, requests: int) -> list[tuple[float, float]]:
    """Return depth and value of what is known, rising; the depth of a quantile q is -log(1 - q)."""
    last = requests / (requests + 1.0)
    known = [(q, getattr(latency, name)) for q, name in _KNOWN if q < last]
    known.append((last, latency.max))
    points: list[tuple[float, float]] = []
    for q, value in known:
        if value is not None:
            points.append((_depth(q), max(value, points[-1][1] if points else 0.0)))
    return points


def _depth(quantile: float) -> float:
    return -math.log(max(1e-12, 1.0 - quantile))


def _value(points: Sequence[tuple[float, float]], quantile: float) -> float:
    """Return the value at *quantile*: on the line between two that are known, at the ends that of the end."""
    if not points:
        return 0.0
    depth = _depth(quantile)
    if depth <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if depth <= right:
            return low + (high - low) * (depth - left) / (right - left)
    return points[-1][1]
