"""A loop's sign of life, asked for from outside: a callback that says how long it had to wait for its turn.

It is asked for only when the watchdog finds the loop at work, so an idle loop is never woken. It holds the loop weakly.
An answer that comes late stands for all that would have come meanwhile: each of them is counted with the lag that it
would have met, as in Gil Tene's correction of coordinated omission (HdrHistogram, `recordValueWithExpectedInterval`);
else a loop blocked half of the time would look on time in nearly all answers.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import monotonic, thread_time
from types import CodeType
from typing import TYPE_CHECKING

from perfkit.performance.blocking.frames import stack_of

if TYPE_CHECKING:
    from perfkit.core.loops import ServedLoop

__all__ = ["Heartbeat", "missed"]

MOST_MISSED = 200
"""Answers that one late answer stands for at most; a longer time is told with fewer."""


class Heartbeat:
    """The signs of life of one loop. The watchdog asks, the loop answers.

    Attributes:
        served: The loop.
        asked_at: Monotonic seconds at which the answer that is awaited was asked for; 0.0 while none is.
        fine_at: Monotonic seconds at which the loop was known to be idle, or answered, last.
        thread: Identifier of the thread that the loop ran in last.
        base: The code that the loop runs callbacks from; a thread whose innermost frame it is runs none.
        is_late: True between a late answer and the watchdog's verdict.
        was_asleep: Set by the watchdog that finds the loop not running: nobody was kept waiting then.
    """

    __slots__ = (
        "_cpu",
        "_idle_code",
        "_interval",
        "_on_late",
        "_patience",
        "asked_at",
        "base",
        "fine_at",
        "is_late",
        "observe",
        "served",
        "thread",
        "was_asleep",
    )

    def __init__(
        self,
        served: ServedLoop,
        *,
        interval: float,
        patience: float,
        observe: Callable[[float], object],
        on_late: Callable[[Heartbeat, float, float, float], object],
    ) -> None:
        """Ask nothing yet.

        Args:
            served: The loop.
            interval: Seconds between two looks.
            patience: Seconds of lag from which `on_late` is told.
            observe: Called with the seconds of each lag.
            on_late: Called in the loop with this, when the answer was asked for and when it came (monotonic seconds),
                and the CPU seconds that the loop's thread has used since the answer before.
        """
        self.served, self.observe = served, observe
        self._interval, self._patience, self._on_late = interval, patience, on_late
        self.asked_at, self.fine_at, self.thread = 0.0, monotonic(), served.thread
        self.base: CodeType | None = None
        self.is_late = self.was_asleep = False
        self._cpu = 0.0
        # Whose callee waits, while asyncio's own loops have nothing to do.
        self._idle_code = getattr(getattr(served.loop, "_run_once", None), "__code__", None)

    def waits_in_asyncio(self) -> bool:
        """Return True if the loop's thread is in the selector of asyncio's loop; the cheapest of all looks."""
        frames = stack_of(self.thread, 2)
        if self.base is None or len(frames) < 2 or frames[1].f_code is not self._idle_code:
            return False
        return frames[0].f_code.co_name == "select"

    def ask(self) -> bool:
        """Ask for a sign of life; return False if the loop is closed. From the watchdog's thread."""
        loop = self.served.loop
        if loop is None:
            return False
        self.asked_at = monotonic()
        try:
            loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # it was closed just now
            return False
        return True

    def _answer(self) -> None:
        """Say how late it is; in the loop."""
        now, asked_at, cpu = monotonic(), self.asked_at, thread_time()
        if self.base is None:
            self.base, self.thread = sys._getframe(1).f_code, threading.get_ident()
        lag, used = now - asked_at, cpu - self._cpu
        if self.was_asleep:
            self.was_asleep = False
        elif lag < self._interval:
            self.observe(max(lag, 0.0))
        else:
            for each in missed(lag, self._interval):
                self.observe(each)
            if lag >= self._patience:
                self.is_late = True
                self._on_late(self, asked_at, now, used)
        self._cpu = cpu
        self.fine_at = now
        self.asked_at = 0.0


def missed(lag: float, interval: float) -> list[float]:
    """Return *lag* and those of the answers that would have come while it lasted, each *interval* seconds."""
    step = max(interval, lag / MOST_MISSED)
    return [max(lag - n * step, 0.0) for n in range(int(lag / step) + 1)]
