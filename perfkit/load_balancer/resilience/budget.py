"""The retry budget: retries are a part of the requests, whatever fails.

Source: Finagle, RetryBudget (a leaky bucket that fills with a part of the requests, with a reserve); Google, Site
Reliability Engineering, "Handling overload" (a client stops retrying as the fleet fails). Deviations: the bucket is
reckoned from the number of requests when it is asked, so that a request pays nothing for it; the request that a
retry causes fills the bucket too, so a retry costs that much more; while more than half of all requests fail, a
retry costs up to three times as much, as it would most probably fail too.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from perfkit.core.clock import Clock
from perfkit.core.locks import OwnLock

__all__ = ["RetryBudget"]

TTL = 10.0
"""Seconds after which what was not used is forgotten."""

FAILURE_MEMORY = 20.0
"""Requests over which the share of failures is averaged."""


class RetryBudget:
    """How many retries and hedges are allowed. Thread-safe."""

    def __init__(
        self,
        *,
        ratio: float = 0.2,
        reserve: float = 5.0,
        clock: Clock,
        requests: Callable[[], int],
        failures: Callable[[], int],
    ) -> None:
        """Allow a part of what *requests* counts.

        Args:
            ratio: Retries for each request, 0-1.
            reserve: Retries allowed at the start, before there were any requests, and kept as the least bound.
            clock: Time.
            requests: Returns the number of requests so far, retries included.
            failures: Returns the number of failures so far.
        """
        self.ratio, self.reserve = ratio, reserve
        self._clock, self._requests, self._failures = clock, requests, failures
        self._lock = OwnLock()
        self._tokens, self._at, self._count, self._failed = reserve, clock.monotonic(), requests(), failures()
        self._failing = 0.0
        self.granted = self.refused = 0

    def try_acquire(self) -> bool:
        """Return True and take one retry out of the budget, or return False if it is used up."""
        with self._lock:
            self._fill()
            cost = (1.0 + self.ratio) * (1.0 + 4.0 * max(0.0, self._failing - 0.5))
            if self.ratio <= 0.0 or self._tokens < cost:
                self.refused += 1
                return False
            self._tokens -= cost
            self.granted += 1
            return True

    @property
    def available(self) -> float:
        """Retries that could be had now."""
        with self._lock:
            self._fill()
            return self._tokens / (1.0 + self.ratio)

    def _fill(self) -> None:
        now, count, failed = self._clock.monotonic(), self._requests(), self._failures()
        grown, elapsed = count - self._count, now - self._at
        if grown > 0:
            ended = min(1.0, max(0, failed - self._failed) / grown)
            self._failing += (ended - self._failing) * (1.0 - math.exp(-grown / FAILURE_MEMORY))
        most = (
            max(self.reserve, self.ratio * grown / elapsed * TTL) if elapsed > 0.0 else max(self.reserve, self._tokens)
        )
        kept = self._tokens
        if elapsed > 0.0 and kept > self.reserve:
            kept = self.reserve + (kept - self.reserve) * math.exp(-elapsed / TTL)
        self._tokens = min(most, kept + self.ratio * grown) if kept <= most else kept
        self._at, self._count, self._failed = now, count, failed
