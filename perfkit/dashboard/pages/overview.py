"""The first page: is it healthy, what is slow, why, and what to do, before any chart."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode, urljoin

import msgspec

from perfkit.advice.wording import count, factor, percent, rate, seconds, window
from perfkit.core.status import Status
from perfkit.dashboard.charts import is_target_shown, latency_chart, meters, sparkline, traffic_chart
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Given, Parameter
from perfkit.dashboard.parts import figure, heading, icon, marked, section, split_unit, status_class, status_mark
from perfkit.dashboard.scales import thinned
from perfkit.dashboard.sections.checklist import checklist
from perfkit.dashboard.sections.components import component_sections
from perfkit.dashboard.sections.fixed import fixed_list
from perfkit.dashboard.sections.heat import heat_card
from perfkit.dashboard.sections.ledger import arc, ledger
from perfkit.dashboard.sections.recommendations import recommendations
from perfkit.dashboard.sections.routes import linked, routes_table
from perfkit.dashboard.sections.tables import blocked_table, checks_table, trend_table, workers_table
from perfkit.dashboard.timeline.comparison import (
    COMPARE,
    Comparison,
    compared,
    comparison_card,
    comparison_foot,
    recording_notice,
)
from perfkit.dashboard.timeline.history import counted_routes, moments_of, trend_of, window_of
from perfkit.dashboard.timeline.ranges import SPAN, Span, range_links, said_of, same_span, span_of
from perfkit.performance.snapshot import PerformanceSnapshot, RouteSnapshot, Trend
from perfkit.store.history.slices import Slice

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import OverviewDocument
    from perfkit.system import PerformanceSystem

__all__ = ["OVERVIEW"]

_TITLE_MARKS = {Status.UNKNOWN: "◌", Status.HEALTHY: "●", Status.WARNING: "▲", Status.CRITICAL: "■"}


MOST_ROUTES = 10
"""Routes on the overview; the page of the routes has all."""


class OverviewFound(msgspec.Struct, frozen=True, kw_only=True):
    """What the charts show of the range that was asked for.

    Attributes:
        trend: None where the range is that of the window itself.
        routes: None where they are those of the window itself.
        comparison: With what was before; None where nobody asks for that.
        boundaries, slices: The durations in slices of time.
    """

    trend: Trend | None = None
    routes: tuple[RouteSnapshot, ...] | None = None
    comparison: Comparison | None = None
    boundaries: tuple[float, ...] = ()
    slices: tuple[Slice, ...] = ()


class Overview(Page[OverviewFound]):
    """The verdict, what to do, the four numbers, and the top of everything."""

    parameters: ClassVar[Mapping[str, Parameter]] = {**SPAN, **COMPARE}

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> OverviewFound | None:
        """Return the history of the range that was asked for, for the charts."""
        if "performance" in shown.missing:
            return None
        store, span = system.store, span_of(given, shown.at, shown.recordings)
        routes = None
        if not span.is_live or span.is_recording:
            seen = window_of(store, span)
            routes = counted_routes(store, seen) if seen is not None else ()
        boundaries, slices = store.past.slices(span.seconds, until=span.end)
        return OverviewFound(
            trend=trend_of(store, span, shown.at) if given.key else None,
            routes=routes,
            comparison=compared(store, shown, given, span),
            boundaries=tuple(boundaries),
            slices=slices,
        )

    def title(self, shown: OverviewData, found: OverviewFound | None, given: Given) -> str:
        """Return the status: it is what a tab in the background is for."""
        status = shown.verdict.status
        return f"{_TITLE_MARKS[status]} {status.word}"

    def content(self, shown: OverviewData, found: OverviewFound | None, given: Given) -> Child:
        """Return the cards, the most urgent first."""
        performance = shown.performance
        trend = thinned(performance.trend)
        span = span_of(given, shown.at, shown.recordings)
        content: list[Child] = [notice(shown), recording_notice(shown, given), _verdict(shown)]
        if "performance" in shown.missing:
            content += [_switched_off("performance", "Requests and workers"), recommendations(shown, given)]
        elif performance.total_requests:
            content += [_numbers(shown, trend), _advice(shown, given)]
            content += [_charts(shown, found, given, span), _heat(shown, found, span)]
            content += [comparison_card(found.comparison if found else None, shown, given)]
            content.append(_routes(shown, found, given, span))
            if performance.blocked:
                since = "since the workers started"
                content.append(
                    section("blocked", "Blocked event loop", blocked_table(performance, shown.editor), note=since)
                )
        else:
            content += [_first_steps(shown), recommendations(shown, given)]
        if performance.total_requests < shown.targets.requests and "performance" not in shown.missing:
            content.append(checklist(shown))
        content += component_sections(shown)
        if "performance" not in shown.missing:
            content.append(section("workers", "Workers", workers_table(performance, shown.at)))
        if "health" in shown.missing:
            content.append(_switched_off("health", "Health checks"))
        else:
            checks = checks_table(shown.health, shown.at)
            content.append(section("checks", "Health checks", checks, note=_probes(shown)))
        return content

    def document(self, shown: OverviewData, found: OverviewFound | None, given: Given) -> OverviewDocument:
        """Return everything that is known, each component's snapshot under its word."""
        return {
            "targets": shown.targets,
            "verdict": shown.verdict,
            "trend": found.trend if found and found.trend else shown.performance.trend,
            "comparison": found.comparison if found else None,
            "recordings": shown.recordings,
            "boundaries": found.boundaries if found else (),
            "slices": [{"start": each.start, "end": each.end, "counts": each.counts} for each in found.slices]
            if found
            else (),
            "score": shown.score,
            "outlook": shown.outlook,
            "recommendations": shown.recommendations,
            "fixed": shown.fixed,
            "snoozed": shown.snoozed,
            "releases": shown.releases,
            "performance": None if "performance" in shown.missing else shown.performance,
            "health": None if "health" in shown.missing else shown.health,
            "alerts": shown.alerts,
            "cache": shown.cache,
            "database": shown.database,
            "load_balancer": shown.load_balancer,
            "off": shown.off,
            "asleep": shown.asleep,
        }


OVERVIEW = Overview()


def notice(data: OverviewData) -> Markup | None:
    """Return the line that says why the numbers are not those of all workers; None where they are."""
    if not data.degraded:
        return None
    whose = "" if data.is_shared else "These are the numbers of this worker alone. "
    return h(
        "p",
        {"class": "notice", "role": "note"},
        h("span", {"class": "mark", "aria-hidden": "true"}, "▲"),
        h("span", None, whose, data.degraded),
    )


def _verdict(data: OverviewData) -> Markup:
    verdict, routes = data.verdict, data.performance.routes
    show = [" ", h("a", {"class": "more", "href": "#advice"}, "Show")] if data.recommendations else None
    return h(
        "section",
        {"class": f"card verdict {status_class(verdict.status)}", "aria-label": "Verdict"},
        arc(data.score) if data.score is not None else icon(verdict.status),
        h(
            "div",
            {"class": "words"},
            h(
                "div",
                {"class": "first"},
                status_mark(verdict.status, pill=True),
                h("h1", None, verdict.headline),
            ),
            h("p", {"class": "cause"}, linked(verdict.cause, routes)) if verdict.cause else None,
            h("p", {"class": "action"}, h("strong", None, "Do this first: "), linked(verdict.action, routes), show)
            if verdict.action
            else None,
        ),
    )


def _advice(data: OverviewData, given: Given) -> Markup:
    """What to do beside what it costs not to, and what it gained where it was done."""
    costs = h("div", {"class": "beside"}, ledger(data), fixed_list(data))
    return h("div", {"class": "advice"}, recommendations(data, given), costs)


def _routes(data: OverviewData, found: OverviewFound | None, given: Given, span: Span) -> Markup:
    performance, own = data.performance, found.routes if found is not None else None
    known = performance.routes if own is None else own
    routes = sorted(known, key=lambda route: (-route.share, route.route, route.method))
    length = performance.window if own is None else span.seconds
    findings, when = data.recommendations, said_of(span, data.at, data.timezone)
    rows = routes_table(
        routes[:MOST_ROUTES], data.targets, length, findings=findings, query=same_span(given), when=when
    )
    said = f"All {count(len(known), 'route')}" if len(known) > MOST_ROUTES else "Sort them, and more of each"
    url = f"./routes?{urlencode(same_span(given))}" if same_span(given) else "./routes"
    more = h("p", {"class": "footnote"}, h("a", {"class": "more", "href": url}, said))
    note = f"by share of request time, {when or f'last {window(length)}'}"
    return section("routes", "Routes", rows, more if known else None, note=note)


def _numbers(data: OverviewData, trend: Trend) -> Markup:
    performance, targets = data.performance, data.targets
    past = window(trend.step * max(len(trend.rate), 1))
    p95 = performance.latency.p95
    slow = p95 is not None and p95 > targets.p95
    failing = performance.requests >= 20 and performance.error_rate > targets.error_rate
    if p95 is None:
        latency_note: Child = f"{performance.requests} of 20 requests needed"
    elif slow:
        latency_note = marked(f"{factor(p95 / targets.p95)} the target of {seconds(targets.p95)}", over=True)
    else:
        latency_note = f"target {seconds(targets.p95)}"
    failed = f"{performance.errors:,} of {performance.requests:,}"
    if failing:
        failed_note: Child = marked(f"{failed}, target {percent(targets.error_rate)}", over=True)
    else:
        failed_note = failed
    rate_spark = sparkline(trend.rate, "plain", f"Requests per second over {past}", rate)
    p95_spark = sparkline(trend.p95, "over" if slow else "p95", f"p95 latency over {past}", seconds)
    error_spark = sparkline(
        trend.errors, "over" if failing else "fine", f"Error rate over {past}", percent, targets.error_rate
    )
    seen = f"{count(performance.requests, 'request')} in {window(performance.window)}"
    return h(
        "div",
        {"class": "figures"},
        figure("Throughput", rate(performance.rate), "req/s", seen, rate_spark),
        figure("p95 latency", *split_unit(seconds(p95)), latency_note, p95_spark),
        figure("Errors", *split_unit(percent(performance.error_rate)), failed_note, error_spark),
        _saturation(data),
    )


def _saturation(data: OverviewData) -> Markup:
    """CPU against one core a worker, because one worker's Python runs on one core at a time."""
    performance = data.performance
    flying = f"{performance.in_flight:,} in flight"
    shares = [worker.cpu for worker in performance.workers if worker.cpu is not None]
    if performance.cpu is None or not shares:
        return figure("Saturation", f"{performance.in_flight:,}", "in flight", "CPU not measured yet")
    share = performance.cpu / len(shares)
    drawn = sorted(shares, reverse=True)[:64]
    chart = meters(drawn, f"CPU of each worker, highest first: {', '.join(percent(each) for each in drawn)}")
    cores = f"{performance.cpu:.2f} of {count(len(shares), 'core')}"
    note = f"CPU {cores} · {flying}"
    said = marked(note, over=True) if share >= 0.9 else note
    return figure("Saturation", *split_unit(percent(share)), said, chart)


def _charts(data: OverviewData, found: OverviewFound | None, given: Given, span: Span) -> Markup:
    performance, moments, trend = data.performance, moments_of(data, span), _history(data, found)
    if any(value is not None for value in trend.p95):
        chart: Child = latency_chart(trend, span.end, data.timezone, data.targets.p95, moments)
    else:
        chart = h("p", {"class": "empty"}, _why_no_latency(performance))
    if any(value is not None for value in trend.rate):
        traffic: Child = traffic_chart(trend, span.end, data.timezone, moments)
    else:
        traffic = h("p", {"class": "empty"}, "No second has been recorded yet; the first one shows at once.")
    goal = data.targets.p95
    lines = [_key(name, name) for name in ("p50", "p95", "p99")]
    if is_target_shown(trend, goal):
        lines.append(_key("goal", f"target {seconds(goal)}"))
    columns = [_key("fine", "answered"), _key("bad", "failed")]
    return h(
        "section",
        {"class": "card charts", "id": "traffic", "aria-label": "Latency and traffic"},
        h(
            "div",
            {"class": "latency"},
            heading("Latency", [*lines, *range_links(given, data.at, data.timezone, data.recordings)]),
            chart,
        ),
        h("div", {"class": "traffic"}, heading("Requests per second", columns), traffic),
        trend_table(trend, span.end, data.timezone, moments),
        comparison_foot(data, given, is_compared=found is not None and found.comparison is not None),
    )


def _history(data: OverviewData, found: OverviewFound | None) -> Trend:
    return thinned(found.trend if found is not None and found.trend is not None else data.performance.trend)


def _heat(data: OverviewData, found: OverviewFound | None, span: Span) -> Markup | None:
    """Return the card of the heat map; None while there is less than two slices of time."""
    return heat_card(found.boundaries, found.slices, data, moments_of(data, span)) if found is not None else None


def _why_no_latency(performance: PerformanceSnapshot) -> str:
    if performance.requests >= 20:
        return "No moment had enough requests for a percentile; the numbers above cover all of them together."
    past = window(performance.window)
    return f"No percentile yet: 20 requests are needed, {performance.requests} came in the last {past}."


def _key(kind: str, word: str) -> Markup:
    return h("span", {"class": f"key {kind}"}, h("span", {"class": "swatch", "aria-hidden": "true"}), word)


def _first_steps(data: OverviewData) -> Markup:
    """Lines to copy: send a request, see the numbers, ask for health, have the set-up looked at."""
    steps = [("Send this app a request", data.home_url, "curl -i")]
    steps += [("Read what was counted", data.metrics_url, "curl -s")] if data.metrics_url else []
    steps += [("Ask how it is", data.health_url, "curl -s")] if data.health_url else []
    commands = [
        ("Have the set-up looked at", f"perfkit doctor {shlex.quote(urljoin(data.page_url, './'))}"),
        ("See a shop with its problems", "perfkit demo --open"),
    ]
    lines = [
        h(
            "li",
            None,
            h("span", None, title),
            h("pre", {"tabindex": 0}, h("code", None, f"{curl} {shlex.quote(urljoin(data.page_url, url))}")),
        )
        for title, url, curl in steps
    ]
    lines += [
        h("li", None, h("span", None, title), h("pre", {"tabindex": 0}, h("code", None, command)))
        for title, command in commands
    ]
    return section(
        "first-steps",
        "First steps",
        h("ol", {"class": "steps"}, lines),
        h(
            "p",
            {"class": "footnote"},
            "Of each request perfkit records method, route template, status, scheme, kind of error and duration. "
            "Bodies, cookies, credentials, values of query strings and raw paths are never recorded.",
        ),
        note=f"this page loads itself every {data.live} s" if data.live else "then load this page again, or go Live",
    )


def _switched_off(word: str, title: str) -> Markup:
    """Return a card that says which line of the settings brings back what is missing here."""
    how = [f"{word} is switched off. Set ", h("code", None, f"{word}.enabled"), " to true to see this."]
    return section(word, title, h("p", {"class": "empty"}, how))


def _probes(data: OverviewData) -> Markup:
    health = data.health
    said = [
        ("ready" if health.is_ready else "draining" if health.is_draining else "not ready", health.is_ready),
        ("live" if health.is_live else "not live", health.is_live),
    ]
    return h(
        "span",
        {"class": "probes"},
        [
            h(
                "span",
                {"class": f"state {'ok' if fine else 'bad'}"},
                h("span", {"class": "mark", "aria-hidden": "true"}, "●" if fine else "■"),
                word,
            )
            for word, fine in said
        ],
    )
