"""Time limits for what is awaited often and hardly ever late: one timer for all that wait equally long.

`asyncio.timeout` puts a timer into the loop and takes it out again for each piece of a body, 5 µs a time. What waits
equally long comes due in the order in which it began to wait, so the first one's timer does for all: 1 µs.
"""

from __future__ import annotations

import asyncio

__all__ = ["Patience"]


class Patience:
    """The waits of one loop that have the same limit."""

    __slots__ = ("_loop", "_seconds", "_timer", "_waits")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Let nothing in *loop* wait longer than *seconds*."""
        self._loop, self._seconds = loop, seconds
        self._waits: dict[Wait, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> Wait:
        """Return a context manager whose block is cancelled and raises `TimeoutError` when it takes too long."""
        return Wait(self)

    def begin(self, wait: Wait) -> None:
        """Bound *wait* from now on."""
        due = self._waits[wait] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._check)

    def end(self, wait: Wait) -> None:
        """Bound it no more."""
        self._waits.pop(wait, None)

    def stop(self) -> None:
        """Take the timer out of the loop if nobody waits; the next wait puts one in again."""
        if self._timer is not None and not self._waits:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        """End the waits that are due; come again for the next one."""
        self._timer = None
        now = self._loop.time()
        for wait, due in list(self._waits.items()):
            if due > now:
                self._timer = self._loop.call_at(due, self._check)
                return
            del self._waits[wait]
            wait.expire()


class Wait:
    """One wait of the current task. Same promises as `asyncio.timeout`."""

    __slots__ = ("_cancelling", "_is_over", "_patience", "_task")

    def __init__(self, patience: Patience) -> None:
        """Wait for *patience*."""
        self._patience = patience
        self._is_over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A time limit was set outside of a task. It cancels the task around it. Use one.")
        self._task, self._cancelling = task, task.cancelling()
        self._patience.begin(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._patience.end(self)
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            # Nobody else cancelled it meanwhile.
            raise TimeoutError from error

    def expire(self) -> None:
        """Be due."""
        self._is_over = True
        self._task.cancel()
