"""Where requests land: time to the right, duration upwards, stronger where there are more. Drawn on the server.

Stronger is not darker: in the dark scheme it is lighter. The steps of the scale are logarithmic, so that one slow
request among ten thousand is still seen. A cell leads to the requests in it that were kept: by the pointer from the
map, by keys from the table below it, as a thousand stops on the way through the page would help nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import tzinfo
from urllib.parse import urlencode

from perfkit.advice.wording import count, seconds
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import Columns, cell, section, table
from perfkit.dashboard.timeline.moments import Moment, moment_lines
from perfkit.dashboard.times import between_times, clock_time, time_ticks
from perfkit.store.history.slices import Slice

__all__ = ["ROWS", "STEPS", "heat_card", "heat_map", "strength"]

ROWS = 18
"""Rows at most; neighbouring buckets are joined."""

STEPS = 5
"""Steps of the scale above "none"."""


MOST_LISTED = 48
"""Rows of the table, the latest."""


def heat_card(
    boundaries: Sequence[float],
    slices: Sequence[Slice],
    data: OverviewData,
    moments: Sequence[Moment] = (),
    *,
    route: str = "",
) -> Markup | None:
    """Return the map as a card; see `heat_map`."""
    drawn = heat_map(boundaries, slices, data.timezone, route=route, moments=moments)
    note = "stronger = more requests, by logarithm; a cell leads to those that were kept"
    return section("heat", "Where requests land", drawn, note=note) if drawn else None


def heat_map(
    boundaries: Sequence[float],
    slices: Sequence[Slice],
    timezone: tzinfo,
    *,
    route: str = "",
    moments: Sequence[Moment] = (),
) -> list[Markup] | None:
    """Return the map of *slices*, oldest first, and the same as a table; None where there is nothing to show.

    Args:
        route: Method and template, where it is of one route only.
        moments: That stand out.
    """
    used = [at for at in range(len(boundaries) + 1) if any(each.counts[at] > 0.0 for each in slices)]
    if not used or len(slices) < 2:
        return None
    rows = _rows(used[0], used[-1])
    numbers = [[sum(each.counts[low:high]) for each in slices] for low, high in rows]
    start, end = slices[0].start, slices[-1].end
    sentence = _sentence(boundaries, slices, rows, numbers, timezone)
    ground = h("rect", {"class": "h0", "width": "100%", "height": "100%"})
    lines = moment_lines([each for each in moments if start < each.at < end], start, end, 1000.0, 100.0)
    over = {"class": "over", "viewBox": "0 0 1000 100", "preserveAspectRatio": "none", "aria-hidden": "true"}
    drawing = h(
        "div",
        {"class": "heat"},
        h("p", {"class": "hidden"}, f"{sentence} The table below leads to those that were kept."),
        h("svg", {"class": "y", "aria-hidden": "true"}, _durations(boundaries, rows)),
        h(
            "svg",
            {"class": "cells", "aria-hidden": "true"},
            ground,
            _cells(boundaries, slices, rows, numbers, timezone, route),
        ),
        h("svg", over, lines) if lines else None,
        h("svg", {"class": "x", "aria-hidden": "true"}, _times(start, end, timezone)),
    )
    return [drawing, _listed(boundaries, slices, rows, numbers, timezone, route)]


def _cells(
    boundaries: Sequence[float],
    slices: Sequence[Slice],
    rows: Sequence[tuple[int, int]],
    numbers: Sequence[Sequence[float]],
    timezone: tzinfo,
    route: str,
) -> list[Markup]:
    """Return a cell for each of *numbers* that is not 0, each leading to the requests in it."""
    highest = max(max(row) for row in numbers)
    start, end = slices[0].start, slices[-1].end
    pitch = 100.0 / len(rows)
    cells = []
    for order, ((low, high), row) in enumerate(zip(rows, numbers, strict=True)):
        named = _named(boundaries, low, high)
        for each, number in zip(slices, row, strict=True):
            if not number:
                continue
            place = {
                "x": f"{100.0 * (each.start - start) / (end - start):.2f}%",
                "width": f"{max(0.2, 100.0 * (each.end - each.start) / (end - start) - 0.15):.2f}%",
                "y": f"{100.0 - pitch * (order + 1):.2f}%",
                "height": f"{pitch * 0.94:.2f}%",
            }
            said = f"until {clock_time(each.end, timezone)}  {named}  {count(round(number), 'request')}"
            drawn = h("rect", {"class": f"h{strength(number, highest)}", **place}, h("title", None, said))
            url = _link(each, boundaries, low, high, route)
            cells.append(h("a", {"href": url, "tabindex": -1}, drawn))
    return cells


def _durations(boundaries: Sequence[float], rows: Sequence[tuple[int, int]]) -> list[Markup]:
    """Return the words on the left: what four of the *rows* reach up to."""
    pitch = 100.0 / len(rows)
    return [
        h(
            "text",
            {"x": "100%", "dx": -8, "y": f"{100.0 - pitch * (at + 0.5):.2f}%", "dy": "0.32em"},
            _top(boundaries, rows[at]),
        )
        for at in sorted({0, len(rows) // 3, 2 * len(rows) // 3, len(rows) - 1})
    ]


def _times(start: float, end: float, timezone: tzinfo) -> list[Markup]:
    """Return the words below: clock times between *start* and *end*, in Unix seconds."""
    return [
        h("text", {"x": f"{place * 100:.2f}%", "y": 14, "text-anchor": "end" if place > 0.97 else "middle"}, said)
        for place, said in time_ticks(start, end, timezone)
    ]


def _sentence(
    boundaries: Sequence[float],
    slices: Sequence[Slice],
    rows: Sequence[tuple[int, int]],
    numbers: Sequence[Sequence[float]],
    timezone: tzinfo,
) -> str:
    """Return the map in words, for those who hear the page."""
    peak = max(range(len(rows)), key=lambda at: sum(numbers[at]))
    least, most, usual = (_named(boundaries, *rows[at]) for at in (0, -1, peak))
    when = f"between {clock_time(slices[0].start, timezone)} and {clock_time(slices[-1].end, timezone)}"
    return f"Where requests landed {when}: from {least} to {most}, most of them {usual}."


def _listed(
    boundaries: Sequence[float],
    slices: Sequence[Slice],
    rows: Sequence[tuple[int, int]],
    numbers: Sequence[Sequence[float]],
    timezone: tzinfo,
    route: str,
) -> Markup:
    """Return the map in numbers, each of which leads to the requests behind it."""
    columns: Columns = [("Time", ""), *((_named(boundaries, low, high), "number") for low, high in rows)]
    listed: list[list[Child]] = []
    for at in range(len(slices) - 1, max(-1, len(slices) - 1 - MOST_LISTED), -1):
        each = slices[at]
        cells: list[Child] = [between_times(each.start, each.end, each.end, timezone)]
        for (low, high), row in zip(rows, numbers, strict=True):
            said = f"{row[at]:,.0f}"
            link = h("a", {"class": "more", "href": _link(each, boundaries, low, high, route)}, said)
            cells.append(cell(link if row[at] else said))
        listed.append(cells)
    body = table("Where requests land, in numbers", columns, listed, "numbers")
    return h("details", {"class": "as-table"}, h("summary", None, "Show as table"), body)


def _link(each: Slice, boundaries: Sequence[float], low: int, high: int, route: str) -> str:
    """Return where the kept requests are that ended in the slice *each* and took what the buckets from *low* say."""
    wanted: dict[str, str] = {"route": route} if route else {}
    wanted |= {"from": f"{each.start:.3f}", "to": f"{each.end:.3f}"}
    if low:
        wanted["least"] = _milliseconds(boundaries[low - 1])
    if high <= len(boundaries):
        wanted["most"] = _milliseconds(boundaries[high - 1])
    return f"./requests?{urlencode(wanted, errors='replace')}"


def _milliseconds(value: float) -> str:
    return f"{value * 1000.0:.3f}".rstrip("0").rstrip(".")


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
