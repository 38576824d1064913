"""What a route would gain if a part of its requests took no time: the answer before the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfkit.advice.wording import percent, seconds
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import Columns, breakable, cell, section, table
from perfkit.recorder.kept import KeptExchange

if TYPE_CHECKING:
    from perfkit.recorder.estimate import Estimate
    from perfkit.system import PerformanceSystem

__all__ = ["gains", "gains_of"]

MOST = 4
"""Parts that are looked at: each is a walk through all kept requests of the route."""

LEAST = 0.01
"""Part of the route's time that a row saves at least, 0-1."""


def gains_of(system: PerformanceSystem, name: str, kept: Sequence[KeptExchange]) -> tuple[Estimate, ...]:
    """Return what the dearest parts of *kept*, requests of the route *name*, would save; the most first."""
    spent: Counter[str] = Counter()
    for exchange in kept:
        for span in exchange.spans:
            # In microseconds, as a counter counts.
            spent[span.site or span.name] += round(span.total * 1e6)
    subjects = [subject for subject, _ in spent.most_common(MOST) if subject]
    made = (system.recorder.what_if(name, subject) for subject in subjects)
    told = [each for each in made if each is not None and each.share_saved >= LEAST]
    return tuple(sorted(told, key=lambda each: -each.seconds_saved))


def gains(estimates: Sequence[Estimate]) -> Markup | None:
    """Return the card; None where nothing would be saved."""
    if not estimates:
        return None
    columns: Columns = [
        ("If this took no time", ""),
        ("p50", "number"),
        ("p95", "number"),
        ("Saved a request", "number"),
        ("Of the route's time", "number"),
    ]
    rows: list[list[Child]] = [
        [
            h("code", None, breakable(each.subject)),
            cell(f"{seconds(each.p50)} → {seconds(each.p50_after)}"),
            cell(f"{seconds(each.p95)} → {seconds(each.p95_after)}"),
            cell(seconds(each.seconds_saved)),
            cell(percent(each.share_saved)),
        ]
        for each in estimates
    ]
    basis = h("p", {"class": "footnote"}, f"Estimated from {estimates[0].basis}.")
    return section("gains", "What it would gain", table("What it would gain", columns, rows), basis, note="estimated")
