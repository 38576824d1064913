"""The pieces all pages are made of: cards, status marks, tables that scroll inside themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import urlencode

from perfkit.core.status import Status
from perfkit.dashboard.editor import Editor
from perfkit.dashboard.html import Child, Markup, editor_link, h

__all__ = [
    "Columns",
    "breakable",
    "cell",
    "empty",
    "figure",
    "heading",
    "icon",
    "logo",
    "marked",
    "route_link",
    "route_text",
    "section",
    "site_code",
    "split_unit",
    "state",
    "status_class",
    "status_mark",
    "table",
]

Columns: TypeAlias = "list[tuple[Child, str]]"
"""Title and class of each column of a table."""

_CLASSES = {
    Status.UNKNOWN: "unknown",
    Status.HEALTHY: "ok",
    Status.WARNING: "warn",
    Status.CRITICAL: "bad",
}
_MARKS = {Status.UNKNOWN: "◌", Status.HEALTHY: "●", Status.WARNING: "▲", Status.CRITICAL: "■"}


def status_class(status: Status) -> str:
    """Return the colour class of *status*."""
    return _CLASSES[status]


def status_mark(status: Status, *, pill: bool = False) -> Markup:
    """Return the status as shape and word, so that colour is never alone."""
    kind = f"{'pill' if pill else 'state'} {_CLASSES[status]}"
    return h(
        "span",
        {"class": kind},
        h("span", {"class": "mark", "aria-hidden": "true"}, _MARKS[status]),
        status.word,
    )


def state(tone: str, word: str) -> Markup:
    """Return *word* with the shape of *tone*: ``ok``, ``warn``, ``bad`` or ``unknown``."""
    mark = next(_MARKS[status] for status, name in _CLASSES.items() if name == tone)
    return h("span", {"class": f"state {tone}"}, h("span", {"class": "mark", "aria-hidden": "true"}, mark), word)


def breakable(text: str) -> Child:
    """Return *text*, which may break behind each slash."""
    first, *others = text.split("/")
    return [first, [["/", h("wbr"), part] for part in others]]


def site_code(site: str, editor: Editor | None = None, said: str = "") -> Child:
    """Return a line of code, chosen whole by one click, and behind it a link that opens it in the *editor*.

    Args:
        said: What stands for it, where that is shorter.
    """
    code = h("code", {"class": "site"}, breakable(said or site))
    url = editor.url(site) if editor is not None else ""
    if not url:
        return code
    hidden = h("span", {"class": "hidden"}, f" {said or site} in the editor")
    return [code, " ", editor_link(url, "open", hidden)]


def icon(status: Status) -> Markup:
    """Return the large shape of the verdict."""
    shapes = {
        Status.UNKNOWN: h("circle", {"class": "ring", "cx": 24, "cy": 24, "r": 11, "stroke-dasharray": "4.6 4.04"}),
        Status.HEALTHY: h("path", {"class": "ring", "d": "M14 25l7 7 14-15"}),
        Status.WARNING: [
            h("path", {"class": "ring", "d": "M24 12l13 23H11z"}),
            h("path", {"class": "ring", "d": "M24 21v6m0 3.6v.2"}),
        ],
        Status.CRITICAL: [
            h("rect", {"class": "ring", "x": 12, "y": 12, "width": 24, "height": 24, "rx": 3}),
            h("path", {"class": "ring", "d": "M19 19l10 10m0-10l-10 10"}),
        ],
    }
    frame = {"class": f"icon {_CLASSES[status]}", "viewBox": "0 0 48 48", "aria-hidden": "true"}
    return h("svg", frame, shapes[status])


def logo() -> Markup:
    """Return perfkit's mark: a gauge whose needle points to the fast side."""
    return h(
        "svg",
        {"class": "logo", "viewBox": "0 0 24 24", "aria-hidden": "true"},
        h("path", {"class": "arc", "d": "M3 18a9 9 0 0 1 18 0"}),
        h("path", {"class": "reach", "d": "M3 18a9 9 0 0 1 12.4-8.3"}),
        h("path", {"class": "needle", "d": "M12 18l4.6-5.4"}),
    )


def heading(title: str, note: Child = None) -> Markup:
    """Return the title line of a card."""
    return h("div", {"class": "heading"}, h("h2", None, title), h("div", {"class": "note"}, note) if note else None)


def section(anchor: str, title: str, *children: Child, note: Child = None, kind: str = "") -> Markup:
    """Return one card of the page, reachable as ``#anchor``."""
    label = f"{anchor}-title"
    top = h(
        "div",
        {"class": "heading"},
        h("h2", {"id": label}, title),
        h("div", {"class": "note"}, note) if note else None,
    )
    return h("section", {"id": anchor, "class": f"card {kind}".strip(), "aria-labelledby": label}, top, children)


def figure(title: str, value: str, unit: str, note: Child, chart: Markup | None = None) -> Markup:
    """Return the card of one number, which stands in a row of them; a *chart* lies between number and note."""
    return h(
        "section",
        {"class": "card figure"},
        h("h2", None, title),
        h("p", {"class": "value"}, value, h("span", {"class": "unit"}, unit) if unit else None),
        chart,
        h("p", {"class": "note"}, note),
    )


def split_unit(said: str) -> tuple[str, str]:
    """Split ``488 ms`` into number and unit; what has none, such as the sign for nothing, has an empty one."""
    value, _, unit = said.partition(" ")
    return value, unit


def route_text(method: str, route: str) -> str:
    """Return what names a route in a query and in the history: ``GET /products``."""
    return f"{method} {route}"


def route_link(method: str, route: str, label: Child, query: Mapping[str, str | int | float] | None = None) -> Markup:
    """Return *label* as a link to the page of a route; *query* says what else it shows."""
    said = urlencode({"r": route_text(method, route), **(query or {})}, errors="replace")
    return h("a", {"href": f"./route?{said}"}, label)


def empty(sentence: str) -> Markup:
    """Return the sentence that stands where a table would be empty."""
    return h("p", {"class": "empty"}, sentence)


def cell(value: Child, kind: str = "number") -> Markup:
    """Return a table cell; numbers stand right, in figures of equal width."""
    return h("td", {"class": kind or None}, value)


def marked(text: str, *, over: bool) -> Child:
    """Return *text*, marked by shape and colour where it is over its target."""
    if not over:
        return text
    mark = h("span", {"class": "mark", "aria-hidden": "true"}, "▲")
    return h("span", {"class": "over"}, mark, text, h("span", {"class": "hidden"}, " (over target)"))


def table(label: str, columns: Sequence[tuple[Child, str]], rows: Sequence[Sequence[Child]], kind: str = "") -> Markup:
    """Return a table in a box that scrolls by itself, also by keyboard.

    Args:
        label: What the table is, for screen readers.
        columns: Title and class of each column; one without a title is that of the buttons.
        rows: The first child of each names the row; the others are cells.
        kind: Extra class of the table.
    """
    buttons = h("span", {"class": "hidden"}, "Buttons")
    head = [h("th", {"scope": "col", "class": style or None}, title or buttons) for title, style in columns]
    body = [h("tr", None, h("th", {"scope": "row"}, first), cells) for first, *cells in rows]
    return h(
        "div",
        {"class": "scroll", "role": "region", "aria-label": f"{label}, table", "tabindex": 0},
        h("table", {"class": kind or None}, h("thead", None, h("tr", None, head)), h("tbody", None, body)),
    )
