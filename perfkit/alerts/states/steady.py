"""Unix time that never goes back: what states are measured with.

States outlive the process and are read by others, so they are stamped in Unix seconds. A clock that is set back must
not make an alert wait for an hour, so time goes on by the monotonic clock then; one that is set forward is followed.
"""

from __future__ import annotations

from perfkit.core.clock import Clock

__all__ = ["SteadyTime"]


class SteadyTime:
    """Not thread-safe: the evaluating thread owns it."""

    __slots__ = ("_clock", "_monotonic", "_now")

    def __init__(self, clock: Clock) -> None:
        """Start at the Unix time of *clock*."""
        self._clock = clock
        self._monotonic, self._now = clock.monotonic(), clock.time()

    def now(self) -> float:
        """Return Unix seconds, never less than before."""
        monotonic = self._clock.monotonic()
        passed = max(0.0, monotonic - self._monotonic)
        self._monotonic = monotonic
        self._now = max(self._now + passed, self._clock.time())
        return self._now

    def not_before(self, at: float) -> None:
        """Never answer less than *at* from now on, unless it is so far off that it must be a mistake."""
        if at - self._now < 60.0:
            self._now = max(self._now, at)
