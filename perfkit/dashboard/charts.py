"""Charts as SVG made on the server: no script, no inline style, colours by class.

The plot itself stretches with the page (its lines keep their width by ``vector-effect``); whatever is text
stands in an SVG of its own beside it, placed in percent, and never stretches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo

import msgspec

from perfkit.advice.wording import count, percent, rate, seconds, window
from perfkit.dashboard.html import Attributes, Markup, h
from perfkit.dashboard.scales import gaps, nice_ticks, runs
from perfkit.dashboard.timeline.moments import Moment, moment_lines, moment_names
from perfkit.dashboard.times import clock_time, time_ticks
from perfkit.performance.snapshot import Trend

__all__ = ["bar", "distribution", "is_target_shown", "latency_chart", "meters", "sparkline", "traffic_chart"]

_WIDE, _HIGH = 1000.0, 100.0
_LABEL_GAP = 9.0
"""Percent of the height between two labels at the lines' ends, so that they never overlap."""


class _Axes(msgspec.Struct, frozen=True):
    """Where things lie: *length* points, values from 0 to *top*."""

    length: int
    top: float

    def x(self, index: float) -> float:
        return _WIDE * index / max(1, self.length - 1)

    def y(self, value: float) -> float:
        return _HIGH * (1.0 - min(1.0, max(0.0, value / self.top)))


def sparkline(
    values: Sequence[float | None], kind: str, title: str, say: Callable[[float], str], least: float = 0.0
) -> Markup:
    """Return a small line over a faint area.

    Args:
        values: Oldest first; None is a gap.
        kind: Colour class.
        title: What a screen reader calls it, before its values.
        say: Says one value with its unit.
        least: The height stands for this value at least, so that a trifle does not look like a catastrophe.
    """
    known = [value for value in values if value is not None]
    axes = _Axes(len(values), (max([least, *known]) or 1.0) * 1.15)
    return h(
        "svg",
        {
            "class": f"spark {kind}",
            "viewBox": f"0 0 {_WIDE:g} {_HIGH:g}",
            "preserveAspectRatio": "none",
            "role": "img",
            "aria-label": _range(title, values, say),
        },
        h("line", {"class": "base", "x1": 0, "x2": _WIDE, "y1": _HIGH, "y2": _HIGH}),
        h("path", {"class": "area", "d": _area(values, axes)}),
        h("path", {"class": "line", "d": _line(values, axes)}),
    )


def bar(share: float) -> Markup:
    """Return a horizontal bar for a share (0-1); decoration, its number stands beside it."""
    full = min(100.0, max(0.0, share * 100.0))
    return h(
        "svg",
        {"class": "bar", "aria-hidden": "true", "focusable": "false"},
        h("rect", {"class": "track", "width": "100%", "height": "100%", "rx": 2}),
        h("rect", {"class": "fill", "width": f"{full:.1f}%", "height": "100%", "rx": 2}),
    )


def distribution(boundaries: Sequence[float], counts: Sequence[float], most: int = 40) -> Markup:
    """Return a histogram as columns with the range of each in words: shares of all, from the first to the last in use.

    Args:
        boundaries: Upper edges in seconds, ascending.
        counts: How many up to each edge; those above the last one may follow.
        most: Columns at most; neighbours are joined.
    """
    used = [index for index, number in enumerate(counts) if number > 0]
    if not used:
        return h("p", {"class": "empty"}, "No request yet.")
    first, last = used[0], used[-1]
    size = max(1, -(-(last + 1 - first) // most))
    groups = [(at, min(at + size, last + 1)) for at in range(first, last + 1, size)]
    total, numbers = sum(counts), [sum(counts[start:end]) for start, end in groups]
    highest, pitch = max(numbers), _WIDE / len(groups)
    edges = [_edges(boundaries, start, end) for start, end in groups]
    columns = []
    for order, (number, said) in enumerate(zip(numbers, edges, strict=True)):
        high = max(1.0, _HIGH * number / highest) if number else 0.0
        place = {"x": _n(order * pitch), "width": _n(pitch * 0.86), "y": _n(_HIGH - high), "height": _n(high)}
        title = h("title", None, f"{said}  {percent(number / total)}, {number:,.0f}")
        hit = h("rect", {"x": _n(order * pitch), "width": _n(pitch), "height": _HIGH})
        columns.append(h("g", {"class": "slot"}, title, h("rect", {"class": "land", **place}), hit))
    view = {"viewBox": f"0 0 {_WIDE:g} {_HIGH:g}", "preserveAspectRatio": "none"}
    peak = edges[numbers.index(highest)]
    sentence = f"Durations from {edges[0]} to {edges[-1]}; the most, {percent(highest / total)}, took {peak}."
    marks = sorted({0, len(edges) // 4, len(edges) // 2, 3 * len(edges) // 4})
    below = [h("text", {"x": f"{100 * at / len(edges):.2f}%", "y": 14}, edges[at].partition(" to ")[0]) for at in marks]
    return h(
        "div",
        {"class": "spread"},
        h("svg", {"class": "marks", "role": "img", "aria-label": sentence, **view}, columns),
        h("svg", {"class": "x", "aria-hidden": "true"}, below),
    )


def _edges(boundaries: Sequence[float], start: int, end: int) -> str:
    """Say which durations lie in the buckets from *start* up to *end*."""
    low = boundaries[start - 1] if start else 0.0
    return f"{seconds(low)} to {seconds(boundaries[end - 1])}" if end <= len(boundaries) else f"over {seconds(low)}"


def meters(shares: Sequence[float], sentence: str) -> Markup:
    """Return one bar for each share (0-1; above 1 is full): up to four lie, more stand side by side."""
    lying = len(shares) <= 4
    pitch = 100.0 / max(2 if lying else 1, len(shares))
    children = []
    for number, share in enumerate(shares):
        full = min(100.0, max(1.0, share * 100.0))
        at, thick = f"{number * pitch:.2f}%", f"{pitch * 0.75:.2f}%"
        track: Attributes = {"class": "track", "width": "100%", "height": thick, "y": at, "rx": 2}
        fill: Attributes = {"width": f"{full:.1f}%", "height": thick, "y": at, "rx": 2}
        if not lying:
            track = {"class": "track", "width": thick, "height": "100%", "x": at, "rx": 1}
            fill = {"width": thick, "height": f"{full:.1f}%", "x": at, "y": f"{100.0 - full:.1f}%", "rx": 1}
        children.append(h("rect", track))
        children.append(h("rect", {"class": "fill high" if share >= 0.9 else "fill", **fill}))
    return h("svg", {"class": "meters", "role": "img", "aria-label": sentence}, children)


def latency_chart(trend: Trend, at: float, timezone: tzinfo, target: float, moments: Sequence[Moment] = ()) -> Markup:
    """Return p50, p95 and p99 over time with their target; *trend* ends at *at* (unix seconds)."""
    series = (("p99", trend.p99), ("p95", trend.p95), ("p50", trend.p50))
    highest, shows_target = _highest(trend), is_target_shown(trend, target)
    ticks = nice_ticks(max(highest, target if shows_target else 0.0))
    axes = _Axes(max(len(values) for _, values in series), ticks[-1])
    goal, silent = axes.y(target), gaps(trend.rate)
    lines = [h("path", {"class": f"line {name}", "d": _line(values, axes)}) for name, values in series]
    # Where nothing was recorded there is no line to see, and "no request" would be another thing.
    places = [(axes.x(max(0.0, first - 0.5)), axes.x(last + 0.5)) for first, last in silent]
    said = h("title", None, "Nothing was recorded here.")
    holes = [h("rect", {"class": "gap", "x": _n(a), "width": _n(b - a), "height": _HIGH}, said) for a, b in places]
    lines = [*holes, *lines]
    if shows_target:
        lines.insert(0, h("line", {"class": "target", "x1": 0, "x2": _WIDE, "y1": _n(goal), "y2": _n(goal)}))
    ends = {name: axes.y(last) for name, values in series if (last := _last(values)) is not None}

    def say(index: int) -> str:
        return "  ".join(f"{name} {seconds(_at(values, index))}" for name, values in reversed(series))

    sentence = (
        f"Latency over {window(trend.step * axes.length)}. "
        + " ".join(_range(name, values, seconds) for name, values in reversed(series))
        + (f" The target of p95 is {seconds(target)}." if shows_target else "")
        + (f" Nothing was recorded in {count(len(silent), 'part')} of it." if silent else "")
        + "".join(f" {each.name} at {clock_time(each.at, timezone)}." for each in moments)
    )
    labels = [_label(name, place, f"end {name}") for name, place in _spread(ends).items()]
    times = _Times(trend.step, at, timezone, tuple(moments))
    drawn = _plot(axes, ticks, seconds, lines, labels, sentence, say, times)
    told = {
        "end": at,
        "step": trend.step,
        "offset": _offset(at, timezone),
        "target": target,
        "lines": [{"name": name, "values": [_short(each) for each in values]} for name, values in series],
        "gaps": silent,
        "moments": [{"at": each.at, "name": each.name} for each in moments],
    }
    data = msgspec.json.encode(told).decode()
    label = f"{sentence} Arrow keys tell each moment; with shift they choose a part, Enter shows it."
    return h("perfkit-chart", {"role": "img", "aria-label": label, "data-series": data}, drawn)


def _short(value: float | None) -> float | None:
    """Return *value* with six significant digits: more is not seen, and the page is smaller."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _offset(at: float, timezone: tzinfo) -> float:
    """Return how many seconds clocks of *timezone* are ahead of UTC."""
    ahead = datetime.fromtimestamp(at, timezone).utcoffset()
    return ahead.total_seconds() if ahead is not None else 0.0


def is_target_shown(trend: Trend, target: float) -> bool:
    """Return True if *target* lies close enough to the lines that it would not press them flat."""
    return target <= _highest(trend) * 2.0


def _highest(trend: Trend) -> float:
    return max((value for value in (*trend.p50, *trend.p95, *trend.p99) if value is not None), default=0.0)


def traffic_chart(trend: Trend, at: float, timezone: tzinfo, moments: Sequence[Moment] = ()) -> Markup:
    """Return requests per second as columns, the failed part of each at its foot."""
    highest = max((value for value in trend.rate if value is not None), default=0.0)
    ticks = nice_ticks(highest)
    axes = _Axes(max(len(trend.rate), 1), ticks[-1])
    pitch = _WIDE / axes.length
    columns = []
    for index, value in enumerate(trend.rate):
        if value is None:
            continue
        place = {"x": _n(index * pitch), "width": _n(pitch * 0.8)}
        columns.append(h("rect", {"class": "ok", "y": _n(axes.y(value)), "height": _n(_HIGH - axes.y(value)), **place}))
        failed = (_at(trend.errors, index) or 0.0) * value
        if failed > 0.0:
            # At least as high as the eye needs: one failure among thousands is still news.
            high = max(2.0, _HIGH - axes.y(failed))
            columns.append(h("rect", {"class": "bad", "y": _n(_HIGH - high), "height": _n(high), **place}))

    def say(index: int) -> str:
        return f"{rate(_at(trend.rate, index))} req/s  {percent(_at(trend.errors, index))} errors"

    sentence = (
        f"Requests per second over {window(trend.step * axes.length)}. "
        f"{_range('Rate', trend.rate, rate)} {_range('Errors', trend.errors, percent)}"
    )
    return _plot(
        axes,
        ticks,
        "{:,g}".format,
        columns,
        [],
        sentence,
        say,
        _Times(trend.step, at, timezone, tuple(moments)),
        centred=True,
    )


class _Times(msgspec.Struct, frozen=True):
    step: float
    at: float
    timezone: tzinfo
    moments: tuple[Moment, ...] = ()


def _plot(
    axes: _Axes,
    ticks: Sequence[float],
    say_value: Callable[[float], str],
    marks: Sequence[Markup],
    ends: Sequence[Markup],
    sentence: str,
    say: Callable[[int], str],
    times: _Times,
    *,
    centred: bool = False,
) -> Markup:
    """Put the axes around *marks*. *centred* puts points in the middle of their slot, as columns are."""
    slots = axes.length if centred else max(1, axes.length - 1)
    start = times.at - times.step * slots
    whens = time_ticks(start, times.at, times.timezone)
    grid = [h("line", {"class": "grid", "x1": 0, "x2": _WIDE, "y1": _n(y), "y2": _n(y)}) for y in map(axes.y, ticks)]
    left = [
        h(
            "text",
            {"x": "100%", "dx": -8, "y": f"{axes.y(tick):.2f}%", "dy": "0.32em"},
            _tick(say_value, tick),
        )
        for tick in ticks
    ]
    below = [h("text", {"x": f"{place * 100:.2f}%", "y": 14}, text) for place, text in whens]
    view = {"viewBox": f"0 0 {_WIDE:g} {_HIGH:g}", "preserveAspectRatio": "none"}
    return h(
        "div",
        {"class": "plot with-ends" if ends else "plot"},
        h("svg", {"class": "y", "aria-hidden": "true"}, left),
        h(
            "svg",
            {"class": "marks", "role": "img", "aria-label": sentence, **view},
            grid,
            marks,
            moment_lines(times.moments, start, times.at, _WIDE, _HIGH),
            _slots(axes, say, times, start, centred),
        ),
        moment_names(times.moments, start, times.at) if ends else None,
        h("svg", {"class": "ends", "aria-hidden": "true"}, ends) if ends else None,
        h("svg", {"class": "x", "aria-hidden": "true"}, below),
    )


def _slots(axes: _Axes, say: Callable[[int], str], times: _Times, start: float, centred: bool) -> list[Markup]:
    """Return one invisible strip per point: under the pointer it shows a line and the values, without script."""
    pitch = _WIDE / axes.length if centred else _WIDE / max(1, axes.length - 1)
    strips = []
    for index in range(axes.length):
        middle = pitch * (index + 0.4) if centred else pitch * index
        left = max(0.0, middle - pitch / 2)
        when = clock_time(start + times.step * (index + (1 if centred else 0)), times.timezone)
        strips.append(
            h(
                "g",
                {"class": "slot"},
                h("title", None, f"{when}  {say(index)}"),
                h(
                    "rect",
                    {"x": _n(left), "width": _n(min(_WIDE, middle + pitch / 2) - left), "height": _HIGH},
                ),
                h("line", {"x1": _n(middle), "x2": _n(middle), "y1": 0, "y2": _HIGH}),
            )
        )
    return strips


def _line(values: Sequence[float | None], axes: _Axes) -> str:
    """Return path data; a point alone becomes a stroke of no length, which a round cap shows as a dot."""
    parts = []
    for stretch in runs(values):
        points = [f"{_n(axes.x(index))} {_n(axes.y(value))}" for index, value in stretch]
        parts.append("M" + "L".join(points) + ("h0" if len(points) == 1 else ""))
    return "".join(parts)


def _area(values: Sequence[float | None], axes: _Axes) -> str:
    parts = []
    for stretch in runs(values):
        points = "L".join(f"{_n(axes.x(index))} {_n(axes.y(value))}" for index, value in stretch)
        first, last = axes.x(stretch[0][0]), axes.x(stretch[-1][0])
        parts.append(f"M{_n(first)} {_n(_HIGH)}L{points}L{_n(last)} {_n(_HIGH)}Z")
    return "".join(parts)


def _spread(places: dict[str, float]) -> dict[str, float]:
    """Move labels apart: from the top down, then back up where they would leave the plot."""
    names = sorted(places, key=lambda name: places[name])
    moved: dict[str, float] = {}
    for number, name in enumerate(names):
        least = moved[names[number - 1]] + _LABEL_GAP if number else 0.0
        moved[name] = max(places[name], least)
    most = _HIGH
    for name in reversed(names):
        moved[name] = min(moved[name], most)
        most = moved[name] - _LABEL_GAP
    return moved


def _label(text: str, place: float, kind: str) -> Markup:
    return h("text", {"class": kind, "x": 8, "y": f"{place:.2f}%", "dy": "0.32em"}, text)


def _range(name: str, values: Sequence[float | None], say: Callable[[float], str]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"{name}: no value yet."
    return f"{name} between {say(min(known))} and {say(max(known))}, last {say(known[-1])}."


def _tick(say: Callable[[float], str], value: float) -> str:
    return "0" if value == 0.0 else say(value)


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def _at(values: Sequence[float | None], index: int) -> float | None:
    return values[index] if index < len(values) else None


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
