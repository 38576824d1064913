"""One request that was kept whole: the page that people share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urljoin

import msgspec

from perfkit.advice.wording import NOTHING, count, route_name, seconds
from perfkit.core.findings import Finding
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.exchange.handler import Handler, handler_line, handler_of
from perfkit.dashboard.exchange.tabs import TABS, links, spans_card
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Choice, Given, Parameter, Text
from perfkit.dashboard.parts import breakable, cell, empty, route_link, section, state, table
from perfkit.dashboard.sections.excerpt import Excerpt, excerpt, source
from perfkit.dashboard.sections.kept import WHY
from perfkit.dashboard.sections.recommendations import finding_list
from perfkit.dashboard.sections.routes import findings_of
from perfkit.dashboard.sections.waterfall import breakdown, kinds_of, waterfall
from perfkit.dashboard.times import stamp
from perfkit.recorder.kept import KeptError, KeptExchange

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["REQUEST", "RequestFound"]

MOST_EXCERPTS = 3
"""Call sites of which the source is shown: those that took most."""


class RequestFound(msgspec.Struct, frozen=True, kw_only=True):
    """One kept request.

    Attributes:
        excerpts: The source around the call sites that took most, by site; empty outside of development.
        handler: What answers its route; None where the app does not say.
        texts: Its statements in full, by the id of their shape, as far as they are known.
    """

    kept: KeptExchange
    excerpts: dict[str, Excerpt] = {}
    handler: Handler | None = None
    texts: dict[str, str] = {}


class Request(Page[RequestFound]):
    """Where its time went, where from, and how it ended."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"id": Text(32), "tab": Choice(TABS)}

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> RequestFound | None:
        """Return the request; None if it is not kept (any more)."""
        kept = system.recorder.get(given.text("id"))
        if kept is None:
            return None
        handler = handler_of(system, kept.method, kept.route)
        if given.text("tab") != "timeline":
            texts = _texts(system, shown, kept) if given.text("tab") == "queries" else {}
            return RequestFound(kept=kept, handler=handler, texts=texts)
        sites = _sites(kept) if system.config.environment == "development" else []
        found = {site: lines for site in sites if (lines := excerpt(site))}
        return RequestFound(kept=kept, handler=handler, excerpts=dict(list(found.items())[:MOST_EXCERPTS]))

    def title(self, shown: OverviewData, found: RequestFound | None, given: Given) -> str:
        """Return its route and how long it took."""
        return (
            f"{route_name(found.kept.method, found.kept.route)} {seconds(found.kept.seconds)}" if found else "Request"
        )

    def content(self, shown: OverviewData, found: RequestFound | None, given: Given) -> Child:
        """Return the cards."""
        back = h("a", {"class": "back", "href": "./requests"}, "‹ Requests")
        if found is None:
            said = "This request is not kept (any more): older ones make room for newer ones."
            return [
                h("h1", {"class": "hidden"}, "Request"),
                section("request", "Request", h("p", {"class": "empty"}, said), h("p", None, back)),
            ]
        kept, tab = found.kept, given.text("tab")
        spent = section("spent", f"Where its {seconds(kept.seconds)} went", breakdown(kinds_of(kept), kept.seconds))
        cards: list[Child] = [_headline(shown, found, back), _facts(shown, kept), spent, links(kept, given)]
        if tab == "timeline":
            return [*cards, *_timeline(shown, found, given)]
        if tab == "request":
            return [*cards, _headers(kept), _again(shown, kept)]
        return [*cards, spans_card(tab, kept, found.texts, shown.editor)]

    def document(self, shown: OverviewData, found: RequestFound | None, given: Given) -> Mapping[str, object]:
        """Return the request; ``api/request`` is answered by `perfkit.http.recording`."""
        return {"request": found.kept if found else None}


def _texts(system: PerformanceSystem, shown: OverviewData, kept: KeptExchange) -> dict[str, str]:
    """Return the statements that it sent in full, without any value; a look must not wake the database's part."""
    if "database" in (*shown.off, *shown.asleep):
        return {}
    wanted = {span.variant for span in kept.spans if span.kind == "sql"}
    return {each.id: each.sql for each in system.database.get_queries() if each.id in wanted}


def _timeline(shown: OverviewData, found: RequestFound, given: Given) -> list[Child]:
    """Return why it failed, where the time went, what was found there, and the user's code."""
    kept = found.kept
    cards: list[Child] = [_exception(kept.exception)] if kept.exception is not None else []
    cards.append(waterfall(kept, shown.editor))
    if own := _found(shown, kept):
        note = h("a", {"class": "more", "href": "./advice"}, "All advice")
        cards.append(section("advice", "What was found there", finding_list(shown, given, own), note=note))
    if found.excerpts:
        listings = [source(site, lines, shown.editor) for site, lines in found.excerpts.items()]
        cards.append(section("source", "Your code there", listings, note="shown in development only"))
    return cards


def _headers(kept: KeptExchange) -> Markup:
    note = "those that are safe to keep"
    if not kept.headers:
        return section("headers", "Headers of the request", empty("None of them was kept."), note=note)
    rows: list[list[Child]] = [[h("code", None, name), cell(value, "text")] for name, value in kept.headers.items()]
    body = table("Headers", [("Header", ""), ("Value", "text")], rows, "headers")
    return section("headers", "Headers of the request", body, note=note)


def _sites(kept: KeptExchange) -> list[str]:
    """Return the lines of the user's code that it spent its time at, the dearest first, then where it failed."""
    by_cost = sorted((span for span in kept.spans if span.site), key=lambda span: -span.total)
    frames = kept.exception.frames if kept.exception is not None else ()
    failed = [f"{frame.path}:{frame.line}" for frame in reversed(frames)]
    return list(dict.fromkeys([*failed[:5], *(span.site for span in by_cost)]))[:20]


def _found(shown: OverviewData, kept: KeptExchange) -> tuple[Finding, ...]:
    """Return the findings about the lines that it went through, then the others about its route."""
    sites = {span.site for span in kept.spans if span.site}
    own = findings_of(kept.method, kept.route, shown.recommendations)
    return tuple(sorted(own, key=lambda each: each.site not in sites))


def _again(shown: OverviewData, kept: KeptExchange) -> Markup:
    """Return the request as a line for a shell, as far as it is known: values of its query are never kept."""
    url = urljoin(shown.page_url, shown.home_url) + kept.route.lstrip("/") + (f"?{kept.query}" if kept.query else "")
    method = "" if kept.method == "GET" else f"-X {shlex.quote(kept.method)} "
    line = f"curl -i {method}{shlex.quote(url.replace('█', ''))}"
    code = h("pre", {"tabindex": 0, "aria-label": "The request for a shell"}, h("code", None, line))
    said = "Fill in what is between braces, and the values of the query: they are never kept."
    return section(
        "again",
        "Ask again",
        h("div", {"class": "fix"}, h("span", {"class": "note"}, "shell"), code),
        h("p", {"class": "footnote"}, said),
    )


def _headline(shown: OverviewData, found: RequestFound, back: Markup) -> Markup:
    kept = found.kept
    name = route_name(kept.method, kept.route) + (f"?{kept.query}" if kept.query else "")
    return h(
        "div",
        {"class": "headline"},
        back,
        h("h1", None, h("code", None, breakable(name))),
        h("a", {"class": "more", "href": f"./api/request?id={kept.id}"}, "JSON"),
        handler_line(found.handler, shown.editor),
    )


def _facts(shown: OverviewData, kept: KeptExchange) -> Markup:
    tone = "bad" if kept.error else "ok"
    why = WHY.get(kept.reason, "")
    facts: list[tuple[str, Child]] = [
        (
            "Ended with",
            state(tone, f"{kept.status or 'no status'} {kept.error if kept.error != str(kept.status) else ''}".strip()),
        ),
        ("Took", seconds(kept.seconds)),
        ("Began", stamp(kept.at, shown.timezone)),
        ("Route", route_link(kept.method, kept.route, route_name(kept.method, kept.route))),
        ("Kept as", h("span", {"title": why or None}, kept.reason, f": {why.partition(';')[0]}" if why else "")),
        ("Served by", f"worker {kept.worker}, process {kept.pid}"),
        ("Spans", count(kept.span_count)),
        ("First byte", seconds(kept.first_byte)),
        ("Release", kept.release or NOTHING),
        ("Id", h("code", None, kept.id)),
    ]
    return h(
        "section",
        {"class": "card", "aria-label": "Facts"},
        h(
            "dl",
            {"class": "evidence"},
            [h("div", None, h("dt", None, name), h("dd", None, value)) for name, value in facts],
        ),
    )


def _exception(error: KeptError) -> Markup:
    frames = [f"{frame.path}:{frame.line} in {frame.function}\n" for frame in error.frames]
    return section(
        "exception",
        "Exception",
        h("p", None, h("strong", None, error.type), f": {error.message}" if error.message else None),
        h("pre", {"class": "frames", "tabindex": 0, "aria-label": "Stack, outermost first"}, frames)
        if frames
        else None,
        note="what looked like a secret was dropped when it was captured",
    )


REQUEST = Request()
