"""Timers: blocks, functions, coroutine functions and generators, however they end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from perfkit.core.families import Histogram as HistogramValue
from perfkit.metrics import MetricsCollector, Timer
from perfkit.testing import FakeClock

pytestmark = pytest.mark.anyio


class Bench:
    """A timer on a clock that moves only in the code that is timed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.metrics = MetricsCollector(clock=self.clock)
        self.timer: Timer = self.metrics.define_metric("work", "timer", labels=())

    @property
    def recorded(self) -> tuple[float, float]:
        """Number and sum of what was recorded."""
        (family,) = self.metrics._context.store.families({"work_seconds"})
        value = family.points[0].value
        assert isinstance(value, HistogramValue)
        return value.count, pytest.approx(value.sum)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_block_is_timed(bench: Bench) -> None:
    with bench.timer.time() as timing:
        assert timing.seconds == 0.0
        bench.clock.advance(2.0)
    assert timing.seconds == pytest.approx(2.0)
    assert bench.recorded == (1.0, 2.0)


async def test_an_async_block_is_timed(bench: Bench) -> None:
    async with bench.timer.time():
        await asyncio.sleep(0)
        bench.clock.advance(2.0)
    assert bench.recorded == (1.0, 2.0)


def test_a_block_that_fails_is_timed(bench: Bench) -> None:
    def fails() -> None:
        with bench.timer.time():
            bench.clock.advance(1.0)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert bench.recorded == (1.0, 1.0)


def test_one_timing_may_be_used_again(bench: Bench) -> None:
    timing = bench.timer.time()
    for _ in range(3):
        with timing:
            bench.clock.advance(1.0)
    assert bench.recorded == (3.0, 3.0)


def test_a_decorated_function_keeps_its_name_and_result(bench: Bench) -> None:
    @bench.timer.time()
    def work(x: int, *, y: int = 1) -> int:
        """Do it."""
        bench.clock.advance(float(x))
        return x + y

    assert (work.__name__, work.__doc__) == ("work", "Do it.")
    assert (work(1), work(2, y=5)) == (2, 7)
    assert bench.recorded == (2.0, 3.0)


def test_a_recursive_function_is_timed_at_each_level(bench: Bench) -> None:
    @bench.timer.time()
    def work(depth: int) -> None:
        bench.clock.advance(1.0)
        if depth:
            work(depth - 1)

    work(2)
    assert bench.recorded == (3.0, 1.0 + 2.0 + 3.0)


async def test_coroutines_are_timed_until_they_are_done_many_at_once(bench: Bench) -> None:
    @bench.timer.time()
    async def work(event: asyncio.Event) -> int:
        await event.wait()
        return 7

    event = asyncio.Event()
    tasks = [asyncio.create_task(work(event)) for _ in range(5)]
    await asyncio.sleep(0)
    bench.clock.advance(3.0)
    event.set()
    assert await asyncio.gather(*tasks) == [7] * 5
    assert bench.recorded == (5.0, 15.0)


async def test_a_cancelled_coroutine_is_timed(bench: Bench) -> None:
    @bench.timer.time()
    async def work() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    bench.clock.advance(4.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.recorded == (1.0, 4.0)


def test_a_generator_is_timed_from_first_to_last_item(bench: Bench) -> None:
    @bench.timer.time()
    def items() -> Iterator[int]:
        for n in range(3):
            bench.clock.advance(1.0)
            yield n

    bench.clock.advance(100.0)
    assert list(items()) == [0, 1, 2]
    assert bench.recorded == (1.0, 3.0)


def test_a_generator_that_is_left_is_timed(bench: Bench) -> None:
    @bench.timer.time()
    def items() -> Iterator[int]:
        while True:
            bench.clock.advance(1.0)
            yield 1

    running = items()
    next(running)
    running.close()  # type: ignore[attr-defined]  # it is a generator
    assert bench.recorded == (1.0, 1.0)


async def test_an_async_generator_is_timed_and_closed(bench: Bench) -> None:
    closed = []

    @bench.timer.time()
    async def items() -> AsyncIterator[int]:
        try:
            for n in range(3):
                bench.clock.advance(1.0)
                yield n
        finally:
            closed.append(True)

    assert [item async for item in items()] == [0, 1, 2]
    running = items()
    await running.__anext__()
    await running.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert closed == [True, True]
    assert bench.recorded == (2.0, 4.0)


async def test_what_a_plain_function_returns_to_be_awaited_is_timed_until_it_is_done(bench: Bench) -> None:
    async def inner() -> str:
        bench.clock.advance(2.0)
        return "done"

    @bench.timer.time()
    def work() -> Any:
        bench.clock.advance(1.0)
        return inner()

    assert await work() == "done"
    assert bench.recorded == (1.0, 3.0)


def ticking(bench: Bench, seconds: float) -> int:
    bench.clock.advance(seconds)
    return 7


async def aticking(bench: Bench, seconds: float) -> int:
    bench.clock.advance(seconds)
    await asyncio.sleep(0)
    return 7


def test_time_function_returns_what_the_function_returns(bench: Bench) -> None:
    assert bench.metrics.time_function("work", ticking, bench, 2.0) == 7
    assert bench.recorded == (1.0, 2.0)


@pytest.mark.parametrize("wrap", [lambda f: f, functools.partial])
async def test_time_function_awaits_a_coroutine_function(
    bench: Bench, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    awaitable = bench.metrics.time_function("work", wrap(aticking), bench, 2.0)
    assert await awaitable == 7
    assert bench.recorded == (1.0, 2.0)


async def test_time_function_times_failures_and_raises_them(bench: Bench) -> None:
    def fails() -> None:
        bench.clock.advance(1.0)
        raise KeyError("x")

    async def afails() -> None:
        fails()

    with pytest.raises(KeyError):
        bench.metrics.time_function("work", fails)
    with pytest.raises(KeyError):
        await bench.metrics.time_function("work", afails)
    assert bench.recorded == (2.0, 2.0)


async def test_bound_series_of_histograms_and_summaries_time_too(bench: Bench) -> None:
    for kind in ("histogram", "summary", "timer"):
        instrument: Any = bench.metrics.define_metric(f"a_{kind}", kind, labels=["x"])
        with instrument.labels(x="y").time():
            bench.clock.advance(1.0)
    page = bench.metrics.export_metrics()
    for name in ("a_histogram", "a_summary", "a_timer_seconds"):
        assert f'{name}_sum{{x="y"}} 1.0' in page
