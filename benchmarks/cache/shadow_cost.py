"""What the shadow takes of the cache's own time: two caches, one without, fed the same requests in turns.

The shadow watches for a while and then rests, so medians would not see it: sums over many turns are compared.
"""

from __future__ import annotations

import random
import time
from itertools import accumulate, cycle, islice
from typing import Any

__all__ = ["BUDGET", "STRATEGIES", "measure"]

BUDGET = 0.02
"""Part of the cache's own time that the shadow may take."""

STRATEGIES = ("lru", "adaptive")
SIZES = (1_000, 10_000, 100_000)
TURN = 20_000
TURNS_BETWEEN_TICKS = 10


def _cache(strategy: str, size: int, *, is_watched: bool) -> Any:
    from perfkit.cache import CacheManager, CacheSettings

    return CacheManager(strategy=strategy, max_size=size, settings=CacheSettings(shadow=is_watched))


def _turn(cache: Any, keys: list[str]) -> float:
    get, put = cache.get, cache.set
    began = time.process_time()
    for key in keys:
        if not get(key):
            put(key, True)
    return time.process_time() - began


def measure(*, requests: int, sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """Return for each strategy and size how many CPU seconds both took, and how often the shadow watched."""
    found = []
    for strategy in STRATEGIES:
        for size in sizes:
            chance = random.Random(5)
            weights = list(accumulate(1.0 / rank**0.9 for rank in range(1, 10 * size + 1)))
            stream = cycle([f"key:{key}" for key in chance.choices(range(10 * size), cum_weights=weights, k=20 * size)])
            bare, watched = (_cache(strategy, size, is_watched=each) for each in (False, True))
            seconds = {"bare": 0.0, "watched": 0.0}
            while_watching = dict(seconds)
            number = -(2 * size // TURN) - 2
            # From the beginning of one window to that of the next, or as far as was asked for.
            while number * TURN < requests:
                keys = list(islice(stream, TURN))
                pair = [("bare", bare), ("watched", watched)]
                was_watching = watched._tier.shadow is not None
                for name, cache in pair if number % 2 else reversed(pair):
                    taken = _turn(cache, keys)
                    if number >= 0:
                        seconds[name] += taken
                        while_watching[name] += taken if was_watching else 0.0
                if number >= 0 and number % TURNS_BETWEEN_TICKS == 0:
                    was_done = watched._shadow.windows > 0 and not was_watching
                    began = time.process_time()
                    watched._watch()
                    if was_done and watched._tier.shadow is not None:
                        break
                    while_watching["watched"] += time.process_time() - began
                number += 1
            found.append(
                {
                    "strategy": strategy,
                    "size": size,
                    "requests": number * TURN,
                    "windows": watched._shadow.windows,
                    # While it rests both do the very same, and differ by noise alone.
                    "added": (while_watching["watched"] - while_watching["bare"]) / seconds["bare"],
                    "added_while_watching": while_watching["watched"] / max(while_watching["bare"], 1e-9) - 1.0,
                    "watching": while_watching["bare"] / seconds["bare"],
                    **seconds,
                }
            )
            for cache in (bare, watched):
                cache.close()
    return found
