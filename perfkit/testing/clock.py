"""A clock that moves only when told to."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """Both times under a test's control.

    Attributes:
        now: The monotonic seconds that `monotonic` answers.
        unix: The Unix seconds that `time` answers.
    """

    __slots__ = ("now", "unix")

    def __init__(self, start: float = 1000.0, unix: float = 1_700_000_000.0) -> None:
        """Stand at *start* monotonic seconds and *unix* Unix seconds."""
        self.now, self.unix = start, unix

    def monotonic(self) -> float:
        """Return the monotonic seconds."""
        return self.now

    def time(self) -> float:
        """Return the Unix seconds."""
        return self.unix

    def advance(self, seconds: float) -> float:
        """Let *seconds* pass on both times; return the new monotonic seconds."""
        self.now += seconds
        self.unix += seconds
        return self.now
