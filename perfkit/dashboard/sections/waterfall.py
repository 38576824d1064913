"""Where a request spent its time: one row for each fold of equal spans, drawn beside its call site and its seconds.

The critical path is what must get shorter for the request to get shorter. Source: Zhang et al. 2022, "CRISP: Critical
Path Analysis of Large-Scale Microservice Architectures", section 3: from the end back, always to the child that ended
last. Our spans have no parents, so all of them are children of the request.
"""

from __future__ import annotations

from collections.abc import Sequence

from perfkit.advice.wording import NOTHING, count, percent, seconds
from perfkit.dashboard.editor import Editor
from perfkit.dashboard.html import Child, Markup, h
from perfkit.dashboard.parts import cell, section, site_code, table
from perfkit.recorder.folding import busy
from perfkit.recorder.kept import KeptExchange, KeptSpan

__all__ = ["KINDS", "breakdown", "critical_path", "kinds_of", "waterfall"]

KINDS = ("sql", "cache", "outbound", "template", "python")
"""Kinds that have a colour; all others look like ``python``."""

ROUNDING = 2e-6
"""Seconds by which spans may seem to overlap: they are kept to the microsecond."""

LONGEST = 160
"""Characters of a name in its row; the whole of it stands below."""


def critical_path(spans: Sequence[KeptSpan], end: float) -> list[float]:
    """Return the seconds that each of *spans* is on the critical path of a request of *end* seconds."""
    last_first = sorted(
        ((start + took, start, row) for row, span in enumerate(spans) for start, took in span.intervals), reverse=True
    )
    told, until = [0.0] * len(spans), end
    for stop, start, row in last_first:
        if start >= until or stop <= start:
            continue
        if stop > until + ROUNDING:
            # It was still running when a later one took over: only those that had ended are waited for.
            continue
        told[row] += min(stop, until) - start
        until = start
    return told


def kinds_of(kept: KeptExchange) -> dict[str, tuple[int, float]]:
    """Return kind → number of spans and the seconds in which one of them ran; ``python`` is what none accounts for."""
    told: dict[str, tuple[int, float]] = {}
    for kind in dict.fromkeys(span.kind for span in kept.spans):
        own = [span for span in kept.spans if span.kind == kind]
        told[kind] = sum(span.count for span in own), busy([each for span in own for each in span.intervals])
    rest = kept.seconds - busy([each for span in kept.spans for each in span.intervals])
    number, own_seconds = told.get("python", (0, 0.0))
    told["python"] = number, own_seconds + max(0.0, rest)
    return told


def breakdown(kinds: dict[str, tuple[int, float]], total: float) -> Markup:
    """Return one bar of all kinds, each with its share in words below."""
    order = sorted(kinds, key=lambda kind: -kinds[kind][1])
    parts, words, at = list[Markup](), list[Markup](), 0.0
    whole = max(total, sum(took for _, took in kinds.values())) or 1.0
    for kind in order:
        number, took = kinds[kind]
        wide = 100.0 * took / whole
        parts.append(h("rect", {"class": _colour(kind), "x": f"{at:.2f}%", "width": f"{wide:.2f}%", "height": "100%"}))
        at += wide
        many = f" ({number:,})" if number else ""
        words.append(
            h(
                "span",
                {"class": f"key {_colour(kind)}"},
                h("span", {"class": "swatch", "aria-hidden": "true"}),
                f"{kind} {seconds(took)}{many} {percent(took / total if total else 0.0)}",
            )
        )
    return h(
        "div",
        {"class": "kinds"},
        h("svg", {"class": "strip", "aria-hidden": "true"}, parts),
        h("p", None, words),
    )


def waterfall(kept: KeptExchange, editor: Editor | None = None) -> Markup:
    """Return the card: the request itself, then its rows by their first start; call sites open in the *editor*."""
    columns: list[tuple[Child, str]] = [
        ("Span", ""),
        ("When", "when"),
        ("Took", "number"),
        ("On the critical path", "number"),
        ("From", "from"),
    ]
    path = critical_path(kept.spans, kept.seconds)
    own = max(0.0, kept.seconds - sum(path))
    first: list[Child] = [
        h("strong", None, "the whole request"),
        cell(_bars([(0.0, kept.seconds)], kept.seconds, "python"), "when"),
        cell(seconds(kept.seconds)),
        cell(seconds(own)),
        cell("", "from"),
    ]
    rows = [first, *(_row(span, kept.seconds, on_path, editor) for span, on_path in zip(kept.spans, path, strict=True))]
    shown, told = len(kept.spans), kept.span_count
    note = f"{count(told, 'span')} in {count(shown, 'row')}; equal ones are folded" if told else "no span was recorded"
    foot = "On the critical path is what the request would be shorter by; what runs beside something else is not."
    return section(
        "waterfall",
        "Waterfall",
        table("Waterfall", columns, rows, "waterfall"),
        h("p", {"class": "footnote"}, foot),
        note=note,
    )


def _row(span: KeptSpan, total: float, on_path: float, editor: Editor | None) -> list[Child]:
    name = span.name if len(span.name) <= LONGEST else f"{span.name[: LONGEST - 1]}…"
    many = h("strong", {"class": "many"}, f"×{span.count:,} ") if span.count > 1 else None
    spread = f"min {seconds(span.min)} · median {seconds(span.median)} · max {seconds(span.max)}"
    details = ", ".join(f"{detail} ×{number}" if number > 1 else detail for detail, number in span.details.items())
    more = " · ".join(filter(None, (spread if span.count > 1 else "", details)))
    kind = h("span", {"class": f"kind {_colour(span.kind)}"}, span.kind)
    return [
        h("span", None, many, h("code", None, name), h("span", {"class": "note"}, kind, f" {more}" if more else None)),
        cell(_bars(span.intervals, total, span.kind), "when"),
        cell(seconds(span.total)),
        cell(seconds(on_path) if on_path > 0.0 else NOTHING),
        cell(site_code(span.site, editor) if span.site else NOTHING, "from"),
    ]


def _bars(intervals: Sequence[tuple[float, float]], total: float, kind: str) -> Markup:
    """Return where on the way the intervals lie; decoration, the numbers stand beside it."""
    whole = total or 1.0
    bars = [
        h(
            "rect",
            {
                "x": f"{min(99.7, max(0.0, 100.0 * start / whole)):.2f}%",
                "width": f"{min(100.0, max(0.3, 100.0 * took / whole)):.2f}%",
                "height": "100%",
            },
        )
        for start, took in intervals
    ]
    return h("svg", {"class": f"bars {_colour(kind)}", "aria-hidden": "true"}, bars)


def _colour(kind: str) -> str:
    return f"k-{kind if kind in KINDS else 'python'}"
