"""Kept requests as rows: on their own page and on that of their route."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from perfkit.advice.wording import NOTHING, percent, route_name, seconds
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import breakable, cell, marked, table
from perfkit.dashboard.sections.waterfall import kinds_of
from perfkit.dashboard.times import stamp
from perfkit.recorder.kept import KeptExchange

__all__ = ["WHY", "kept_table", "typical"]

WHY = {
    "error": "it failed",
    "slow": "one of the slowest of its route",
    "sample": "an ordinary one, now and then",
    "asked": "its client wanted it kept; in development all from this machine are",
}
"""What each reason to keep a request means."""


def kept_table(kept: Sequence[KeptExchange], timezone: tzinfo) -> Markup:
    """Return one row for each of *kept*, in their order."""
    columns: list[tuple[Child, str]] = [
        ("Request", ""), ("When", ""), ("Status", ""), ("Took", "number"), ("Queries", "number"), ("In SQL", "number"),
        ("Kept as", ""), ("Worker", "number"),
    ]  # fmt: skip
    return table("Kept requests", columns, [_row(each, timezone) for each in kept], "kept")


def _row(kept: KeptExchange, timezone: tzinfo) -> list[Child]:
    number, took = kinds_of(kept).get("sql", (0, 0.0))
    failed = bool(kept.error)
    name = h("code", None, breakable(route_name(kept.method, kept.route)))
    return [
        h("a", {"href": f"./request?id={kept.id}"}, name),
        cell(stamp(kept.at, timezone), ""),
        cell(
            [
                marked(str(kept.status or "none"), over=failed),
                h("span", {"class": "tag"}, kept.error) if failed and kept.error != str(kept.status) else None,
            ],
            "",
        ),
        cell(seconds(kept.seconds)),
        cell(f"{number:,}" if number else NOTHING),
        cell(percent(took / kept.seconds) if number and kept.seconds else NOTHING),
        cell(h("span", {"title": WHY.get(kept.reason)}, kept.reason), ""),
        cell(kept.worker),
    ]


def typical(kept: Sequence[KeptExchange]) -> tuple[dict[str, tuple[int, float]], float]:
    """Return what the kinds of spans took in all of *kept* together, and the seconds of all."""
    kinds: dict[str, tuple[int, float]] = {}
    for each in kept:
        for kind, (number, took) in kinds_of(each).items():
            known = kinds.get(kind, (0, 0.0))
            kinds[kind] = known[0] + number, known[1] + took
    return kinds, sum(each.seconds for each in kept)
