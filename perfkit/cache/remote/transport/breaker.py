"""A circuit breaker: after some failures in a row nobody asks a server for a while.

Source: Nygard: Release It! (2007), "Circuit Breaker". Deviation: where something else watches the server in the
background, no caller's request is spent on finding out whether it is back.
"""

from __future__ import annotations

__all__ = ["Breaker"]


class Breaker:
    """Open after *threshold* failures in a row. Races of threads cost a call too many at most, so it has no lock.

    Attributes:
        is_open: Nobody shall ask.
        is_watched: Somebody in the background calls `close` when the server is back.
        opened_at: Monotonic seconds since when it is open.
    """

    __slots__ = (
        "_failures",
        "_longest",
        "_pause",
        "_shortest",
        "_threshold",
        "_try_at",
        "is_open",
        "is_watched",
        "opened_at",
    )

    def __init__(self, *, threshold: int = 3, shortest: float = 0.5, longest: float = 10.0) -> None:
        """Begin closed; open for *shortest* seconds first, then for twice as long each time up to *longest*."""
        self._threshold, self._shortest, self._longest = threshold, shortest, longest
        self.is_watched = False
        self.opened_at = 0.0
        self.close()

    def close(self) -> None:
        """Let everybody ask."""
        self.is_open = False
        self._failures = 0
        self._pause = self._shortest
        self._try_at = 0.0

    def allows(self, now: float) -> bool:
        """Return whether to ask at *now*; where it is open, one call in a while may try."""
        if not self.is_open:
            return True
        if self.is_shut(now):
            return False
        self._try_at = now + self._pause
        return True

    def is_shut(self, now: float) -> bool:
        """Return whether no call may even try at *now*."""
        return self.is_open and (self.is_watched or now < self._try_at)

    def fail(self, now: float) -> None:
        """Take note of a failure at *now*."""
        self._failures += 1
        if self.is_open:
            self._pause = min(2.0 * self._pause, self._longest)
            self._try_at = now + self._pause
        elif self._failures >= self._threshold:
            self.open(now)

    def open(self, now: float) -> None:
        """Let nobody ask from *now* on."""
        if not self.is_open:
            self.opened_at = now
        self.is_open = True
        self._try_at = now + self._pause

    def succeed(self) -> None:
        """Take note of an answer."""
        if self._failures:
            self._failures = 0
