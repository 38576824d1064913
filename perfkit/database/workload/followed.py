"""What becomes of an index that was advised: whether it was made, and what its statements took before and after. Pure.

Costs of a planner are no times. So what is compared are the durations of the statements themselves: the mean until the
look at which the index was first seen, and the mean since. Nothing is said of them before there were enough since.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from perfkit.core.findings import Finding, State
from perfkit.database.indexes.advice import IndexAdvice, Verification
from perfkit.database.report.statistics import SlowQuery

__all__ = ["ENOUGH_CALLS", "Figures", "Followed"]

ENOUGH_CALLS = 5
"""Calls since an index was made before their mean says something."""


class Figures(NamedTuple):
    """Calls and seconds of some statements since the start."""

    calls: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, queries: Iterable[SlowQuery]) -> Figures:
        """Return those of *queries* together."""
        known = list(queries)
        return cls(sum(each.calls for each in known), sum(each.total for each in known))

    def since(self, before: Figures) -> Figures:
        """Return what came after *before*."""
        return Figures(self.calls - before.calls, self.seconds - before.seconds)

    @property
    def mean(self) -> float:
        """Seconds a call."""
        return self.seconds / self.calls if self.calls else 0.0


class Followed:
    """One advice and what became of it.

    Attributes:
        advice: As it was given.
        shapes: Ids of the statements that it serves.
        finding: What is to be told now.
    """

    def __init__(self, advice: IndexAdvice, shapes: tuple[str, ...], finding: Finding) -> None:
        """Follow *advice*, which is not made yet."""
        self.advice, self.shapes, self.finding = advice, shapes, finding
        self._before = Figures()
        self._base: Figures | None = None
        self._was_fixed = False

    @property
    def is_fixed(self) -> bool:
        """Whether the index is there and used."""
        return self._base is not None

    def advised(self, advice: IndexAdvice, shapes: tuple[str, ...], finding: Finding, now: Figures) -> None:
        """Note that the advice still stands, or stands again, when its statements have the figures *now*."""
        if self._base is not None:
            self._base, self._was_fixed = None, True
        self.advice, self.shapes, self._before = advice, shapes, now
        self.finding = msgspec.structs.replace(finding, state=State.RETURNED) if self._was_fixed else finding

    def seen(self, verification: Verification, now: Figures) -> bool:
        """Note what a look at the database showed; return False where the advice is neither followed nor standing."""
        if not verification.is_applied:
            return False
        if not verification.is_used:
            self.finding = msgspec.structs.replace(
                self.finding, message=verification.message, action="Look at the plan of its statements, or drop it."
            )
            return True
        if self._base is None:
            self._base = now
        since = now.since(self._base)
        evidence = {**self.finding.evidence, "cost_now": verification.cost_now, "calls_since": since.calls}
        message = f"{self.advice.table}({', '.join(self.advice.columns)}) has its index: {verification.message}"
        if since.calls >= ENOUGH_CALLS and self._before.calls:
            evidence |= {"seconds_before": self._before.mean, "seconds_after": since.mean}
            message = (
                f"Fixed, {told_milliseconds(self._before.mean)} → {told_milliseconds(since.mean)} ms a call: "
                f"{self.advice.table}({', '.join(self.advice.columns)}) has its index, over {since.calls} calls since."
            )
        self.finding = msgspec.structs.replace(
            self.finding, state=State.FIXED, message=message, action="Nothing: it is done.", evidence=evidence
        )
        return True


def told_milliseconds(seconds: float) -> str:
    """Return *seconds* in milliseconds, with as many digits as say something."""
    value = seconds * 1000.0
    return f"{value:.0f}" if value >= 10.0 else f"{value:.2g}"
