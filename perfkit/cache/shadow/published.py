"""The estimates in the store, where any worker reads the mean of all."""

from __future__ import annotations

from collections.abc import Iterable

from perfkit.cache.shadow.shadow import Shadow
from perfkit.cache.shadow.snapshot import ShadowEstimate, ShadowSnapshot
from perfkit.cache.shadow.sums import Ratios
from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.store import Store

__all__ = ["ESTIMATE", "TOTAL", "publish", "read"]

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

MEASURED = "measured"
"""Stands for the strategy that the cache has, at its own size: no estimate."""


def publish(store: Store, shadow: Shadow, strategy: str) -> None:
    """Put what *shadow* knows of the cache, which has that *strategy*, into the store."""
    total, namespaces = shadow.estimates(MOST)
    if total is None:
        return
    for name, ratios in ((TOTAL, total), *namespaces.items()):
        for (each, scale), ratio in ratios.items():
            label = MEASURED if each == strategy and scale == 1.0 else each
            store.set(store.row(ESTIMATE, (name, label, f"{scale:g}")), ratio)


def read(points: Iterable[tuple[tuple[str, ...], float]]) -> ShadowSnapshot | None:
    """Return the snapshot that the *points* of `ESTIMATE` make, None if they say nothing of the whole."""
    found: dict[str, Ratios] = {}
    for (name, strategy, scale), ratio in points:
        found.setdefault(name, {})[strategy, float(scale)] = ratio
    estimates = {name: _estimate(ratios) for name, ratios in sorted(found.items()) if (MEASURED, 1.0) in ratios}
    total = estimates.pop(TOTAL, None)
    return None if total is None else ShadowSnapshot(total=total, namespaces=estimates)


def _estimate(ratios: Ratios) -> ShadowEstimate:
    return ShadowEstimate(
        hit_ratio=ratios[MEASURED, 1.0],
        sizes={f"{scale:g}": ratio for (_, scale), ratio in sorted(ratios.items()) if scale != 1.0},
        strategies={
            name: ratio for (name, scale), ratio in sorted(ratios.items()) if scale == 1.0 and name != MEASURED
        },
    )
