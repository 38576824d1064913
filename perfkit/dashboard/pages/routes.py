"""All routes, sorted as the query says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from perfkit.advice.wording import count, window
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Choice, Given, Number, Parameter, Text
from perfkit.dashboard.parts import section
from perfkit.dashboard.sections.routes import COLUMNS, routes_table
from perfkit.dashboard.timeline.comparison import recording_notice
from perfkit.dashboard.timeline.history import counted_routes, window_of
from perfkit.dashboard.timeline.ranges import SPAN, range_links, said_of, same_span, span_of
from perfkit.performance.snapshot import RouteSnapshot

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import RoutesDocument
    from perfkit.system import PerformanceSystem

__all__ = ["ROUTES", "RoutesFound"]

STEP = 100
"""Routes of one part of the list."""

_BY: dict[str, Callable[[RouteSnapshot], Any]] = {
    "share": lambda route: route.share,
    "rate": lambda route: route.rate,
    "p50": lambda route: route.latency.p50 or 0.0,
    "p95": lambda route: route.latency.p95 or 0.0,
    "p99": lambda route: route.latency.p99 or 0.0,
    "queries": lambda route: route.queries or 0.0,
    "errors": lambda route: (route.error_rate, route.errors),
    "route": lambda route: (route.route, route.method),
}


class RoutesFound(msgspec.Struct, frozen=True, kw_only=True):
    """The routes over the range that was asked for.

    Attributes:
        window: Seconds that it covers; fewer while the service is younger.
    """

    window: float
    routes: tuple[RouteSnapshot, ...]


class Routes(Page[RoutesFound]):
    """The table, its filter and its parts."""

    parameters: ClassVar[Mapping[str, Parameter]] = {
        **SPAN,
        "sort": Choice(tuple(_BY)),
        "order": Choice(("down", "up")),
        "q": Text(100),
        "skip": Number(0, 1_000_000, 0),
    }

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> RoutesFound:
        """Return the routes of the range."""
        span = span_of(given, shown.at, shown.recordings)
        seen = window_of(system.store, span)
        if seen is None:
            return RoutesFound(window=span.seconds, routes=())
        return RoutesFound(window=seen.duration, routes=counted_routes(system.store, seen))

    def content(self, shown: OverviewData, found: RoutesFound | None, given: Given) -> Child:
        """Return the filter, the table and the links to what does not fit."""
        found = found or _of(shown)
        chosen = _chosen(found, given)
        first = given.number("skip")
        part = chosen[first : first + STEP]
        body: Child
        span = span_of(given, shown.at, shown.recordings)
        when = said_of(span, shown.at, shown.timezone)
        if chosen and not part:
            body = h("p", {"class": "empty"}, f"No route here: the list ends at {len(chosen):,}.")
        elif found.routes and not chosen:
            body = h("p", {"class": "empty"}, f"No route has {given.text('q')!r} in its name.")
        else:
            findings = shown.recommendations
            body = routes_table(
                part,
                shown.targets,
                found.window,
                findings=findings,
                head=_sorter(given),
                query=same_span(given),
                when=when,
            )
        links = range_links(given, shown.at, shown.timezone, shown.recordings)
        note = [f"{count(len(chosen), 'route')} {when or f'in {window(found.window)}'} ", links]
        return [
            h("h1", {"class": "hidden"}, "Routes"),
            recording_notice(shown, given),
            section("routes", "Routes", _filter(given), body, _parts(given, len(chosen)), note=note),
        ]

    def document(self, shown: OverviewData, found: RoutesFound | None, given: Given) -> RoutesDocument:
        """Return the same part of the same list."""
        found = found or _of(shown)
        chosen = _chosen(found, given)
        first = given.number("skip")
        return {"window": found.window, "total": len(chosen), "from": first, "routes": chosen[first : first + STEP]}


def _of(shown: OverviewData) -> RoutesFound:
    return RoutesFound(window=shown.performance.window, routes=shown.performance.routes)


def _chosen(found: RoutesFound, given: Given) -> list[RouteSnapshot]:
    word, wanted = given.text("sort"), given.text("q").lower()
    kept = [route for route in found.routes if wanted in f"{route.method} {route.route}".lower()]
    kept.sort(key=lambda route: (route.route, route.method))
    # Names go up first, all else goes down first: the worst is what one looks for.
    is_downward = (given.text("order") == "down") is not (word == "route")
    kept.sort(key=_BY[word], reverse=is_downward)
    return kept


def _sorter(given: Given) -> Callable[[str, str], Child]:
    """Return what makes the title of a column a link that sorts by it, and by it again the other way round."""
    here, order = given.text("sort"), given.text("order")
    assert {word for word, _, _ in COLUMNS} == set(_BY)

    def head(word: str, title: str) -> Markup:
        is_here = word == here
        turned = "up" if is_here and order == "down" else "down"
        is_down = (order == "down") is not (word == "route")
        arrow = h("span", {"class": "mark", "aria-hidden": "true"}, "▾" if is_down else "▴") if is_here else None
        said = h("span", {"class": "hidden"}, ", sorted" if is_here else ", sort")
        return h(
            "a",
            {"class": "sort", "href": given.link(sort=word, order=turned, skip=None)},
            title,
            arrow,
            said,
        )

    return head


def _filter(given: Given) -> Markup:
    hidden = [
        h("input", {"type": "hidden", "name": name, "value": value})
        for name, value in given.key
        if name not in ("q", "skip")
    ]
    box = h(
        "input",
        {
            "type": "search",
            "name": "q",
            "value": given.text("q"),
            "maxlength": 100,
            "placeholder": "Part of a route's name",
            "aria-label": "Part of a route's name",
        },
    )
    return h(
        "form", {"class": "filter", "role": "search", "action": "./routes"}, hidden, box, h("button", None, "Filter")
    )


def _parts(given: Given, total: int) -> Markup | None:
    """Return the links to the parts of a list that is too long for one page."""
    first = given.number("skip")
    links = []
    if first:
        links.append(h("a", {"class": "more", "href": given.link(skip=max(0, first - STEP))}, "‹ before"))
    if first + STEP < total:
        links.append(h("a", {"class": "more", "href": given.link(skip=first + STEP)}, "after ›"))
    if not links:
        return None
    return h(
        "p", {"class": "footnote"}, f"{min(first + 1, total):,} to {min(first + STEP, total):,} of {total:,}  ", links
    )


ROUTES = Routes()
