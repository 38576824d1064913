"""The shadow: what it says of other sizes and strategies is near what they really do, and it costs nobody anything."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Any

import pytest

from benchmarks.hit_ratio.shadows import errors, rows
from benchmarks.hit_ratio.traces import SYNTHETIC
from perfkit.cache import CacheManager, CacheSettings
from perfkit.cache.entry import Entry
from perfkit.cache.memory.watcher import WATCHED
from perfkit.cache.policies import POLICIES
from perfkit.cache.shadow.ghost import Ghost
from perfkit.cache.shadow.shadow import Shadow
from perfkit.core.context import Context
from perfkit.store import Store
from perfkit.testing import FakeClock


def zipf(count: int, keys: int, seed: int = 1, exponent: float = 0.9) -> list[str]:
    weights = list(accumulate(1.0 / rank**exponent for rank in range(1, keys + 1)))
    return [f"k{key}" for key in random.Random(seed).choices(range(keys), cum_weights=weights, k=count)]


def play(cache: Any, keys: list[str], *, manager: CacheManager | None = None, **how: Any) -> float:
    """Read through *cache*, a tick now and then; return the hit ratio."""
    hits = 0
    for number, key in enumerate(keys):
        if cache.get(key):
            hits += 1
        else:
            cache.set(key, True, **how)
        if number % 100 == 99:
            (manager or cache).tick(0.0)
    return hits / len(keys)


@pytest.fixture(scope="module")
def told_and_true() -> list[dict[str, Any]]:
    return list(rows({name: SYNTHETIC[name](40_000) for name in ("zipf0.9", "loop", "onehit")}))


def test_estimates_are_near_what_caches_of_those_sizes_and_strategies_do(told_and_true: list[dict[str, Any]]) -> None:
    assert len(told_and_true) == 6
    found = errors(told_and_true)
    # Which keys are watched depends on their hashes, which differ from process to process: over six seeds the mean was
    # 1.6 to 2.3, the largest 8 to 13.
    assert found["mean"] < 3.0
    assert found["largest"] < 18.0


def test_the_sign_of_each_large_gain_is_right(told_and_true: list[dict[str, Any]]) -> None:
    gains = [each for row in told_and_true for each in row["gains"].values() if abs(each[1]) > 6.0]
    assert len(gains) > 5
    assert all(told * true > 0.0 for told, true in gains)


@pytest.mark.parametrize("strategy", ["lru", "fifo"])
def test_a_ghost_of_all_keys_does_what_the_cache_does(strategy: str) -> None:
    keys = zipf(8000, 1000)
    ghost = Ghost(strategy, POLICIES[strategy], scale=1.0, size=100)
    told = sum(ghost.access(int(key[1:])) for key in keys) / len(keys)
    assert told == pytest.approx(play(CacheManager(strategy=strategy, max_size=100), keys))
    assert len(ghost) == 100
    assert any(number in ghost for number in range(1000))


def test_a_cache_with_room_is_not_watched() -> None:
    cache = CacheManager(max_size=10_000)
    play(cache, zipf(3000, 500))
    assert cache._tier.shadow is None
    assert cache.get_stats().shadow is None


def test_it_can_be_switched_off() -> None:
    cache = CacheManager(max_size=50, settings=CacheSettings(shadow=False))
    play(cache, zipf(3000, 500))
    assert cache._tier.shadow is None
    assert cache.get_stats().shadow is None


def test_after_its_rest_it_watches_other_keys() -> None:
    cache = CacheManager(max_size=1000, rng=random.Random(4))
    shadow = cache._shadow
    assert shadow is not None
    play(cache, zipf(40_000, 10_000))
    assert (shadow.windows, shadow._window) == (1, None)
    while_resting = shadow._rest_until
    play(cache, zipf(1000, 10_000, 2))
    assert shadow._window is None
    # The rest is over when as many look-ups have been made as it lasts.
    cache._space.counts[1] += while_resting
    play(cache, zipf(40_000, 10_000, 3))
    assert shadow.windows == 2


def test_nothing_is_watched_while_it_rests() -> None:
    cache = CacheManager(max_size=200)
    assert cache._shadow is not None
    keys = zipf(60_000, 2000)
    play(cache, keys)
    assert cache._shadow.windows == 1
    assert cache._tier.shadow is None
    # Entries that were watched are trusted again after their next hit.
    for key in list(cache._space.entries):
        cache.get(key)
    assert all(entry.epoch != WATCHED for entry in cache._space.entries.values())


def test_each_namespace_has_an_estimate_of_its_own() -> None:
    cache = CacheManager(max_size=400, rng=random.Random(1))
    good, bad = cache.namespace("good"), cache.namespace("bad")
    fresh = 0
    for round_ in range(12):
        play(good, zipf(3000, 2000, round_), manager=cache)
        play(bad, [f"once{fresh + number}" for number in range(1500)], manager=cache)
        fresh += 1500
    shadow = cache.get_stats().shadow
    assert shadow is not None
    assert set(shadow.namespaces) == {"good", "bad"}
    assert shadow.namespaces["good"].sizes["2"] > shadow.namespaces["good"].hit_ratio + 0.02
    assert shadow.namespaces["bad"].sizes["4"] == pytest.approx(0.0, abs=0.01)
    assert set(shadow.total.sizes) == {"0.5", "2", "4"}
    assert set(shadow.total.strategies) == {"lfu", "fifo", "adaptive"}
    assert shadow.total.sizes["0.5"] <= shadow.total.hit_ratio <= shadow.total.sizes["4"]


def test_what_expires_is_missed_in_a_cache_of_any_size() -> None:
    clock = FakeClock()
    cache = CacheManager(max_size=300, clock=clock, rng=random.Random(2))
    keys = [f"k{number}" for number in range(400)]
    for _ in range(30):
        play(cache, keys, ttl=5.0)
        clock.advance(10.0)
    shadow = cache.get_stats().shadow
    assert shadow is not None
    assert shadow.total.sizes["4"] == pytest.approx(shadow.total.hit_ratio, abs=0.02)


@pytest.mark.parametrize("how", ["tags", "clear", "delete"])
def test_what_is_made_invalid_is_missed_in_a_cache_of_any_size(how: str) -> None:
    cache = CacheManager(max_size=300, rng=random.Random(2))
    keys = [f"k{number}" for number in range(320)]
    for _ in range(30):
        play(cache, keys, tags=["t"])
        if how == "tags":
            cache.invalidate_tags(["t"])
        elif how == "clear":
            cache.clear()
        else:
            cache.delete_many(keys)
    shadow = cache.get_stats().shadow
    assert shadow is not None
    assert shadow.total.sizes["4"] < 0.15


def test_a_cache_bounded_by_bytes_is_watched_too() -> None:
    cache = CacheManager(max_bytes=30_000, sizeof=lambda value: 100, rng=random.Random(3))
    play(cache, zipf(60_000, 3000))
    shadow = cache.get_stats().shadow
    assert shadow is not None
    assert shadow.total.sizes["4"] > shadow.total.hit_ratio > shadow.total.sizes["0.5"]


def test_sliding_entries_are_told_once_between_arrivals() -> None:
    clock = FakeClock()
    cache = CacheManager(max_size=100, clock=clock, rng=random.Random(3))
    play(cache, [f"k{number}" for number in range(120)], ttl=100.0, sliding=True)
    window = cache._shadow._window if cache._shadow is not None else None
    assert window is not None
    held = list(cache._space.entries)
    before = window.told
    for _ in range(3):
        for key in held:
            cache.get(key)
    assert window.told - before <= len(held)
    clock.advance(60.0)
    for key in held:
        assert cache.get(key) is True
    clock.advance(60.0)
    assert all(cache.get(key) for key in held)


def test_what_it_remembers_is_bounded() -> None:
    cache = CacheManager(max_size=100, rng=random.Random(3))
    cache.set("first", 1)
    play(cache, [f"once{number}" for number in range(1000)])
    window = cache._shadow._window if cache._shadow is not None else None
    assert window is not None
    assert len(window._versions) <= 24 * 100 + 1
    assert sum(len(ghost) for ghost in window.ghosts) <= 100 * (0.5 + 1 + 2 + 4 + 3)


def test_a_forked_child_begins_anew() -> None:
    cache = CacheManager(max_size=100)
    play(cache, zipf(9000, 1000))
    cache.after_fork()
    assert cache._tier.shadow is None
    assert cache._shadow is not None
    assert cache._shadow.estimates(5) == (None, {})
    play(cache, zipf(9000, 1000))
    assert cache.get_stats().shadow is not None


def test_numbers_tuples_and_texts_are_sampled_alike() -> None:
    for make in (int, lambda number: (number, "x"), lambda number: f"k{number}"):
        cache = CacheManager(max_size=4000, rng=random.Random(8))
        for number in range(4000):
            cache.set(make(number * 256), True)
        cache.tick(0.0)
        window = cache._shadow._window if cache._shadow is not None else None
        assert window is not None
        watched = sum(entry.epoch == WATCHED for entry in cache._space.entries.values())
        assert 60 <= watched <= 220


def test_a_strategy_of_ones_own_has_its_ghosts() -> None:
    class Youngest:
        def __init__(self, max_size: int) -> None:
            self._entries: list[Entry] = []

        def add(self, entry: Entry) -> None:
            self._entries.append(entry)

        def remove(self, entry: Entry | None = None) -> Entry:
            gone = self._entries.pop() if entry is None else entry
            if entry is not None:
                self._entries.remove(entry)
            gone.is_alive = False
            return gone

    cache = CacheManager(strategy=Youngest, max_size=100, rng=random.Random(1))
    play(cache, zipf(30_000, 1000))
    shadow = cache.get_stats().shadow
    assert shadow is not None
    assert set(shadow.total.strategies) == {"lru", "lfu", "fifo", "adaptive"}


class Moody:
    """A policy that works for the cache and fails for its ghosts."""

    def __init__(self, max_size: int) -> None:
        self._entries: list[Entry] = []
        self._fails = max_size != 100

    def add(self, entry: Entry) -> None:
        if self._fails and entry.space is None and len(self._entries) > 20:
            raise RuntimeError("not today")
        self._entries.append(entry)

    def remove(self, entry: Entry | None = None) -> Entry:
        gone = self._entries.pop(0) if entry is None else entry
        if entry is not None:
            self._entries.remove(entry)
        gone.is_alive = False
        return gone


def test_a_policy_that_fails_for_the_ghosts_ends_the_shadow_and_nothing_else() -> None:
    cache = CacheManager(strategy=Moody, max_size=100, rng=random.Random(1))
    reported: list[tuple[str, str]] = []
    cache._context.errors.count = lambda component, kind: reported.append((component, kind))
    play(cache, zipf(20_000, 1000))
    assert cache._shadow is None
    assert cache._tier.shadow is None
    assert reported == [("cache", "RuntimeError")]
    assert cache.get_stats().shadow is None
    assert cache._tier.count == 100


def test_a_cache_that_was_given_is_not_emptied_by_ghosts() -> None:
    from cachetools import LRUCache

    cache = CacheManager(strategy=LRUCache(100))
    play(cache, zipf(5000, 1000))
    assert len(cache) == 100
    assert cache.get_stats().shadow is None


def test_the_estimates_are_the_mean_of_all_workers() -> None:
    store = Store()
    cache = CacheManager(max_size=200, context=Context(store=store), rng=random.Random(2))
    play(cache, zipf(30_000, 2000))
    families = {family.definition.name: family for family in store.families()}
    family = families["perfkit_cache_estimated_hit_ratio"]
    points = {point.labels: point.value for point in family.points}
    shadow = cache.get_stats().shadow
    assert shadow is not None
    assert points["*", "lru", "2"] == shadow.total.sizes["2"]
    assert points["*", "measured", "1"] == shadow.total.hit_ratio
    assert points["default", "adaptive", "1"] == shadow.namespaces["default"].strategies["adaptive"]


def test_watching_is_paid_for_by_resting() -> None:
    """By its own model of costs, a window and the rest after it take no more than the budget."""
    cache = CacheManager(max_size=1000, rng=random.Random(2))
    shadow = cache._shadow
    assert isinstance(shadow, Shadow)
    play(cache, zipf(40_000, 10_000))
    assert shadow.windows == 1
    assert shadow._rest_until > 10 * 40_000
