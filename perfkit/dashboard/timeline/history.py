"""What happened in a stretch of time: the lines of its charts, and the moments that stand out in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfkit.advice.ledger import Release
from perfkit.dashboard.timeline.moments import Moment
from perfkit.dashboard.timeline.ranges import POINTS, Span
from perfkit.performance.requests import COUNTED, summarize, trend, with_queries
from perfkit.performance.snapshot import RouteSnapshot, Trend
from perfkit.store.history.columns import TOTAL

if TYPE_CHECKING:
    from perfkit.dashboard.data import OverviewData
    from perfkit.store import Store, Window

__all__ = ["counted_routes", "moments_of", "release_at", "trend_of", "window_of"]

MOST_MOMENTS = 12
"""Moments of one chart, the latest."""

LONGEST_NAME = 24
"""Characters of the name of a release in a chart."""


def trend_of(store: Store, span: Span, at: float, column: str = TOTAL) -> Trend:
    """Return the lines of *column* over *span* as of *at*; empty ones where the history has no place for it."""
    history, reach = store.history, at - span.start
    # Finer than what was written there would be gaps.
    step = max(history.step(reach, at), span.seconds / POINTS)
    ticks = [tick for tick in history.read(reach, at, {column}) if tick.at <= span.end]
    if not any(column in tick.columns for tick in ticks):
        return Trend(step=step)
    # A little more, as the quotient may be a little less than the whole number that it stands for.
    return trend(ticks, now=span.end, seconds=span.seconds + step * 1e-6, step=step, column=column)


def window_of(store: Store, span: Span) -> Window | None:
    """Return the requests of *span*: of one that goes along with time those since the last recording began.

    None where nothing is kept that lies so close together.
    """
    if span.is_recording:
        return store.past.recorded()
    return store.past.recorded(span.seconds) if span.is_live else store.past.between(span.start, span.end)


def counted_routes(store: Store, seen: Window) -> tuple[RouteSnapshot, ...]:
    """Return the routes of *seen*, the dearest first, each with the statements that its requests send."""
    return with_queries(summarize(seen.points, seen.duration)[1], store.families(COUNTED))


def moments_of(shown: OverviewData, span: Span) -> tuple[Moment, ...]:
    """Return the releases and recordings that began in *span*, the first one first."""
    # Halves of surrogate pairs are no text, and a script cannot be given them.
    names = [(each.at, each.name[:LONGEST_NAME].encode("utf-8", "replace").decode()) for each in shown.releases]
    told = [Moment(at, f"release {name}", "release") for at, name in names]
    told += [Moment(each, "new recording", "recording") for each in shown.recordings]
    inside = sorted((each for each in told if span.start < each.at <= span.end), key=lambda each: each.at)
    return tuple(inside[-MOST_MOMENTS:])


def release_at(releases: Sequence[Release], at: float) -> Release | None:
    """Return the release that ran at a Unix second; None where none was known yet."""
    return next((each for each in reversed(releases) if each.at <= at), None)
