"""The bucket boundaries of latencies: fine enough for percentiles, and OpenTelemetry's fourteen among them.

Between two neighbouring anchors the boundaries form a geometric series whose ratio stays below 1.06 / 0.94,
so that one value lies within 6 % of everything in its bucket (the argument of DDSketch: C. Masson, J. Rim,
H. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019, §2).
The anchors are OpenTelemetry's advisory boundaries of ``http.server.request.duration``, continued downward.
Deviation from DDSketch: a fixed list, and coarse above 10 s, where nobody tells 61 s from 63 s.
"""

from __future__ import annotations

import math
from itertools import pairwise

from perfkit.core.names import HTTP_BOUNDARIES

__all__ = ["DEFAULT", "FINE", "FINEST", "GUARANTEED", "RELATIVE_ERROR", "fine_with"]

RELATIVE_ERROR = 0.06
"""Percentiles between `FINEST` and `GUARANTEED` seconds are at most this wrong, as a ratio."""
FINEST = 0.0001
GUARANTEED = 10.0

DEFAULT = HTTP_BOUNDARIES
"""Boundaries of a histogram that was defined without any: OpenTelemetry's fourteen, seconds."""

_ANCHORS = (0.00009, FINEST, 0.00025, 0.0005, 0.001, 0.0025, *DEFAULT)
_COARSE = (15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1200, 1800, 2700, 3600)
_RATIO = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR) - 0.001


def _between(low: float, high: float) -> list[float]:
    """Return *low* and the boundaries up to *high*, without it; five digits, so that people can read them."""
    steps = math.ceil(math.log(high / low) / math.log(_RATIO))
    return [low, *(float(f"{low * (high / low) ** (step / steps):.5g}") for step in range(1, steps))]


def _fine() -> tuple[float, ...]:
    dense = (bound for low, high in pairwise(_ANCHORS) for bound in _between(low, high))
    return (*dense, _ANCHORS[-1], *map(float, _COARSE))


FINE: tuple[float, ...] = _fine()
"""Upper bounds in seconds, inclusive, ascending, 0.1 ms to 1 h."""


def fine_with(shown: tuple[float, ...]) -> tuple[float, ...]:
    """Return the fine boundaries with those of *shown* among them, so that its buckets are exact sums."""
    missing = set(shown) - set(FINE)
    return tuple(sorted((*FINE, *missing))) if missing else FINE
