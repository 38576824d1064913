"""When a second server is asked for the same: after the time within which 95 of 100 answers come.

Source: Dean and Barroso, "The tail at scale", Communications of the ACM 56, 2013. The time is estimated in one number:
it rises a little with each answer above it and falls a nineteenth of that with each below it, so it stands still where
one in twenty is above. Source: Ma, Muthukrishnan and Sandler, "Frugal streaming for estimating quantiles", 2013.
"""

from __future__ import annotations

__all__ = ["SlowAfter"]

PART = 0.95
STEP = 0.05
"""Part by which one answer moves the estimate at most."""

ENOUGH = 20
"""Answers before there is an estimate."""


class SlowAfter:
    """The seconds after which an answer is among the slowest 5 %.

    Attributes:
        seconds: The estimate; None before there were enough answers.
    """

    __slots__ = ("_count", "_estimate")

    def __init__(self) -> None:
        """Know nothing."""
        self._estimate, self._count = 0.0, 0

    def observe(self, latency: float) -> None:
        """Take an answer after *latency* seconds."""
        self._count += 1
        if self._count <= ENOUGH:
            self._estimate = max(self._estimate, latency)
        elif latency > self._estimate:
            self._estimate *= 1.0 + STEP * PART
        else:
            self._estimate *= 1.0 - STEP * (1.0 - PART)

    @property
    def seconds(self) -> float | None:
        """The estimate; None before there were enough answers."""
        return self._estimate if self._count >= ENOUGH else None
