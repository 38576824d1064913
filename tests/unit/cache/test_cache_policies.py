"""Who leaves, policy by policy."""

from __future__ import annotations

import random
from collections import OrderedDict

import pytest

from perfkit.cache import POLICIES, CacheManager, Entry, Policy
from perfkit.testing.policy_kit import PolicyKit


class TestLru(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return POLICIES["lru"](max_size)


class TestLfu(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return POLICIES["lfu"](max_size)


class TestFifo(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return POLICIES["fifo"](max_size)


class TestTtl(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return POLICIES["ttl"](max_size)


class TestAdaptive(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return POLICIES["adaptive"](max_size)


class TestAdaptiveOfUnknownSize(PolicyKit):
    def make(self, max_size: int) -> Policy:
        return POLICIES["adaptive"](0)


def read_through(cache: CacheManager, keys: list[int]) -> int:
    hits = 0
    for key in keys:
        if cache.get(key) is None:
            cache.set(key, 1)
        else:
            hits += 1
    return hits


def skewed(seed: int, count: int = 20_000) -> list[int]:
    chance = random.Random(seed)
    return [int(chance.paretovariate(0.4)) % 5000 for _ in range(count)]


@pytest.mark.parametrize("strategy", ["lru", "fifo"])
def test_lru_and_fifo_hit_exactly_as_often_as_a_plain_reference(strategy: str) -> None:
    keys, order, expected = skewed(1), OrderedDict[int, None](), 0
    for key in keys:
        if key in order:
            expected += 1
            if strategy == "lru":
                order.move_to_end(key)
        else:
            if len(order) == 200:
                order.popitem(last=False)
            order[key] = None
    assert read_through(CacheManager(strategy=strategy, max_size=200), keys) == expected


def test_adaptive_hits_more_often_than_lru_on_skewed_traffic() -> None:
    keys = skewed(2)
    adaptive = read_through(CacheManager(strategy="adaptive", max_size=100), keys)
    assert adaptive > 1.02 * read_through(CacheManager(strategy="lru", max_size=100), keys)


def test_adaptive_survives_a_scan() -> None:
    cache = CacheManager(strategy="adaptive", max_size=100)
    for _ in range(5):
        read_through(cache, list(range(50)))
    read_through(cache, list(range(1000, 3000)))
    assert sum(key in cache for key in range(50)) >= 45


def test_lfu_forgets_the_favourites_of_yesterday() -> None:
    cache = CacheManager(strategy="lfu", max_size=50)
    for _ in range(20):
        read_through(cache, list(range(50)))
    for _ in range(200):
        read_through(cache, list(range(100, 140)))
    assert sum(key in cache for key in range(100, 140)) >= 35


def test_lfu_keeps_what_is_used_most() -> None:
    cache = CacheManager(strategy="lfu", max_size=3)
    read_through(cache, [1, 2, 3, 1, 1, 3, 3, 4])
    assert [key in cache for key in (1, 2, 3, 4)] == [True, False, True, True]


def test_ttl_drops_who_would_expire_first() -> None:
    cache = CacheManager(strategy="ttl", max_size=2)
    cache.set("long", 1, ttl=100)
    cache.set("short", 1, ttl=10)
    cache.set("new", 1, ttl=50)
    assert [key in cache for key in ("long", "short", "new")] == [True, False, True]


def test_a_policy_of_ones_own_may_be_given() -> None:
    class Youngest:
        def __init__(self, max_size: int) -> None:
            self._entries: list[Entry] = []

        def add(self, entry: Entry) -> None:
            self._entries.append(entry)

        def remove(self, entry: Entry | None = None) -> Entry:
            if entry is None:
                return self._entries.pop()
            self._entries.remove(entry)
            return entry

    cache = CacheManager(strategy=Youngest, max_size=2)
    for key in "abc":
        cache.set(key, key)
    assert [key in cache for key in "abc"] == [True, False, True]
    assert cache.get_stats().strategy == "youngest"


@pytest.mark.parametrize("seed", range(10))
def test_lru_agrees_with_an_ordered_dict_about_who_leaves_whatever_happens(seed: int) -> None:
    chance, cache, order = random.Random(seed), CacheManager(strategy="lru", max_size=20), OrderedDict[int, None]()
    other = cache.namespace("other")
    for _ in range(4000):
        key, step = chance.randrange(60), chance.random()
        space = other if key % 3 == 0 else cache
        if step < 0.5:
            assert (space.get(key) is not None) == (key in order)
            if key in order:
                order.move_to_end(key)
        elif step < 0.9:
            space.set(key, 1)
            if key not in order and len(order) == 20:
                order.popitem(last=False)
            order[key] = None
            order.move_to_end(key)
        else:
            assert space.delete(key) == (key in order)
            order.pop(key, None)
    assert len(cache) == len(order)
