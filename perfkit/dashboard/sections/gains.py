"""What a route would gain if parts of its requests took no time, or a cache answered some: told before the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfkit.advice.wording import percent, seconds
from perfkit.core.findings import Effect
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import Columns, breakable, cell, section, table

if TYPE_CHECKING:
    from perfkit.cache.http.candidates import Candidate
    from perfkit.recorder.estimate import Estimate
    from perfkit.recorder.prospects import Prospects

__all__ = ["gains", "gains_of"]

MOST = 4
"""Parts that are looked at: each is a walk through the kept requests of the route."""

LEAST = 0.01
"""Part of the route's time that a row saves at least, 0-1."""


def gains_of(prospects: Prospects, candidate: Candidate | None = None) -> tuple[Estimate, ...]:
    """Return what would be saved; the most first.

    Args:
        prospects: Of the route; of its kept requests the dearest parts are tried.
        candidate: What the response cache's sample knows of the route, where it looks.
    """
    spent: Counter[Effect] = Counter()
    for exchange in prospects.exchanges:
        for span in exchange.spans:
            # In microseconds, as a counter counts.
            spent[Effect(site=span.site) if span.site else Effect(name=span.name)] += round(span.total * 1e6)
    made = [prospects.with_effect(effect) for effect, _ in spent.most_common(MOST) if effect != Effect()]
    if candidate is not None:
        subject = f"the {percent(candidate.hit_ratio)} that a cache of {candidate.keep_for:.0f} s would answer"
        made.append(prospects.cached(candidate.hit_ratio, subject=subject))
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
        ("Saved a minute", "number"),
        ("Of the route's time", "number"),
    ]
    rows: list[list[Child]] = [
        [
            h("code", None, breakable(each.subject)) if each.exchanges else each.subject,
            cell(f"{seconds(each.p50)} → {seconds(each.p50_after)}"),
            cell(f"{seconds(each.p95)} → {seconds(each.p95_after)}"),
            cell(seconds(each.seconds_saved)),
            cell(seconds(each.seconds_saved_per_minute or None)),
            cell(percent(each.share_saved)),
        ]
        for each in estimates
    ]
    basis = h("p", {"class": "footnote"}, f"Estimated from {estimates[0].basis}.")
    return section("gains", "What it would gain", table("What it would gain", columns, rows), basis, note="estimated")
