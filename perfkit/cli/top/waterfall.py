"""One kept request as a waterfall of text: when each thing began and how long it took. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from perfkit.advice.wording import count, seconds
from perfkit.cli.console import fitted
from perfkit.cli.top.glyphs import Glyphs
from perfkit.recorder.kept import KeptExchange, KeptSpan

__all__ = ["waterfall"]

LEAST_CHART = 10
TIME = 9
"""Columns of a duration."""


def waterfall(kept: KeptExchange, width: int, glyphs: Glyphs) -> Iterator[str]:
    """Yield the lines, each as wide as *width* at most."""
    status = kept.status or "no answer"
    yield f" {kept.method} {kept.route}   {status}   {seconds(kept.seconds)}   kept as {kept.reason}   {kept.id}"
    names = max(12, min(44, width - LEAST_CHART - TIME - 4, max(map(len, map(_named, kept.spans)), default=12)))
    chart = max(0, width - names - TIME - 4)
    whole = KeptSpan(kind="", name="", total=kept.seconds, intervals=((0.0, kept.seconds),))
    yield _row(f"{kept.method} {kept.route}", whole, kept.seconds, names, chart, glyphs)
    for span in sorted(kept.spans, key=lambda span: span.intervals[0][0] if span.intervals else 0.0):
        yield _row(_named(span), span, kept.seconds, names, chart, glyphs)
        if span.site and width >= 60:
            yield f"   {span.site}"
    if not kept.spans:
        yield "   Nothing of it was seen: no query, no look-up, no call."
    if kept.exception is not None:
        yield ""
        yield f" {kept.exception.type}: {kept.exception.message}"
        yield from (f"   {frame.path}:{frame.line} in {frame.function}" for frame in kept.exception.frames)
    left = kept.span_count - sum(span.count for span in kept.spans)
    if left > 0:
        yield f" and {count(left, 'span')} more, which were not kept"


def _named(span: KeptSpan) -> str:
    times = f"x{span.count} " if span.count > 1 else ""
    return f"{times}{span.name or span.kind}"


def _row(name: str, span: KeptSpan, total: float, names: int, chart: int, glyphs: Glyphs) -> str:
    cells = [" "] * chart
    for start, length in span.intervals if total > 0.0 else ():
        first = min(max(0, _column(start / total, chart)), max(0, chart - 1))
        last = min(chart, max(first + 1, _column((start + length) / total, chart, round)))
        cells[first:last] = glyphs.full * (last - first)
    shown = fitted(glyphs.plain(name), names).ljust(names)
    return f" {shown} {''.join(cells[:chart])} {glyphs.plain(seconds(span.total)):>{TIME}}"


def _column(part: float, chart: int, whole: Callable[[float], int] = int) -> int:
    """Return the column of *part* of the time; a service may tell times that no chart holds."""
    return whole(min(1.0, max(0.0, part)) * chart)
