"""The series that a metric of each type makes: their names, and which of them a value gives.

One place says it for all four formats, so that they show the same series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import isfinite
from typing import TypeVar

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, Histogram, MetricType, Point, Summary
from perfkit.metrics.exposition.numbers import bound

__all__ = [
    "SCALAR_SUFFIX",
    "base_name",
    "bounds",
    "check_labels",
    "cumulative",
    "expect",
    "has_sum",
    "label_pairs",
    "quantiles",
    "samples",
    "scalars",
    "series_names",
]

V = TypeVar("V")

SCALAR_SUFFIX = {MetricType.COUNTER: "_total", MetricType.INFO: "_info"}
"""What the samples of a type with one number a series have behind the family's name; nothing for the others."""

_SUFFIXES = {
    MetricType.COUNTER: ("", "_total", "_created"),
    MetricType.HISTOGRAM: ("", "_bucket", "_count", "_sum", "_created"),
    MetricType.SUMMARY: ("", "_count", "_sum", "_created"),
    MetricType.INFO: ("", "_info"),
}
_RESERVED = {MetricType.HISTOGRAM: "le", MetricType.SUMMARY: "quantile"}


def base_name(definition: Definition) -> str:
    """Return OpenMetrics' name of the family: without ``_total`` of a counter and ``_info`` of an info."""
    base = definition.name.removesuffix(SCALAR_SUFFIX.get(definition.type, ""))
    if not base:
        raise MetricError(f"{definition.name!r} is no name of a {definition.type}. A suffix needs a name. Give it one.")
    return base


def series_names(base: str, type: MetricType) -> frozenset[str]:
    """Return the names that no other family may use beside one called *base*."""
    return frozenset(base + suffix for suffix in _SUFFIXES.get(type, ("",)))


def label_pairs(definition: Definition, point: Point, *, names: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the labels of *point*, called *names* or as defined, without empty ones.

    To Prometheus an empty label is one that is not there. Within a family leaving it out cannot make two series alike.
    """
    names = names or definition.labels
    if len(names) != len(point.labels):
        raise MetricError(
            f"A point of {definition.name!r} has {len(point.labels)} label values. Its labels are {names}. "
            "Give one value for each label."
        )
    for name, value in zip(names, point.labels, strict=True):
        if value:
            yield name, value


def check_labels(definition: Definition) -> None:
    """Raise MetricError for label names that the formats keep to themselves."""
    reserved = _RESERVED.get(definition.type)
    for label in definition.labels:
        if not label or label.startswith("__") or label == reserved:
            raise MetricError(f"{definition.name!r} has a label {label!r}. That name is reserved. Call it otherwise.")


def bounds(definition: Definition, boundaries: Sequence[float]) -> list[str]:
    """Return the texts of ``le`` for *boundaries* and ``+Inf``."""
    if not all(map(isfinite, boundaries)) or any(low >= high for low, high in pairwise(boundaries)):
        raise MetricError(
            f"{definition.name!r} has the boundaries {list(boundaries)}. They must be finite and ascend. Sort them."
        )
    return [*map(bound, boundaries), "+Inf"]


def cumulative(value: Histogram) -> list[float]:
    """Return the counts of ``le`` buckets, the last one being the number of all observations."""
    counts = list(accumulate(map(float, value.counts)))
    if len(counts) != len(value.boundaries) + 1:
        raise MetricError(
            f"A histogram has {len(counts)} buckets for {len(value.boundaries)} boundaries. It must have one bucket "
            "more than boundaries. Give both."
        )
    if not (isfinite(counts[-1]) and min(value.counts) >= 0):
        raise MetricError(f"A histogram has the counts {list(value.counts)}. A count is a number from 0 up. Mend it.")
    return counts


def has_sum(value: Histogram) -> bool:
    """Return True if sum and count may be shown: OpenMetrics wants neither where the sum can go down."""
    return value.sum >= 0 and not (value.boundaries and value.boundaries[0] < 0)


def quantiles(value: Summary) -> Iterator[tuple[str, float]]:
    """Yield label and value of the quantiles; a negative one is not allowed and left out."""
    for quantile, at in value.quantiles:
        if not 0 <= quantile <= 1:
            raise MetricError(f"A summary has the quantile {quantile}. It must lie between 0 and 1. Divide by 100?")
        if not at < 0:
            yield bound(quantile), float(at)


def expect(kind: type[V], definition: Definition, value: object) -> V:
    """Return *value*, which must be a *kind* for the type of *definition*."""
    if isinstance(value, kind):
        return value
    raise MetricError(
        f"{definition.name!r} is a {definition.type} and has a {type(value).__name__} as value. It must be a "
        f"{kind.__name__}. Correct the type or the value."
    )


def scalars(definition: Definition, values: Iterable[object]) -> list[float]:
    """Return the *values* of counters, gauges, infos and unknowns as floats, if they are allowed."""
    try:
        numbers = list(map(float, values))  # type: ignore[arg-type]  # what is no number raises TypeError
    except TypeError as error:
        raise MetricError(f"{definition.name!r} has a value that is no number. It must be one. {error}.") from error
    if definition.type is MetricType.COUNTER and not all(map((0.0).__le__, numbers)):
        raise MetricError(f"The counter {definition.name!r} is below 0 or no number. It only grows. Use a gauge.")
    if definition.type is MetricType.INFO and set(numbers) - {1.0}:
        raise MetricError(f"The info {definition.name!r} has another value than 1. Its labels tell. Use a gauge.")
    return numbers


def samples(definition: Definition, point: Point) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of each series of *point*, in the words of the Prometheus text format."""
    base = base_name(definition)
    labels = dict(label_pairs(definition, point))
    if definition.type is MetricType.HISTOGRAM:
        histogram = expect(Histogram, definition, point.value)
        counts = cumulative(histogram)
        for le, count in zip(bounds(definition, histogram.boundaries), counts, strict=True):
            yield f"{base}_bucket", {**labels, "le": le}, count
        if has_sum(histogram):
            yield f"{base}_count", labels, counts[-1]
            yield f"{base}_sum", labels, float(histogram.sum)
    elif definition.type is MetricType.SUMMARY:
        summary = expect(Summary, definition, point.value)
        for quantile, value in quantiles(summary):
            yield base, {**labels, "quantile": quantile}, value
        yield f"{base}_count", labels, float(summary.count)
        if summary.sum >= 0:
            yield f"{base}_sum", labels, float(summary.sum)
    else:
        (value,) = scalars(definition, [point.value])
        yield base + SCALAR_SUFFIX.get(definition.type, ""), labels, value
