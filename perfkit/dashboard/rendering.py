"""A page of the table, made whole: as HTML in its frame, or as JSON in its envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.message import json_bytes
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.frame import frame
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Entry
from perfkit.dashboard.pages import PAGES
from perfkit.dashboard.parameters import Given, read
from perfkit.dashboard.parts import section
from perfkit.dashboard.sections.checklist import WAKES

if TYPE_CHECKING:
    from perfkit.dashboard.documents.contract import Envelope
    from perfkit.system import PerformanceSystem

__all__ = ["encode", "gather", "given_of", "overview", "render"]


def given_of(entry: Entry, query: str = "") -> Given:
    """Return what *query* says about the page of *entry*, within its bounds."""
    return read(entry.name, entry.load().parameters, query)


def gather(entry: Entry, system: PerformanceSystem, shown: OverviewData, given: Given) -> object:
    """Return what the page shows beyond *shown*; None where its component is off or asleep."""
    return None if _state(entry, shown) else entry.load().gather(system, shown, given)


def render(entry: Entry, shown: OverviewData, found: object = None, given: Given | None = None) -> str:
    """Return the whole HTML document of one view of a page."""
    given = given or given_of(entry)
    page, state = entry.load(), _state(entry, shown)
    title = "" if state else page.title(shown, found, given)
    content = _missing(entry, state) if state else page.content(shown, found, given)
    return frame(shown, entry, given, title or entry.title or entry.name.capitalize(), content)


def encode(entry: Entry, shown: OverviewData, found: object = None, given: Given | None = None) -> bytes:
    """Return the same view as JSON."""
    from perfkit.snapshot import SCHEMA_VERSION

    given = given or given_of(entry)
    state = _state(entry, shown)
    told = {"state": state} if state else entry.load().document(shown, found, given)
    envelope: Envelope = {
        "version": SCHEMA_VERSION,
        "at": shown.at,
        "service": shown.service,
        "environment": shown.environment,
        "release": shown.release,
        "perfkit": shown.version,
        "is_shared": shown.is_shared,
        "degraded": shown.degraded,
    }
    return json_bytes({**envelope, **told})


def overview(shown: OverviewData) -> str:
    """Return the overview page, a whole HTML document that needs no script."""
    return render(PAGES[0], shown)


def _state(entry: Entry, shown: OverviewData) -> str:
    """Return ``off`` or ``asleep`` where the component of the page is; else an empty text."""
    if entry.component in shown.off:
        return "off"
    return "asleep" if entry.component in shown.asleep else ""


def _missing(entry: Entry, state: str) -> Markup:
    """Return the card that says which line brings back what is missing here."""
    word = entry.component
    name = word.replace("_", " ")
    if state == "off":
        said: list[Child] = [
            f"The {name} is switched off. Set ",
            h("code", None, f"{word}.enabled"),
            " to true to see this.",
        ]
    else:
        said = [f"The {name} sleeps, as nothing has used it yet."]
        if word in WAKES:
            said += [" This line wakes it: ", h("code", None, WAKES[word])]
    return section(word, entry.title or name.capitalize(), h("p", {"class": "empty"}, said))
