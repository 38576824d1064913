"""The requests that were kept whole, the newest first, with filters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from perfkit.advice.wording import count
from perfkit.dashboard.data import OverviewData
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.page import Page
from perfkit.dashboard.parameters import Choice, Decimal, Given, Parameter, Text
from perfkit.dashboard.parts import section
from perfkit.dashboard.sections.kept import kept_table
from perfkit.dashboard.times import between_times
from perfkit.recorder.kept import REASONS, KeptExchange

if TYPE_CHECKING:
    from perfkit.system import PerformanceSystem

__all__ = ["REQUESTS"]

MOST = 100
"""Requests of one view."""

MOST_MILLISECONDS = 86_400_000.0
FAR = 9_999_999_999.0
"""Unix seconds that nobody will see."""

_ANY = ""
_STATUSES = (_ANY, "5xx", "4xx", "3xx", "2xx")
_REASONS = (_ANY, *REASONS)


class Requests(Page[tuple[KeptExchange, ...]]):
    """The list."""

    parameters: ClassVar[Mapping[str, Parameter]] = {
        "route": Text(600),
        "status": Choice(_STATUSES),
        "reason": Choice(_REASONS),
        "least": Decimal(0.0, MOST_MILLISECONDS, 0.0),
        "most": Decimal(0.0, MOST_MILLISECONDS, 0.0),
        "from": Decimal(0.0, FAR, 0.0),
        "to": Decimal(0.0, FAR, 0.0),
    }

    def gather(self, system: PerformanceSystem, shown: OverviewData, given: Given) -> tuple[KeptExchange, ...]:
        """Return what was kept and is asked for."""
        return system.recorder.list(
            route=given.text("route") or None,
            status=given.text("status") or None,
            reason=given.text("reason") or None,
            min_seconds=given.decimal("least") / 1000.0,
            max_seconds=given.decimal("most") / 1000.0 or math.inf,
            since=given.decimal("from"),
            until=given.decimal("to") or math.inf,
            limit=MOST,
        )

    def content(self, shown: OverviewData, found: tuple[KeptExchange, ...] | None, given: Given) -> Child:
        """Return the filters and the list."""
        if found:
            body: Child = kept_table(found, shown.timezone)
        elif given.key:
            body = h(
                "p",
                {"class": "empty"},
                "No request was kept that is like this. ",
                h("a", {"class": "more", "href": "./requests"}, "Show all"),
            )
        else:
            said = "No request was kept yet. Errors, what is slow for its route, and a sample of all others are kept."
            body = h("p", {"class": "empty"}, said)
        note = f"{count(len(found or ()), 'request')}, the newest first; numbers elsewhere count all requests"
        when = _when(shown, given)
        return [
            h("h1", {"class": "hidden"}, "Requests"),
            section("requests", "Kept requests", _filters(given), when, body, note=note),
        ]

    def document(
        self, shown: OverviewData, found: tuple[KeptExchange, ...] | None, given: Given
    ) -> Mapping[str, object]:
        """Return the list; ``api/requests`` has filters of its own and is answered by `perfkit.http.recording`."""
        return {"requests": found or ()}


def _when(shown: OverviewData, given: Given) -> Markup | None:
    """Say in which stretch of time the requests ended, where one was asked for."""
    start, end = given.decimal("from"), given.decimal("to") or shown.at
    if not given.decimal("from") and not given.decimal("to"):
        return None
    said = f"Ended from {between_times(start, end, shown.at, shown.timezone)}. "
    whole = h("a", {"class": "more", "href": given.link(**{"from": None, "to": None})}, "Whenever they ended")
    return h("p", {"class": "note"}, said, whole)


def _filters(given: Given) -> Markup:
    hidden = [
        h("input", {"type": "hidden", "name": name, "value": f"{value:.12g}"})
        for name, value in given.key
        if name in ("from", "to")
    ]
    fields = [
        h(
            "label",
            None,
            "Route",
            h("input", {"type": "search", "name": "route", "value": given.text("route"), "maxlength": 600}),
        ),
        _choice("Status", "status", _STATUSES, given),
        _choice("Kept as", "reason", _REASONS, given),
        _milliseconds("Took at least (ms)", "least", given),
        _milliseconds("at most (ms)", "most", given),
    ]
    button = h("button", None, "Filter")
    return h("form", {"class": "filter", "role": "search", "action": "./requests"}, hidden, fields, button)


def _milliseconds(label: str, name: str, given: Given) -> Markup:
    value = given.decimal(name)
    said = f"{value:.12g}" if value else None
    return h("label", None, label, h("input", {"type": "number", "name": name, "min": 0, "step": "any", "value": said}))


def _choice(label: str, name: str, words: tuple[str, ...], given: Given) -> Markup:
    options = [h("option", {"value": word, "selected": given.text(name) == word}, word or "any") for word in words]
    return h("label", None, label, h("select", {"name": name}, options))


REQUESTS = Requests()
