"""Thread pools and tasks of the loops that serve: as they are, looked at in the loop, without a task of our own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio.to_thread
import pytest

from perfkit.core.errors import ErrorLog
from perfkit.core.loops import Loops
from perfkit.performance.runtime import loops as loops_module
from perfkit.performance.runtime.loops import LoopLooks
from perfkit.performance.runtime.pools import Gthread, Pool, executor_pool
from perfkit.store import Store, StoreSettings


def until(is_so: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


class Service:
    """An event loop in a thread of its own, that serves; and what is told of it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loops = Loops()
        self.store = Store(StoreSettings(mode="memory"))
        self.errors: list[str] = []
        self.looks = LoopLooks(self.store, self.loops, ErrorLog(count=lambda *names: self.errors.append(str(names))))
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.call(self.loops.enter)

    def call(self, function: Callable[[], Any]) -> Any:
        """Call *function* in the loop."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30.0)

    def told(self) -> dict[str, float]:
        """Return what is told now, by the metric's name and its label."""
        self.looks.sample()
        self.call(lambda: None)  # the look was asked for before this
        self.looks.sample()
        return {
            f"{family.definition.name.removeprefix('perfkit_')} {point.labels[0]}": point.value
            for family in self.store.families()
            for point in family.points
            if point.labels and isinstance(point.value, (int, float))
        }

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30.0)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def test_the_default_limiter_of_anyio_tells_who_works_and_who_waits(service: Service) -> None:
    release, running = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        running.release()
        release.wait(30.0)

    async def fill() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 2
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(anyio.to_thread.run_sync, work)

    done = asyncio.run_coroutine_threadsafe(fill(), service.loop)
    try:
        assert running.acquire(timeout=30.0)
        assert running.acquire(timeout=30.0)
        told = service.told()
        assert told["thread_pool_threads anyio"] == 2.0
        assert told["thread_pool_busy_threads anyio"] == 2.0
        assert told["thread_pool_waiting_tasks anyio"] == 3.0
        assert told["event_loop_tasks main"] >= 6.0
    finally:
        release.set()
        done.result(30.0)
    told = service.told()
    assert told["thread_pool_busy_threads anyio"] == told["thread_pool_waiting_tasks anyio"] == 0.0
    assert service.errors == []


def test_the_default_executor_of_a_loop_is_told_once_it_is_there(service: Service) -> None:
    assert "thread_pool_threads asyncio" not in service.told()
    release, running = threading.Event(), threading.Event()
    service.call(lambda: service.loop.set_default_executor(ThreadPoolExecutor(1)))

    def work() -> None:
        running.set()
        release.wait(30.0)

    async def fill() -> None:
        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(3)))

    done = asyncio.run_coroutine_threadsafe(fill(), service.loop)
    try:
        assert running.wait(30.0)
        told = service.told()
        assert told["thread_pool_threads asyncio"] == told["thread_pool_busy_threads asyncio"] == 1.0
        assert told["thread_pool_waiting_tasks asyncio"] == 2.0
    finally:
        release.set()
        done.result(30.0)


def test_a_loop_that_is_busy_is_asked_once_and_read_when_it_answers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    service.loop.call_soon_threadsafe(release.wait, 30.0)
    asked: list[object] = []
    call: Callable[..., Any] = service.loop.call_soon_threadsafe

    def count(*arguments: Any, **keywords: Any) -> Any:
        asked.append(arguments)
        return call(*arguments, **keywords)

    monkeypatch.setattr(service.loop, "call_soon_threadsafe", count)
    for _ in range(5):
        service.looks.sample()
    assert len(asked) == 1
    release.set()
    assert until(lambda: "event_loop_tasks main" in service.told())


def test_a_loop_that_is_gone_reads_zero(service: Service) -> None:
    other = Service()
    try:
        other.loops.enter()
        assert "event_loop_tasks main" in other.told()
    finally:
        other.close()
    other.looks.sample()
    values = [p.value for f in other.store.families({"perfkit_event_loop_tasks"}) for p in f.points]
    assert values == [0.0]


def test_loops_without_end_share_a_series(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    try:
        for served in service.loops.alive():
            served.name = "loop-99"
        assert "event_loop_tasks _other" in service.told()
    finally:
        service.close()


def test_very_many_tasks_are_not_looked_at_one_by_one(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops_module, "MOST_COUNTED", -1)
    monkeypatch.setattr(asyncio, "all_tasks", None)
    assert service.told()["event_loop_tasks main"] >= 0.0
    assert service.errors == []


def test_a_look_makes_no_task(service: Service) -> None:
    made: list[object] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **keywords: Any) -> Any:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **keywords)

    service.call(lambda: service.loop.set_task_factory(factory))
    service.looks.sample()
    done = threading.Event()
    service.loop.call_soon_threadsafe(done.set)
    assert done.wait(30.0)
    assert made == []
    assert "event_loop_tasks main" in service.told()


def test_what_is_no_thread_pool_has_no_numbers() -> None:
    assert executor_pool(None) is None
    assert executor_pool(object()) is None


def test_an_executor_tells_threads_work_and_queue() -> None:
    release, running = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        running.release()
        release.wait(30.0)

    with ThreadPoolExecutor(3) as pool:
        assert executor_pool(pool) == Pool(3.0, 0.0, 0.0)
        for _ in range(4):
            pool.submit(work)
        for _ in range(3):
            assert running.acquire(timeout=30.0)
        assert executor_pool(pool) == Pool(3.0, 3.0, 1.0)
        release.set()
        assert until(lambda: executor_pool(pool) == Pool(3.0, 0.0, 0.0))


def test_without_gunicorn_there_is_no_pool_of_its_threads() -> None:
    assert Gthread().look() is None
