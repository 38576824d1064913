"""A million entries: how long the slowest `set` takes, what an entry costs in memory, and a tag that all of them have.

Each cache has a process of its own, so that the memory of one is not the other's room. The clock is that of the
thread's CPU time: on a busy machine one `set` in a thousand is interrupted for longer than all the others take.
"""

from __future__ import annotations

import functools
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import psutil

from benchmarks.harness.fleet import in_own_process

__all__ = ["CACHES", "measure", "measure_tags"]

CACHES = ("perfkit", "perfkit, adaptive", "perfkit, fifo", "perfkit, lfu", "cachetools LRU + RLock", "dict")
TAG_ROUNDS = 6
TAG_BUDGET = 50e-6
"""Seconds to invalidate a tag, however many entries have it."""

EVICTIONS = 5
"""One part of so many of the entries is replaced while the clock looks on."""


def _cache(name: str, size: int) -> Callable[[str], Any]:
    """Return what stores something under a key of a cache of that size."""
    if name == "dict":
        held: dict[str, str] = {}
        return lambda key: held.__setitem__(key, key)
    if name == "cachetools LRU + RLock":
        import threading

        from cachetools import LRUCache

        cache, lock = LRUCache[str, str](size), threading.RLock()

        def put(key: str) -> None:
            with lock:
                cache[key] = key

        return put
    from perfkit.cache import CacheManager

    strategy = {"perfkit": "lru"}.get(name, name.rpartition(" ")[2])
    ours = CacheManager(strategy=strategy, max_size=size).set
    return lambda key: ours(key, key)


def _scene(name: str, size: int) -> dict[str, float]:
    process = psutil.Process()
    keys = [f"key:{number:08d}" for number in range(size + size // EVICTIONS)]
    put = _cache(name, size)
    gc.collect()
    before = process.memory_info().rss
    began = time.process_time()
    for key in keys[:size]:
        put(key)
    filled = time.process_time() - began
    held = process.memory_info().rss - before
    clock, taken = time.thread_time_ns, []
    for key in keys[size:]:
        start = clock()
        put(key)
        taken.append(clock() - start)
    taken.sort()
    return {
        "bytes": held / size,
        "fill": filled / size,
        "median": taken[len(taken) // 2] / 1e9,
        "p999": taken[len(taken) * 999 // 1000] / 1e9,
        "slowest": taken[-1] / 1e9,
    }


def _tag_scene(size: int) -> dict[str, float]:
    """Return CPU seconds to invalidate the tag of *size* entries: the first time in this process, and then."""
    from perfkit.cache import CacheManager

    cache, tags, taken = CacheManager(max_size=size), ("bench",), []
    keys = [f"key:{number:08d}" for number in range(size)]
    for _ in range(TAG_ROUNDS):
        for key in keys:
            cache.set(key, key, tags=tags)
        began = time.thread_time()
        cache.invalidate_tags(tags)
        taken.append(time.thread_time() - began)
        assert cache.get(keys[0]) is None
        assert cache.get(keys[-1]) is None
    return {"first": taken[0], "then": statistics.median(taken[1:]), "best": min(taken)}


def measure_tags(*, size: int) -> dict[int, dict[str, float]]:
    """Return for a thousand and for *size* entries with one tag what it takes to invalidate it."""
    return {each: in_own_process(functools.partial(_tag_scene, each)) for each in (1000, size)}


def measure(*, size: int) -> dict[str, dict[str, float]]:
    """Return for each cache bytes an entry, and seconds of a `set` that evicts."""
    return {name: in_own_process(functools.partial(_scene, name, size)) for name in CACHES}
