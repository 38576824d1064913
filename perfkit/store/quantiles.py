"""Quantiles of bucket counts, and the logarithmic buckets of summaries.

`quantile` finds the bucket by rank and interpolates in it on a logarithmic scale, as Prometheus does for
native histograms (Prometheus documentation, ``histogram_quantile``, "exponential interpolation"). Deviation:
where a bucket is so narrow that one point is within 6 % of both of its ends, the answer is kept to such
points, so that the error is bounded whatever the values in it (`perfkit.store.boundaries`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from perfkit.store.boundaries import RELATIVE_ERROR

__all__ = [
    "NEGATIVE",
    "OCTAVES",
    "PER_OCTAVE",
    "SUMMARY_BUCKETS",
    "SUMMARY_QUANTILES",
    "SUMMARY_WIDTH",
    "ZERO",
    "quantile",
    "summary_bucket",
    "summary_quantile",
]

PER_OCTAVE = 8
"""Buckets per doubling: the middle of a bucket is within 4.5 % of all of it."""
LOWEST_OCTAVE = -30
OCTAVES = 80
"""From 2**-30 (a nanosecond) to 2**50 (a petabyte); what is beyond goes to the first or last bucket."""

NEGATIVE = PER_OCTAVE * OCTAVES
ZERO = NEGATIVE + 1
SUMMARY_BUCKETS = ZERO + 1
SUMMARY_WIDTH = SUMMARY_BUCKETS + 1
"""Slots of a summary: the positive buckets, one for all negatives, one for zero, and the sum."""
SUMMARY_QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


def quantile(boundaries: Sequence[float], counts: Sequence[float], q: float) -> float:
    """Return the value below which the share *q* of all observations lies; NaN if there are none.

    Args:
        boundaries: Upper bounds, inclusive, ascending, without +Inf.
        counts: Observations per bucket, not cumulative; one more than boundaries.
        q: From 0 to 1.
    """
    total = sum(counts)
    if not total > 0.0:
        return math.nan
    rank = q * total
    below = 0.0
    for bucket, count in enumerate(counts):
        if count > 0.0 and below + count >= rank:
            return _within(boundaries, bucket, (rank - below) / count)
        below += count
    return boundaries[-1]


def _within(boundaries: Sequence[float], bucket: int, share: float) -> float:
    """Return the point at *share* (0 to 1) of the way through one bucket."""
    if bucket >= len(boundaries):
        return boundaries[-1]
    high = boundaries[bucket]
    low = boundaries[bucket - 1] if bucket else 0.0
    if low <= 0.0:
        return low + (high - low) * share if high > 0.0 else high
    lowest, highest = high * (1.0 - RELATIVE_ERROR), low * (1.0 + RELATIVE_ERROR)
    point = low * math.pow(high / low, share)
    return min(max(point, lowest), highest) if lowest <= highest else point


def summary_bucket(value: float) -> int:
    """Return the slot of *value* within a summary's row. *value* must not be NaN."""
    if value <= 0.0:
        return NEGATIVE if value < 0.0 else ZERO
    if value == math.inf:
        return NEGATIVE - 1
    bucket = math.floor((math.log2(value) - LOWEST_OCTAVE) * PER_OCTAVE)
    return min(max(bucket, 0), NEGATIVE - 1)


def summary_quantile(counts: Sequence[float], q: float) -> float:
    """Return a quantile of a summary's `SUMMARY_BUCKETS` counts within 4.5 %; NaN if there are none.

    Negative values are counted but not told apart: a quantile among them is negative infinity.
    """
    total = sum(counts)
    if not total > 0.0:
        return math.nan
    rank = q * total
    below = counts[NEGATIVE]
    if below > 0.0 and below >= rank:
        return -math.inf
    below += counts[ZERO]
    if below > 0.0 and below >= rank:
        return 0.0
    last = 0
    for bucket in range(NEGATIVE):
        count = counts[bucket]
        if count > 0.0:
            below += count
            last = bucket
            if below >= rank:
                break
    return math.pow(2.0, (last + 0.5) / PER_OCTAVE + LOWEST_OCTAVE)
