from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from perfkit.core import shells
from perfkit.core.errors import LifecycleError
from perfkit.core.shells import acall, call


async def double(value: int) -> int:
    return value * 2


def test_a_function_is_called_in_the_callers_own_thread() -> None:
    assert call(threading.get_ident) == threading.get_ident()


def test_a_coroutine_function_is_run_to_its_end_without_a_loop() -> None:
    assert call(double, 21) == 42


@pytest.mark.anyio
async def test_acall_takes_functions_and_coroutine_functions() -> None:
    assert await acall(double, 21) == 42
    assert await acall(len, "four") == 4


@pytest.mark.anyio
async def test_blocking_inside_a_running_loop_is_refused_with_the_way_out() -> None:
    with pytest.raises(LifecycleError, match="begins with 'a'"):
        call(double, 1)


def test_the_users_own_error_reaches_the_caller() -> None:
    async def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        call(fail)


def test_a_forked_child_gets_a_loop_of_its_own() -> None:
    assert call(double, 1) == 2
    pid = os.fork()
    if pid == 0:
        os._exit(call(double, 21))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 42


def test_work_that_is_deferred_while_python_ends_is_left_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = concurrent.futures.ThreadPoolExecutor(1)
    ended.shutdown()
    monkeypatch.setattr(shells, "_workers", lambda: ended)
    assert shells.defer(print).cancelled()


def test_two_threads_that_need_the_worker_first_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make, second = concurrent.futures.ThreadPoolExecutor, threading.Thread(target=lambda: shells.defer(int).result(20))

    def slow(*arguments: Any, **options: Any) -> Any:
        made.append(make(*arguments, **options))
        if len(made) == 1:
            second.start()
            second.join(0.3)
        return made[-1]

    monkeypatch.setattr(shells, "_worker", None)
    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", slow)
    shells.defer(int).result(20)
    second.join(20)
    assert len(made) == 1
    made[0].shutdown()


class OfTheParent:
    """The loop of the parent of a forked child. While one thread looks whose it is, another one needs a loop, too."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=meanwhile)

    @property
    def pid(self) -> int:
        if self._thread.ident is None:
            self._thread.start()
            self._thread.join(0.3)
        return 0

    def end(self) -> None:
        self._thread.join(20)


def test_two_threads_of_a_forked_child_that_need_the_loop_first_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def loop_of_it() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    loops: list[asyncio.AbstractEventLoop] = []

    def need() -> None:
        loops.append(shells.submit(loop_of_it()).result(20))

    parents = OfTheParent(need)
    monkeypatch.setattr(shells, "_owned", parents)
    need()
    parents.end()
    owned: Any = shells._owned
    owned.loop.call_soon_threadsafe(owned.loop.stop)
    owned.thread.join(20)
    owned.loop.close()
    assert loops == [owned.loop, owned.loop]
