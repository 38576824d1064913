"""The cache, call by call."""

from __future__ import annotations

import gc
import os
import random
import weakref
from typing import Any

import anyio
import pytest

from perfkit.cache import CacheManager
from perfkit.core.errors import CacheError
from perfkit.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cache(clock: FakeClock) -> CacheManager:
    return CacheManager(clock=clock)


def test_what_was_set_is_got(cache: CacheManager) -> None:
    value = {"name": "Ada"}
    assert cache.set("user:123", value)
    assert cache.get("user:123") is value


def test_a_missing_key_gives_the_default(cache: CacheManager) -> None:
    assert cache.get("nothing") is None
    assert cache.get("nothing", 7) == 7


def test_none_is_a_value(cache: CacheManager) -> None:
    cache.set("none", None)
    assert cache.get("none", 7) is None
    assert "none" in cache


def test_an_expired_value_is_not_there(cache: CacheManager, clock: FakeClock) -> None:
    cache.set("key", 1, ttl=10)
    clock.advance(9.9)
    assert cache.get("key") == 1
    clock.advance(0.1)
    assert cache.get("key") is None
    assert "key" not in cache
    assert len(cache) == 0


def test_the_default_ttl_holds_where_none_is_given(clock: FakeClock) -> None:
    cache = CacheManager(default_ttl=5, clock=clock)
    cache.set("short", 1)
    cache.set("long", 1, ttl=None)
    clock.advance(5)
    assert cache.get_many(["short", "long"]) == {"long": 1}


def test_jitter_only_shortens(clock: FakeClock) -> None:
    from perfkit.cache import CacheSettings

    cache = CacheManager(settings=CacheSettings(ttl_jitter=0.5), clock=clock, rng=random.Random(1))
    cache.set_many(dict.fromkeys(range(100), 1), ttl=100)
    clock.advance(50)
    assert 95 <= len(cache) <= 100
    clock.advance(25)
    assert 20 <= len(cache) <= 80
    clock.advance(25)
    assert len(cache) == 0


def test_without_time_to_live_nothing_is_kept(cache: CacheManager) -> None:
    cache.set("key", 1)
    assert not cache.set("key", 2, ttl=0)
    assert "key" not in cache


@pytest.mark.parametrize("ttl", [-1, float("nan")])
def test_a_ttl_that_cannot_be_is_refused(cache: CacheManager, ttl: float) -> None:
    with pytest.raises(CacheError, match="ttl is"):
        cache.set("key", 1, ttl=ttl)


def test_a_sliding_value_lives_as_long_as_it_is_asked_for(cache: CacheManager, clock: FakeClock) -> None:
    cache.set("session", 1, ttl=10, sliding=True)
    for _ in range(5):
        clock.advance(9)
        assert cache.get("session") == 1
    clock.advance(10)
    assert cache.get("session") is None


def test_touch_renews(cache: CacheManager, clock: FakeClock) -> None:
    cache.set("key", 1, ttl=10)
    clock.advance(9)
    assert cache.touch("key", ttl=20)
    clock.advance(19)
    assert cache.get("key") == 1
    assert cache.touch("key", ttl=5)
    clock.advance(5)
    assert "key" not in cache
    assert not cache.touch("key", ttl=5)


def test_add_stores_only_what_is_not_there(cache: CacheManager, clock: FakeClock) -> None:
    assert cache.add("key", 1, ttl=10)
    assert not cache.add("key", 2)
    assert cache.get("key") == 1
    clock.advance(10)
    assert cache.add("key", 3)
    assert cache.get("key") == 3


def test_increment_counts_and_keeps_the_end(cache: CacheManager, clock: FakeClock) -> None:
    assert cache.increment("hits", ttl=10) == 1
    assert cache.increment("hits", 4) == 5
    assert cache.increment("other", 2, initial=10) == 12
    clock.advance(10)
    assert cache.increment("hits") == 1


def test_only_numbers_are_incremented(cache: CacheManager) -> None:
    cache.set("name", "Ada")
    with pytest.raises(CacheError, match="'Ada'"):
        cache.increment("name")


def test_delete_says_whether_it_was_there(cache: CacheManager) -> None:
    cache.set("key", 1)
    assert cache.delete("key")
    assert not cache.delete("key")
    cache.set_many({"a": 1, "b": 2})
    assert cache.delete_many(["a", "b", "c"]) == 2


def test_many_at_once(cache: CacheManager) -> None:
    assert cache.set_many({"a": 1, "b": None}) == 2
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": None}


@pytest.mark.parametrize("strategy", ["lru", "lfu", "fifo", "ttl", "adaptive"])
def test_the_bound_of_entries_holds_after_each_set(strategy: str) -> None:
    cache = CacheManager(strategy=strategy, max_size=10)
    for number in range(200):
        cache.set(number, number, ttl=None if number % 3 else 100)
        cache.get(number // 2)
        assert len(cache) <= 10
    assert len(cache) == 10


@pytest.mark.parametrize("strategy", ["lru", "lfu", "fifo", "ttl", "adaptive"])
def test_the_bound_of_bytes_holds_after_each_set(strategy: str) -> None:
    cache = CacheManager(strategy=strategy, max_bytes=10_000, sizeof=len)
    chance = random.Random(3)
    for _ in range(300):
        cache.set(chance.randrange(50), b"x" * chance.randrange(2500))
        size = cache.get_stats().bytes
        assert size is not None
        assert size <= 10_000


def test_a_value_that_is_too_large_is_not_kept_and_neither_is_the_old_one() -> None:
    cache = CacheManager(max_bytes=10_000)
    cache.set("key", "small")
    assert not cache.set("key", "x" * 5000)
    assert "key" not in cache
    assert cache.get_stats().evictions == {"too_large": 1}


def test_tags_invalidate_together(cache: CacheManager) -> None:
    cache.set("user:1", 1, tags=["user", "profile"])
    cache.set("user:2", 2, tags=["user"])
    cache.set("page", 3, tags=["page"])
    cache.invalidate_tags(["user"])
    assert cache.get_many(["user:1", "user:2", "page"]) == {"page": 3}
    assert len(cache) == 1
    cache.set("user:1", 4, tags=["user"])
    assert cache.get("user:1") == 4


def test_one_text_as_tags_is_refused(cache: CacheManager) -> None:
    with pytest.raises(CacheError, match=r"tags=\['user'\]"):
        cache.set("key", 1, tags="user")


def test_tags_nobody_uses_are_forgotten(cache: CacheManager) -> None:
    for number in range(1000):
        cache.set("key", number, tags=[f"tag:{number}"])
    gc.collect()
    assert len(cache._engine.tier.tags) == 1


def test_a_pattern_removes_what_it_matches(cache: CacheManager) -> None:
    cache.set_many({"user:1": 1, "user:12": 2, "use": 3, "page:1": 4})
    cache.set(("user:1",), 5)
    assert cache.invalidate_pattern("user:*") == 2
    assert cache.get_many(["use", "page:1", ("user:1",)]) == {"use": 3, "page:1": 4, ("user:1",): 5}
    assert cache.invalidate_pattern("*:?") == 1
    assert cache.invalidate_pattern("us[ef]") == 1
    cache.set("user:3", 1)
    assert cache.invalidate_pattern("user:*") == 1
    assert cache.invalidate_pattern("*") == 0
    assert ("user:1",) in cache


def test_a_star_empties_a_namespace_of_texts(cache: CacheManager) -> None:
    cache.set_many({"a": 1, "b": 2})
    assert cache.invalidate_pattern("*") == 2
    assert len(cache) == 0


def test_namespaces_have_their_own_keys_and_are_cleared_alone(cache: CacheManager) -> None:
    users, pages = cache.namespace("users"), cache.namespace("pages")
    assert cache.namespace("users") is users
    users.set(1, "user")
    pages.set(1, "page")
    cache.set(1, "other")
    users.clear()
    assert (users.get(1), pages.get(1), cache.get(1)) == (None, "page", "other")
    assert len(cache) == 2
    users.set(1, "again")
    assert users.get(1) == "again"
    cache.clear()
    assert len(cache) == len(users) == len(pages) == 0


def test_bounds_are_those_of_all_namespaces_together() -> None:
    cache = CacheManager(max_size=5)
    for number in range(10):
        cache.namespace(str(number)).set("key", number)
    assert len(cache) == 5


def test_an_empty_cache_is_true(cache: CacheManager) -> None:
    assert cache


def test_statistics_tell_what_happened(cache: CacheManager, clock: FakeClock) -> None:
    users = cache.namespace("users")
    cache.set("a", 1, ttl=5)
    cache.get("a")
    cache.get("b")
    users.get("c")

    def load() -> int:
        clock.advance(2)
        return 3

    assert [users.memoize("slow", load) for _ in range(3)] == [3, 3, 3]
    clock.advance(5)
    assert len(cache) == 1
    stats = cache.get_stats()
    assert (stats.hits, stats.misses, stats.loads, stats.load_seconds, stats.saved_seconds) == (3, 3, 1, 2.0, 4.0)
    assert stats.hit_ratio == 0.5
    assert stats.evictions == {"expired": 1}
    assert stats.namespaces["users"].hits == 2
    assert stats.namespaces["default"].misses == 1
    assert stats.entries == 1


def test_statistics_before_the_first_look_up_have_no_ratio(cache: CacheManager) -> None:
    assert cache.get_stats().hit_ratio is None


def test_invalid_values_leave_at_the_next_tick(cache: CacheManager) -> None:
    class Value:
        pass

    value = Value()
    reference = weakref.ref(value)
    cache.set("key", value, tags=["t"])
    del value
    cache.invalidate_tags(["t"])
    cache.tick(0.0)
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("value_format", ["msgpack", "pickle", "json"])
def test_kept_as_bytes_each_call_gets_a_copy_of_its_own(value_format: str) -> None:
    cache = CacheManager(value_format=value_format)
    value: dict[str, Any] = {"names": ["Ada"]}
    cache.set("key", value)
    value["names"].append("Grace")
    got = cache.get("key")
    assert got == {"names": ["Ada"]}
    assert cache.get("key") is not got
    assert cache.memoize("key", dict) == {"names": ["Ada"]}


def test_large_values_are_compressed_and_come_back() -> None:
    cache = CacheManager(compression=True, max_bytes=1_000_000)
    values = {"text": "perf" * 10_000, "bytes": b"kit" * 10_000, "list": ["x" * 100] * 1000, "small": "x"}
    cache.set_many(values)
    assert cache.get_many(values) == values
    assert cache.get_stats().bytes < 10_000  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"strategy": "mru"}, "'mru'"),
        ({"max_size": 0}, "max_size is 0"),
        ({"default_ttl": -1}, "default_ttl is -1"),
        ({"value_format": "yaml"}, "'yaml'"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(CacheError, match=said):
        CacheManager(**arguments)


def test_the_async_calls_do_the_same(cache: CacheManager) -> None:
    async def use() -> None:
        assert await cache.aset("a", 1, ttl=5, tags=["t"])
        assert await cache.aget("a") == 1
        assert not await cache.aadd("a", 2)
        assert await cache.aset_many({"b": 2}) == 1
        assert await cache.aget_many(["a", "b"]) == {"a": 1, "b": 2}
        assert await cache.aincrement("n") == 1
        assert await cache.atouch("a", 10)
        assert await cache.adelete("n")
        assert await cache.adelete_many(["b"]) == 1
        await cache.ainvalidate_tags(["t"])
        assert await cache.aget("a") is None
        await cache.aset("user:1", 1)
        assert await cache.ainvalidate_pattern("user:*") == 1
        await cache.aclear()

    anyio.run(use)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_begins_empty_and_can_work(cache: CacheManager) -> None:
    cache.set("key", 1)
    cache._engine.tier.lock.acquire()
    child = os.fork()
    if child == 0:
        is_right = cache.get("key") is None and cache.set("key", 2) and cache.get("key") == 2 and len(cache) == 1
        os._exit(0 if is_right else 1)
    cache._engine.tier.lock.release()
    assert os.waitpid(child, 0)[1] == 0
    assert cache.get("key") == 1
