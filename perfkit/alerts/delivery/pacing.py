"""When to try again, and how often at all: backoff with jitter, and a token bucket. Pure: time is passed in."""

from __future__ import annotations

import random

__all__ = ["LONGEST_WAIT", "Bucket", "backoff"]

FIRST_WAIT = 1.0
LONGEST_WAIT = 300.0
"""Seconds between two attempts, at most, unless the receiver asks for more."""

LONGEST_ASKED = 3_600.0
"""Seconds of a ``Retry-After`` that are honoured."""


def backoff(failures: int, rng: random.Random, retry_after: float | None = None) -> float:
    """Return the seconds to wait after so many *failures* in a row: doubling, half as much more or less by chance.

    Never less than *retry_after*, up to an hour: a crowd of clients that all come back on the second is kept apart by
    adding to it, not by coming sooner.
    """
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 20)) * rng.uniform(0.5, 1.5)
    if retry_after is None or retry_after <= 0.0:
        return min(wait, LONGEST_WAIT)
    asked = min(retry_after, LONGEST_ASKED)
    return max(min(wait, LONGEST_WAIT), asked * rng.uniform(1.0, 1.1))


class Bucket:
    """A token bucket: *burst* at once, *rate* per second in the long run. Not thread-safe."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        """Begin full."""
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, float("-inf")

    def available(self, now: float) -> float:
        """Return the tokens at *now* (monotonic seconds)."""
        passed = now - self._at
        self._at = max(self._at, now)
        if passed > 0.0:
            self._tokens = min(self._burst, self._tokens + passed * self._rate)
        return self._tokens

    def take(self, now: float) -> None:
        """Spend one token; there must be one."""
        self._tokens = self.available(now) - 1.0

    def wait(self, now: float) -> float:
        """Return the seconds until there is a token."""
        return max(0.0, (1.0 - self.available(now)) / self._rate)
