"""How far a page looks back: five minutes to a day, by links and in the query, so that every view is a permalink."""

from __future__ import annotations

from perfkit.dashboard.html import Markup, h
from perfkit.dashboard.parameters import Choice, Given

__all__ = ["POINTS", "RANGE", "range_links", "seconds_of"]

POINTS = 60
"""Points of a chart, whatever its range."""

_SECONDS = {"5m": 300.0, "1h": 3600.0, "6h": 21_600.0, "24h": 86_400.0}

RANGE = Choice(tuple(_SECONDS))
"""The parameter ``range``."""


def seconds_of(given: Given) -> float:
    """Return how many seconds the view looks back."""
    return _SECONDS[given.text("range")]


def range_links(given: Given) -> Markup:
    """Return one link for each range; the one in force is marked by more than colour."""
    here = given.text("range")
    links = [
        h("a", {"href": given.link(range=word), "aria-current": "true" if word == here else None}, word)
        for word in RANGE.words
    ]
    return h("span", {"class": "ranges", "role": "group", "aria-label": "Range"}, links)
