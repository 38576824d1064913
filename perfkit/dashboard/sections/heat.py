"""Where requests land: time to the right, duration upwards, stronger where there are more. Drawn on the server.

Stronger is not darker: in the dark scheme it is lighter. The steps of the scale are logarithmic, so that one slow
request among ten thousand is still seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import tzinfo

from perfkit.advice.wording import count, seconds
from perfkit.dashboard.html import Markup, h
from perfkit.dashboard.times import clock_time, time_ticks
from perfkit.store.history.slices import Slice

__all__ = ["ROWS", "STEPS", "heat_map", "strength"]

ROWS = 18
"""Rows at most; neighbouring buckets are joined."""

STEPS = 5
"""Steps of the scale above "none"."""


def heat_map(boundaries: Sequence[float], slices: Sequence[Slice], timezone: tzinfo) -> Markup | None:
    """Return the map of *slices*, oldest first; None where there is nothing to show."""
    used = [at for at in range(len(boundaries) + 1) if any(each.counts[at] > 0.0 for each in slices)]
    if not used or len(slices) < 2:
        return None
    rows = _rows(used[0], used[-1])
    table = [[sum(each.counts[low:high]) for each in slices] for low, high in rows]
    highest = max(max(row) for row in table)
    start, end = slices[0].start, slices[-1].end
    pitch = 100.0 / len(rows)
    cells = []
    for order, ((low, high), row) in enumerate(zip(rows, table, strict=True)):
        named = _named(boundaries, low, high)
        for each, number in zip(slices, row, strict=True):
            if not number:
                continue
            left = 100.0 * (each.start - start) / (end - start)
            place = {
                "x": f"{left:.2f}%",
                "width": f"{max(0.2, 100.0 * (each.end - each.start) / (end - start) - 0.15):.2f}%",
                "y": f"{100.0 - pitch * (order + 1):.2f}%",
                "height": f"{pitch * 0.94:.2f}%",
            }
            said = f"until {clock_time(each.end, timezone)}  {named}  {count(round(number), 'request')}"
            cells.append(h("rect", {"class": f"h{strength(number, highest)}", **place}, h("title", None, said)))
    marks = sorted({0, len(rows) // 3, 2 * len(rows) // 3, len(rows) - 1})
    left_words = [
        h(
            "text",
            {"x": "100%", "dx": -8, "y": f"{100.0 - pitch * (at + 0.5):.2f}%", "dy": "0.32em"},
            _top(boundaries, rows[at]),
        )
        for at in marks
    ]
    below = [
        h("text", {"x": f"{place * 100:.2f}%", "y": 14, "text-anchor": "middle"}, said)
        for place, said in time_ticks(start, end, timezone)
    ]
    peak = max(range(len(rows)), key=lambda at: sum(table[at]))
    least, most, usual = (_named(boundaries, *rows[at]) for at in (0, -1, peak))
    when = f"between {clock_time(start, timezone)} and {clock_time(end, timezone)}"
    sentence = f"Where requests landed {when}: from {least} to {most}, most of them {usual}."
    ground = h("rect", {"class": "h0", "width": "100%", "height": "100%"})
    return h(
        "div",
        {"class": "heat"},
        h("svg", {"class": "y", "aria-hidden": "true"}, left_words),
        h("svg", {"class": "cells", "role": "img", "aria-label": sentence}, ground, cells),
        h("svg", {"class": "x", "aria-hidden": "true"}, below),
    )


def strength(number: float, highest: float) -> int:
    """Return the step of *number*, 1 to `STEPS`: on a scale of logarithms up to *highest*."""
    if highest <= 1.0:
        return STEPS
    return 1 + min(STEPS - 1, int(STEPS * math.log(max(1.0, number)) / math.log(highest)))


def _rows(first: int, last: int) -> list[tuple[int, int]]:
    size = max(1, -(-(last + 1 - first) // ROWS))
    return [(low, min(low + size, last + 1)) for low in range(first, last + 1, size)]


def _named(boundaries: Sequence[float], low: int, high: int) -> str:
    least = boundaries[low - 1] if low else 0.0
    return (
        f"{seconds(least)} to {seconds(boundaries[high - 1])}" if high <= len(boundaries) else f"over {seconds(least)}"
    )


def _top(boundaries: Sequence[float], row: tuple[int, int]) -> str:
    return seconds(boundaries[min(row[1], len(boundaries)) - 1])
