"""Several workers, each with its own cache: what is made invalid in one is so in all, at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from perfkit.cache import CacheManager
from perfkit.core.context import Context
from perfkit.store import Store, StoreSettings


class Point:
    """A key that cannot be told to others."""


@pytest.fixture
def caches(tmp_path: Path) -> Iterator[tuple[CacheManager, CacheManager]]:
    stores = [Store(StoreSettings(directory=str(tmp_path))) for _ in range(2)]
    for store in stores:
        store.open()
        assert store.is_shared
    first, second = (CacheManager(context=Context(store=store)) for store in stores)
    yield first, second
    for cache, store in zip((first, second), stores, strict=True):
        cache.close()
        store.close()


INVALIDATIONS = {
    "tag": lambda cache: cache.namespace("users").invalidate_tags(["t"]),
    "key": lambda cache: cache.namespace("users").delete("user:1"),
    "keys": lambda cache: cache.namespace("users").delete_many(f"user:{number}" for number in range(2000)),
    "prefix": lambda cache: cache.namespace("users").invalidate_pattern("user:*"),
    "pattern": lambda cache: cache.namespace("users").invalidate_pattern("*:1"),
    "star": lambda cache: cache.namespace("users").invalidate_pattern("*"),
    "namespace": lambda cache: cache.namespace("users").clear(),
    "all": lambda cache: cache.clear(),
    "an object": lambda cache: cache.namespace("users").delete(Point()),
    "a long key": lambda cache: cache.namespace("users").delete("x" * 100_000),
    "a long pattern": lambda cache: cache.namespace("users").invalidate_pattern("x" * 100_000),
}


@pytest.mark.parametrize("invalidate", INVALIDATIONS.values(), ids=INVALIDATIONS)
def test_what_one_worker_makes_invalid_is_gone_in_the_other_at_once(
    caches: tuple[CacheManager, CacheManager], invalidate: Callable[[CacheManager], object]
) -> None:
    first, second = caches
    users = second.namespace("users")
    users.set("user:1", 1, tags=["t"])
    assert users.get("user:1") == 1
    invalidate(first)
    assert users.get("user:1") is None
    assert "user:1" not in users
    assert len(users) == 0
    users.set("user:1", 2, tags=["t"])
    assert users.get("user:1") == 2


def test_tuples_as_keys_are_told_as_what_they_are(caches: tuple[CacheManager, CacheManager]) -> None:
    first, second = caches
    second.set((1, ("a", None)), 1)
    second.set("other", 1)
    first.delete((1, ("a", None)))
    assert second.get((1, ("a", None))) is None
    assert second.get("other") == 1


def test_what_was_not_concerned_stays(caches: tuple[CacheManager, CacheManager]) -> None:
    first, second = caches
    second.set("kept", 1, tags=["other"])
    first.invalidate_tags(["t"])
    first.delete("x")
    assert second.get("kept") == 1


def test_a_load_in_one_worker_notices_the_invalidation_of_another(caches: tuple[CacheManager, CacheManager]) -> None:
    first, second = caches
    began, may_end = threading.Event(), threading.Event()

    def load() -> str:
        began.set()
        assert may_end.wait(30)
        return "old"

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(second.memoize, "key", load, tags=["t"])
        assert began.wait(30)
        first.invalidate_tags(["t"])
        may_end.set()
        assert leader.result(30) == "old"
    assert second.get("key") is None


def test_statistics_are_those_of_all_workers(caches: tuple[CacheManager, CacheManager]) -> None:
    first, second = caches
    for cache in caches:
        cache.set("key", 1)
        cache.get("key")
        cache.tick(0.0)
    assert first.get_stats().hits == second.get_stats().hits == 2
    assert first.get_stats().entries == 2


def test_a_cache_that_moves_to_shared_files_begins_empty(tmp_path: Path) -> None:
    store = Store(StoreSettings(directory=str(tmp_path)))
    cache = CacheManager(context=Context(store=store))
    cache.set("key", 1)
    assert cache.get("key") == 1
    store.open()
    cache.start()
    assert cache.get("key") is None
    cache.set("key", 2)
    assert cache.get("key") == 2
    cache.close()
    store.close()


def test_commands_that_were_missed_empty_the_cache(caches: tuple[CacheManager, CacheManager]) -> None:
    _, second = caches
    second.set("key", 1)
    for missed in second._store.control._on_missed:
        missed()
    assert second.get("key") is None


@pytest.mark.parametrize("invalidate", INVALIDATIONS.values(), ids=INVALIDATIONS)
def test_two_caches_of_one_process_on_one_store_hear_of_each_other(
    invalidate: Callable[[CacheManager], object],
) -> None:
    context = Context(store=Store())
    first, second = CacheManager(context=context), CacheManager(context=context)
    users = second.namespace("users")
    users.set("user:1", 1, tags=["t"])
    invalidate(first)
    assert users.get("user:1") is None
    first.close()
    second.close()


def test_a_cache_that_is_alone_sees_what_it_made_invalid_itself() -> None:
    cache = CacheManager()
    for _ in range(3):
        cache.set("key", 1, tags=["t"])
        cache.set("other", 2)
        assert cache.get("key") == 1
        cache.invalidate_tags(["t"])
        assert cache.get("key") is None
        assert cache.get("other") == 2


@pytest.mark.parametrize("invalidate", INVALIDATIONS.values(), ids=INVALIDATIONS)
def test_caches_of_two_systems_of_one_app_in_memory_hear_of_each_other(
    invalidate: Callable[[CacheManager], object],
) -> None:
    stores = [Store(origin="app.py") for _ in range(2)]
    first, second = (CacheManager(context=Context(store=store)) for store in stores)
    for store in stores:
        store.open()
        assert not store.is_shared
    users = second.namespace("users")
    users.set("user:1", 1, tags=["t"])
    invalidate(first)
    assert users.get("user:1") is None
    for cache, store in zip((first, second), stores, strict=True):
        cache.close()
        store.close()
