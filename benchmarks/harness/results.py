"""What a race yields: medians over rounds, how sure they are, ratios to a reference, and whether a budget holds.

The speed of a shared machine changes by a factor of two within seconds (clock frequency, neighbours on the same
core), and differences change with it. The twin, which does the same work in every process, is the yardstick of that:
each round's figures are scaled to the twin's median over the whole race.

The interval of a median is distribution-free: the order statistics n/2 ± 0.98·sqrt(n) enclose the true median
19 times in 20 (Conover, Practical Nonparametric Statistics, "confidence interval for a quantile"). With fewer than
six rounds it is simply the whole range.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Budget", "Result", "Sample", "interval", "scale_to_twin", "verdict"]


@dataclass(frozen=True)
class Budget:
    """At most *ratio* times the CPU of the contestant named *of*; its wall time, if that is what counts."""

    ratio: float
    of: str
    is_wall: bool = False

    def __str__(self) -> str:
        return f"≤ {self.ratio:g} × {self.of}{', wall' if self.is_wall else ''}"

    def figures(self, result: Result) -> list[float]:
        """Return the figures of *result* that the budget is about."""
        return result.walls if self.is_wall else result.cpus


@dataclass(frozen=True)
class Sample:
    """Seconds for each call that one turn measured: the contestant's and its twin's, wall and CPU."""

    wall: float
    cpu: float
    twin_wall: float
    twin_cpu: float


@dataclass(kw_only=True)
class Result:
    """All rounds of one contestant.

    Attributes:
        is_difference: True if the twin is subtracted, so that only what is added counts.
        walls, cpus: Seconds for each call, scaled to the twin's speed; by `scale_to_twin`.
        twin_cpu: CPU seconds of the twin's call, median over the whole race.
        calls: Calls made in all, warm-up included.
        counted: How many of them the contestant's own numbers show; None where it counts nothing.
        absent: Why it did not run, or empty.
        notes: Further figures of the contestant, by name.
    """

    name: str
    budget: Budget | None = None
    is_difference: bool = True
    samples: list[Sample] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    twin_cpu: float = 0.0
    calls: int = 0
    counted: float | None = None
    absent: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def wall(self) -> float:
        """Median wall seconds of a call."""
        return statistics.median(self.walls)

    @property
    def cpu(self) -> float:
        """Median CPU seconds of a call."""
        return statistics.median(self.cpus)

    @property
    def cpu_interval(self) -> tuple[float, float]:
        """The interval of `cpu`."""
        return interval(self.cpus)


def scale_to_twin(results: Sequence[Result]) -> None:
    """Fill `walls`, `cpus` and `twin_cpu` of all *results* of one race."""
    samples = [sample for result in results for sample in result.samples]
    if not samples:
        return
    wall = statistics.median(sample.twin_wall for sample in samples)
    cpu = statistics.median(sample.twin_cpu for sample in samples)
    for result in results:
        result.twin_cpu = cpu
        bare = 1.0 if result.is_difference else 0.0
        result.walls = [(sample.wall / sample.twin_wall - bare) * wall for sample in result.samples]
        result.cpus = [(sample.cpu / sample.twin_cpu - bare) * cpu for sample in result.samples]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median of *values*."""
    ordered = sorted(values)
    count = len(ordered)
    if count < 6:
        return ordered[0], ordered[-1]
    low = max(0, math.floor(count / 2 - 0.98 * math.sqrt(count)))
    return ordered[low], ordered[count - 1 - low]


def verdict(result: Result, results: Sequence[Result]) -> str:
    """Return ``pass`` or ``short``, with a question mark where the interval encloses the budget; empty without one."""
    if result.budget is None or result.absent:
        return ""
    reference = next((other for other in results if other.name == result.budget.of and not other.absent), None)
    if reference is None:
        return ""
    limit = result.budget.ratio * statistics.median(result.budget.figures(reference))
    own = result.budget.figures(result)
    low, high = interval(own)
    mark = "pass" if statistics.median(own) <= limit else "short"
    return f"{mark}?" if low <= limit <= high else mark
