"""One load for all who ask: threads, event loops and both; whatever happens to who loads."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from perfkit.cache import CacheManager, CacheSettings
from perfkit.core.errors import LifecycleError
from perfkit.testing import FakeClock

CALLERS = 200
LONG = 30.0


@pytest.fixture
def cache() -> Iterator[CacheManager]:
    cache = CacheManager()
    yield cache
    assert len(cache._engine.flights) == 0
    cache.close()


class Load:
    """A load that begins when it is called and ends when it is let go."""

    def __init__(self, result: Any = 42) -> None:
        self.result, self.calls = result, 0
        self.began, self.may_end = threading.Event(), threading.Event()

    def _answer(self) -> Any:
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def __call__(self) -> Any:
        self.calls += 1
        self.began.set()
        assert self.may_end.wait(LONG)
        return self._answer()

    async def awaited(self) -> Any:
        self.calls += 1
        self.began.set()
        while not self.may_end.is_set():  # noqa: ASYNC110 - threads set it
            await asyncio.sleep(0.001)
        return self._answer()


def waiting(cache: CacheManager, key: Any = "key") -> int:
    flight = cache._engine.flights.table.get(("default", key))
    return flight.waiting if flight is not None else 0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LONG):
        while not condition():  # noqa: ASYNC110 - threads bring it about
            await asyncio.sleep(0.001)


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return error


def ask_in_threads(cache: CacheManager, load: Load, callers: int) -> list[Any]:
    with ThreadPoolExecutor(callers) as pool:
        futures = [pool.submit(outcome, lambda: cache.memoize("key", load)) for _ in range(callers)]
        asyncio.run(until(lambda: waiting(cache) == callers))
        load.may_end.set()
        return [future.result(LONG) for future in futures]


def test_threads_share_one_load(cache: CacheManager) -> None:
    load = Load()
    assert ask_in_threads(cache, load, CALLERS) == [42] * CALLERS
    assert load.calls == 1


def test_an_error_is_everybodys_and_loaded_once(cache: CacheManager) -> None:
    load = Load(ValueError("broken"))
    errors = ask_in_threads(cache, load, CALLERS)
    assert load.calls == 1
    assert {(type(error), str(error)) for error in errors} == {(ValueError, "broken")}
    assert len({id(error) for error in errors}) == CALLERS
    assert cache.memoize("key", lambda: 7) == 7


def test_tasks_share_one_load(cache: CacheManager) -> None:
    async def main() -> list[Any]:
        load = Load()
        tasks = [asyncio.create_task(cache.amemoize("key", load.awaited)) for _ in range(CALLERS)]
        await until(lambda: waiting(cache) == CALLERS)
        load.may_end.set()
        values = await asyncio.gather(*tasks)
        assert load.calls == 1
        return values

    assert asyncio.run(main()) == [42] * CALLERS


def test_an_error_reaches_all_tasks(cache: CacheManager) -> None:
    async def main() -> None:
        load = Load(KeyError("gone"))
        tasks = [asyncio.create_task(cache.amemoize("key", load.awaited)) for _ in range(CALLERS)]
        await until(lambda: waiting(cache) == CALLERS)
        load.may_end.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert load.calls == 1
        assert {repr(error) for error in errors} == {"KeyError('gone')"}

    asyncio.run(main())


def test_threads_and_tasks_share_one_load_that_a_task_leads(cache: CacheManager) -> None:
    load = Load()

    async def main(pool: ThreadPoolExecutor) -> list[Any]:
        loop = asyncio.get_running_loop()
        tasks: list[Any] = [asyncio.create_task(cache.amemoize("key", load.awaited))]
        await until(load.began.is_set)
        tasks += [loop.run_in_executor(pool, lambda: cache.memoize("key", load)) for _ in range(20)]
        tasks += [asyncio.create_task(cache.amemoize("key", load.awaited)) for _ in range(20)]
        await until(lambda: waiting(cache) == 41)
        load.may_end.set()
        return await asyncio.gather(*tasks)

    with ThreadPoolExecutor(20) as pool:
        assert asyncio.run(main(pool)) == [42] * 41
    assert load.calls == 1


def test_tasks_of_two_loops_share_one_load_that_a_thread_leads(cache: CacheManager) -> None:
    load = Load()

    async def ask() -> list[Any]:
        return await asyncio.gather(*(cache.amemoize("key", load.awaited) for _ in range(20)))

    with ThreadPoolExecutor(3) as pool:
        leader = pool.submit(cache.memoize, "key", load)
        assert load.began.wait(LONG)
        loops = [pool.submit(asyncio.run, ask()) for _ in range(2)]
        asyncio.run(until(lambda: waiting(cache) == 41))
        load.may_end.set()
        assert leader.result(LONG) == 42
        assert [each.result(LONG) for each in loops] == [[42] * 20] * 2
    assert load.calls == 1


def test_a_leader_that_is_cancelled_takes_nobody_along(cache: CacheManager) -> None:
    async def main() -> None:
        load = Load()
        leader = asyncio.create_task(cache.amemoize("key", load.awaited))
        await until(load.began.is_set)
        others = [asyncio.create_task(cache.amemoize("key", load.awaited)) for _ in range(CALLERS - 1)]
        await until(lambda: waiting(cache) == CALLERS)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        load.may_end.set()
        assert await asyncio.gather(*others) == [42] * (CALLERS - 1)
        assert load.calls == 1

    asyncio.run(main())


def test_a_load_that_nobody_wants_any_more_is_cancelled(cache: CacheManager) -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def load() -> int:
            try:
                await asyncio.sleep(LONG)
            finally:
                ended.set()
            return 1

        task = asyncio.create_task(cache.amemoize("key", load))
        await until(lambda: waiting(cache) == 1)
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(LONG):
            await ended.wait()
        assert "key" not in cache

    asyncio.run(main())


def test_a_load_that_is_cancelled_itself_is_begun_again_by_another(cache: CacheManager) -> None:
    async def main() -> None:
        load, calls = Load(), []

        async def cancelled_at_first() -> Any:
            calls.append(1)
            if len(calls) == 1:
                await load.awaited()
                raise asyncio.CancelledError
            return 42

        tasks = [asyncio.create_task(cache.amemoize("key", cancelled_at_first)) for _ in range(10)]
        await until(lambda: waiting(cache) == 10)
        load.may_end.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results.count(42) == 9
        assert len(calls) == 2

    asyncio.run(main())


def test_a_thread_that_is_interrupted_lets_another_load(cache: CacheManager) -> None:
    load = Load(KeyboardInterrupt())

    def interrupted() -> Any:
        with contextlib.suppress(KeyboardInterrupt):
            cache.memoize("key", load)

    thread = threading.Thread(target=interrupted)
    thread.start()
    assert load.began.wait(LONG)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(cache.memoize, "key", lambda: 7)
        asyncio.run(until(lambda: waiting(cache) == 2))
        load.may_end.set()
        assert other.result(LONG) == 7
    thread.join(LONG)


def test_a_loop_that_is_closed_leaves_no_flight_behind(cache: CacheManager) -> None:
    loop = asyncio.new_event_loop()
    load = Load()
    task = loop.create_task(cache.amemoize("key", load.awaited))
    loop.run_until_complete(asyncio.sleep(0.01))
    assert waiting(cache) == 1
    loop.close()
    assert cache.memoize("key", lambda: 7) == 7
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    for left in asyncio.all_tasks(loop):
        left._log_destroy_pending = False  # type: ignore[attr-defined]
    del task, left
    gc.collect()


def test_a_load_that_asks_for_itself_is_told_so(cache: CacheManager) -> None:
    with pytest.raises(LifecycleError, match="'key'"):
        cache.memoize("key", lambda: cache.memoize("key", lambda: 1))

    async def again() -> Any:
        return await cache.amemoize("key", again)

    with pytest.raises(LifecycleError, match="'key'"):
        asyncio.run(cache.amemoize("key", again))


def test_a_load_may_ask_for_other_keys(cache: CacheManager) -> None:
    assert cache.memoize("a", lambda: cache.memoize("b", lambda: 1) + 1) == 2


def test_a_blocking_call_in_the_loop_that_loads_loads_alone(cache: CacheManager) -> None:
    async def main() -> None:
        load = Load()
        task = asyncio.create_task(cache.amemoize("key", load.awaited))
        await until(load.began.is_set)
        assert cache.memoize("key", lambda: 7) == 7
        load.may_end.set()
        assert await task == 42

    asyncio.run(main())


def test_waiting_has_an_end() -> None:
    cache = CacheManager(settings=CacheSettings(load_wait=0.05))
    load = Load()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.memoize, "key", load)
        assert load.began.wait(LONG)
        assert cache.memoize("key", lambda: 7) == 7
        assert asyncio.run(cache.amemoize("key", lambda: 8)) == 8
        load.may_end.set()
        assert leader.result(LONG) == 42
    assert cache.get("key") == 42


def test_different_keys_are_loaded_side_by_side(cache: CacheManager) -> None:
    barrier = threading.Barrier(10, timeout=LONG)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda key: cache.memoize(key, barrier.wait), range(10)))


def test_a_coroutine_function_may_be_loaded_from_a_thread(cache: CacheManager) -> None:
    async def load() -> int:
        await asyncio.sleep(0)
        return 5

    assert cache.memoize("key", load) == 5


@pytest.mark.parametrize(
    "invalidate",
    [
        lambda cache: cache.delete("key"),
        lambda cache: cache.invalidate_tags(["t"]),
        lambda cache: cache.invalidate_pattern("k*"),
        lambda cache: cache.invalidate_pattern("*"),
        lambda cache: cache.clear(),
        lambda cache: cache.namespace("default").clear(),
    ],
)
def test_a_load_that_began_before_an_invalidation_is_not_stored(
    cache: CacheManager, invalidate: Callable[[CacheManager], object]
) -> None:
    load = Load("old")
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.memoize, "key", load, tags=["t"])
        assert load.began.wait(LONG)
        invalidate(cache)
        assert cache.memoize("key", lambda: "new", tags=["t"]) == "new"
        load.may_end.set()
        assert leader.result(LONG) == "old"
    assert cache.get("key") == "new"


def test_a_load_that_began_before_a_set_does_not_overwrite_it(cache: CacheManager) -> None:
    load = Load("old")
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.memoize, "key", load)
        assert load.began.wait(LONG)
        cache.set("key", "new")
        load.may_end.set()
        leader.result(LONG)
    assert cache.get("key") == "new"


def test_a_stale_value_serves_while_one_task_loads_it_anew() -> None:
    clock = FakeClock()
    cache = CacheManager(clock=clock)

    async def main() -> None:
        async def first() -> int:
            return 1

        await cache.amemoize("key", first, ttl=10, stale_while_revalidate=5)
        clock.advance(12)
        assert cache.get("key") is None
        load = Load(2)
        values = [await cache.amemoize("key", load.awaited, ttl=10, stale_while_revalidate=5) for _ in range(10)]
        assert values == [1] * 10
        load.may_end.set()
        await until(lambda: cache.get("key") == 2)
        assert load.calls == 1
        clock.advance(16)
        assert await cache.amemoize("key", lambda: 3, ttl=10, stale_while_revalidate=5) == 3

    asyncio.run(main())
    stats = cache.get_stats()
    assert stats.stale_hits == 10


def test_a_stale_value_serves_while_a_thread_loads_it_anew() -> None:
    clock = FakeClock()
    cache = CacheManager(clock=clock)
    cache.memoize("key", lambda: 1, ttl=10, stale_while_revalidate=5)
    clock.advance(12)
    load = Load(2)
    assert [cache.memoize("key", load, ttl=10, stale_while_revalidate=5) for _ in range(10)] == [1] * 10
    load.may_end.set()
    asyncio.run(until(lambda: cache.get("key") == 2))
    assert load.calls == 1
    cache.stop()


def test_a_refresh_that_fails_is_tried_again_after_a_pause() -> None:
    clock = FakeClock()
    cache = CacheManager(clock=clock)
    calls = []

    def fail() -> int:
        calls.append(1)
        raise OSError("the source is down")

    def ask() -> int:
        value: int = cache.memoize("key", fail, ttl=10, stale_while_revalidate=60)
        asyncio.run(until(lambda: len(cache._engine.flights) == 0))
        return value

    cache.memoize("key", lambda: 1, ttl=10, stale_while_revalidate=60)
    clock.advance(12)
    assert [ask() for _ in range(5)] == [1] * 5
    assert len(calls) == 1
    clock.advance(1)
    assert [ask() for _ in range(5)] == [1] * 5
    assert len(calls) == 2
    cache.stop()


def test_a_stale_value_serves_when_loading_fails() -> None:
    clock = FakeClock()
    cache = CacheManager(clock=clock)

    def fail() -> int:
        raise OSError("the source is down")

    cache.memoize("key", lambda: 1, ttl=10, stale_if_error=60)
    clock.advance(20)
    assert cache.memoize("key", fail, ttl=10, stale_if_error=60) == 1
    assert asyncio.run(cache.amemoize("key", fail, ttl=10, stale_if_error=60)) == 1
    clock.advance(50)
    with pytest.raises(OSError, match="down"):
        cache.memoize("key", fail, ttl=10, stale_if_error=60)


def test_an_invalidated_value_does_not_serve_as_a_stale_one() -> None:
    cache = CacheManager()

    def fail() -> int:
        raise OSError("the source is down")

    cache.memoize("key", lambda: 1, ttl=10, tags=["t"], stale_if_error=60, stale_while_revalidate=60)
    cache.invalidate_tags(["t"])
    with pytest.raises(OSError, match="down"):
        cache.memoize("key", fail, ttl=10, tags=["t"], stale_if_error=60, stale_while_revalidate=60)


def test_a_value_that_took_long_is_loaded_anew_before_its_end() -> None:
    class Sure:
        def random(self) -> float:
            return 0.99

    clock = FakeClock()
    cache = CacheManager(clock=clock, rng=Sure())  # type: ignore[arg-type]

    def slow() -> int:
        clock.advance(2)
        return 1

    cache.memoize("key", slow, ttl=100, early_refresh=1)
    again = Load(2)
    clock.advance(80)
    assert cache.memoize("key", again, ttl=100, early_refresh=1) == 1
    assert again.calls == 0
    clock.advance(15)
    assert cache.memoize("key", again, ttl=100, early_refresh=1) == 1
    again.may_end.set()
    asyncio.run(until(lambda: cache.get("key") == 2))
    assert again.calls == 1
    cache.stop()


def test_none_may_have_a_time_to_live_of_its_own() -> None:
    clock = FakeClock()
    cache = CacheManager(clock=clock)
    cache.memoize("key", lambda: None, ttl=100, negative_ttl=5)
    assert cache.memoize("key", lambda: 1) is None
    clock.advance(5)
    assert cache.memoize("key", lambda: 1) == 1


def test_ten_thousand_keys_leave_nothing_behind(cache: CacheManager) -> None:
    for key in range(10_000):
        cache.memoize(key, lambda: 1)
    assert len(cache._engine.flights) == 0
