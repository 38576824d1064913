"""Many waits with one limit share one timer, and keep the promises of `asyncio.timeout`."""

from __future__ import annotations

import asyncio

import pytest

from perfkit.load_balancer.proxy.patience import Patience

pytestmark = pytest.mark.anyio

LIMIT = 0.05

IN_TIME = 0.5
"""Seconds within which also a busy machine comes to what it does next."""


def patience(seconds: float = LIMIT) -> Patience:
    return Patience(asyncio.get_running_loop(), seconds)


async def wait_long(bound: Patience) -> None:
    with bound.wait():
        await asyncio.sleep(60)


async def test_what_takes_too_long_is_cancelled_and_told_as_a_timeout() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError) as told:
        await wait_long(patience())
    assert isinstance(told.value.__cause__, asyncio.CancelledError)
    assert loop.time() - began >= LIMIT
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_is_done_in_time_is_left_alone() -> None:
    bound = patience(IN_TIME)
    for _ in range(3):
        with bound.wait():
            await asyncio.sleep(0)
    await asyncio.sleep(1.5 * IN_TIME)


async def test_a_wait_that_began_later_ends_later() -> None:
    bound, loop = patience(), asyncio.get_running_loop()

    async def one(delay: float) -> float:
        await asyncio.sleep(delay)
        began = loop.time()
        with pytest.raises(TimeoutError):
            await wait_long(bound)
        return loop.time() - began

    assert all(took >= LIMIT for took in await asyncio.gather(*(one(n * LIMIT / 3) for n in range(6))))


async def test_all_waits_share_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    bound, loop = patience(60.0), asyncio.get_running_loop()
    timers, call_at = [], loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda *args, **kwargs: timers.append(args[0]) or call_at(*args, **kwargs))
    for _ in range(100):
        with bound.wait():
            pass
    assert len(timers) == 1
    bound.stop()


async def test_who_is_cancelled_by_somebody_else_is_cancelled() -> None:
    task = asyncio.create_task(wait_long(patience(IN_TIME)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(1.5 * IN_TIME)


async def test_an_outer_cancellation_is_not_taken_for_the_limit() -> None:
    bound, is_both = patience(), asyncio.Event()

    async def wait() -> None:
        with bound.wait():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                # The limit is over; before the block ends somebody else cancels as well.
                is_both.set()
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    raise

    task = asyncio.create_task(wait())
    await is_both.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_stopping_leaves_those_who_wait_their_limit() -> None:
    bound = patience()
    task = asyncio.create_task(wait_long(bound))
    await asyncio.sleep(0)
    bound.stop()
    with pytest.raises(TimeoutError):
        await task


async def test_another_error_is_passed_on() -> None:
    with pytest.raises(ValueError, match="mine"), patience().wait():
        raise ValueError("mine")


def test_outside_of_a_task_there_is_nothing_to_cancel() -> None:
    loop = asyncio.new_event_loop()
    try:
        failed: list[BaseException] = []

        def enter() -> None:
            try:
                with Patience(loop, LIMIT).wait():
                    pass
            except RuntimeError as error:
                failed.append(error)
            loop.stop()

        loop.call_soon(enter)
        loop.run_forever()
    finally:
        loop.close()
    assert "outside of a task" in str(failed[0])
