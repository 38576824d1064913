"""The cache server dies, hangs, fills up, loses data, fails over: no request notices, nothing invalid comes back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cache_traffic import Traffic
from patience import until
from redis_server import REDIS_SERVER, RedisServer, redis_server
from shared_caches import Calls, caches_on, hears

from perfkit.cache import CacheManager

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(REDIS_SERVER is None, reason="needs redis-server: apt-get install redis-server"),
]

TIMEOUT = 0.25
"""Seconds that the setting allows; 99 of 100 requests must take no longer than that."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path, "--enable-debug-command", "yes") as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Iterator[Calls]:
    if request.param == "sync":
        yield Calls(None)
        return
    with asyncio.Runner() as runner:
        yield Calls(runner)


def all_hear(caches: list[CacheManager]) -> bool:
    return all(hears(cache) and not cache._server.tier.link.breaker.is_open for cache in caches)  # type: ignore[union-attr]


def remote_ratio(traffic: Traffic) -> float:
    """Return the part of the next reads that need no load."""
    loads, reads = traffic.loads, traffic.reads
    traffic.wait_for_reads()
    return 1.0 - (traffic.loads - loads) / (traffic.reads - reads)


def kill(server: RedisServer) -> None:
    server.kill()
    time.sleep(0.5)
    server.start()


def pause(server: RedisServer) -> None:
    server.pause()
    time.sleep(1.5)
    server.resume()


def sleep(server: RedisServer) -> None:
    server.ask("DEBUG", "SLEEP", "1.5")


def fill(server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "maxmemory", "1")
    time.sleep(1.0)
    server.ask("CONFIG", "SET", "maxmemory", "0")


def flush(server: RedisServer) -> None:
    for _ in range(10):
        server.ask("FLUSHALL")
        time.sleep(0.05)


def cut(server: RedisServer) -> None:
    for _ in range(20):
        server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        server.ask("CLIENT", "KILL", "TYPE", "pubsub")
        time.sleep(0.05)


def flap(server: RedisServer) -> None:
    for _ in range(3):
        server.restart()
        time.sleep(0.1)


def evict(server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    used = int(server.ask("INFO", "memory")["used_memory"])
    server.ask("CONFIG", "SET", "maxmemory", str(used - 1000))
    time.sleep(1.0)
    server.ask("CONFIG", "SET", "maxmemory", "0")


TROUBLES = [kill, pause, fill, evict]
MORE_TROUBLES = [sleep, flush, cut, flap]


@pytest.mark.parametrize(
    "trouble",
    [*TROUBLES, *(pytest.param(trouble, marks=pytest.mark.acceptance) for trouble in MORE_TROUBLES)],
    ids=lambda trouble: trouble.__name__,
)
def test_no_request_notices_and_the_cache_recovers(server: RedisServer, trouble: Callable[[RedisServer], None]) -> None:
    with caches_on(server, redis_timeout=TIMEOUT) as caches:
        traffic = Traffic(caches)
        with traffic.flowing():
            traffic.wait_for_reads()
            trouble(server)
            until(lambda: all_hear(caches))
            until(lambda: remote_ratio(traffic) > 0.5)
        traffic.check(bound=TIMEOUT)
        until(traffic.all_agree)


INVALIDATIONS: dict[str, Callable[[Calls, CacheManager], Any]] = {
    "tag": lambda call, cache: call(cache, "invalidate_tags", ["t"]),
    "key": lambda call, cache: call(cache, "delete", "key"),
    "pattern": lambda call, cache: call(cache, "invalidate_pattern", "ke*"),
    "clear": lambda call, cache: call(cache, "clear"),
    "set": lambda call, cache: call(cache, "set", "key", "new"),
    "unshared": lambda call, cache: call(cache, "set", "key", object()),
}
invalidations = pytest.mark.parametrize("invalidate", INVALIDATIONS.values(), ids=INVALIDATIONS)
Invalidate = Callable[[Calls, CacheManager], Any]


@invalidations
def test_what_is_made_invalid_while_the_server_hangs_does_not_come_back(
    server: RedisServer, call: Calls, invalidate: Invalidate
) -> None:
    with caches_on(server, redis_timeout=0.1) as (first, second):
        call(first, "set", "key", "old", tags=["t"])
        assert call(second, "get", "key") == "old"
        server.pause()
        invalidate(call, first)
        assert call(first, "get", "key") != "old"
        server.resume()
        until(lambda: all_hear([first, second]))
        assert call(first, "get", "key") != "old"
        until(lambda: call(second, "get", "key") != "old")


@invalidations
def test_a_full_server_can_be_told_what_is_invalid(server: RedisServer, call: Calls, invalidate: Invalidate) -> None:
    with caches_on(server) as (first, second):
        call(first, "set", "key", "old", tags=["t"])
        assert call(second, "get", "key") == "old"
        server.ask("CONFIG", "SET", "maxmemory", "1")
        invalidate(call, first)
        assert call(first, "get", "key") != "old"
        until(lambda: call(second, "get", "key") != "old")
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert call(first, "get", "key") != "old"
        assert call(second, "get", "key") != "old"


def test_a_server_that_comes_back_with_old_data_serves_none_of_it(server: RedisServer, call: Calls) -> None:
    with caches_on(server) as (first, second):
        call(first, "set", "key", "old", tags=["t"])
        assert server.ask("SAVE")
        call(first, "invalidate_tags", ["t"])
        call(first, "set", "key", "new", tags=["t"])
        server.restart()
        assert server.ask("KEYS", "*:s:key")
        until(lambda: all_hear([first, second]))
        assert call(first, "get", "key") is None
        assert call(second, "get", "key") is None
        assert call(second, "memoize", "key", lambda: "new") == "new"


class Forwarder:
    """A port that leads to another one, which may change: what an address does at a failover."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                self._pairs += [near, far]
                threading.Thread(target=self._copy, args=(near, far), daemon=True).start()
                threading.Thread(target=self._copy, args=(far, near), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        # To close alone would not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._pairs:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def test_a_replica_that_is_promoted_serves_nothing_that_it_missed(server: RedisServer, tmp_path: Path) -> None:
    folder = tmp_path / "replica"
    folder.mkdir()
    with (
        redis_server(folder, "--replicaof", f"127.0.0.1 {server.port}") as replica,
        contextlib.closing(Forwarder(server.port)) as address,
    ):
        at_address = RedisServer(tmp_path, address.port)
        with caches_on(at_address, redis_timeout=TIMEOUT * 4) as caches:
            first, second = caches
            first.set("key", "old", tags=["t"])
            until(lambda: replica.ask("KEYS", "*:s:key"))
            # It is cut off, so the primary's last words do not reach it.
            replica.ask("REPLICAOF", "NO", "ONE")
            first.invalidate_tags(["t"])
            traffic = Traffic(caches)
            with traffic.flowing():
                traffic.wait_for_reads()
                address.target = replica.port
                server.kill()
                until(lambda: all_hear(caches))
                assert first.get("key") is None
                assert second.get("key") is None
                until(lambda: remote_ratio(traffic) > 0.5)
            traffic.check(bound=TIMEOUT * 4)
            until(traffic.all_agree)


def test_a_server_that_is_down_costs_next_to_nothing(server: RedisServer, call: Calls) -> None:
    with caches_on(server, redis_timeout=0.5) as (first, _):
        server.pause()
        began = time.monotonic()
        for number in range(200):
            call(first, "set", f"key:{number}", number)
            assert call(first, "get", f"key:{number}") == number
            assert call(first, "memoize", f"load:{number}", lambda: 1) == 1
        # Each would take half a second or more; only the first few do.
        assert time.monotonic() - began < 600 * 0.5 / 10
        server.resume()


def test_what_was_cached_while_the_server_was_down_goes_when_it_is_back(server: RedisServer, call: Calls) -> None:
    with caches_on(server, redis_timeout=0.1) as (first, second):
        server.pause()
        until(lambda: call(second, "set", "key", "alone") and second._server.tier.link.breaker.is_open)  # type: ignore[union-attr]
        assert call(second, "get", "key") == "alone"
        server.resume()
        until(lambda: all_hear([first, second]))
        call(first, "set", "key", "shared")
        until(lambda: call(second, "get", "key") == "shared")


def test_without_a_listener_the_server_is_tried_again_by_the_calls(server: RedisServer, call: Calls) -> None:
    with caches_on(server, 1, is_started=False, redis_timeout=0.5) as (cache,):
        server.kill()
        for _ in range(5):
            assert call(cache, "get", "key") is None
        server.start()
        until(lambda: call(cache, "set", "key", 1) and server.ask("KEYS", "*:s:key"))


def test_a_server_that_wants_a_password_is_no_error_of_a_request(server: RedisServer, call: Calls) -> None:
    with caches_on(server, 1) as (cache,):
        server.ask("CONFIG", "SET", "requirepass", "secret")
        with caches_on(server, 1, is_started=False) as (stranger,):
            assert call(stranger, "get", "key") is None
            assert call(stranger, "memoize", "key", lambda: 1) == 1
        assert call(cache, "get", "key") is None


def test_a_lock_whose_owner_died_ends_by_itself(server: RedisServer, call: Calls) -> None:
    with caches_on(server, redis_lock_ttl=1.0) as (first, second):
        first.get("warm")
        names = first._server.tier.names  # type: ignore[union-attr]
        lock = names.lock(names.value("default", "key") or b"")
        server.ask("SET", lock, "of-a-dead-one", "PX", "500")
        began = time.monotonic()
        assert call(second, "memoize", "key", lambda: 1) == 1
        assert time.monotonic() - began > 0.3
        server.ask("SET", lock, "of-one-that-hangs")
        assert call(second, "memoize", "other", lambda: 1) == 1


def test_a_lock_that_could_not_be_let_go_of_holds_nobody_off(server: RedisServer, call: Calls) -> None:
    with caches_on(server, redis_timeout=0.2, redis_lock_ttl=60.0) as (first, second):

        def load() -> int:
            server.pause()
            return 1

        assert call(first, "memoize", "key", load) == 1
        server.resume()
        until(lambda: all_hear([first, second]))
        assert not server.ask("KEYS", "*:l:*")
        assert call(second, "memoize", "key", lambda: 2) in (1, 2)


def test_a_caller_that_is_cancelled_while_it_takes_a_lock_leaves_none_behind(server: RedisServer) -> None:
    async def use(first: CacheManager) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(first.amemoize("key", lambda: 1), 0.05)

    with caches_on(server, redis_timeout=5.0, redis_lock_ttl=60.0) as (first, second):
        link = first._server.tier.link  # type: ignore[union-attr]
        with asyncio.Runner() as runner:
            runner.run(first.aset("warm", 1))
            ask = link._aask

            async def slow(batch: Any, deadline: float) -> Any:
                replies = await ask(batch, deadline)
                if batch[0][0] == "SET" and "NX" in batch[0] and b":l:" in batch[0][1]:
                    await asyncio.sleep(30)
                return replies

            link._aask = slow  # type: ignore[method-assign]
            runner.run(use(first))
            link._aask = ask  # type: ignore[method-assign]
            assert server.ask("KEYS", "*:l:*")
            first.set("other", 1)
        assert not server.ask("KEYS", "*:l:*")
        assert second.memoize("key", lambda: 2) == 2


def test_a_hanging_owner_holds_others_off_for_the_time_of_a_lock_only(server: RedisServer, call: Calls) -> None:
    with caches_on(server, redis_lock_ttl=0.5) as (first, _):
        names = first._server.tier.names  # type: ignore[union-attr]
        server.ask("SET", names.lock(names.value("default", "key") or b""), "of-one-that-hangs")
        assert call(first, "memoize", "key", lambda: 1) == 1


def test_a_load_that_began_before_an_invalidation_elsewhere_is_not_stored(server: RedisServer, call: Calls) -> None:
    for name, invalidate in INVALIDATIONS.items():
        with caches_on(server) as (first, second):

            def load(second: CacheManager = second, invalidate: Invalidate = invalidate) -> str:
                thread = threading.Thread(target=invalidate, args=(Calls(None), second))
                thread.start()
                thread.join()
                return "old"

            assert call(first, "memoize", "key", load, tags=["t"]) == "old"
            assert call(second, "get", "key") != "old", name
            until(lambda first=first: call(first, "get", "key") != "old")
            first.clear()


def test_the_health_check_warns_while_the_server_is_down(server: RedisServer) -> None:
    with caches_on(server, 1, redis_timeout=0.2) as (cache,):
        (check,) = cache.checks()
        assert check.run().status == "healthy"
        server.kill()
        until(lambda: check.run().status == "warning")
        assert "has not answered" in check.run().message
        server.start()
        until(lambda: check.run().status == "healthy")
