"""How many requests a server can have at once: a limit that follows its latency.

Source: Netflix, concurrency-limits, `Gradient2Limit`: where a short average of latencies rises above a long one,
the queue grows and the limit falls in proportion; where it does not, the limit grows by its square root.
Deviations: it is not raised while less than half of it is used, and a failure lowers it by a tenth at once.
"""

from __future__ import annotations

from math import sqrt

__all__ = ["GradientLimit"]

SHORT, LONG = 0.1, 0.005
"""Parts by which one answer moves the two averages."""

TOLERANCE = 1.5
"""Ratio of the averages up to which nothing is amiss."""

SMOOTHING = 0.2
"""Part of the way to the new limit that is gone with one answer."""

LEAST, MOST = 2.0, 1000.0


class GradientLimit:
    """The limit of one server. Pure: it is told how each request went.

    Attributes:
        limit: The most requests in flight.
    """

    __slots__ = ("_long", "_short", "limit")

    def __init__(self, start: float = 20.0) -> None:
        """Begin with *start* requests."""
        self.limit, self._short, self._long = start, 0.0, 0.0

    def update(self, latency: float, success: bool, in_flight: int) -> float:
        """Take an answer after *latency* seconds, one of *in_flight* at that time; return the new limit."""
        if not success:
            self.limit = max(LEAST, self.limit * 0.9)
            return self.limit
        if not self._long:
            self._short = self._long = latency
        self._short += SHORT * (latency - self._short)
        self._long += LONG * (latency - self._long)
        if self._long > 2.0 * self._short:
            # After a bad time the long average must not hide the next one.
            self._long *= 0.95
        gradient = max(0.5, min(1.0, TOLERANCE * self._long / self._short)) if self._short else 1.0
        wanted = gradient * self.limit + sqrt(self.limit)
        if wanted > self.limit and in_flight < self.limit / 2.0:
            return self.limit
        self.limit = min(MOST, max(LEAST, self.limit + SMOOTHING * (wanted - self.limit)))
        return self.limit
