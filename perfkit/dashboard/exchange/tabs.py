"""The tabs of one request: its time line, and beside it what each kind of span has to say.

They are links with the tab in the query, so they work without script and each view can be shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from perfkit.advice.wording import NOTHING, count, percent, seconds
from perfkit.dashboard.editor import Editor
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parameters import Given
from perfkit.dashboard.parts import Columns, cell, empty, section, site_code, table
from perfkit.dashboard.sections.waterfall import kinds_of
from perfkit.recorder.kept import KeptExchange, KeptSpan

__all__ = ["TABS", "links", "spans_card"]

TABS = ("timeline", "queries", "cache", "calls", "request")
"""Words for the query; the first is meant where none is said."""

_TITLES = {
    "timeline": "Timeline",
    "queries": "Queries",
    "cache": "Cache",
    "calls": "Outbound calls",
    "request": "Request",
}

_KINDS = {"queries": "sql", "cache": "cache", "calls": "outbound"}
"""The kind of the spans that a tab shows."""

_WORDS = {"queries": ("Statement", "statement"), "cache": ("Look-up", "look-up"), "calls": ("Call", "call")}
"""What stands above the first column of a tab, and what is counted."""

LONGEST = 600
"""Characters of a statement; the whole of it stands on its own page."""


def links(kept: KeptExchange, given: Given) -> Markup:
    """Return the links to the tabs, each with how much is there."""
    kinds, here = kinds_of(kept), given.text("tab")
    told = []
    for word in TABS:
        number = kinds.get(_KINDS.get(word, ""), (0, 0.0))[0]
        many = h("span", {"class": "note"}, f" {number:,}") if word in _KINDS else None
        attributes = {"href": given.link(tab=word), "aria-current": "true" if word == here else None}
        told.append(h("a", attributes, _TITLES[word], many))
    return h("nav", {"class": "tabs", "aria-label": "Parts of the request"}, told)


def spans_card(word: str, kept: KeptExchange, texts: Mapping[str, str], editor: Editor | None) -> Markup:
    """Return the card of the tab *word*: all spans of its kind, those that took most in all first.

    Args:
        texts: The whole text of statements by the id of their shape, as far as they are known.
    """
    title, (name, counted) = _TITLES[word], _WORDS[word]
    own = sorted((span for span in kept.spans if span.kind == _KINDS[word]), key=lambda span: -span.total)
    if not own:
        return section(word, title, empty(f"No {counted} of this request was recorded."))
    number, took = kinds_of(kept)[_KINDS[word]]
    share = percent(min(1.0, took / kept.seconds)) if kept.seconds else NOTHING
    note = f"{count(number, counted)}, {seconds(took)}, {share} of the request"
    return section(word, title, _table(title, name, own, kept, texts, editor), note=note)


def _table(
    title: str, name: str, own: Sequence[KeptSpan], kept: KeptExchange, texts: Mapping[str, str], editor: Editor | None
) -> Markup:
    columns: Columns = [
        (name, ""),
        ("Times", "number"),
        ("Total", "number"),
        ("Of the request", "number"),
        ("Median", "number"),
        ("Longest", "number"),
        ("Result", "text"),
        ("From", "from"),
    ]
    rows = [_row(span, kept.seconds, texts.get(span.variant, ""), editor) for span in own]
    return table(title, columns, rows, "queries")


def _row(span: KeptSpan, whole: float, text: str, editor: Editor | None) -> list[Child]:
    said = text or span.name
    code = h("code", None, said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…")
    results = ", ".join(f"{detail} ×{number:,}" if number > 1 else detail for detail, number in span.details.items())
    return [
        h("a", {"href": f"./query?id={quote(span.variant, safe='')}"}, code) if text else code,
        cell(h("strong", {"class": "many"}, f"×{span.count:,}") if span.count > 1 else "1"),
        cell(seconds(span.total)),
        cell(percent(min(1.0, span.total / whole)) if whole else NOTHING),
        cell(seconds(span.median)),
        cell(seconds(span.max)),
        cell(results or NOTHING, "text"),
        cell(site_code(span.site, editor) if span.site else NOTHING, "from"),
    ]
