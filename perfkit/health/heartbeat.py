"""The heartbeat of the event loops: a mark set each second by each loop that serves the app.

A loop that sets its mark late is busy; one that does not for long is stuck, and its process should be replaced.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from perfkit.core.checks import CheckResult
from perfkit.core.clock import Clock
from perfkit.core.loops import Loops
from perfkit.core.status import Status
from perfkit.health.settings import HealthSettings

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["LoopHeartbeat"]


class _Pulse:
    """The mark that one loop is to set."""

    __slots__ = ("asked_at", "lag")

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self.lag = 0.0


class LoopHeartbeat:
    """Asks all loops of the app for a sign of life, at each run of its check. Called by the scheduler alone."""

    def __init__(self, loops: Loops, clock: Clock, settings: HealthSettings) -> None:
        """Ask those of *loops* that run."""
        self._loops, self._clock, self._settings = loops, clock, settings
        self._pulses: weakref.WeakKeyDictionary[AbstractEventLoop, _Pulse] = weakref.WeakKeyDictionary()

    def lags(self) -> dict[str, float]:
        """Return by loop how many seconds the last mark was late, or is by now; ask for the next ones."""
        found = {}
        for served in self._loops.alive():
            loop = served.loop
            if loop is None or not loop.is_running():
                if loop is not None:
                    self._pulses.pop(loop, None)
                continue
            pulse = self._pulses.setdefault(loop, _Pulse())
            if pulse.asked_at is None:
                found[served.name] = pulse.lag
                self._ask(loop, pulse)
            else:
                found[served.name] = self._clock.monotonic() - pulse.asked_at
        return found

    def _ask(self, loop: AbstractEventLoop, pulse: _Pulse) -> None:
        pulse.asked_at = asked_at = self._clock.monotonic()

        def mark() -> None:
            pulse.lag, pulse.asked_at = self._clock.monotonic() - asked_at, None

        try:
            loop.call_soon_threadsafe(mark)
        except RuntimeError:  # closed just now
            pulse.asked_at = None

    def check(self) -> CheckResult:
        """Grade the loop that is latest."""
        lags = self.lags()
        if not lags:
            return CheckResult(Status.UNKNOWN, "no event loop serves the app now")
        name, lag = max(lags.items(), key=lambda item: item[1])
        message = f"the loop {name!r} answered after {lag * 1000:.1f} ms"
        settings = self._settings
        status = (
            Status.CRITICAL
            if lag >= settings.event_loop_critical
            else Status.WARNING
            if lag >= settings.event_loop_warning
            else Status.HEALTHY
        )
        return CheckResult(status, message, lag, "seconds")

    def is_stuck(self) -> bool:
        """Return True if a loop that runs has owed its mark for longer than it may."""
        now, longest = self._clock.monotonic(), self._settings.event_loop_stall
        return any(
            pulse.asked_at is not None and now - pulse.asked_at > longest and loop.is_running()
            for loop, pulse in list(self._pulses.items())
        )
