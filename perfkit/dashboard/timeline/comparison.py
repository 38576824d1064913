"""Before and since: the same routes in two stretches of time, side by side.

The two are a recording and the one before it, else the time that the view shows and as long a time before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from perfkit.advice.wording import NOTHING, count, factor, percent, seconds
from perfkit.dashboard.actions.forms import action_form
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parameters import Choice, Given, Parameter
from perfkit.dashboard.parts import Columns, breakable, cell, empty, route_link, section, state, table
from perfkit.dashboard.timeline.history import window_of
from perfkit.dashboard.timeline.ranges import Span
from perfkit.dashboard.times import between_times, clock_time
from perfkit.performance.requests import Total, summarize
from perfkit.performance.snapshot import Latency, RouteSnapshot

if TYPE_CHECKING:
    from perfkit.dashboard.data import OverviewData
    from perfkit.store import Store, Window

__all__ = [
    "COMPARE",
    "Comparison",
    "Period",
    "compared",
    "comparison_card",
    "comparison_foot",
    "recording_notice",
    "whole_notice",
]

COMPARE: Mapping[str, Parameter] = {"compare": Choice(("", "before", "no"))}
"""The parameter of the views that can be compared with what was before; unsaid, a new recording is."""

MOST_ROUTES = 10
"""Routes of the card: those that took most time in either."""

FIRST = 3600.0
"""Seconds before the first recording that are its "before": longer ago another hour of the day would tell."""

NOTABLE = 1.1
"""Factor between two p95 from which a change is told; below it is noise, and the buckets are 6 % wide."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted from *start* to *end* (Unix seconds): all of it, and by route."""

    start: float
    end: float
    total: Total
    routes: tuple[RouteSnapshot, ...]

    def route(self, method: str, route: str) -> RouteSnapshot | None:
        """Return one route; None where it had no request."""
        return next((each for each in self.routes if (each.method, each.route) == (method, route)), None)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two stretches of time; `since` is the later one."""

    before: Period
    since: Period


def compared(store: Store, shown: OverviewData, given: Given, span: Span) -> Comparison | None:
    """Return the comparison that the view asks for; None where it does not, or nothing is kept of before."""
    wished, recordings = given.text("compare"), shown.recordings
    is_recorded = bool(recordings) and span.is_live
    if wished == "no" or (not wished and not is_recorded):
        return None
    if is_recorded:
        begun = recordings[-1]
        start = recordings[-2] if len(recordings) > 1 else begun - FIRST
        before, since = store.past.between(start, begun), store.past.recorded()
    else:
        before, found = store.past.between(span.start - span.seconds, span.start), window_of(store, span)
        if found is None:
            return None
        since = found
    return None if before is None else Comparison(before=_period(before), since=_period(since))


def _period(seen: Window) -> Period:
    total, routes = summarize(seen.points, seen.duration)
    return Period(start=seen.start, end=seen.end, total=total, routes=routes)


def comparison_card(comparison: Comparison | None, shown: OverviewData, given: Given) -> Markup | None:
    """Return both periods side by side, all requests first, then the routes that took most time."""
    if comparison is None:
        is_wished = given.text("compare") == "before"
        return section("compare", "Before and since", empty("Nothing is kept of before.")) if is_wished else None
    before, since = comparison.before, comparison.since
    columns: Columns = [("Route", ""), ("Requests", "number"), ("p50", "number"), ("p95", "number")]
    columns += [("Errors", "number"), ("Change", "")]
    whole: list[Child] = [h("strong", None, "all requests"), *_cells(before.total, since.total)]
    names = {(each.method, each.route): each.seconds for each in (*before.routes, *since.routes)}
    for each in before.routes:
        names[each.method, each.route] = max(each.seconds, names[each.method, each.route])
    first = sorted(names, key=lambda name: (-names[name], name))[:MOST_ROUTES]
    rows = [whole, *(_row(comparison, *name) for name in first)]
    said = [between_times(each.start, each.end, shown.at, shown.timezone) for each in (before, since)]
    note: list[Child] = [f"{said[0]}, then {said[1]} ", h("a", {"href": given.link(compare="no")}, "hide")]
    return section("compare", "Before and since", table("Before and since", columns, rows, "compare"), note=note)


def comparison_foot(shown: OverviewData, given: Given, *, is_compared: bool) -> Markup:
    """Return what stands below the charts: compare with before, and begin anew."""
    link = h("a", {"class": "more", "href": given.link(compare="before")}, "Compare with before")
    form = action_form(shown, given, "recording-begin", "New recording")
    return h("div", {"class": "foot"}, None if is_compared else link, form)


def _row(comparison: Comparison, method: str, route: str) -> list[Child]:
    before, since = (each.route(method, route) for each in (comparison.before, comparison.since))
    name = h("code", None, breakable(f"{method} {route}"))
    return [route_link(method, route, name), *_cells(before, since)]


def _cells(before: Total | RouteSnapshot | None, since: Total | RouteSnapshot | None) -> list[Child]:
    old = before.latency if before is not None else Latency()
    new = since.latency if since is not None else Latency()
    told = [
        _arrow(count(before.requests) if before else "0", count(since.requests) if since else "0"),
        _arrow(seconds(old.p50), seconds(new.p50)),
        _arrow(seconds(old.p95), seconds(new.p95)),
        _arrow(
            percent(before.error_rate) if before else NOTHING,
            percent(since.error_rate) if since else NOTHING,
        ),
    ]
    return [*(cell(each) for each in told), cell(_change(old.p95, new.p95), "")]


def _arrow(before: str, since: str) -> str:
    return f"{before} → {since}"


def _change(before: float | None, since: float | None) -> Child:
    """Say how p95 changed, by shape and word."""
    if before is None or since is None or before <= 0.0 or since <= 0.0:
        return NOTHING
    if since >= before * NOTABLE:
        return state("warn", f"{factor(since / before)} slower")
    if before >= since * NOTABLE:
        return state("ok", f"{factor(before / since)} faster")
    return state("unknown", "about the same")


def recording_notice(shown: OverviewData, given: Given) -> Markup | None:
    """Return the line that says since when is measured; None where nobody began anew."""
    if not shown.recordings:
        return None
    begun = shown.recordings[-1]
    said = f"Measured anew since {clock_time(begun, shown.timezone)}: what was before does not count in these numbers. "
    links = h("a", {"href": given.link(range="recording")}, "All since then") if given.has("range") else None
    return _notice(said, links, action_form(shown, given, "recording-end", "Take it back", note="the recording"))


def whole_notice(shown: OverviewData, told: str = "count since the start") -> Markup | None:
    """Return the line that says what the numbers of a page do that no recording begins anew; None where none began."""
    if not shown.recordings:
        return None
    begun = clock_time(shown.recordings[-1], shown.timezone)
    return _notice(f"The numbers of this page {told}. Measured anew since {begun} are requests and routes alone.")


def _notice(*said: Child) -> Markup:
    return h(
        "div",
        {"class": "notice fine", "role": "note"},
        h("span", {"class": "mark", "aria-hidden": "true"}, "●"),
        h("div", None, *said),
    )
