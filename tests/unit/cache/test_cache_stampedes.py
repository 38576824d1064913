"""Two hundred callers and one key, in every world and whatever happens: one load, nobody hangs, nothing is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from patience import until
from stampedes import CALLERS, WORLDS, Stampede

from perfkit.cache import CacheManager
from perfkit.core.errors import LifecycleError

worlds = pytest.mark.parametrize("world", WORLDS)


@pytest.fixture
def cache() -> Iterator[CacheManager]:
    cache = CacheManager()
    yield cache
    assert len(cache._engine.flights) == 0
    cache.close()


def fails(cache: CacheManager) -> Any:
    raise ValueError("the source is down")


@worlds
def test_one_load_for_all(cache: CacheManager, world: str) -> None:
    stampede = Stampede([cache], world, work=lambda _: 42).run()
    assert stampede.outcomes == [42] * CALLERS
    assert stampede.loads == 1


@worlds
def test_an_error_reaches_all_after_one_load(cache: CacheManager, world: str) -> None:
    stampede = Stampede([cache], world, work=fails).run()
    assert stampede.count(ValueError) == CALLERS
    assert stampede.loads == 1
    assert cache.get("key", "absent") == "absent"


@pytest.mark.parametrize("world", ["async", "mixed"])
def test_a_cancelled_leader_takes_nobody_along(cache: CacheManager, world: str) -> None:
    stampede = Stampede([cache], world, work=lambda _: 42).run(cancels=True)
    assert stampede.outcomes.count(42) == CALLERS - 1
    assert stampede.count(asyncio.CancelledError) == 1
    assert stampede.loads == 1


def test_an_interrupted_leader_takes_nobody_along(cache: CacheManager) -> None:
    interrupted = threading.Event()

    def work(_: CacheManager) -> int:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt
        return 42

    stampede = Stampede([cache], "sync", work=work).run()
    assert stampede.outcomes.count(42) == CALLERS - 1
    assert stampede.count(KeyboardInterrupt) == 1
    assert stampede.loads == 2


@worlds
def test_a_load_that_asks_for_itself_ends_for_all(cache: CacheManager, world: str) -> None:
    def asks_itself(cache: CacheManager) -> Any:
        if WORLDS[world][1]:
            return cache.amemoize("key", lambda: 1)
        return cache.memoize("key", lambda: 1)

    stampede = Stampede([cache], world, work=asks_itself).run()
    assert stampede.count(LifecycleError) == CALLERS
    assert stampede.loads == 1


@pytest.mark.parametrize("world", ["sync", "async", "mixed"])
def test_a_loop_that_is_closed_while_it_loads_leaves_the_load_to_another(cache: CacheManager, world: str) -> None:
    loop = asyncio.new_event_loop()
    began, loads = threading.Event(), []

    async def never_ends() -> int:
        loads.append("first")
        began.set()
        await asyncio.Event().wait()
        return 0

    lost = loop.create_task(cache.amemoize("key", never_ends))
    runner = threading.Thread(target=loop.run_forever)
    runner.start()
    assert began.wait(30)
    stampede = Stampede([cache], world, work=lambda _: 42)
    stampede.may_end.set()
    stampede.began.set()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(stampede.run)
        until(lambda: cache._engine.flights.table["default", "key"].waiting > CALLERS)
        loop.call_soon_threadsafe(loop.stop)
        runner.join(30)
        # Whoever closes a loop with tasks in it ends none of them; asyncio complains, which is not of interest here.
        lost._log_destroy_pending = False  # type: ignore[attr-defined]
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()
        asked.result(60)
    assert stampede.outcomes == [42] * CALLERS
    assert loads == ["first"]
    assert stampede.loads == 1
