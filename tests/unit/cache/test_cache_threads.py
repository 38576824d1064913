"""Many threads at once: bounds hold, counts are whole, nobody sees another one's value."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest
from haste import hasty

from perfkit.cache import CacheManager
from perfkit.cache.lookup import one_at_a_time

THREADS = 4
ROUNDS = 1500


@pytest.fixture(autouse=True)
def tiny_switch_interval() -> Iterator[None]:
    with hasty():
        yield


@pytest.mark.parametrize("strategy", ["lru", "lfu", "fifo", "ttl", "adaptive"])
def test_threads_do_not_disturb_each_other(strategy: str) -> None:
    cache = CacheManager(strategy=strategy, max_size=50)
    troubles: list[object] = []
    barrier = threading.Barrier(THREADS)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        barrier.wait()
        try:
            for _ in range(ROUNDS):
                key = chance.randrange(100)
                step = chance.random()
                if step < 0.5:
                    value = cache.get(key)
                    if value not in (None, (key,)):
                        troubles.append((key, value))
                elif step < 0.8:
                    cache.set(key, (key,), ttl=chance.choice([None, 0.001, 60]), tags=chance.choice([(), ("t",)]))
                elif step < 0.9:
                    cache.delete(key)
                elif step < 0.95:
                    cache.invalidate_tags(["t"])
                elif step < 0.98:
                    if len(cache) > 50:
                        troubles.append(len(cache))
                else:
                    cache.clear()
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not troubles
    tier = cache._engine.tier
    cache.tick(0.0)
    assert tier.count == len(cache._space.entries) <= 50


def test_increments_are_not_lost() -> None:
    cache = CacheManager()

    def work() -> None:
        for _ in range(ROUNDS):
            cache.increment("n")

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert cache.get("n") == THREADS * ROUNDS


@pytest.mark.parametrize("is_locked", [False, True])
def test_each_look_up_is_counted(is_locked: bool) -> None:
    cache = CacheManager(strategy="adaptive")
    cache.set("key", 1)
    get = one_at_a_time(cache.get, threading.Lock()) if is_locked else cache.get

    def work() -> None:
        for _ in range(ROUNDS):
            get("key")
            get("nothing")

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stats = cache.get_stats()
    assert (stats.hits, stats.misses) == (THREADS * ROUNDS, THREADS * ROUNDS)
