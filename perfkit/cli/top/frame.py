"""One frame of `perfkit top`: lines of styled words that fit a screen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from perfkit.advice.ranking import identity
from perfkit.advice.wording import NOTHING, age, count, percent, rate, route_name, seconds, significant, size
from perfkit.cli.console import clean, fitted, shortened
from perfkit.cli.reading.overview import Overview
from perfkit.cli.reading.past import RANGES, Past
from perfkit.cli.top.glyphs import Glyphs
from perfkit.cli.top.pages import details
from perfkit.cli.top.view import View
from perfkit.cli.top.waterfall import waterfall
from perfkit.core.findings import Finding
from perfkit.core.status import Status
from perfkit.performance.snapshot import PerformanceSnapshot, RouteSnapshot
from perfkit.recorder.kept import KeptExchange

__all__ = ["Line", "Moment", "Screen", "Word", "drawn"]

PAGES = ("a advice", "d database", "c cache", "r runtime", "p pause")
FOOTERS = {
    "routes": ("↑↓ move", "⏎ open", "s sort", "/ filter", "1-4 range", *PAGES),
    "route": ("esc back", "⏎ slowest request", "↑↓ move", *PAGES),
    "": ("esc back", "↑↓ move", *PAGES),
}
ALWAYS = ("? help", "q quit")
NARROW = 100
"""Columns from which findings have a column of their own."""


class Word(NamedTuple):
    """Text in the styles of `perfkit.cli.console.Style`, between blanks."""

    text: str
    style: str = ""


Line = tuple[Word, ...]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What is known now.

    Attributes:
        overview: The last answer; None before the first.
        past: Its routes over a longer range; None for the last minutes.
        error: Why there is no newer one; empty where there is.
        clock: The time, as it is shown.
        kept_route: The route (``GET /orders``) of which the slowest kept request was asked for; empty for none.
        kept: That request; None where none is kept, or for what `kept_error` says.
    """

    place: str
    overview: Overview | None
    past: Past | None = None
    error: str = ""
    clock: str = ""
    kept_route: str = ""
    kept: KeptExchange | None = None
    kept_error: str = ""


class Screen(NamedTuple):
    """How much fits, and with which signs; *has_footer* where somebody can press keys."""

    width: int
    height: int
    glyphs: Glyphs
    has_footer: bool = True


WIDE = 60
"""Columns from which the score says of how much it is."""


def drawn(moment: Moment, view: View, screen: Screen) -> list[Line]:
    """Return the lines of the frame, at most as many and as wide as the screen; what is chosen stays in sight."""
    overview = moment.overview
    if overview is None:
        said = moment.error or f"Asking {moment.place} ..."
        lines = [
            _line(f" perfkit top  {moment.place}", "bold"),
            *_wrapped(said, screen.width, "red" if moment.error else ""),
        ]
        view.rows = 0
        return [_cropped(line, screen) for line in _framed(lines, [], view, screen)]
    head = _head(moment, overview, screen)
    if view.page == "routes":
        body = _routes(moment, overview, view, screen)
    elif view.page == "request":
        body = _request(moment, view, screen)
    else:
        body = _page(moment, overview, view, screen)
    return [_cropped(line, screen) for line in _framed(head, body, view, screen)]


def _cropped(line: Line, screen: Screen) -> Line:
    """Return *line* as wide as the screen at most, in signs that it has."""
    words, left = [], screen.width
    for word in line:
        text = screen.glyphs.plain(word.text)[:left]
        left -= len(text)
        words.append(Word(text, word.style))
    return tuple(words)


def _framed(head: list[Line], body: list[Line], view: View, screen: Screen) -> list[Line]:
    room = max(0, screen.height - len(head) - screen.has_footer)
    titles, rows = body[:1], body[1:]
    above = max(0, len(rows) - room + 1)
    if view.page == "routes":
        first = min(max(0, view.row - max(0, room - 2)), above)
    else:
        first = view.scroll = min(view.scroll, above)
    shown = [*titles, *rows[first:]][:room]
    if not screen.has_footer:
        return [*head, *shown][: screen.height]
    blank: list[Line] = [()] * (room - len(shown))
    if view.is_typing:
        said = fitted(f" filter: {view.filter}_   enter to keep, esc to drop", screen.width)
    else:
        said = _footer(view, screen)
    return [*head, *shown, *blank, (Word(said.ljust(screen.width), "reverse"),)][-screen.height :]


def _footer(view: View, screen: Screen) -> str:
    """Return what the keys do, as many as fit; help, which tells the rest, and the way out are always there."""
    shown = [screen.glyphs.plain(each) for each in FOOTERS.get(view.page, FOOTERS[""])]
    while shown and len("  ".join((*shown, *ALWAYS))) + 1 > screen.width:
        shown.pop()
    return fitted(f" {'  '.join((*shown, *ALWAYS))}", screen.width)


def _head(moment: Moment, overview: Overview, screen: Screen) -> list[Line]:
    performance, verdict = overview.performance, overview.verdict
    glyphs, width = screen.glyphs, screen.width
    facts = [f"{overview.service}/{overview.environment}"]
    if performance is not None:
        facts += [count(len(performance.workers), "worker"), f"up {age(performance.uptime)}"]
    of = "/100" if width >= WIDE else ""
    scored = f"{overview.score.value}{of} " if overview.score is not None else ""
    status = f"{scored}{glyphs.statuses[verdict.status]} {verdict.status.word}"
    right = f"{status}  {moment.clock}"
    room = max(0, width - len(right) - 2)
    while len(facts) > 1 and len(_title(facts)) > room:
        facts.pop()  # rather than half of it
    left = fitted(_title(facts), room)
    gap = " " * max(1, width - len(left) - len(right) - 1)
    head: list[Line] = [
        (Word(left, "bold"), Word(gap), Word(status, _STATUS_STYLES[verdict.status]), Word(f"  {moment.clock}"))
    ]
    if moment.error:
        head.append(_line(fitted(f" No newer answer: {moment.error}", width), "red"))
    else:
        cause = f" {glyphs.dash} {verdict.cause}" if verdict.cause else ""
        head.append(_line(fitted(f" {glyphs.plain(verdict.headline + cause)}", width)))
    if performance is not None:
        head.append(_numbers(moment, overview, performance, screen))
    return head


def _title(facts: Sequence[str]) -> str:
    return f" perfkit top  {'  '.join(map(clean, facts))}"


_STATUS_STYLES = {
    Status.UNKNOWN: "dim",
    Status.HEALTHY: "green",
    Status.WARNING: "yellow",
    Status.CRITICAL: "red",
}


def _numbers(moment: Moment, overview: Overview, performance: PerformanceSnapshot, screen: Screen) -> Line:
    longer, targets = moment.past.trend if moment.past is not None else None, overview.targets
    trend = longer if longer is not None else performance.trend
    p95, failing = performance.latency.p95, performance.error_rate > targets.error_rate
    cache = (overview.cache or {}).get("hit_ratio")
    parts = [
        (f"req/s {rate(performance.rate)} {screen.glyphs.spark(trend.rate, 10)}", ""),
        (
            f"p95 {seconds(p95)} {screen.glyphs.spark(trend.p95, 10)}",
            "red" if p95 is not None and p95 > targets.p95 else "",
        ),
        (f"err {percent(performance.error_rate)}", "red" if failing and performance.requests >= 20 else ""),
    ]
    if performance.event_loop_lag.p95 is not None:
        parts.append((f"loop {seconds(performance.event_loop_lag.p95)}", ""))
    if performance.memory is not None:
        parts.append((f"rss {size(performance.memory)}", ""))
    if isinstance(cache, int | float):
        parts.append((f"cache {percent(float(cache))}", ""))
    words: list[Word] = [Word(" ")]
    left = screen.width - 1
    for text, style in parts:
        text = screen.glyphs.plain(text)
        if len(text) + 3 > left:
            break
        words += [Word(text, style), Word("   ")]
        left -= len(text) + 3
    return tuple(words)


def _routes(moment: Moment, overview: Overview, view: View, screen: Screen) -> list[Line]:
    if overview.performance is None:
        view.rows = 0
        return [_line(" The performance component is switched off.")]
    routes = ordered(_seen(moment, overview), view)
    view.rows = len(routes)
    view.row = max(0, min(view.row, view.rows - 1))
    found = _by_route(overview.recommendations)
    widths = _widths(screen.width)
    title = f"ROUTE {moment.past.range if moment.past is not None else RANGES[0]}"
    titles = (title, "REQ/S", "P50", "P95", "P99", "ERR", "Q", "SHARE", "FINDING")
    marked = {"route": 0, "rate": 1, "p95": 3, "errors": 5, "queries": 6, "share": 7}[view.sort]
    named = [f"{title}{screen.glyphs.down}" if at == marked else title for at, title in enumerate(titles)]
    lines = [_line(_columns(named, widths, screen.width), "bold")]
    for at, route in enumerate(routes):
        name = route_name(route.method, route.route)
        bar = screen.glyphs.bar(route.share, max(0, widths[7] - 8))
        cells = (
            f"{screen.glyphs.pointer if at == view.row else ' '}{shortened(screen.glyphs.plain(name), widths[0] - 1)}",
            rate(route.rate),
            seconds(route.latency.p50),
            seconds(route.latency.p95),
            seconds(route.latency.p99),
            percent(route.error_rate),
            NOTHING if route.queries is None else significant(route.queries, 2),
            f"{bar} {percent(route.share):>7}",
            ", ".join(found.get(f"{route.method} {route.route}", ())),
        )
        target = overview.targets.of_route(route.method, route.route)
        is_over = route.latency.p95 is not None and route.latency.p95 > target
        style = "reverse" if at == view.row and screen.has_footer else "yellow" if is_over else ""
        text = _columns([screen.glyphs.plain(cell) for cell in cells], widths, screen.width)
        lines.append(_line(text.ljust(screen.width) if style == "reverse" else text, style))
    if not routes:
        said = f"No route has {view.filter!r} in its name." if view.filter else "No request yet."
        lines.append(_line(f" {fitted(said, screen.width - 1)}"))
    return lines


def ordered(routes: Sequence[RouteSnapshot], view: View) -> list[RouteSnapshot]:
    """Return the routes that pass the filter, in the order that was chosen."""
    wanted = view.filter.casefold()
    chosen = [route for route in routes if wanted in route_name(route.method, route.route).casefold()]
    if view.sort == "route":
        return sorted(chosen, key=lambda route: (route.route, route.method))
    keys = {
        "share": lambda route: route.share,
        "rate": lambda route: route.rate,
        "p95": lambda route: route.latency.p95 or 0.0,
        "errors": lambda route: route.error_rate,
        "queries": lambda route: route.queries or 0.0,
    }
    return sorted(chosen, key=keys[view.sort], reverse=True)


def _widths(width: int) -> list[int]:
    """Return the width of each column; the route gets what is left."""
    finding = max(7, (width - 80) // 2) if width >= NARROW else 0
    share = 18 if width >= 90 else 8  # on 80 columns names are worth more than bars
    fixed = [6, 8, 8, 8, 7, 5, share, finding]
    while fixed and width - sum(fixed) - len(fixed) < 16 and any(fixed[2:]):
        last = max(at for at, each in enumerate(fixed) if each)
        fixed[last] = 0
    used = sum(each + 1 for each in fixed if each)
    return [max(4, width - used - 1), *fixed]


def _columns(cells: Sequence[str], widths: Sequence[int], width: int) -> str:
    shown = [
        fitted(cell, space).ljust(space) if at in (0, 8) else fitted(cell, space).rjust(space)
        for at, (cell, space) in enumerate(zip(cells, widths, strict=True))
        if space
    ]
    return fitted(" ".join(shown).rstrip(), width)


def _by_route(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """Return the codes of the findings of each route, each once."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for finding in findings:
        if finding.route and identity(finding) not in seen:
            seen.add(identity(finding))
            codes = found.setdefault(finding.route, [])
            if finding.code not in codes:
                codes.append(finding.code)
    return found


def _seen(moment: Moment, overview: Overview) -> Sequence[RouteSnapshot]:
    """Return the routes of the range that is looked at."""
    if moment.past is not None:
        return moment.past.routes
    return overview.performance.routes if overview.performance is not None else ()


def _page(moment: Moment, overview: Overview, view: View, screen: Screen) -> list[Line]:
    """Return the lines of any other page; it scrolls as a whole."""
    chosen = None
    if view.page == "route" and overview.performance is not None:
        routes = ordered(_seen(moment, overview), view)
        chosen = routes[min(view.row, len(routes) - 1)] if routes else None
        view.opened = f"{chosen.method} {chosen.route}" if chosen is not None else ""
    title, texts = details(overview, view.page, chosen)
    lines = [_line(f" {fitted(screen.glyphs.plain(clean(title)), screen.width - 1)}", "bold")]
    for text in texts:
        lines += _wrapped(screen.glyphs.plain(text), screen.width)
    return lines


def _request(moment: Moment, view: View, screen: Screen) -> list[Line]:
    """Return the slowest kept request of the route that was opened."""
    lines = [
        _line(f" Slowest kept request of {fitted(screen.glyphs.plain(view.opened), max(1, screen.width - 26))}", "bold")
    ]
    if moment.kept_route != view.opened:
        return [*lines, *_wrapped("Asking for it ...", screen.width)]
    if moment.kept is None:
        return [*lines, *_wrapped(moment.kept_error or "None of it is kept.", screen.width)]
    return [*lines, *map(_line, waterfall(moment.kept, screen.width, screen.glyphs))]


def _wrapped(text: str, width: int, style: str = "") -> list[Line]:
    import textwrap

    indent = " " * (1 + len(text) - len(text.lstrip()))
    wrapped = textwrap.wrap(clean(text.strip()), max(10, width - 1), initial_indent=indent, subsequent_indent=indent)
    return [_line(fitted(line, width), style) for line in wrapped] or [()]


def _line(text: str, style: str = "") -> Line:
    return (Word(text, style),)
