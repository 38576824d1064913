from __future__ import annotations

import concurrent.futures
import os
import threading

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
