"""Whether the number of queries grows with the data: the test that finds an N+1 whatever its numbers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from perfkit.testing.measuring.limits import Excess, Limits
from perfkit.testing.measuring.measurement import LimitExceededError, Measurement

__all__ = ["assert_scales", "best_of"]


def assert_scales(
    function: Callable[[int], Any], *, sizes: Sequence[int] = (1, 10), max_growth: int = 0
) -> list[Measurement]:
    """Call *function* with each of *sizes*, and fail if the queries grow by more than *max_growth* from first to last.

    Args:
        function: Makes as much data as it is told, and does what is to be measured. What making the data takes grows
            too: make it before, or allow for it by *max_growth*.
        sizes: From small to large, at least two.
        max_growth: Queries more for the largest than for the smallest.

    Returns:
        A measurement for each size.

    Raises:
        LimitExceededError: The queries grow by more.
        ValueError: There are not two sizes.
    """
    __tracebackhide__ = True
    if len(sizes) < 2:
        raise ValueError(f"sizes is {tuple(sizes)!r}. Two sizes are needed at least. Write sizes=(1, 10).")
    measured = []
    for size in sizes:
        measurement = Measurement()
        with measurement:
            function(size)
        measured.append(measurement)
    first, last = measured[0], measured[-1]
    growth = last.queries - first.queries
    if growth > max_growth:
        steps = ", ".join(f"{each.queries} for {size}" for size, each in zip(sizes, measured, strict=True))
        raise LimitExceededError(
            last, (_grown(first, last, f"queries grow with the data: {steps}; allowed is {max_growth}"),)
        )
    return measured


def _grown(first: Measurement, last: Measurement, message: str) -> Excess:
    """Return *message* with the statements that were sent more often the second time."""
    before = {(each.text, each.site): each.count for each in first.statements}
    grown = [each for each in last.statements if each.count > before.get((each.text, each.site), 0)]
    finding = next((each for each in last.findings if each.kind == "n_plus_one"), None)
    details = [
        f"{before.get((each.text, each.site), 0)} → {each.count} × {each.text[:110]}  {each.site}".rstrip()
        for each in grown[:5]
    ]
    if finding is not None:
        details.append(f"Do: {finding.action}")
    site = grown[0].site if grown else ""
    return Excess(message, "" if finding is None else finding.code, site, tuple(details))


def best_of(function: Callable[[], Any], *, repeat: int = 5, max_seconds: float | str | None = None) -> float:
    """Call *function* *repeat* times and return the shortest duration, in seconds; fail if that is above the limit.

    Raises:
        LimitExceededError: Even the shortest took longer than *max_seconds*.
        ValueError: *repeat* is below 1, or the limit is none.
    """
    __tracebackhide__ = True
    if repeat < 1:
        raise ValueError(f"repeat is {repeat!r}. It is at least 1. Write repeat=5.")
    measured = []
    for _ in range(repeat):
        measurement = Measurement()
        with measurement:
            function()
        measured.append(measurement)
    best = min(measured, key=lambda each: each.seconds)
    best.limits = Limits.of({"max_seconds": max_seconds})
    best.check()
    return best.seconds
