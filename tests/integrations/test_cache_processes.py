"""Several processes, one server: one of them loads for all, and what one makes invalid no other returns."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from patience import until
from redis_server import REDIS_SERVER, RedisServer, redis_server
from shared_caches import caches_on
from stampedes import CALLERS, WORLDS, Stampede

from perfkit.cache import CacheManager

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(REDIS_SERVER is None, reason="needs redis-server: apt-get install redis-server"),
]

WORKER = Path(__file__).parents[1] / "support" / "cache_worker.py"


class Worker:
    def __init__(self, server: RedisServer, log: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, os.fspath(WORKER), server.url, os.fspath(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()

    def __call__(self, *action: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self._lock:
            self.process.stdin.write(json.dumps(action) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait(30)
            self.process.stdout.close()


@contextmanager
def workers(server: RedisServer, log: Path, count: int) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        started = [Worker(server, log) for _ in range(count)]
        for worker in started:
            stack.callback(worker.end)
        for worker in started:
            until(lambda worker=worker: worker("hears"))
        yield started


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.mark.parametrize("count", [4, pytest.param(20, marks=pytest.mark.acceptance)])
def test_many_processes_load_once(server: RedisServer, tmp_path: Path, count: int) -> None:
    log = tmp_path / "loads"
    with workers(server, log, count) as all_of_them, ThreadPoolExecutor(count) as pool:
        values = list(pool.map(lambda worker: worker("memoize", "key", 1.0), all_of_them))
    assert values == ["loaded"] * count
    assert log.read_text().count("load") == 1
    assert server.ask("KEYS", "*:l:*") == []


def test_a_process_that_dies_while_it_loads_lets_another_one_load(server: RedisServer, tmp_path: Path) -> None:
    log = tmp_path / "loads"
    with workers(server, log, 2) as (first, second), ThreadPoolExecutor(1) as pool:
        lost = pool.submit(first, "memoize", "key", 60.0)
        until(log.exists)
        first.process.kill()
        assert isinstance(lost.exception(30), ValueError)
        # Its lock would end after a minute; the test does not wait so long.
        (lock,) = server.ask("KEYS", "*:l:*")
        server.ask("PEXPIRE", lock, 200)
        assert second("memoize", "key", 0.0) == "loaded"
    assert log.read_text().count("load") == 2


def test_what_one_process_changes_no_other_keeps(server: RedisServer, tmp_path: Path) -> None:
    with workers(server, tmp_path / "loads", 2) as (first, second):
        for number in range(30):
            first("set", "key", number)
            until(lambda number=number: second("get", "key") == number)
            second("delete", "key")
            until(lambda: first("get", "key") is None)
        first("set_many", {"a:1": 1, "a:2": 2, "b": 3})
        assert second("get_many", ["a:1", "a:2", "b"]) == {"a:1": 1, "a:2": 2, "b": 3}
        assert second("invalidate_pattern", "a:*") == 2
        until(lambda: first("get_many", ["a:1", "a:2", "b"]) == {"b": 3})
        first("clear")
        until(lambda: second("get", "b") is None)


def test_a_counter_of_two_processes_loses_nothing(server: RedisServer, tmp_path: Path) -> None:
    with workers(server, tmp_path / "loads", 2) as both, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda worker: [worker("increment", "n") for _ in range(200)], both))
        assert [worker("get", "n") for worker in both] == [400, 400]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("is_good", [True, False], ids=["ok", "raising"])
def test_two_hundred_callers_of_two_hosts_load_once(server: RedisServer, world: str, is_good: bool) -> None:
    def work(_: CacheManager) -> int:
        if is_good:
            return 42
        raise ValueError("the source is down")

    with caches_on(server, redis_lock_ttl=60.0) as caches:
        stampede = Stampede(caches, world, work=work).run()
        if is_good:
            assert stampede.outcomes == [42] * CALLERS
            assert stampede.loads == 1
        else:
            # An error is not told to other hosts: each finds out for itself, one after the other.
            assert stampede.count(ValueError) == CALLERS
            assert stampede.loads == 2
        assert all(len(cache._engine.flights) == 0 for cache in caches)
    assert server.ask("KEYS", "*:l:*") == []


@pytest.mark.parametrize("world", ["async", "mixed"])
def test_a_cancelled_leader_lets_go_of_the_lock(server: RedisServer, world: str) -> None:
    with caches_on(server, redis_lock_ttl=60.0) as caches:
        stampede = Stampede(caches, world, work=lambda _: 42).run(cancels=True)
        assert stampede.outcomes.count(42) == CALLERS - 1
        assert stampede.loads == 1
    assert server.ask("KEYS", "*:l:*") == []


def test_a_load_whose_only_caller_is_cancelled_lets_go_of_the_lock(server: RedisServer) -> None:
    async def in_a_loop(cache: CacheManager) -> None:
        entered = asyncio.Event()

        async def never_ends() -> int:
            entered.set()
            await asyncio.Event().wait()
            return 0

        task = asyncio.create_task(cache.amemoize("key", never_ends))
        await entered.wait()
        assert await asyncio.to_thread(server.ask, "KEYS", "*:l:*")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(30):
            while await asyncio.to_thread(server.ask, "KEYS", "*:l:*"):  # noqa: ASYNC110 - another process has it
                await asyncio.sleep(0.01)
        assert cache._server is not None
        cache._server.tier.link._pool().close()

    with caches_on(server, 1, redis_lock_ttl=60.0) as (cache,):
        asyncio.run(in_a_loop(cache))


def test_many_keys_leave_no_lock_behind(server: RedisServer) -> None:
    with caches_on(server) as caches, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: caches[number % 2].memoize(number, lambda: number, ttl=60), range(2_000)))
        assert all(len(cache._engine.flights) == 0 for cache in caches)
        assert server.ask("KEYS", "*:l:*") == []
