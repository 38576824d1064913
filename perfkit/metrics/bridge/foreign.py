"""prometheus_client's metrics in our words.

Types that only OpenMetrics has, gaugehistogram and stateset, become gauges of the same series; what a custom collector
yields beside its own name becomes a family of that name. Timestamps and native histograms have no words here and are
left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from perfkit.core.families import Definition, Exemplar, Family, Histogram, MetricType, Point, Summary

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

__all__ = ["families_of"]

_SCALARS = {
    "counter": (MetricType.COUNTER, "_total"),
    "gauge": (MetricType.GAUGE, ""),
    "unknown": (MetricType.UNKNOWN, ""),
    "info": (MetricType.INFO, "_info"),
    "stateset": (MetricType.GAUGE, ""),
}
"""prometheus_client's type to ours, and the end of its samples' name."""

Labels = tuple[tuple[str, str], ...]


def families_of(metrics: Iterable[Metric], on_error: Callable[[str, Exception], object]) -> Iterator[Family]:
    """Yield the families of *metrics*; of one that cannot be read, *on_error* gets name and error."""
    for metric in metrics:
        try:
            yield from _families(metric)
        except Exception as error:  # noqa: BLE001 - the boundary: a custom collector may yield anything
            on_error(str(getattr(metric, "name", "unnamed")), error)


def _families(metric: Metric) -> Iterator[Family]:
    by_name: dict[str, list[Sample]] = {}
    for sample in metric.samples:
        by_name.setdefault(sample.name, []).append(sample)
    if metric.type == "histogram" and f"{metric.name}_bucket" in by_name:
        yield _compound(metric, by_name, MetricType.HISTOGRAM, _histogram)
    elif metric.type == "summary":
        yield _compound(metric, by_name, MetricType.SUMMARY, _summary)
    else:
        kind, suffix = _SCALARS.get(metric.type, (MetricType.GAUGE, ""))
        own = by_name.pop(metric.name + suffix, None)
        if own:
            yield _scalar(metric, metric.name + suffix, kind, own)
        by_name.pop(f"{metric.name}_created", None)
        left = MetricType.GAUGE if metric.type == "gaugehistogram" else MetricType.UNKNOWN
        for name, samples in by_name.items():
            yield _scalar(metric, name, left, samples)


def _names(samples: Iterable[Sample], without: str = "") -> tuple[str, ...]:
    """Return all label names of *samples* in the order in which they come."""
    return tuple(dict.fromkeys(name for sample in samples for name in sample.labels if name != without))


def _values(sample: Sample, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(sample.labels.get(name, "")) for name in names)


def _scalar(metric: Metric, name: str, kind: MetricType, samples: list[Sample]) -> Family:
    names = _names(samples)
    definition = Definition(
        name=name, type=kind, description=metric.documentation, labels=names, unit=metric.unit or ""
    )
    points = [
        Point(_values(sample, names), float(sample.value), _exemplar(sample) if kind is MetricType.COUNTER else None)
        for sample in samples
    ]
    return Family(definition, points)


def _compound(
    metric: Metric,
    by_name: dict[str, list[Sample]],
    kind: MetricType,
    value_of: Callable[[list[Sample], list[Sample], list[Sample]], Any],
) -> Family:
    """Return a family whose points are made of several samples each."""
    own, special = ("", "quantile") if kind is MetricType.SUMMARY else ("_bucket", "le")
    parts = [by_name.get(metric.name + suffix, []) for suffix in (own, "_count", "_sum")]
    names = _names((sample for part in parts for sample in part), without=special)
    groups: dict[tuple[str, ...], tuple[list[Sample], list[Sample], list[Sample]]] = {}
    for place, part in enumerate(parts):
        for sample in part:
            groups.setdefault(_values(sample, names), ([], [], []))[place].append(sample)
    points = [Point(labels, value_of(*group)) for labels, group in groups.items()]
    boundaries = points[0].value.boundaries if points and isinstance(points[0].value, Histogram) else ()
    definition = Definition(
        name=metric.name,
        type=kind,
        description=metric.documentation,
        labels=names,
        unit=metric.unit or "",
        boundaries=tuple(boundaries),
    )
    return Family(definition, points)


def _histogram(buckets: list[Sample], counts: list[Sample], sums: list[Sample]) -> Histogram:
    ordered = sorted(buckets, key=lambda sample: float(sample.labels["le"]))
    bounds = [float(sample.labels["le"]) for sample in ordered]
    upto = [float(sample.value) for sample in ordered]
    if not bounds or bounds[-1] != math.inf:
        bounds.append(math.inf)
        upto.append(float(counts[0].value) if counts else upto[-1])
    exemplars = {i: found for i, sample in enumerate(ordered) if (found := _exemplar(sample)) is not None}
    return Histogram(
        tuple(bounds[:-1]),
        [upto[0], *(high - low for low, high in pairwise(upto))],
        float(sums[0].value) if sums else math.nan,
        exemplars or None,
    )


def _summary(quantiles: list[Sample], counts: list[Sample], sums: list[Sample]) -> Summary:
    return Summary(
        tuple((float(sample.labels["quantile"]), float(sample.value)) for sample in quantiles),
        float(counts[0].value) if counts else 0.0,
        float(sums[0].value) if sums else math.nan,
    )


def _exemplar(sample: Sample) -> Exemplar | None:
    found = sample.exemplar
    if found is None:
        return None
    at = None if found.timestamp is None else float(found.timestamp)
    labels: Labels = tuple((str(name), str(value)) for name, value in found.labels.items())
    return Exemplar(labels, float(found.value), at)
