"""The loops that serve the app."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from perfkit.core.loops import MOST_LOOPS, Loops, ServedLoop

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_outside_a_loop_entering_does_nothing() -> None:
    loops = Loops()
    loops.enter()
    assert loops.alive() == ()


async def test_the_running_loop_is_known_once_with_its_thread() -> None:
    loops = Loops()
    loops.enter()
    loops.enter()
    (served,) = loops.alive()
    assert served.loop is asyncio.get_running_loop()
    assert (served.name, served.thread) == ("main", threading.get_ident())


async def test_listeners_hear_of_each_loop_once_also_of_those_known_already() -> None:
    loops, heard = Loops(), list[ServedLoop]()
    loops.on_enter(heard.append)
    loops.enter()
    loops.enter()
    loops.on_enter(heard.append)
    assert [each.name for each in heard] == ["main", "main"]


async def test_a_listener_that_fails_stops_neither_the_others_nor_the_caller() -> None:
    loops, heard = Loops(), list[ServedLoop]()
    loops.on_enter(lambda served: 1 / 0)
    loops.on_enter(heard.append)
    loops.enter()
    assert len(heard) == 1


def test_a_closed_loop_is_alive_no_more_and_none_is_kept() -> None:
    loops = Loops()

    async def enter() -> None:
        loops.enter()
        assert len(loops.alive()) == 1

    for _ in range(MOST_LOOPS + 5):
        asyncio.run(enter())
    assert loops.alive() == ()
    gc.collect()
    assert len(loops._served) <= MOST_LOOPS


def test_two_loops_in_two_threads_have_two_names() -> None:
    loops, both = Loops(), threading.Barrier(2, timeout=10)
    names: list[str] = []

    async def serve() -> None:
        loops.enter()
        both.wait()
        names.extend(each.name for each in loops.alive())
        both.wait()

    threads = [threading.Thread(target=asyncio.run, args=(serve(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(names) == ["loop-2", "loop-2", "main", "main"]
