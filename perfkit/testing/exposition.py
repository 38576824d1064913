"""A strict reader of metric pages: what promtool and the parsers of prometheus_client let pass is found here.

    assert problems(page) == []                                   # one page
    assert progress_problems(before, after) == []                 # two scrapes of one target
    assert agreement_problems(prometheus_page, openmetrics_page) == []

Beyond syntax it wants: each family in one piece and each series once, buckets that ascend, accumulate and end with the
count, exemplars where and as long as allowed and inside their bucket, counters that neither sink nor vanish, the same
series in both formats. `ACCEPTS` are Accept headers with the format that a server must answer with.

Sources: Prometheus, "Exposition formats"; OpenMetrics 1.0.0; RFC 9110 section 12.5.1.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

from perfkit.testing.exposition_page import SUFFIXES, Page, Series, read

__all__ = ["ACCEPTS", "Page", "Series", "agreement_problems", "problems", "progress_problems", "read"]

ACCEPTS: tuple[tuple[str, str], ...] = (
    ("", "text/plain; version=0.0.4"),
    ("*/*", "text/plain; version=0.0.4"),
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
        "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
        "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    ),
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4",
        "application/openmetrics-text; version=1.0.0",
    ),
    ("application/openmetrics-text;q=0.2,text/plain;q=0.9", "text/plain; version=0.0.4"),
    ("application/openmetrics-text;q=0,text/plain;q=0.1", "text/plain; version=0.0.4"),
    ("application/openmetrics-text;q=0", "text/plain; version=0.0.4"),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/plain; version=0.0.4"),
    ("image/png", "text/plain; version=0.0.4"),
    (";;,,q=,text/plain;q=high,\x00;=", "text/plain; version=0.0.4"),
)
"""Accept headers, and how the Content-Type of the answer must begin."""


def problems(page: str | bytes, *, openmetrics: bool = False, max_series: int = 10_000) -> list[str]:
    """Return what is wrong with *page*, nothing if it is right.

    Args:
        page: The text.
        openmetrics: True for OpenMetrics 1.0.0, False for the Prometheus text format 0.0.4.
        max_series: More series in one family are a problem: the cardinality got out of hand.
    """
    read_page = read(page, openmetrics=openmetrics)
    found = list(read_page.problems)
    counted = Counter(series.identity for series in read_page.series)
    found += [f"series twice: {identity}" for identity, count in counted.items() if count > 1]
    for family, group in groupby(read_page.series, key=lambda series: series.family):
        members = list(group)
        if len(members) > max_series:
            found.append(f"{family}: {len(members)} series, at most {max_series} expected")
        found += _family_problems(read_page, family, members)
    pieces = Counter(family for family, _ in groupby(read_page.series, key=lambda series: series.family))
    found += [f"{family}: the lines do not stand together" for family, count in pieces.items() if count > 1]
    return found


def progress_problems(before: str | bytes, after: str | bytes, *, openmetrics: bool = False) -> list[str]:
    """Return which counts of *before* sank or vanished in *after*, a later scrape of the same target."""
    earlier, later = _counts(read(before, openmetrics=openmetrics)), _counts(read(after, openmetrics=openmetrics))
    found = [f"vanished: {identity}" for identity in earlier if identity not in later]
    return found + [
        f"sank from {value} to {later[identity]}: {identity}"
        for identity, value in earlier.items()
        if identity in later and not later[identity] >= value
    ]


def agreement_problems(prometheus: str | bytes, openmetrics: str | bytes) -> list[str]:
    """Return which series only one of two pages of the same numbers has, and which differ in value."""
    pages = [
        {series.identity: series.value for series in read(page, openmetrics=is_openmetrics).series}
        for page, is_openmetrics in ((prometheus, False), (openmetrics, True))
    ]
    only = [
        f"only in {name}: {identity}"
        for name, here, there in (("prometheus", *pages), ("openmetrics", *reversed(pages)))
        for identity in here
        if identity not in there
    ]
    return only + [
        f"{value} in prometheus, {pages[1][identity]} in openmetrics: {identity}"
        for identity, value in pages[0].items()
        if identity in pages[1] and not _same(value, pages[1][identity])
    ]


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _counts(page: Page) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    counting = {"counter": ("_total",), "histogram": ("_bucket", "_count"), "summary": ("_count",)}
    return {
        series.identity: series.value
        for series in page.series
        if series.name.endswith(counting.get(page.types.get(series.family, ""), ()))
        or (not page.is_openmetrics and page.types.get(series.name) == "counter")
    }


def _family_problems(page: Page, family: str, members: list[Series]) -> Iterator[str]:
    kind = page.types.get(family, "")
    unit = page.units.get(family, "")
    if unit and not family.endswith(f"_{unit}"):
        yield f"{family}: the name does not end with its unit {unit!r}"
    for series in members:
        if any(name.startswith("__") for name, _ in series.labels):
            yield f"{series.name}: a label that is reserved"
        is_count = kind == "counter" or (kind in SUFFIXES and series.name.endswith(("_bucket", "_count")))
        if is_count and not series.value >= 0:
            yield f"{series.name}: a count of {series.value}"
        if kind == "info" and series.value != 1:
            yield f"{series.name}: an info of {series.value}"
        if series.exemplar is not None:
            yield from _exemplar_problems(page, kind, series, series.exemplar)
    names = {family + suffix for suffix in SUFFIXES.get(kind, ("",))}
    if page.is_openmetrics and any(series.name not in names for series in members):
        yield f"{family}: a sample whose name is none of the type {kind or 'unknown'}"
    if kind == "histogram":
        yield from _histogram_problems(page, family, members)


def _exemplar_problems(
    page: Page, kind: str, series: Series, exemplar: tuple[tuple[tuple[str, str], ...], float]
) -> Iterator[str]:
    labels, value = exemplar
    if not page.is_openmetrics:
        yield f"{series.name}: an exemplar outside of OpenMetrics"
    if not (kind == "counter" or series.name.endswith("_bucket")):
        yield f"{series.name}: an exemplar where none is allowed"
    if sum(len(name) + len(text) for name, text in labels) > 128:
        yield f"{series.name}: an exemplar of more than 128 characters"
    if series.name.endswith("_bucket") and not value <= _bound(series):
        yield f"{series.name}: an exemplar of {value} above the bucket {series.label('le')}"


def _bound(series: Series) -> float:
    try:
        return float(series.label("le"))
    except ValueError:
        return math.nan


def _histogram_problems(page: Page, family: str, members: Iterable[Series]) -> Iterator[str]:
    groups: dict[tuple[tuple[str, str], ...], list[Series]] = {}
    last: tuple[tuple[str, str], ...] | None = None
    for series in members:
        key = series.without("le")
        if key in groups and key != last:
            yield f"{family}{dict(key)}: the lines of a series do not stand together"
        groups.setdefault(key, []).append(series)
        last = key
    for key, group in groups.items():
        label = f"{family}{dict(key)}"
        buckets = [series for series in group if series.name.endswith("_bucket")]
        bounds = [_bound(series) for series in buckets]
        if not bounds or bounds[-1] != math.inf:
            yield f"{label}: no last bucket +Inf"
        if any(not low < high for low, high in pairwise(bounds)):
            yield f"{label}: the bounds do not ascend: {bounds}"
        if any(not low.value <= high.value for low, high in pairwise(buckets)):
            yield f"{label}: the buckets do not accumulate"
        for low, high in pairwise(buckets):
            if high.exemplar is not None and not high.exemplar[1] > _bound(low):
                yield f"{label}: an exemplar of {high.exemplar[1]} below its bucket {high.label('le')}"
        for series in buckets:
            if not re.search(r"[.e]|^\+Inf$", series.label("le")):
                yield f"{label}: le={series.label('le')!r} makes another series than in the other format"
        counts = [series.value for series in group if series.name.endswith("_count")]
        if counts and buckets and counts[0] != buckets[-1].value:
            yield f"{label}: the count {counts[0]} is not the bucket +Inf {buckets[-1].value}"
        sums = [series for series in group if series.name.endswith("_sum")]
        if page.is_openmetrics and sums and (not sums[0].value >= 0 or bounds[:1] < [0.0]):
            yield f"{label}: a sum that can go down"
