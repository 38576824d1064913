"""Moments that stand out in a chart: a release, a new recording. A line over the plot, its name beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from perfkit.dashboard.html import Markup, h

__all__ = ["Moment", "moment_lines", "moment_names"]

GAP = 0.14
"""Part of the width between two names; a moment that comes closer keeps its line and loses its name."""

LATE = 0.6
"""Part of the width from which a name stands before its line."""


class Moment(NamedTuple):
    """A moment (Unix seconds) with the name that people read; *kind* is its class."""

    at: float
    name: str
    kind: str


def moment_lines(moments: Sequence[Moment], start: float, end: float, wide: float, high: float) -> list[Markup]:
    """Return a line for each of *moments* in a plot from *start* to *end* (Unix seconds) that is *wide* and *high*."""
    places = [f"{wide * (each.at - start) / (end - start):.1f}" for each in moments]
    return [
        h("line", {"class": f"moment {each.kind}", "x1": x, "x2": x, "y1": 0, "y2": high})
        for each, x in zip(moments, places, strict=True)
    ]


def moment_names(moments: Sequence[Moment], start: float, end: float) -> Markup | None:
    """Return the names of *moments*, each beside its line on the side where there is room; None without any."""
    texts, free = list[Markup](), 0.0
    for each in moments:
        place = (each.at - start) / (end - start)
        is_late = place > LATE
        if place - (GAP if is_late else 0.0) < free:
            continue
        free = place if is_late else place + GAP
        side = {"class": "late" if is_late else None, "dx": -6 if is_late else 6}
        texts.append(h("text", {"x": f"{place:.2%}", "y": 10, **side}, each.name))
    return h("svg", {"class": "flags", "aria-hidden": "true"}, texts) if texts else None
