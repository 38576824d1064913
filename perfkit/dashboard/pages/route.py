"""One route: how long it takes, how it ends, what was found about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

import msgspec

from perfkit.advice.wording import count, percent, rate, route_name, seconds, window
from perfkit.core.families import Histogram, Point
from perfkit.core.findings import Finding
from perfkit.dashboard.charts import distribution, is_target_shown, latency_chart, traffic_chart
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.exchange.handler import Handler, handler_line, handler_of
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Given, Parameter, Text
from perfkit.dashboard.parts import breakable, cell, figure, heading, marked, route_text, section, split_unit, table
from perfkit.dashboard.sections.gains import gains, gains_of
from perfkit.dashboard.sections.heat import heat_card
from perfkit.dashboard.sections.kept import kept_table, typical
from perfkit.dashboard.sections.recommendations import finding_list
from perfkit.dashboard.sections.routes import findings_of, said_queries
from perfkit.dashboard.sections.tables import trend_table
from perfkit.dashboard.sections.waterfall import breakdown
from perfkit.dashboard.timeline.comparison import (
    COMPARE,
    Comparison,
    Period,
    compared,
    comparison_foot,
    recording_notice,
)
from perfkit.dashboard.timeline.history import moments_of, trend_of, window_of
from perfkit.dashboard.timeline.ranges import SPAN, Span, range_links, said_of, same_span, span_of
from perfkit.dashboard.timeline.releases import ByRelease, by_release, release_card
from perfkit.performance.requests import COUNTED, summarize, with_queries
from perfkit.performance.snapshot import RouteSnapshot, Trend
from perfkit.recorder.estimate import Estimate
from perfkit.recorder.kept import KeptExchange
from perfkit.store.history.slices import Slice

if TYPE_CHECKING:
    from perfkit.cache.http.candidates import Candidate
    from perfkit.dashboard.documents.contract import RouteComparison, RouteDocument
    from perfkit.recorder.prospects import Prospects
    from perfkit.system import PerformanceSystem

__all__ = ["ROUTE", "Outcome", "RouteFound"]

MOST_KEPT = 10
"""Kept requests, the slowest."""

MOST_OUTCOMES = 20
"""Rows of the table of how requests ended."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How some of the requests ended.

    Attributes:
        status: The status code as text; empty where there was none.
        error_type: Why it failed; empty where it did not.
        summary: Those requests as if they were a route of their own.
    """

    status: str
    error_type: str
    summary: RouteSnapshot


class RouteFound(msgspec.Struct, frozen=True, kw_only=True):
    """One route over the range that was asked for.

    Attributes:
        window: Seconds that it covers; fewer while the service is younger.
        summary: None if there was no request in the window.
        handler: What answers it; None where the app does not say.
        trend: Empty if the route has no place of its own in the history.
        kept: Those of its requests that were kept whole, the slowest first.
        gains: What it would save if its dearest parts took no time.
        boundaries, counts: Its histogram: requests up to each boundary (seconds), those above the last one at the end.
        slices: The same in slices of time.
        comparison: With what was before; None where nobody asks for that.
        releases: What it was like in each release that is remembered, the last first.
    """

    window: float
    method: str
    route: str
    summary: RouteSnapshot | None = None
    outcomes: tuple[Outcome, ...] = ()
    trend: Trend = Trend(step=1.0)
    handler: Handler | None = None
    boundaries: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
    kept: tuple[KeptExchange, ...] = ()
    gains: tuple[Estimate, ...] = ()
    slices: tuple[Slice, ...] = ()
    comparison: Comparison | None = None
    releases: tuple[ByRelease, ...] = ()


class Route(Page[RouteFound]):
    """Numbers, charts, outcomes and findings of one route."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"r": Text(600), **SPAN, **COMPARE}

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> RouteFound:
        """Return what the store knows of the route."""
        method, _, route = given.text("r").partition(" ")
        store, span = system.store, span_of(given, shown.at, shown.recordings)
        seen = window_of(store, span)
        if seen is None:
            return RouteFound(window=span.seconds, method=method, route=route)
        whole = sum(point.value.sum for point in seen.points if isinstance(point.value, Histogram))
        points = [point for point in seen.points if point.labels[:2] == (method, route)]
        _, found = summarize(points, seen.duration)
        if not found:
            return RouteFound(window=seen.duration, method=method, route=route)
        name = route_text(method, route)
        boundaries, counts = _added(points)
        prospects = _prospects(system, shown, name)
        return RouteFound(
            window=seen.duration,
            method=method,
            route=route,
            handler=handler_of(system, method, route),
            summary=msgspec.structs.replace(
                with_queries(found, store.families(COUNTED))[0],
                share=found[0].seconds / whole if whole > 0.0 else 0.0,
            ),
            outcomes=_outcomes(points, seen.duration),
            trend=trend_of(store, span, shown.at, name),
            boundaries=boundaries,
            counts=counts,
            kept=tuple(sorted(prospects.exchanges, key=lambda each: -each.seconds)[:MOST_KEPT]) if prospects else (),
            gains=gains_of(prospects, _candidate(system, shown, name)) if prospects else (),
            slices=store.past.slices(span.seconds, until=span.end, route=(method, route))[1],
            comparison=compared(store, shown, given, span),
            releases=by_release(store, shown, method, route),
        )

    def title(self, shown: OverviewData, found: RouteFound | None, given: Given) -> str:
        """Return the name of the route."""
        return route_name(found.method, found.route) if found else given.text("r")

    def content(self, shown: OverviewData, found: RouteFound | None, given: Given) -> Child:
        """Return the cards."""
        span = span_of(given, shown.at, shown.recordings)
        there = urlencode(same_span(given))
        back = h("a", {"class": "back", "href": f"./routes?{there}" if there else "./routes"}, "‹ Routes")
        if found is None or found.summary is None:
            said = f"No request of {given.text('r') or 'this route'} {_when(shown, span)}."
            links = range_links(given, shown.at, shown.timezone, shown.recordings)
            return section("route", "Route", h("p", {"class": "empty"}, said), h("p", None, back), note=links)
        name = route_name(found.method, found.route)
        top = h(
            "div",
            {"class": "headline"},
            back,
            h("h1", None, h("code", None, breakable(name))),
            range_links(given, shown.at, shown.timezone, shown.recordings),
            handler_line(found.handler, shown.editor),
        )
        own = findings_of(found.method, found.route, shown.recommendations)
        cards = [_numbers(shown, found, found.summary), _charts(shown, found, given, span)]
        return [top, recording_notice(shown, given), *cards, *_about(shown, found, own, given, span)]

    def document(self, shown: OverviewData, found: RouteFound | None, given: Given) -> RouteDocument:
        """Return the same; `route` is null where there was no request."""
        if found is None or found.summary is None:
            return {"route": None}
        return {
            "window": found.window,
            "route": found.summary,
            "handler": found.handler,
            "target": shown.targets.of_route(found.method, found.route),
            "outcomes": found.outcomes,
            "trend": found.trend,
            "boundaries": found.boundaries,
            "counts": found.counts,
            "slices": [{"start": each.start, "end": each.end, "counts": each.counts} for each in found.slices],
            "comparison": _own(found),
            "releases": found.releases,
            "what_if": found.gains,
            "recommendations": findings_of(found.method, found.route, shown.recommendations),
        }


def _prospects(system: PerformanceSystem, shown: OverviewData, name: str) -> Prospects | None:
    """Return what is kept of the route; None where the recorder is off or sleeps, as a look must not wake it."""
    return None if "recorder" in (*shown.off, *shown.asleep) else system.recorder.prospects(name)[name]


def _candidate(system: PerformanceSystem, shown: OverviewData, name: str) -> Candidate | None:
    """Return what the response cache's sample knows of the route; None where there is none."""
    candidates = None if "cache" in (*shown.off, *shown.asleep) else system.cache.candidates
    return None if candidates is None else candidates.of(name, system.clock.monotonic())


def _added(points: Sequence[Point]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    boundaries: tuple[float, ...] = ()
    counts: list[float] = []
    for point in points:
        if isinstance(point.value, Histogram):
            boundaries, more = tuple(point.value.boundaries), point.value.counts
            counts = [a + b for a, b in zip(counts, more, strict=True)] if counts else list(more)
    return boundaries, tuple(counts)


def _outcomes(points: Sequence[Point], duration: float) -> tuple[Outcome, ...]:
    """Return the requests by status and error, the most first."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.labels[2], point.labels[4]), []).append(point)
    made = [
        Outcome(status=status, error_type=error, summary=summaries[0])
        for (status, error), each in groups.items()
        if (summaries := summarize(each, duration)[1])
    ]
    made.sort(key=lambda outcome: (-outcome.summary.requests, outcome.status, outcome.error_type))
    return tuple(made[:MOST_OUTCOMES])


def _numbers(shown: OverviewData, found: RouteFound, summary: RouteSnapshot) -> Markup:
    latency = summary.latency
    target = shown.targets.of_route(found.method, found.route)
    over = latency.p95 is not None and latency.p95 > target
    failing = summary.error_rate > shown.targets.error_rate
    failed: Child = f"{summary.errors:,} of {summary.requests:,}"
    met = _met(found, target)
    was = _was(found, found.comparison.before if found.comparison is not None else None)
    before = [f" · was {seconds(was.latency.p95)}"] if was is not None else []
    return h(
        "div",
        {"class": "figures"},
        figure(
            "Requests", rate(summary.rate), "req/s", f"{count(summary.requests, 'request')} in {window(found.window)}"
        ),
        figure(
            "p95 latency", *split_unit(seconds(latency.p95)), [marked(f"target {seconds(target)}", over=over), before]
        ),
        figure("Errors", *split_unit(percent(summary.error_rate)), marked(str(failed), over=failing)),
        figure(
            "Share of time",
            *split_unit(percent(summary.share)),
            " · ".join(
                [
                    *([f"target met by {percent(met)}"] if met is not None else []),
                    *([f"{said_queries(summary.queries)} queries a request"] if summary.queries is not None else []),
                ]
            ),
        ),
    )


def _met(found: RouteFound, target: float) -> float | None:
    """Return the part of the requests in the buckets that lie wholly within *target* seconds."""
    total = sum(found.counts)
    if not total:
        return None
    return sum(n for top, n in zip(found.boundaries, found.counts, strict=False) if top <= target * (1 + 1e-9)) / total


def _when(shown: OverviewData, span: Span) -> str:
    """Say which stretch of time is shown."""
    return said_of(span, shown.at, shown.timezone) or f"in the last {window(span.seconds)}"


def _own(found: RouteFound) -> RouteComparison | None:
    """Return the route itself in both periods of the comparison."""
    both = found.comparison
    return None if both is None else {"before": _was(found, both.before), "since": _was(found, both.since)}


def _was(found: RouteFound, period: Period | None) -> RouteSnapshot | None:
    return None if period is None else period.route(found.method, found.route)


def _charts(shown: OverviewData, found: RouteFound, given: Given, span: Span) -> Markup:
    moments = moments_of(shown, span)
    goal = shown.targets.of_route(found.method, found.route)
    over_time = found.trend
    if any(value is not None for value in over_time.p95):
        chart: Child = latency_chart(over_time, span.end, shown.timezone, goal, moments)
    else:
        chart = h(
            "p", {"class": "empty"}, "The history has no percentile of this route yet; it needs 20 requests at once."
        )
    if any(value is not None for value in over_time.rate):
        traffic: Child = traffic_chart(over_time, span.end, shown.timezone, moments)
    else:
        traffic = h("p", {"class": "empty"}, "The history has no place of its own for this route.")
    lines = [_key(name, name) for name in ("p50", "p95", "p99")]
    if is_target_shown(over_time, goal):
        lines.append(_key("goal", f"target {seconds(goal)}"))
    return h(
        "section",
        {"class": "card charts", "id": "traffic", "aria-label": "Latency and traffic"},
        h("div", {"class": "latency"}, heading("Latency", lines), chart),
        h("div", {"class": "traffic"}, heading("Requests per second"), traffic),
        trend_table(over_time, span.end, shown.timezone, moments),
        comparison_foot(shown, given, is_compared=found.comparison is not None),
    )


def _key(kind: str, word: str) -> Markup:
    return h("span", {"class": f"key {kind}"}, h("span", {"class": "swatch", "aria-hidden": "true"}), word)


def _about(
    shown: OverviewData, found: RouteFound, own: Sequence[Finding], given: Given, span: Span
) -> list[Markup | None]:
    """Return the findings, the spread of the latency and the outcomes."""
    if own:
        told = section("advice", "What was found about it", finding_list(shown, given, own))
    else:
        told = section(
            "advice", "What was found about it", h("p", {"class": "empty"}, "Nothing: no finding names this route.")
        )
    columns = [
        ("Ended with", ""),
        ("Requests", "number"),
        ("p50", "number"),
        ("p95", "number"),
        ("Mean", "number"),
        ("Share of time", "number"),
    ]
    whole = found.summary.seconds if found.summary is not None else 0.0
    rows = [_outcome(outcome, whole) for outcome in found.outcomes]
    name = route_text(found.method, found.route)
    return [
        heat_card(found.boundaries, found.slices, shown, moments_of(shown, span), route=name),
        told,
        gains(found.gains),
        release_card(found.releases, shown),
        *_slowest(shown, found),
        section(
            "spread",
            "Where its requests land",
            distribution(found.boundaries, found.counts),
            note=f"by duration, {_when(shown, span)}",
        ),
        section("outcomes", "How its requests end", table("Outcomes", columns, rows, "outcomes")),
    ]


def _slowest(shown: OverviewData, found: RouteFound) -> list[Markup]:
    """Return where the slowest kept requests spent their time, and which they are."""
    if not found.kept:
        return []
    kinds, total = typical(found.kept)
    mean = total / len(found.kept)
    title = f"Where its slow requests spend {seconds(mean)}"
    shares = {kind: (number // len(found.kept), took / len(found.kept)) for kind, (number, took) in kinds.items()}
    query = urlencode({"route": route_text(found.method, found.route)}, errors="replace")
    all_of_them = h(
        "p", {"class": "footnote"}, h("a", {"class": "more", "href": f"./requests?{query}"}, "All that are kept of it")
    )
    note = f"mean of the slowest {count(len(found.kept), 'request')} that are kept"
    return [
        section("spent", title, breakdown(shares, mean), note=note),
        section("kept", "Slowest kept requests", kept_table(found.kept, shown.timezone), all_of_them),
    ]


def _outcome(outcome: Outcome, whole: float) -> list[Child]:
    summary, latency = outcome.summary, outcome.summary.latency
    status: Child = outcome.status or "no status"
    error = (
        h("span", {"class": "tag"}, outcome.error_type)
        if outcome.error_type and outcome.error_type != outcome.status
        else None
    )
    return [
        h("span", None, marked(str(status), over=bool(outcome.error_type)), " ", error),
        cell(count(summary.requests)),
        cell(seconds(latency.p50)),
        cell(seconds(latency.p95)),
        cell(seconds(latency.mean)),
        cell(percent(summary.seconds / whole if whole > 0.0 else 0.0)),
    ]


ROUTE = Route()
