"""Which stretch of time a view shows: the last hours, what came since a new recording, or a part of the past.

It stands in the query, so that every view is a permalink: ``range=1h`` goes along with time, ``from`` and ``to`` (Unix
seconds) stay where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

import msgspec

from perfkit.dashboard.html import Markup, h
from perfkit.dashboard.parameters import Choice, Given, Number, Parameter
from perfkit.dashboard.times import between_times, clock_time

__all__ = ["POINTS", "RANGE", "SPAN", "Span", "range_links", "said_of", "same_span", "seconds_of", "span_of"]

POINTS = 60
"""Points of a chart, whatever its range."""

SHORTEST = 10.0
"""Seconds of a part of the past."""

LONGEST = 30 * 86_400.0
"""Seconds that a part of the past may be long, and long ago."""

RECORDING = "recording"

_SECONDS = {"5m": 300.0, "1h": 3600.0, "6h": 21_600.0, "24h": 86_400.0}
_MOMENT = Number(0, 9_999_999_999, 0)

RANGE = Choice((*_SECONDS, RECORDING))
"""The parameter ``range``."""

SPAN: Mapping[str, Parameter] = {"range": RANGE, "from": _MOMENT, "to": _MOMENT}
"""The parameters of a view that can also show a part of the past."""


class Span(msgspec.Struct, frozen=True):
    """From when to when (Unix seconds).

    Attributes:
        is_live: It ends now and goes along with time.
        is_recording: It begins with the last recording, however long ago that was.
    """

    start: float
    end: float
    is_live: bool = True
    is_recording: bool = False

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


def span_of(given: Given, at: float, recordings: Sequence[float] = ()) -> Span:
    """Return what the view shows as of *at*; what is no part of the past that can be shown counts as unsaid."""
    if given.has("from"):
        start, end = float(given.number("from")), min(float(given.number("to")), at)
        if end - start >= SHORTEST and start >= at - LONGEST:
            return Span(start, end, is_live=False)
    if given.text("range") == RECORDING and recordings:
        return Span(min(recordings[-1], at - SHORTEST), at, is_recording=True)
    return Span(at - seconds_of(given), at)


def said_of(span: Span, at: float, timezone: tzinfo) -> str:
    """Say which stretch of time is shown as of *at*: ``from 14:50:00 to 14:55:00``; empty where it ends now."""
    return "" if span.is_live else f"from {between_times(span.start, span.end, at, timezone)}"


def same_span(given: Given) -> dict[str, str | int | float]:
    """Return the fields of a query that show the same stretch of time on another page."""
    return {name: value for name, value in given.key if name in SPAN}


def seconds_of(given: Given) -> float:
    """Return how many seconds the view looks back; a day where it asks for a recording that there is not."""
    return _SECONDS.get(given.text("range"), _SECONDS["24h"])


def range_links(given: Given, at: float, timezone: tzinfo, recordings: Sequence[float] = ()) -> list[Markup]:
    """Return a link for each range, then those to what was before and after; the one in force is marked.

    Marked by more than colour; a part of the past has a link that leads out of it in front.
    """
    span, here = span_of(given, at, recordings), given.text("range")
    words = [word for word in RANGE.words if word != RECORDING or recordings]
    links = [
        h(
            "a",
            {
                "href": given.link(range=word, **{"from": None, "to": None}),
                "aria-current": "true" if span.is_live and word == here else None,
            },
            f"since {clock_time(recordings[-1], timezone)[:5]}" if word == RECORDING else word,
        )
        for word in words
    ]
    groups = [h("span", {"class": "ranges", "role": "group", "aria-label": "Range"}, links)]
    if given.has("from"):
        groups.append(_pan(given, span, at, timezone))
    return groups


def _pan(given: Given, span: Span, at: float, timezone: tzinfo) -> Markup:
    """Return the links to as long a time before and after; without script they are the way into the past."""
    start, length = int(span.start), int(span.seconds)
    earlier = given.link(**{"from": start - length, "to": start})
    links = [h("a", {"href": earlier, "rel": "prev"}, "‹", h("span", {"class": "hidden"}, " earlier"))]
    if not span.is_live:
        whole = given.link(**{"from": None, "to": None})
        said = between_times(span.start, span.end, at, timezone)
        out = h("span", {"class": "hidden"}, ": back to the range")
        links.append(h("a", {"class": "out", "href": whole, "aria-current": "true"}, said, out))
        end = int(span.end)
        if end + length <= at:
            later = given.link(**{"from": end, "to": end + length})
            links.append(h("a", {"href": later, "rel": "next"}, "›", h("span", {"class": "hidden"}, " later")))
    return h("span", {"class": "ranges pan", "role": "group", "aria-label": "Part of the past"}, links)
