"""Forks: a lock that another thread of the parent held is no obstacle for the child."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from perfkit.core.errors import ErrorLog
from perfkit.core.events import Events
from perfkit.core.locks import OwnLock


def exit_code_of_child(work: Callable[[], object]) -> int:
    """Fork, do *work* in the child, which is ended after 10 s; return its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("verb", ["on", "off", "watch"])
def test_listeners_come_and_go_in_a_child_of_a_busy_parent(verb: str) -> None:
    events = Events()

    def work() -> None:
        getattr(events, verb)("started", lambda *_: None)

    with held_by_another_thread(events):
        assert exit_code_of_child(work) == 0


def test_an_error_is_reported_in_a_child_of_a_busy_parent() -> None:
    errors = ErrorLog()
    with held_by_another_thread(errors):
        assert exit_code_of_child(lambda: errors.report("cache", ValueError("bad"))) == 0


def test_threads_of_a_child_exclude_each_other_from_the_first_moment_on() -> None:
    lock = OwnLock()

    def work() -> None:
        inside, most, ready = list[int](), list[int](), threading.Barrier(8)

        def enter() -> None:
            ready.wait()
            for number in range(200):
                with lock, lock:
                    inside.append(number)
                    most.append(len(inside))
                    inside.pop()

        threads = [threading.Thread(target=enter) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(most), max(most)) == (1600, 1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        assert exit_code_of_child(work) == 0
    finally:
        sys.setswitchinterval(before)


class held_by_another_thread:
    """Keeps the lock of *thing* in a thread that a fork does not take along."""

    def __init__(self, thing: Any) -> None:
        self._lock = thing._lock
        self._done, self._has_it = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with self._lock:
            self._has_it.set()
            self._done.wait(60)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._has_it.wait(20)

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join(20)
