"""Which exchanges are worth keeping: failed ones, the slowest of each kind, one in many. Pure; time is passed in.

Each series has one number, `Row.keep_from`, that the hot path compares its duration with; everything else happens to
the few that reach it, and once in a window. The number is the duration that the slowest tenth of the series took until
now, by its own buckets, and from then on that of the least of the slowest that were kept in this window. So of n
exchanges of a steady series about k (1 + ln(n / 10 k)) are kept in a window, whatever n is: a record of the k largest
among n is broken that often (Glick, "Breaking records and breaking boards", 1978).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heappush, heapreplace

from perfkit.recorder.settings import RecorderSettings
from perfkit.store import Row

__all__ = ["SLOW_FROM", "Budget", "Choice"]

SLOW_FROM = 0.9
"""Part of the exchanges of a series below which one is not slow for it."""

MOST_SAMPLES = 10
"""Samples of a series in a window; some dozens of a route are enough to say what a change would do to its p95."""

ENOUGH = 50
"""Exchanges of a series from which its own quantile says something."""


class Choice:
    """What one series still wants. `take` is called by those who serve, `renew` by one scheduler.

    They need no lock: each step is one assignment or one call of the heap, and what may go wrong when two threads meet
    is one exchange kept more or less.
    """

    __slots__ = (
        "_counted",
        "_floor",
        "_is_due",
        "_is_error",
        "_left",
        "_renewed_at",
        "_samples",
        "_settings",
        "_slowest",
        "row",
    )

    def __init__(self, row: Row, settings: RecorderSettings, *, is_error: bool, target: float, now: float) -> None:
        """Watch *row* and want its next exchange.

        Args:
            is_error: Its exchanges failed.
            target: Seconds from which an exchange is slow as long as the series is young.
            now: Monotonic seconds.
        """
        self.row, self._settings, self._is_error = row, settings, is_error
        self._floor, self._is_due, self._left = target, True, settings.errors
        self._slowest: list[float] = []
        self._renewed_at, self._counted, self._samples = now, 0.0, MOST_SAMPLES
        row.keep_from = 0.0

    def take(self, seconds: float) -> str:
        """Return why an exchange of *seconds* is kept, empty for no reason; `Row.keep_from` was reached."""
        row, slowest = self.row, self._slowest
        if self._is_error:
            self._left -= 1
            if self._left <= 0:
                row.keep_from = math.inf
            return "error"
        if seconds < self._floor:
            was_due, self._is_due = self._is_due, False
            row.keep_from = self._limit()
            return "sample" if was_due else ""
        if len(slowest) < self._settings.slowest:
            heappush(slowest, seconds)
        elif seconds > slowest[0]:
            heapreplace(slowest, seconds)
        row.keep_from = self._limit()
        return "slow"

    def renew(self, boundaries: Sequence[float], counts: Sequence[float], now: float) -> None:
        """Look at the series' own *counts*: is another sample due, and, in a new window, what is slow by now?"""
        settings, count = self._settings, sum(counts)
        if now - self._renewed_at >= settings.window:
            self._renewed_at, self._left, self._samples = now, settings.errors, MOST_SAMPLES
            self._slowest = []
            if count >= ENOUGH:
                self._floor = _bound(boundaries, counts, SLOW_FROM * count)
            self.row.keep_from = self._limit()
        if settings.sample and count - self._counted >= settings.sample and self._samples > 0:
            self._is_due, self._counted = True, count
            self._samples -= 1
            self.row.keep_from = self._limit()

    def rest(self) -> None:
        """Want nothing any more."""
        self.row.keep_from = math.inf

    def resume(self) -> None:
        """Want as much as before `rest`."""
        self.row.keep_from = self._limit()

    def _limit(self) -> float:
        if self._is_error or self._is_due:
            return 0.0
        slowest = self._slowest
        return max(self._floor, slowest[0]) if len(slowest) >= self._settings.slowest else self._floor


class Budget:
    """Bytes that may be written over time, as a bucket of tokens. Not thread-safe: who writes owns it.

    So one bad minute with errors everywhere does not push out what was kept before it.
    """

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        """Allow *rate* bytes a second on average and *burst* at once."""
        self._rate, self._burst, self._left, self._at = rate, burst, burst, now

    def spend(self, size: int, now: float) -> bool:
        """Return True if *size* bytes may be written at *now* (monotonic seconds), and take them."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if size > self._left:
            return False
        self._left -= size
        return True


def _bound(boundaries: Sequence[float], counts: Sequence[float], rank: float) -> float:
    """Return the lower bound of the bucket in which *rank* lies: what is kept from there on holds that rank."""
    below = 0.0
    for bucket, count in enumerate(counts):
        below += count
        if below >= rank:
            return boundaries[min(bucket, len(boundaries)) - 1] if bucket else 0.0
    return boundaries[-1]
