"""Draining: this worker says "not ready" while it still serves, so that no request meets a closed door.

Servers close their doors soon after SIGTERM, and a load balancer learns of it by refused connections. So the signal may
be delayed: the worker is not ready at once, and the server's own handler gets the signal when the load balancer has
had the time to notice. A second SIGTERM goes through at once. Where the server handles signals in its event loop
(hypercorn) or in another language (granian), nothing is installed, as nothing could be delayed.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from perfkit.core.clock import Clock

__all__ = ["Draining"]

logger = logging.getLogger("perfkit.health")


class Draining:
    """Whether this worker drains, and the delayed SIGTERM. The scheduler calls `tick`; all else may come from anywhere.

    Attributes:
        is_on: True once no new traffic is wanted.
    """

    def __init__(self, clock: Clock, *, seconds: float) -> None:
        """Delay SIGTERM by *seconds* once `begin` was called; 0 leaves the signal alone."""
        self._clock, self._seconds = clock, seconds
        self.is_on = False
        self._previous: Any = None
        self._pid = 0
        self._pass_on_at: float | None = None

    def begin(self) -> None:
        """Take traffic: at a start, and in a forked child. Catches SIGTERM where that is wanted and possible."""
        self.is_on, self._pass_on_at = False, None
        if self._seconds <= 0.0 or self._pid == os.getpid():
            return
        reason = _obstacle()
        if reason:
            logger.warning(
                "health.drain_on_sigterm has no effect in process %d: %s. It needs a server whose handler of SIGTERM "
                "can be delayed. Call `perfkit drain` before the server is stopped, or start the system in its main "
                "thread.",
                os.getpid(),
                reason,
            )
            return
        self._previous = signal.getsignal(signal.SIGTERM)
        self._pid = os.getpid()
        signal.signal(signal.SIGTERM, self._on_signal)

    def tell(self, *, is_on: bool) -> None:
        """Drain, or take traffic again, as all workers do; not again where the signal to end is on its way."""
        self.is_on = is_on or self._pass_on_at is not None

    def end(self) -> None:
        """Give SIGTERM back to whom it belonged, unless somebody took it meanwhile."""
        if self._pid != os.getpid() or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._on_signal:
            signal.signal(signal.SIGTERM, self._previous)
            self._pid = 0

    def tick(self, now: float) -> None:
        """Pass the signal on if it is time at *now* (monotonic seconds)."""
        at = self._pass_on_at
        if at is not None and now >= at and self._pid == os.getpid():
            self._pass_on_at = None
            os.kill(os.getpid(), signal.SIGTERM)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Drain at the first signal, go at the second. Takes no lock and starts no thread: it interrupts anything."""
        if self._pid != os.getpid() or self.is_on:
            self._hand_over(number, frame)
            return
        self._pass_on_at = self._clock.monotonic() + self._seconds
        self.is_on = True

    def _hand_over(self, number: int, frame: FrameType | None) -> None:
        self._pass_on_at = None
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _obstacle() -> str:
    """Return why SIGTERM cannot be delayed here, or an empty text."""
    if threading.current_thread() is not threading.main_thread():
        return "the system starts outside the main thread"
    previous = signal.getsignal(signal.SIGTERM)
    if previous is None:
        return "the signal is handled outside Python"
    if getattr(previous, "__module__", "").startswith("asyncio"):
        return "the server handles the signal in its event loop"
    return ""
