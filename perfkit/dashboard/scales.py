"""Axes: round values for ticks and fewer points than were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from perfkit.performance.snapshot import Trend

__all__ = ["gaps", "nice_ticks", "runs", "thinned"]


def nice_ticks(highest: float, least: int = 3) -> tuple[float, ...]:
    """Return evenly spaced round values from 0 to one not below *highest*, *least* or more steps."""
    if not highest > 0.0 or not math.isfinite(highest):
        return (0.0, 1.0)
    rough = highest / least
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(step * magnitude for step in (5.0, 2.5, 2.0, 1.0) if step * magnitude <= rough * (1 + 1e-9))
    steps = math.ceil(highest / step * (1 - 1e-9))
    return tuple(step * number for number in range(steps + 1))


def thinned(trend: Trend, limit: int = 120) -> Trend:
    """Return *trend* with at most *limit* points.

    Latency and error rate keep the worst of each group, so that no spike is lost; the rate is the group's mean.
    """
    length = max(map(len, (trend.rate, trend.errors, trend.p50, trend.p95, trend.p99)), default=0)
    size = max(1, math.ceil(length / limit))
    return msgspec.structs.replace(
        trend,
        step=trend.step * size,
        rate=tuple(sum(group) / len(group) if group else None for group in _groups(trend.rate, size, length)),
        **{
            name: tuple(max(group, default=None) for group in _groups(getattr(trend, name), size, length))
            for name in ("errors", "p50", "p95", "p99")
        },
    )


def _groups(values: Sequence[float | None], size: int, length: int) -> list[list[float]]:
    """Group from the newest end, so that the last point is whole; what is missing at the old end is a gap."""
    whole = -(-length // size) * size
    padded = (None,) * (whole - len(values)) + tuple(values)
    return [[v for v in padded[at : at + size] if v is not None] for at in range(0, whole, size)]


def gaps(values: Sequence[float | None]) -> list[tuple[int, int]]:
    """Return first and last index of each stretch of *values* without any, between two that there are."""
    stretches = runs(values)
    return [(before[-1][0] + 1, after[0][0] - 1) for before, after in pairwise(stretches)]


def runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the unbroken stretches of *values* as (index, value) pairs."""
    stretches: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(values):
        if value is not None and math.isfinite(value):
            stretches[-1].append((index, value))
        elif stretches[-1]:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]
