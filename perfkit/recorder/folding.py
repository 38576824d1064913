"""The spans of an exchange, equal ones as one row: 214 queries of one line of code are one sentence. Pure.

Equal are spans of the same kind, name, site and variant. Where a component looks for the call site only from the second
of its kind on, the first one without belongs to those with, if there is no doubt to which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from perfkit.core.names import OTHER
from perfkit.core.spans import VARIANT
from perfkit.recorder.kept import KeptSpan

__all__ = ["MAX_INTERVALS", "MAX_ROWS", "RawSpan", "busy", "by_kind", "fold"]

RawSpan = tuple[Any, ...]
"""A span as an exchange holds it: kind, name, start, seconds, site, detail, attributes."""

Group = tuple[str, str, str, str]
"""Kind, name, site and variant."""

MAX_ROWS = 60
"""Rows of one exchange; the spans that took least in all stand together as `_other` of their kind."""

MAX_INTERVALS = 400
"""Intervals kept of one exchange."""

MAX_DETAILS = 4
MAX_NAME = 300
MAX_DETAIL = 60
DIGITS = 6
"""Seconds are kept to the microsecond."""


def fold(spans: Sequence[RawSpan], began: float) -> tuple[KeptSpan, ...]:
    """Return *spans* of an exchange that began at *began* (`time.perf_counter`) as rows, by their first start."""
    groups: dict[Group, list[RawSpan]] = {}
    for span in spans:
        key = _text(span[0], 20), _text(span[1], MAX_NAME), _text(span[4], MAX_NAME), _variant(span)
        groups.setdefault(key, []).append(span)
    _adopt(groups)
    _bound(groups)
    share = min(1.0, MAX_INTERVALS / max(1, len(spans)))
    rows = [_row(key, members, began, share) for key, members in groups.items()]
    return tuple(sorted(rows, key=lambda row: row.intervals[0][0]))


def by_kind(spans: Iterable[RawSpan]) -> dict[str, tuple[int, float]]:
    """Return kind → number of spans, and the seconds in which at least one of them ran."""
    kinds: dict[str, list[tuple[float, float]]] = {}
    for span in spans:
        kinds.setdefault(span[0], []).append((span[2], span[3]))
    return {kind: (len(intervals), busy(intervals)) for kind, intervals in kinds.items()}


def busy(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the seconds in which at least one of *intervals* (start, seconds) ran."""
    total, until = 0.0, float("-inf")
    for start, seconds in sorted(intervals):
        end = start + seconds
        if end > until:
            total += end - max(start, until)
            until = end
    return total


def _adopt(groups: dict[Group, list[RawSpan]]) -> None:
    """Put those without a site to those with, where only one site is known of their kind, name and variant."""
    sites: dict[tuple[str, str, str], list[str]] = {}
    for kind, name, site, variant in groups:
        sites.setdefault((kind, name, variant), []).append(site)
    for (kind, name, variant), known in sites.items():
        if len(known) == 2 and "" in known:
            key = kind, name, max(known), variant
            groups[key] = groups.pop((kind, name, "", variant)) + groups[key]


def _bound(groups: dict[Group, list[RawSpan]]) -> None:
    if len(groups) <= MAX_ROWS:
        return
    by_cost = sorted(groups, key=lambda key: sum(span[3] for span in groups[key]))
    for key in by_cost[: len(groups) - MAX_ROWS + 8]:
        groups.setdefault((key[0] if key[0] in KINDS else OTHER, OTHER, "", ""), []).extend(groups.pop(key))


KINDS = ("sql", "cache", "outbound", "template", "python")
"""Kinds that have a row `_other` of their own, where there are too many rows."""


def _row(key: Group, members: list[RawSpan], began: float, share: float) -> KeptSpan:
    kind, name, site, variant = key
    took = sorted(max(0.0, float(span[3])) for span in members)
    details: dict[str, int] = {}
    for span in members:
        detail = _text(span[5], MAX_DETAIL)
        if detail and (detail in details or len(details) < MAX_DETAILS):
            details[detail] = details.get(detail, 0) + 1
    intervals = sorted((float(span[2]) - began, max(0.0, float(span[3]))) for span in members)
    most = max(1, int(len(intervals) * share))
    return KeptSpan(
        kind=kind,
        name=name,
        site=site,
        variant=variant,
        count=len(members),
        min=round(took[0], DIGITS),
        median=round((took[len(took) // 2] + took[~(len(took) // 2)]) / 2.0, DIGITS),
        max=round(took[-1], DIGITS),
        total=round(sum(took), DIGITS),
        intervals=tuple(_thinned(intervals, most)),
        details=details,
    )


def _thinned(intervals: list[tuple[float, float]], most: int) -> Iterator[tuple[float, float]]:
    """Yield at most *most* intervals; neighbours stand together where there are more, with all their seconds."""
    size = -(-len(intervals) // most)
    for at in range(0, len(intervals), size):
        part = intervals[at : at + size]
        yield round(part[0][0], DIGITS), round(sum(seconds for _, seconds in part), DIGITS)


def _variant(span: RawSpan) -> str:
    """Return the variant that its attributes name; most have none."""
    attributes = span[6]
    if not attributes or not isinstance(attributes, tuple):
        return ""
    return next((_text(each[1], MAX_DETAIL) for each in attributes if len(each) == 2 and each[0] == VARIANT), "")


def _text(value: object, most: int) -> str:
    """Return *value*, which a user's own code may have given, as a text that can be written."""
    text = value if isinstance(value, str) else repr(value)[:most]
    return text[:most].encode("utf-8", "replace").decode("utf-8")
