"""The reference document's cache manager: its examples, translated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perfkit import PerformanceSystem, get_performance_config
from perfkit.cache import POLICIES, CacheManager
from perfkit.testing import FakeClock

pytestmark = pytest.mark.anyio

USER = {"id": 123, "name": "Ada"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["in a system", "alone"])
def cache_manager(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[CacheManager]:
    if request.param == "alone":
        yield CacheManager(clock=clock)
        return
    with PerformanceSystem(environment="testing", clock=clock) as system:
        component = system.get_component("cache")
        assert isinstance(component, CacheManager)
        assert component is system.cache
        yield component


def test_basic_caching(cache_manager: CacheManager, clock: FakeClock) -> None:
    cache_manager.set("user:123", USER, ttl=300)
    assert cache_manager.get("user:123") == USER
    clock.advance(300.0)
    assert cache_manager.get("user:123") is None
    assert cache_manager.get("user:123", "nobody") == "nobody"


async def test_basic_caching_in_async_code(cache_manager: CacheManager, clock: FakeClock) -> None:
    await cache_manager.aset("user:123", USER, ttl=300)
    assert await cache_manager.aget("user:123") == USER
    clock.advance(300.0)
    assert await cache_manager.aget("user:123") is None


def test_memoization(cache_manager: CacheManager) -> None:
    performed = []

    def perform_expensive_calculation() -> int:
        performed.append(True)
        return 42

    results = [cache_manager.memoize("expensive_operation", perform_expensive_calculation) for _ in range(3)]
    assert results == [42, 42, 42]
    assert len(performed) == 1


def test_the_decorator(cache_manager: CacheManager) -> None:
    performed = []

    @cache_manager.memoized(ttl=60, tags=["squares"])
    def square(number: int) -> int:
        performed.append(number)
        return number * number

    assert [square(3), square(3), square(4)] == [9, 9, 16]
    cache_manager.invalidate_tags(["squares"])
    assert square(3) == 9
    assert performed == [3, 4, 3]


def test_tag_based_invalidation(cache_manager: CacheManager) -> None:
    cache_manager.set("user:123", USER, tags=["user", "profile"])
    cache_manager.set("price:7", 9.5, tags=["price"])
    cache_manager.invalidate_tags(["user"])
    assert cache_manager.get("user:123") is None
    assert cache_manager.get("price:7") == 9.5


async def test_caching_integration(cache_manager: CacheManager) -> None:
    database = {1: "Ada"}
    queries = []

    async def get_user(number: int) -> str:
        async def query() -> str:
            queries.append(number)
            return database[number]

        name: str = await cache_manager.amemoize(f"user:{number}", query, ttl=300, tags=["user"])
        return name

    async def update_user(number: int, name: str) -> None:
        database[number] = name
        await cache_manager.ainvalidate_tags(["user"])

    assert [await get_user(1), await get_user(1)] == ["Ada", "Ada"]
    await update_user(1, "Grace")
    assert await get_user(1) == "Grace"
    assert queries == [1, 1]


def test_pattern_based_invalidation_delete_and_clear(cache_manager: CacheManager) -> None:
    cache_manager.set_many({"user:1": 1, "user:2": 2, "price:1": 3, "price:2": 4})
    assert cache_manager.invalidate_pattern("user:*") == 2
    assert cache_manager.delete("price:1")
    assert cache_manager.get_many(["user:1", "user:2", "price:1", "price:2"]) == {"price:2": 4}
    cache_manager.clear()
    assert len(cache_manager) == 0


def test_comprehensive_statistics(cache_manager: CacheManager) -> None:
    cache_manager.set("user:123", USER)
    for key in ("user:123", "user:123", "user:123", "user:4"):
        cache_manager.get(key)
    stats = cache_manager.get_stats()
    assert (stats.hits, stats.misses, stats.hit_ratio, stats.entries) == (3, 1, 0.75, 1)


@pytest.mark.parametrize("strategy", ["lru", "lfu", "fifo", "ttl", "adaptive"])
def test_the_strategies(strategy: str) -> None:
    assert set(POLICIES) == {"lru", "lfu", "fifo", "ttl", "adaptive"}
    with PerformanceSystem({"cache": {"strategy": strategy, "max_size": 10}}, environment="testing") as system:
        system.cache.set_many({number: number for number in range(50)}, ttl=60)
        assert len(system.cache) == 10
        assert system.cache.get_stats().strategy == strategy


def test_lru_is_the_default() -> None:
    cache = CacheManager(max_size=2)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.get("a")
    cache.set("c", 3)
    assert cache.get_many(list("abc")) == {"a": 1, "c": 3}


def test_compression_of_large_values() -> None:
    value = "the same again " * 10_000
    cache = CacheManager(compression=True, max_bytes=10_000_000)
    cache.set("text", value)
    assert cache.get("text") == value
    assert 0 < (cache.get_stats().bytes or 0) < len(value) / 10


def test_custom_configuration() -> None:
    overrides = {"cache": {"strategy": "lfu", "max_size": 5000, "compression": True}}
    config = get_performance_config("production", overrides)
    assert (config.cache.strategy, config.cache.max_size, config.cache.compression) == ("lfu", 5000, True)
    assert PerformanceSystem(config).cache.settings == config.cache


def test_the_dashboard_shows_the_cache(clock: FakeClock) -> None:
    with PerformanceSystem(environment="testing", clock=clock) as system:
        system.cache.set("a", 1)
        system.cache.get("a")
        dashboard = system.get_performance_dashboard()
        assert dashboard.components["cache"].hits == 1
        assert dashboard.to_dict()["components"]["cache"]["hit_ratio"] == 1.0


def test_statistics_are_metrics(clock: FakeClock) -> None:
    with PerformanceSystem(environment="testing", clock=clock) as system:
        system.cache.set("a", 1)
        system.cache.get("a")
        system.cache.get_stats()
        assert 'perfkit_cache_lookups_total{namespace="default",result="hit"} 1' in system.export_metrics()


def test_the_rest_of_what_stands_alone(clock: FakeClock) -> None:
    cache = CacheManager(strategy="lru", max_size=10_000, max_bytes=None, default_ttl=60, clock=clock)
    assert cache.increment("visits") == 1
    assert cache.increment("visits", 4) == 5
    assert cache.add("visits", 0) is False
    clock.advance(59.0)
    assert cache.touch("visits", 60)
    clock.advance(59.0)
    assert "visits" in cache
    clock.advance(1.0)
    assert "visits" not in cache
    assert len(cache) == 0
