"""The estimates in the store, where any worker reads the mean of all."""

from __future__ import annotations

from collections.abc import Iterable

from perfkit.cache.shadow.shadow import Shadow
from perfkit.cache.shadow.snapshot import ShadowEstimate, ShadowSnapshot
from perfkit.cache.shadow.sums import EXPIRED, UNREAD, Ratios
from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.store import Store

__all__ = ["ESTIMATE", "QUALITIES", "TOTAL", "publish", "read"]

Point = tuple[tuple[str, ...], float]

ESTIMATE = Definition(
    name="perfkit_cache_estimated_hit_ratio",
    type=MetricType.GAUGE,
    description="Hit ratio that the cache would have with another strategy or a multiple of its size, 0-1.",
    labels=("namespace", "strategy", "size"),
    unit="ratio",
    mode=GaugeMode.MEAN,
)

TOTAL = "*"
"""Stands for all namespaces together."""

MOST = 20
"""Namespaces with estimates of their own: those with the most look-ups."""

QUALITIES = Definition(
    name="perfkit_cache_estimated_part_ratio",
    type=MetricType.GAUGE,
    description="Part of the stored values that nobody reads, and of the misses that are expired values, 0-1.",
    labels=("namespace", "what"),
    unit="ratio",
    mode=GaugeMode.MEAN,
)
NAMES = {UNREAD: "unread", EXPIRED: "expired"}

MEASURED = "measured"
"""Stands for the strategy that the cache has, at its own size: no estimate."""


def publish(store: Store, shadow: Shadow, strategy: str) -> None:
    """Put what *shadow* knows of the cache, which has that *strategy*, into the store."""
    total, namespaces = shadow.estimates(MOST)
    if total is None:
        return
    for name, ratios in ((TOTAL, total), *namespaces.items()):
        for (each, scale), ratio in ratios.items():
            if each in NAMES:
                store.set(store.row(QUALITIES, (name, NAMES[each])), ratio)
                continue
            label = MEASURED if each == strategy and scale == 1.0 else each
            store.set(store.row(ESTIMATE, (name, label, f"{scale:g}")), ratio)


def read(points: Iterable[Point], qualities: Iterable[Point]) -> ShadowSnapshot | None:
    """Return the snapshot that the points of `ESTIMATE` and `QUALITIES` make, None if they say nothing of the whole."""
    parts = dict(qualities)
    found: dict[str, Ratios] = {}
    for (name, strategy, scale), ratio in points:
        found.setdefault(name, {})[strategy, float(scale)] = ratio
    estimates = {
        name: _estimate(name, ratios, parts) for name, ratios in sorted(found.items()) if (MEASURED, 1.0) in ratios
    }
    total = estimates.pop(TOTAL, None)
    return None if total is None else ShadowSnapshot(total=total, namespaces=estimates)


def _estimate(name: str, ratios: Ratios, parts: dict[tuple[str, ...], float]) -> ShadowEstimate:
    return ShadowEstimate(
        hit_ratio=ratios[MEASURED, 1.0],
        sizes={f"{scale:g}": ratio for (_, scale), ratio in sorted(ratios.items()) if scale != 1.0},
        strategies={
            each: ratio for (each, scale), ratio in sorted(ratios.items()) if scale == 1.0 and each != MEASURED
        },
        unread=parts.get((name, "unread")),
        expired=parts.get((name, "expired")),
    )
