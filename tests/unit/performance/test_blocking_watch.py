"""The watch over real loops: what is reported, to whom, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from patience import until

from perfkit.core.context import Context
from perfkit.core.families import Histogram
from perfkit.core.loops import SeenExchange
from perfkit.performance import BlockedLoop, PerformanceMonitor, PerformanceSettings
from perfkit.performance.blocking import frames
from perfkit.performance.blocking.report import BlockedSite, merged
from perfkit.performance.blocking.sites import KIND, Sites
from perfkit.performance.blocking.victims import frames_of
from perfkit.performance.blocking.watch import LoopWatch
from perfkit.performance.runtime import garbage
from perfkit.performance.settings import Blocking
from perfkit.store import Store, StoreSettings
from perfkit.testing import FakeClock


@pytest.fixture
def context() -> Iterator[Context]:
    store = Store(StoreSettings(mode="memory"))
    store.open()
    yield Context(store=store)
    store.close()


@pytest.fixture
def monitor(context: Context) -> Iterator[PerformanceMonitor]:
    settings = PerformanceSettings(blocking=Blocking(threshold=0.05))
    monitor = PerformanceMonitor(settings=settings, context=context)
    monitor.start()
    yield monitor
    monitor.stop()


def watch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "perfkit-loop-watch"]


def block(seconds: float) -> None:
    time.sleep(seconds)


async def served(context: Context, work: Callable[[], object], is_done: Callable[[], object]) -> None:
    """Do *work* in a loop that serves until it has its effect; a busy machine needs several goes."""
    context.loops.enter()
    give_up_at = time.monotonic() + 60.0
    while not is_done():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.05)
        work()
        await asyncio.sleep(0.1)


def test_a_call_that_blocks_is_reported_with_its_place(context: Context, monitor: PerformanceMonitor) -> None:
    told: list[BlockedLoop] = []
    context.events.on("blocked_loop", told.append)
    asyncio.run(served(context, lambda: block(0.6), lambda: any(each.function == "block" for each in told)))
    one = next(each for each in told if each.function == "block")
    line = block.__code__.co_firstlineno + 1
    assert one.site.endswith(f"test_blocking_watch.py:{line}")
    assert one.code == "time.sleep(seconds)"
    assert one.seconds >= 0.04
    assert (one.loop, one.method, one.task.startswith("Task-")) == ("main", "", True)
    (site,) = [each for each in monitor.blocked_loops() if each.function == "block"]
    assert site.count >= 1
    assert any(found.code == "PK401" and found.site == one.site for found in monitor.findings())


def test_the_lag_is_measured_while_a_loop_serves(context: Context, monitor: PerformanceMonitor) -> None:
    def beats() -> float:
        found = context.store.families({"perfkit_event_loop_lag_seconds"})
        return sum(
            point.value.count for family in found for point in family.points if isinstance(point.value, Histogram)
        )

    asyncio.run(served(context, lambda: None, lambda: beats() > 20))
    assert monitor.get_performance_summary().event_loop_lag.p50 is not None


def test_a_loop_that_does_not_run_is_not_blocked(context: Context, monitor: PerformanceMonitor) -> None:
    told: list[BlockedLoop] = []
    context.events.on("blocked_loop", told.append)
    loop = asyncio.new_event_loop()

    async def enter() -> None:
        context.loops.enter()
        await asyncio.sleep(0.1)

    loop.run_until_complete(enter())
    time.sleep(0.5)
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()
    assert [each for each in told if each.seconds > 0.4] == []


def test_the_watch_keeps_no_loop_alive_and_ends_with_the_monitor(context: Context, monitor: PerformanceMonitor) -> None:
    loop = asyncio.new_event_loop()

    async def enter() -> None:
        context.loops.enter()
        await asyncio.sleep(0.05)

    loop.run_until_complete(enter())
    assert watch_threads()
    loop.close()
    gone = weakref.ref(loop)
    del loop
    until(lambda: gc.collect() >= 0 and gone() is None)
    monitor.stop()
    assert watch_threads() == []


def test_without_a_loop_there_is_no_thread(monitor: PerformanceMonitor) -> None:
    assert watch_threads() == []


def test_switched_off_there_is_none_either(context: Context) -> None:
    monitor = PerformanceMonitor(settings=PerformanceSettings(blocking=Blocking(enabled=False)), context=context)
    monitor.start()

    async def enter() -> None:
        context.loops.enter()

    asyncio.run(enter())
    assert watch_threads() == []
    monitor.stop()


def test_after_a_stop_the_next_start_watches_the_loops_that_are_there(
    context: Context, monitor: PerformanceMonitor
) -> None:
    async def main() -> None:
        context.loops.enter()
        monitor.stop()
        assert watch_threads() == []
        monitor.start()
        assert len(watch_threads()) == 1

    asyncio.run(main())


def test_the_frames_of_a_waiting_task_lead_to_what_it_waits_for() -> None:
    async def main() -> list[str]:
        async def inner() -> None:
            await asyncio.sleep(30)

        async def outer() -> None:
            await inner()

        task = asyncio.create_task(outer())
        await asyncio.sleep(0)
        names = [frame.f_code.co_name for frame in frames_of(task.get_coro())]
        task.cancel()
        return names

    assert asyncio.run(main()) == ["outer", "inner", "sleep"]


def test_a_request_is_told_by_whoever_knows_its_frames(context: Context) -> None:
    context.loops.describe_with(lambda frame: SeenExchange(1, "GET", "/a") if frame.f_code.co_name == "ask" else None)

    def ask() -> SeenExchange | None:
        import sys

        return context.loops.exchange_in([sys._getframe()])

    assert ask() == SeenExchange(1, "GET", "/a")
    assert context.loops.exchange_in([]) is None


def a_block(site: str, seconds: float = 0.2, waiting: int = 0) -> BlockedLoop:
    return BlockedLoop(at=1.0, loop="main", seconds=seconds, site=site, function="f", waiting=waiting)


def sites_of(store: Store) -> dict[str, BlockedSite]:
    return {each.site: each for each in merged(store.texts.read(KIND))}


def test_blocks_by_one_site_are_counted_together() -> None:
    store = Store(StoreSettings(mode="memory"), clock=FakeClock())
    sites = Sites(store, 10)
    sites.add(a_block("a.py:1", 0.2, waiting=2), 0.0)
    sites.add(a_block("a.py:1", 0.5, waiting=1), 1.0)
    sites.add(a_block("b.py:1"), 1.0)
    sites.tick(10.0)
    one = sites_of(store)["a.py:1"]
    assert (one.count, one.seconds, one.longest, one.waiting, one.workers) == (2, 0.7, 0.5, 3, 1)


def test_a_site_is_told_at_once_then_with_measure() -> None:
    store = Store(StoreSettings(mode="memory"), clock=FakeClock())
    sites = Sites(store, 10)
    for n in range(100):
        sites.add(a_block("a.py:1"), n * 0.1)
    assert 2 <= len(store.texts.read(KIND)) <= 3


def test_sites_are_bounded_and_the_one_not_seen_for_longest_makes_room() -> None:
    store = Store(StoreSettings(mode="memory"), clock=FakeClock())
    sites = Sites(store, 3)
    for n in range(10):
        sites.add(a_block(f"{n}.py:1"), float(n))
    assert len(sites._known) == 3
    assert ("9.py:1", "f") in sites._known


def test_workers_add_up_and_a_later_record_of_one_replaces_the_earlier() -> None:
    clock = FakeClock()
    store = Store(StoreSettings(mode="memory"), clock=clock)
    first = Sites(store, 10)
    clock.advance(1.0)
    second = Sites(store, 10)
    first.add(a_block("a.py:1"), 0.0)
    clock.advance(10.0)
    first.add(a_block("a.py:1"), 10.0)
    second.add(a_block("a.py:1"), 10.0)
    one = sites_of(store)["a.py:1"]
    assert (one.count, one.workers) == (3, 2)


def test_a_site_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(StoreSettings(mode="memory"), clock=FakeClock())
    sites = Sites(store, 10)
    for n in range(70):
        sites.add(a_block("a.py:1"), float(n))
    lines = [record.getMessage() for record in caplog.records if record.name == "perfkit.performance"]
    assert len(lines) == 2
    assert "a.py:1 in f" in lines[0]
    assert "59 more times" in lines[1]


def test_what_the_collector_calls_is_not_taken_for_what_it_interrupts() -> None:
    names: dict[str, Any] = {}
    source = "import sys\ndef note(look):\n    return look(sys._getframe())\n"
    exec(compile(source, garbage.__file__, "exec"), names)

    def interrupted() -> list[str]:
        return [frame.f_code.co_name for frame in names["note"](lambda frame: frames._followed(frame, 2))]

    assert interrupted()[0] == "interrupted"


def test_a_stop_while_the_watch_looks_at_its_loops_is_no_error() -> None:
    watch = LoopWatch(Context(store=Store()), Blocking())

    class StoppedMeanwhile:
        is_late = False

        @property
        def asked_at(self) -> float:
            watch._stalls.clear()
            return 0.0

    watch._stalls = {StoppedMeanwhile(): None, StoppedMeanwhile(): None}  # type: ignore[dict-item]
    watch._drop_answered()
    assert watch._stalls == {}
