"""Runs users' checks away from the scheduler: functions in a few threads of our own, coroutines on the app's loop.

The threads come with the first check and go when there is nothing to do. A check that hangs keeps its thread, and
another takes its place, up to a bound: so a few that hang starve nobody, and no number of them piles up threads, as
whoever asks for runs never starts a check again while it runs.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from perfkit.core.checks import CheckResult
from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog
from perfkit.core.loops import Loops
from perfkit.health.registered.answers import failure, understand

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["MOST_HUNG", "MOST_THREADS", "Run", "Runner"]

MOST_THREADS = 4
"""Threads that run checks at once."""

MOST_HUNG = 8
"""Threads that may hang beside those, each replaced by another."""

IDLE = 30.0
"""Seconds after which a thread without work ends."""

STOP_TIMEOUT = 2.0
"""Seconds that `Runner.stop` waits for checks that still run."""


class Run:
    """One run of one check.

    Attributes:
        started_at: Monotonic seconds; None while it waits for a thread.
        is_over: True once it has answered, or never will.
        is_given_up: True once nobody waits for it any more.
    """

    __slots__ = (
        "_holds_thread",
        "_is_replaced",
        "cancel",
        "fn",
        "is_given_up",
        "is_over",
        "listeners",
        "loop",
        "on_done",
        "started_at",
    )

    def __init__(self, fn: Callable[[], Any], on_done: Callable[[Run, CheckResult | None], object]) -> None:
        """Call *fn* once, and *on_done* with what it meant; with None if it was cancelled."""
        self.fn, self.on_done = fn, on_done
        self.started_at: float | None = None
        self.is_over = self.is_given_up = False
        self._holds_thread = self._is_replaced = False
        self.loop: AbstractEventLoop | None = None
        self.cancel: Callable[[], object] | None = None
        self.listeners: list[Callable[[], object]] = []

    @property
    def is_lost(self) -> bool:
        """True if the loop that it ran on stands still for good, so that it never answers."""
        return self.loop is not None and not self.loop.is_running() and not self.is_over


class Runner:
    """The threads of one checker in one process. Thread-safe; nothing runs before the first `run`."""

    def __init__(self, *, clock: Clock, loops: Loops, errors: ErrorLog) -> None:
        """Take the time from *clock*; run coroutines on the newest of *loops*."""
        self._clock, self._loops, self._errors = clock, loops, errors
        self._wake = threading.Condition(threading.Lock())
        self._queue: deque[Run] = deque()
        self._threads: set[threading.Thread] = set()
        self._free = self._capacity = self._made = self._hung = 0
        self._is_stopping = False
        self.pid = os.getpid()

    @property
    def hung(self) -> int:
        """Threads whose check did not come back in time."""
        return self._hung

    def run(
        self,
        fn: Callable[[], Any],
        on_done: Callable[[Run, CheckResult | None], object],
        *,
        is_async: bool,
        loop: AbstractEventLoop | None = None,
    ) -> Run:
        """Run *fn* soon; coroutines on *loop*, or the app's, or one of our own. Never waits."""
        run = Run(fn, on_done)
        if is_async:
            run.started_at = self._clock.monotonic()
            self._submit(run, loop, None)
            return run
        with self._wake:
            self._queue.append(run)
            self._grow()
            self._wake.notify()
        return run

    def give_up(self, run: Run) -> None:
        """Do not wait for *run* any more: cancel it, or let another thread take the place of the one that it holds."""
        with self._wake:
            if run.is_over or run.is_given_up:
                return
            run.is_given_up = True
            if run.cancel is None:
                self._hung += 1
                run._holds_thread = True
                run._is_replaced = self._hung <= MOST_HUNG
                self._capacity -= run._is_replaced
                self._grow()
                return
        with self._errors.guarded("health", "a check could not be cancelled"):
            run.cancel()

    def stop(self) -> None:
        """End all threads but those that hang, within 2 s; what waits is dropped."""
        with self._wake:
            self._is_stopping = True
            self._queue.clear()
            threads = set(self._threads)
            self._wake.notify_all()
        give_up_at = threading.TIMEOUT_MAX if not threads else _now() + STOP_TIMEOUT
        for thread in threads - {threading.current_thread()}:
            thread.join(max(0.0, give_up_at - _now()))

    def _grow(self) -> None:
        """Start a thread if there is more work than threads without any. The caller holds the lock."""
        if self._is_stopping or self._capacity >= MOST_THREADS or len(self._queue) <= self._free:
            return
        self._made += 1
        thread = threading.Thread(target=self._work, name=f"perfkit-health-{self._made}", daemon=True)
        self._capacity += 1
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no thread left, or the interpreter ends
            self._capacity -= 1
            self._threads.discard(thread)
            self._errors.report("health", error, doing="no thread for a health check")

    def _work(self) -> None:
        while (run := self._next()) is not None:
            self._call(run)
            with self._wake:
                if run._holds_thread:
                    self._hung -= 1
                    if run._is_replaced and self._capacity >= MOST_THREADS:
                        self._threads.discard(threading.current_thread())
                        return
                    self._capacity += run._is_replaced

    def _next(self) -> Run | None:
        """Wait for work; None if this thread is to end."""
        with self._wake:
            self._free += 1
            try:
                while not self._queue:
                    if self._is_stopping or not self._wake.wait(IDLE):
                        if self._queue and not self._is_stopping:
                            break
                        self._capacity -= 1
                        self._threads.discard(threading.current_thread())
                        return None
                run = self._queue.popleft()
            finally:
                self._free -= 1
            run.started_at = self._clock.monotonic()
            return run

    def _call(self, run: Run) -> None:
        try:
            answer = run.fn()
            if inspect.isawaitable(answer):
                self._submit(run, None, answer)
                return
            result = understand(answer)
        except BaseException as error:  # noqa: BLE001 - a check may end with anything, its thread must not
            result = failure(error)
        self._done(run, result)

    def _submit(self, run: Run, loop: AbstractEventLoop | None, awaitable: Awaitable[Any] | None) -> None:
        """Let *run* go on in a loop."""
        loop = loop or self._app_loop()
        if loop is None:
            from perfkit.core import shells

            future = shells.submit(self._await(run, awaitable))
            run.cancel = future.cancel
            return
        target = run.loop = loop

        def begin() -> None:
            if run.is_given_up:
                self._done(run, None)
                return
            task = target.create_task(self._await(run, awaitable))

            def cancel() -> None:
                target.call_soon_threadsafe(task.cancel)

            run.cancel = cancel

        run.cancel = _nothing
        try:
            target.call_soon_threadsafe(begin)
        except RuntimeError as error:
            self._done(run, failure(error))

    def _app_loop(self) -> AbstractEventLoop | None:
        """Return the newest loop that serves the app and runs; None if there is none."""
        for served in self._loops.alive():
            loop = served.loop
            if loop is not None and loop.is_running():
                return loop
        return None

    async def _await(self, run: Run, awaitable: Awaitable[Any] | None) -> None:
        result: CheckResult | None
        try:
            answer = run.fn() if awaitable is None else awaitable
            result = understand(await answer if inspect.isawaitable(answer) else answer)
        except BaseException as error:  # noqa: BLE001 - as above: the app's loop must not see it
            result = None if run.is_given_up else failure(error)
        self._done(run, result)

    def _done(self, run: Run, result: CheckResult | None) -> None:
        with self._errors.guarded("health", "the result of a check could not be kept"):
            run.on_done(run, result)
        run.is_over = True  # only now: whoever sees it reads the result
        for listener in list(run.listeners):
            with self._errors.guarded("health", "who waits for a check could not be told"):
                listener()


def _nothing() -> None:
    """Cancel nothing: the loop has not begun it yet."""


def _now() -> float:
    """Return the real monotonic seconds: what waits for threads cannot wait by a clock that stands still."""
    import time

    return time.monotonic()
