"""What a route was like in each release of the app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from perfkit.advice.wording import count, factor, percent, seconds
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import Columns, cell, section, state, table
from perfkit.dashboard.timeline.comparison import NOTABLE
from perfkit.dashboard.times import stamp
from perfkit.performance.requests import summarize
from perfkit.performance.snapshot import RouteSnapshot

if TYPE_CHECKING:
    from perfkit.dashboard.data import OverviewData
    from perfkit.store import Store

__all__ = ["ByRelease", "by_release", "release_card"]

MOST = 5
"""Releases looked at, the latest: each is two snapshots to unpack."""


class ByRelease(msgspec.Struct, frozen=True, kw_only=True):
    """One route in one release, which ran from *at* on (Unix seconds); *summary* is None where it had no request."""

    release: str
    at: float
    summary: RouteSnapshot | None


def by_release(store: Store, shown: OverviewData, method: str, route: str) -> tuple[ByRelease, ...]:
    """Return the route in the latest releases, the last first; nothing where there has been one only.

    Nothing of another release is in it, so it may lack the first and the last moments of its own.
    """
    releases = shown.releases[-MOST:]
    if len(releases) < 2:
        return ()
    told = []
    for at, release in enumerate(releases):
        end = releases[at + 1].at if at + 1 < len(releases) else shown.at
        seen = store.past.between(release.at, end, inside=True)
        points = () if seen is None else (each for each in seen.points if each.labels[:2] == (method, route))
        found = summarize(points, seen.duration if seen is not None else 0.0)[1]
        told.append(ByRelease(release=release.name, at=release.at, summary=found[0] if found else None))
    return tuple(reversed(told))


def release_card(told: Sequence[ByRelease], shown: OverviewData) -> Markup | None:
    """Return the releases below each other; None where there has been one only."""
    if not told:
        return None
    columns: Columns = [("Release", ""), ("Since", ""), ("Requests", "number"), ("p50", "number")]
    columns += [("p95", "number"), ("Errors", "number")]
    rows = [_row(each, told[at + 1] if at + 1 < len(told) else None, shown) for at, each in enumerate(told)]
    return section("releases", "By release", table("By release", columns, rows), note="the last first")


def _row(told: ByRelease, before: ByRelease | None, shown: OverviewData) -> list[Child]:
    name = h("code", None, told.release[:200])
    summary = told.summary
    if summary is None:
        said = h("span", {"class": "note"}, "no request that was surely of it")
        return [[name, " ", said], cell(stamp(told.at, shown.timezone), ""), *(cell("") for _ in range(4))]
    p95 = summary.latency.p95
    old = before.summary.latency.p95 if before is not None and before.summary is not None else None
    is_slower = p95 is not None and old is not None and old > 0.0 and p95 >= old * NOTABLE
    times = f" {factor(p95 / old)}" if is_slower and p95 is not None and old else ""
    return [
        name,
        cell(stamp(told.at, shown.timezone), ""),
        cell(count(summary.requests)),
        cell(seconds(summary.latency.p50)),
        cell(state("warn", f"{seconds(p95)}{times}") if is_slower else seconds(p95)),
        cell(percent(summary.error_rate)),
    ]
