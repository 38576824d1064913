"""The table of routes: the top of it on the overview, all of it on a page of its own, sortable by links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from perfkit.advice import Targets
from perfkit.advice.wording import NOTHING, percent, rate, route_name, seconds, significant, window
from perfkit.core.findings import Finding
from perfkit.dashboard.charts import bar
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import breakable, cell, marked, route_link, route_text, table
from perfkit.performance.snapshot import RouteSnapshot

__all__ = ["COLUMNS", "findings_of", "linked", "routes_table", "said_queries"]

COLUMNS = (
    ("route", "Route", ""),
    ("rate", "req/s", "number"),
    ("p50", "p50", "number"),
    ("p95", "p95", "number"),
    ("p99", "p99", "number"),
    ("queries", "Queries", "number"),
    ("errors", "Errors", "number"),
    ("share", "Share of time", "share"),
)
"""Word for the query, title and class of each column."""

_PLACE = re.compile(r"[^\s,;()]{1,300}\.py:\d{1,7}|[A-Z]{3,10} /[^\s,;]{0,300}")
"""A line of code, or what may be a route."""


def routes_table(
    routes: Sequence[RouteSnapshot],
    targets: Targets,
    length: float,
    *,
    findings: Sequence[Finding] = (),
    head: Callable[[str, str], Child] = lambda _, title: title,
    query: Mapping[str, str | int | float] | None = None,
    when: str = "",
) -> list[Markup]:
    """Return *routes* in their order, over *length* seconds.

    Args:
        findings: Of all routes; each stands with its own.
        head: Returns what stands above a column, from its word and title.
        query: What the links to the routes say beside the route.
        when: Says which time that is, where it is not the last one.
    """
    if not routes:
        return [h("p", {"class": "empty"}, f"No request {when or f'in the last {window(length)}'}.")]
    has_queries = any(route.queries is not None for route in routes)
    columns: list[tuple[Child, str]] = [
        (head(word, title), kind) for word, title, kind in COLUMNS if has_queries or word != "queries"
    ]
    if findings:
        columns.append(("Finding", ""))
    rows = [
        [*_row(route, targets, query or {}, has_queries=has_queries), *([_found(route, findings)] if findings else [])]
        for route in routes
    ]
    parts = [table("Routes", columns, rows, "routes")]
    if any(route.latency.p95 is None for route in routes):
        said = f"{NOTHING} fewer than 20 requests in the last {window(length)}, too few for a percentile."
        parts.append(h("p", {"class": "footnote"}, said))
    return parts


def linked(text: str, routes: Iterable[RouteSnapshot]) -> list[Child]:
    """Return *text* with lines of code set as such, and those of *routes* that it names leading to their pages."""
    known = {route_name(route.method, route.route): route for route in routes}
    told: list[Child] = []
    at = 0
    for place in _PLACE.finditer(text):
        name = place[0].rstrip(".:")
        route = known.get(name)
        if route is None and not re.search(r"\.py:\d+\Z", name):
            continue
        said = h("code", None, breakable(name))
        told += [text[at : place.start()], route_link(route.method, route.route, said) if route else said]
        at = place.start() + len(name)
    return [*told, text[at:]]


def findings_of(method: str, route: str, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return those of *findings* that name the route: as what they are about, or in their evidence."""
    name = route_text(method, route)
    return tuple(
        finding for finding in findings if name in (finding.route, finding.object, *_routes_of(finding.evidence))
    )


def _routes_of(evidence: Mapping[str, object]) -> list[object]:
    several = evidence.get("routes")
    return [evidence.get("route"), *(several if isinstance(several, (list, tuple, dict)) else ())]


def said_queries(queries: float | None) -> str:
    """Say how many statements a request sends."""
    if queries is None:
        return NOTHING
    return f"{queries:,.0f}" if queries >= 9.95 or queries == round(queries) else significant(queries, 2)


def _row(
    route: RouteSnapshot, targets: Targets, query: Mapping[str, str | int | float], *, has_queries: bool
) -> list[Child]:
    latency = route.latency
    over = latency.p95 is not None and latency.p95 > targets.of_route(route.method, route.route)
    name = h("code", None, breakable(route_name(route.method, route.route)))
    return [
        route_link(route.method, route.route, name, query),
        cell(rate(route.rate)),
        cell(seconds(latency.p50)),
        cell(marked(seconds(latency.p95), over=over)),
        cell(seconds(latency.p99)),
        *([cell(said_queries(route.queries))] if has_queries else []),
        cell(marked(percent(route.error_rate), over=route.error_rate > targets.error_rate)),
        cell([bar(route.share), h("span", None, percent(route.share))], "share"),
    ]


def _found(route: RouteSnapshot, findings: Sequence[Finding]) -> Markup:
    own = findings_of(route.method, route.route, findings)
    return cell([h("span", {"class": "tag"}, finding.code) for finding in own[:3]], "")
