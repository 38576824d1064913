"""The cache's second tier on a real Redis: what it does when all is well."""

from __future__ import annotations

import asyncio
import datetime
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import until
from redis_server import REDIS_SERVER, RedisServer, redis_server
from shared_caches import Calls, caches_on, hears, shared_settings

from perfkit import PerformanceSystem
from perfkit.cache import CacheManager
from perfkit.core.errors import CacheError, ConfigurationError

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(REDIS_SERVER is None, reason="needs redis-server: apt-get install redis-server"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    running.ask("FLUSHALL")
    return running


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Iterator[Calls]:
    if request.param == "sync":
        yield Calls(None)
        return
    with asyncio.Runner() as runner:
        yield Calls(runner)


@pytest.fixture
def pair(server: RedisServer, call: Calls) -> Iterator[tuple[CacheManager, CacheManager]]:
    with caches_on(server) as (first, second):
        yield first, second


Pair = tuple[CacheManager, CacheManager]

VALUES: list[Any] = [
    None,
    False,
    17,
    2**80,
    1.5,
    "text",
    b"bytes",
    [1, [2]],
    (1, (2,)),
    {"a": {1: 2}},
    {1, 2},
    datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    "long and the same " * 10_000,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {str(value)[:10]}")
def test_a_value_of_one_host_is_there_on_the_other(pair: Pair, call: Calls, value: Any) -> None:
    first, second = pair
    assert call(first, "set", "key", value)
    found = call(second, "get", "key", "absent")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "key", ["text", "ümlaut:*[x]", 7, (1, "a", None), b"bytes", 1.5, ("t", (1, 2))], ids=lambda key: repr(key)
)
def test_any_key_of_plain_data_is_shared(pair: Pair, call: Calls, key: Any) -> None:
    first, second = pair
    call(first, "set", key, "value")
    assert call(second, "get", key) == "value"
    assert call(second, "delete", key)
    assert until(lambda: call(first, "get", key) is None)
    assert not call(first, "delete", key)


def test_equal_keys_are_one_key(pair: Pair, call: Calls) -> None:
    first, second = pair
    call(first, "set", 1, "one")
    assert call(second, "get", 1.0) == call(second, "get", True) == "one"


def test_a_key_that_is_an_object_stays_on_its_host(pair: Pair, call: Calls) -> None:
    first, second = pair
    key = object()
    assert call(first, "set", key, "mine")
    assert call(first, "get", key) == "mine"
    assert call(second, "get", key) is None
    assert call(first, "delete", key)
    assert call(first, "get", key) is None


def test_a_value_that_cannot_leave_stays_on_its_host_and_hides_the_old_one(pair: Pair, call: Calls) -> None:
    first, second = pair
    call(first, "set", "key", "old")
    assert call(second, "get", "key") == "old"
    value = object()
    assert call(first, "set", "key", value)
    assert call(first, "get", "key") is value
    assert until(lambda: call(second, "get", "key") is None)


def test_a_change_is_seen_by_a_host_that_holds_the_old_value(pair: Pair, call: Calls) -> None:
    first, second = pair
    for number in range(20):
        call(first, "set", "key", number)
        until(lambda number=number: call(second, "get", "key") == number)


INVALIDATIONS = {
    "tag": lambda call, cache: call(cache.namespace("users"), "invalidate_tags", ["t"]),
    "key": lambda call, cache: call(cache.namespace("users"), "delete", "user:1"),
    "keys": lambda call, cache: call(cache.namespace("users"), "delete_many", [f"user:{n}" for n in range(1200)]),
    "pattern": lambda call, cache: call(cache.namespace("users"), "invalidate_pattern", "u?e[rx]:*"),
    "star": lambda call, cache: call(cache.namespace("users"), "invalidate_pattern", "*"),
    "namespace": lambda call, cache: call(cache.namespace("users"), "clear"),
    "all": lambda call, cache: call(cache, "clear"),
}


@pytest.mark.parametrize("invalidate", INVALIDATIONS.values(), ids=INVALIDATIONS)
def test_what_one_host_makes_invalid_is_gone_everywhere(pair: Pair, call: Calls, invalidate: Any) -> None:
    first, second = pair
    for cache in pair:
        call(cache.namespace("others"), "set", "user:1", "other")
    call(first.namespace("users"), "set", "user:1", "Ada", tags=["t", "u"])
    assert call(second.namespace("users"), "get", "user:1") == "Ada"
    invalidate(call, first)
    assert call(first.namespace("users"), "get", "user:1") is None
    until(lambda: call(second.namespace("users"), "get", "user:1") is None)
    with CacheOf(second) as third:
        assert call(third.namespace("users"), "get", "user:1") is None


class CacheOf:
    """Another cache on the same server, which holds nothing yet."""

    def __init__(self, other: CacheManager) -> None:
        self._cache = CacheManager(settings=other.settings)

    def __enter__(self) -> CacheManager:
        return self._cache

    def __exit__(self, *exception: object) -> None:
        self._cache.close()


def test_an_invalidation_leaves_what_it_does_not_concern(pair: Pair, call: Calls) -> None:
    first, second = pair
    call(first, "set_many", {"user:1": 1, "price:1": 2, "user": 3}, tags=["x"])
    assert call(second, "invalidate_pattern", "user:*") == 1
    call(second, "invalidate_tags", ["y"])
    call(second.namespace("user"), "clear")
    until(
        lambda: call(first, "get_many", ["user:1", "price:1", "user"]),
        lambda found: found == {"price:1": 2, "user": 3},
    )


def test_patterns_take_what_the_glob_says_and_no_more(pair: Pair, call: Calls) -> None:
    first, second = pair
    call(first, "set_many", {key: key for key in ("a[1]", "a1", "a*", "axyz", "a\\b", "äö", "a?")})
    assert call(second, "invalidate_pattern", "a[[]1]") == 1
    assert call(second, "invalidate_pattern", "a\\b") == 1
    assert call(second, "invalidate_pattern", "ä?") == 1
    assert set(call(second, "get_many", ["a[1]", "a1", "a*", "axyz", "a\\b", "äö", "a?"])) == {"a1", "a*", "axyz", "a?"}
    assert call(second, "invalidate_pattern", "a?") == 3


def test_a_value_ends_on_the_server_when_it_should(server: RedisServer, pair: Pair, call: Calls) -> None:
    first, second = pair
    call(first, "set", "short", 1, ttl=0.2)
    call(first, "set", "long", 1, ttl=100)
    assert call(second, "get", "long") == 1
    until(lambda: call(second, "get", "short") is None)
    assert call(second, "touch", "long", 0.1)
    until(lambda: call(first, "get", "long") is None)
    until(lambda: call(second, "get", "long") is None)


def test_touch_prolongs_for_all(pair: Pair, call: Calls) -> None:
    first, second = pair

    def touched() -> bool:
        call(first, "set", "key", 1, ttl=0.5)
        return bool(call(second, "touch", "key", 100))

    until(touched)  # A busy machine may come to it too late.
    time.sleep(0.6)
    assert call(first, "get", "key") == call(second, "get", "key") == 1
    assert not call(first, "touch", "nothing", 100)


def test_a_sliding_value_lives_as_long_as_it_is_asked_for(pair: Pair, call: Calls) -> None:
    first, second = pair

    def is_asked_in_time() -> bool:
        """Ask for it longer than it lives by itself; False where this machine was too busy to ask in time."""
        asked_at = time.monotonic()
        call(first, "set", "key", 1, ttl=1.0, sliding=True)
        for _ in range(10):
            time.sleep(0.15)
            began = time.monotonic()
            found = call(second, "get", "key")
            # What the second host holds is asked for on the server after half of its time.
            if time.monotonic() - asked_at > 0.4:
                return False
            assert found == 1
            asked_at = began
        return True

    until(is_asked_in_time)
    time.sleep(1.1)
    assert call(first, "get", "key") is None


def test_add_and_increment_count_for_all_hosts(pair: Pair, call: Calls) -> None:
    first, second = pair
    assert call(first, "add", "key", 1)
    assert not call(second, "add", "key", 2)
    assert call(second, "increment", "key", 5) == 6
    assert call(first, "increment", "key") == 7
    assert call(first, "get", "key") == 7
    assert call(second, "increment", "new", 2, initial=10) == 12
    assert call(second, "delete", "key")
    assert call(first, "add", "key", 3)
    call(first, "set", "text", "x")
    with pytest.raises(CacheError, match="Only numbers"):
        call(second, "increment", "text")


def test_increment_of_many_threads_and_hosts_loses_none(server: RedisServer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with caches_on(server) as caches, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: caches[number % 2].increment("n"), range(400)))
        assert [cache.get("n") for cache in caches] == [400, 400]


def test_contains_looks_at_the_server_too(pair: Pair, call: Calls) -> None:
    first, second = pair
    call(first, "set", "key", None)
    if call.is_async:
        assert call(second, "contains", "key")
        assert not call(second, "contains", "nothing")
    else:
        assert "key" in second
        assert "nothing" not in second


def test_memoized_functions_share_results_methods_do_not(pair: Pair, call: Calls) -> None:
    loads: list[Any] = []

    def functions_of(cache: CacheManager) -> tuple[Any, Any]:
        @cache.memoized(ttl=100, namespace="square")
        def square(number: int, *, power: int = 2) -> int:
            loads.append(number)
            return number**power

        class Account:
            @cache.memoized(ttl=100, namespace="balance")
            def balance(self) -> int:
                loads.append(self)
                return id(self)

        return square, Account

    (square, account), (other_square, other_account) = map(functions_of, pair)
    assert square(3, power=3) == other_square(3, power=3) == 27
    assert loads == [3]
    mine, theirs = account(), other_account()
    assert (mine.balance(), theirs.balance()) == (id(mine), id(theirs))
    assert loads == [3, mine, theirs]
    if call.is_async:
        asyncio.run(square.acache_invalidate(3, power=3))
    else:
        square.cache_invalidate(3, power=3)
    until(lambda: other_square(3, power=3) == 27 and loads[-1] == 3)


def test_a_stale_value_of_the_server_serves_when_loading_fails(pair: Pair, call: Calls) -> None:
    first, second = pair

    async def fails() -> int:
        raise OSError("the source is down")

    options = {"ttl": 0.1, "stale_if_error": 100.0}
    assert call(first, "memoize", "key", lambda: 1, **options) == 1
    time.sleep(0.2)
    assert call(second, "memoize", "key", fails, **options) == 1
    call(first, "delete", "key")
    with pytest.raises(OSError, match="the source is down"):
        call(first, "memoize", "key", fails, **options)


def test_a_stale_value_serves_while_it_is_loaded_anew(pair: Pair, call: Calls) -> None:
    first, second = pair
    options = {"ttl": 0.1, "stale_while_revalidate": 100.0}
    assert call(first, "memoize", "key", lambda: 1, **options) == 1
    time.sleep(0.2)
    assert call(second, "memoize", "key", lambda: 2, **options) == 1
    until(lambda: call(second, "memoize", "key", lambda: 3, **options) > 1)


def test_what_the_server_had_is_counted_as_that(pair: Pair, call: Calls) -> None:
    first, second = pair
    call(first, "set", "key", 1)
    assert call(second, "get", "key") == 1
    assert (second.get_stats().remote_hits, second.get_stats().misses) == (1, 0)
    # What it fetched may go once more, when it hears of the change that it has seen already.
    until(lambda: call(second, "get", "key") == 1 and second.get_stats().hits == 1)
    call(second, "get", "nothing")
    stats = second.get_stats()
    assert stats.misses == 1
    assert stats.hit_ratio == (stats.hits + stats.remote_hits) / (stats.hits + stats.remote_hits + 1)


def test_without_start_values_of_the_server_are_not_kept_here(server: RedisServer) -> None:
    with caches_on(server, is_started=False) as (first, second):
        for number in range(5):
            first.set("key", number)
            assert second.get("key") == number
        assert len(first) == len(second) == 0


def test_no_local_ttl_asks_the_server_each_time(server: RedisServer) -> None:
    with caches_on(server, redis_local_ttl=0.0) as (first, second):
        for number in range(5):
            first.set("key", number)
            assert second.get("key") == number


def test_caches_with_another_prefix_do_not_meet(server: RedisServer) -> None:
    with caches_on(server, 1, redis_prefix="one") as (first,), caches_on(server, 1, redis_prefix="two") as (second,):
        first.set("key", 1)
        assert second.get("key") is None
        second.clear()
        assert first.get("key") == 1


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name


def test_objects_travel_pickled_only_with_a_key_that_both_have(server: RedisServer) -> None:
    key = "a-secret-of-the-test"
    with (
        caches_on(server, redis_pickle_key=key) as (first, second),
        caches_on(server, 1, redis_pickle_key=key + "-not") as (stranger,),
        caches_on(server, 1) as (plain,),
    ):
        first.set("thing", Thing("a"))
        assert second.get("thing").name == "a"
        assert stranger.get("thing") is None
        assert plain.get("thing") is None


def test_a_signed_value_is_refused_under_another_name(server: RedisServer) -> None:
    with caches_on(server, redis_pickle_key="a-secret-of-the-test") as (first, second):
        first.set("thing", Thing("a"))
        first.set("other", Thing("b"))
        (name,) = server.ask("KEYS", "*v:default:s:thing")
        (other,) = server.ask("KEYS", "*v:default:s:other")
        server.ask("COPY", name, other, "REPLACE")
        assert second.get("thing").name == "a"
        assert second.get("other") is None


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x01" + b"x" * 100, b"junk" * 10, b"\x00" * 9])
def test_junk_on_the_server_is_a_miss(pair: Pair, call: Calls, server: RedisServer, junk: bytes) -> None:
    first, second = pair
    call(first, "set", "key", 1)
    (name,) = server.ask("KEYS", "*v:default:s:key")
    server.ask("SET", name, junk)
    assert call(second, "get", "key") is None
    assert call(second, "memoize", "key", lambda: 2) == 2
    server.ask("DEL", name)
    server.ask("LPUSH", name, "a list")
    assert call(second, "get_many", ["key"]) in ({}, {"key": 2})


def test_lost_versions_make_values_invalid_never_valid(pair: Pair, call: Calls, server: RedisServer) -> None:
    first, second = pair
    for lost in ("*:t:tag", "*:g:default", "*:a"):
        call(first, "set", "key", lost, tags=["tag"])
        (name,) = server.ask("KEYS", lost)
        server.ask("DEL", name)
        with CacheOf(second) as third:
            assert call(third, "get", "key") is None


def test_nothing_lies_on_the_server_for_ever(pair: Pair, call: Calls, server: RedisServer) -> None:
    first, _ = pair
    call(first, "set", "key", 1, tags=["tag"])
    call(first, "memoize", "other", lambda: 1)
    call(first, "delete", "key")
    call(first, "increment", "number")
    names = server.ask("KEYS", "*")
    assert len(names) >= 5
    assert all(server.ask("PTTL", name) > 0 for name in names)
    longest = max(server.ask("PTTL", name) for name in names if b":v:" in name)
    assert all(server.ask("PTTL", name) >= longest for name in names if b":t:" in name or b":g:" in name)


def test_a_lock_is_let_go_of(pair: Pair, call: Calls, server: RedisServer) -> None:
    first, _ = pair

    async def fails() -> int:
        raise ValueError("no")

    call(first, "memoize", "key", lambda: 1)
    with pytest.raises(ValueError, match="no"):
        call(first, "memoize", "other", fails)
    assert server.ask("KEYS", "*:l:*") == []


def test_the_system_shares_and_its_health_says_so(server: RedisServer) -> None:
    settings = {"service": "shop", "cache": {"redis_url": server.url, "redis_timeout": 5.0}}
    with PerformanceSystem(settings, environment="testing") as system:
        until(lambda: system.cache._server is not None and system.cache._server.tier.hears)
        system.cache.set("key", 1)
        assert server.ask("KEYS", "shop:1:v:default:s:key")
        checks = {check.name: check for check in system.cache.checks()}
        result = checks["cache_server"].run()
        assert (result.status, checks["cache_server"].critical) == ("healthy", False)
        assert "127.0.0.1" in result.message
        system.cache.tick(0.0)
        assert 'perfkit_cache_remote_calls_total{outcome="ok"}' in system.export_metrics()


def test_a_url_that_cannot_be_used_is_an_error_that_does_not_show_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheManager(settings=shared_settings("redis://:hunter2@host:port/0"))
    assert "hunter2" not in str(caught.value)


def test_nothing_connects_before_it_is_used(tmp_path: Path) -> None:
    cache = CacheManager(settings=shared_settings("redis://127.0.0.1:1/0", redis_timeout=0.2))
    assert cache.get("key") is None
    cache.close()


def test_a_forked_child_has_connections_of_its_own(server: RedisServer) -> None:
    with caches_on(server, 1) as (cache,):
        cache.set("key", "of the parent")
        for _ in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    good = cache.get("key") == "of the parent" and cache.set("child", 1) and not hears(cache)
                    cache.start()
                    until(lambda: hears(cache))
                    cache.close()
                    code = 0 if good else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert cache.get("key") == "of the parent"
            assert hears(cache)
        until(lambda: cache.get("child") == 1)
