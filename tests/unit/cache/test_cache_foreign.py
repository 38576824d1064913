"""A cache of cachetools as the first tier's policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cachetools
import pytest

from perfkit.cache import CacheManager, Policy
from perfkit.cache.policies.foreign import Foreign
from perfkit.testing import FakeClock
from perfkit.testing.policy_kit import PolicyKit

MAKERS: dict[str, Callable[[int], Any]] = {
    "lru": cachetools.LRUCache,
    "lfu": cachetools.LFUCache,
    "fifo": cachetools.FIFOCache,
    "rr": cachetools.RRCache,
    "plain": cachetools.Cache,
    "ttl": lambda size: cachetools.TTLCache(size, 60.0),
    "tlru": lambda size: cachetools.TLRUCache(size, lambda key, value, now: now + 60.0),
}


class TestLru(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return Foreign(cachetools.LRUCache(max_size))


class TestLfu(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return Foreign(cachetools.LFUCache(max_size))


class TestRandom(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return Foreign(cachetools.RRCache(max_size))


class TestOneThatDropsByItself(PolicyKit):
    """Its clock runs on at each look, so nothing stays in it for long."""

    def make(self, max_size: int) -> Policy:
        clock = FakeClock()
        return Foreign(cachetools.TTLCache(max_size, 5.0, timer=lambda: clock.advance(1.0)))


class TestOneThatIsTooSmall(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return Foreign(cachetools.LRUCache(3))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_any_of_them_is_a_first_tier_with_all_that_a_cache_has(make: Callable[[int], Any]) -> None:
    clock = FakeClock()
    cache = CacheManager(strategy=make(10), clock=clock)
    for number in range(50):
        cache.set(number, number, ttl=10, tags=["even" if number % 2 == 0 else "odd"])
        assert cache.get(number) == number
        assert len(cache) <= 10
    assert len(cache) == 10
    cache.invalidate_tags(["even"])
    assert all(key % 2 for key in cache.get_many(range(50)))
    clock.advance(10.0)
    assert cache.get_many(range(50)) == {}
    cache.clear()
    cache.set("again", 1)
    assert cache.get("again") == 1


def test_it_chooses_as_it_does_by_itself() -> None:
    cache = CacheManager(strategy=cachetools.LRUCache(2))
    cache.set("a", 1)
    cache.set("b", 2)
    cache.get("a")
    cache.set("c", 3)
    assert cache.get_many(list("abc")) == {"a": 1, "c": 3}
    assert cache.get_stats().strategy == "lrucache"


def test_its_time_to_live_is_the_default_one() -> None:
    clock = FakeClock()
    cache = CacheManager(strategy=cachetools.TTLCache(10, 60.0), clock=clock)
    cache.set("key", 1)
    clock.advance(59.0)
    assert cache.get("key") == 1
    clock.advance(1.0)
    assert cache.get("key") is None


def test_its_sizes_are_the_sizes() -> None:
    cache = CacheManager(strategy=cachetools.LRUCache(100, getsizeof=len))
    for number in range(20):
        cache.set(number, "x" * 10)
    assert (len(cache), cache.get_stats().bytes, cache.settings.max_bytes) == (10, 100, 100)


def test_what_was_in_it_is_gone() -> None:
    inner: Any = cachetools.LRUCache(10)
    inner["old"] = 1
    cache = CacheManager(strategy=inner)
    assert cache.get("old") is None
    assert len(cache) == len(inner) == 0
