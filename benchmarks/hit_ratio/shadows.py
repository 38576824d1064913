"""What the shadow of a cache says beside what is: the same trace through caches of those sizes and strategies."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from perfkit.cache import CacheManager
from perfkit.cache.shadow.snapshot import ShadowEstimate

__all__ = ["COLUMNS", "errors", "errors_by_column", "rows"]

COLUMNS = ("x0.5", "x2", "x4", "lru", "lfu", "fifo", "adaptive")
"""What else the cache might be: other sizes, other strategies."""

SHARE = 0.1
"""Size of the cache, as part of the distinct keys."""

BETWEEN_TICKS = 2000
"""Requests in what stands for a second."""

ROUNDS = 3
"""Times that a trace is played; the first fills the caches and is not counted."""


def play(strategy: str, size: int, keys: Sequence[Any], *, is_watched: bool) -> tuple[float, ShadowEstimate | None]:
    """Return the hit ratio after the first round, and what the shadow says at the end."""
    from perfkit.cache import CacheSettings

    cache = CacheManager(strategy=strategy, max_size=size, settings=CacheSettings(shadow=is_watched))
    hits = 0
    for number in range(ROUNDS):
        for place, key in enumerate(keys):
            if cache.get(key):
                hits += number > 0
            else:
                cache.set(key, True)
            if is_watched and place % BETWEEN_TICKS == 0:
                cache.tick(0.0)
    cache.tick(0.0)
    shadow = cache.get_stats().shadow
    cache.close()
    return hits / (ROUNDS - 1) / len(keys), None if shadow is None else shadow.total


def rows(traces: dict[str, list[int]]) -> Iterator[dict[str, Any]]:
    """Yield one row a trace and strategy: by what else the cache might be, the gain as told and as it is, in points."""
    for name, keys in traces.items():
        size = max(10, round(len(set(keys)) * SHARE))
        real: dict[tuple[str, float], float] = {}

        def of(strategy: str, scale: float, size: int = size, keys: Sequence[int] = keys, known: Any = real) -> float:
            if (strategy, scale) not in known:
                known[strategy, scale] = play(strategy, round(size * scale), keys, is_watched=False)[0]
            return float(known[strategy, scale])

        for strategy in ("lru", "adaptive"):
            measured, told = play(strategy, size, keys, is_watched=True)
            real[strategy, 1.0] = measured
            if told is None:
                continue
            gains = {f"x{scale}": (told.sizes[scale], of(strategy, float(scale))) for scale in told.sizes}
            gains |= {each: (ratio, of(each, 1.0)) for each, ratio in told.strategies.items()}
            yield {
                "trace": name,
                "strategy": strategy,
                "size": size,
                "gains": {
                    each: (100 * (estimate - told.hit_ratio), 100 * (true - measured))
                    for each, (estimate, true) in gains.items()
                },
            }


def errors(found: Sequence[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> dict[str, float]:
    """Return the mean and the largest distance between what was told of *columns* and what is, in points."""
    distances = [abs(told - true) for row in found for name, (told, true) in row["gains"].items() if name in columns]
    return {"mean": statistics.mean(distances or [0.0]), "largest": max(distances, default=0.0)}


def errors_by_column(found: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the same for each column by itself."""
    return {name: errors(found, (name,)) for name in COLUMNS}
