"""Our metrics as a collector of prometheus_client, to be registered in a registry of the application's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar, Sample

from perfkit.core.families import Family, Histogram, MetricType, Point
from perfkit.metrics.exposition.numbers import bound
from perfkit.metrics.exposition.series import base_name, samples, series_names

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["PerfkitCollector"]


class PerfkitCollector:
    """What `collect()` returns are the metrics of all workers as of now. Thread-safe."""

    def __init__(
        self,
        families: Callable[[], Iterable[Family]],
        *,
        registry: CollectorRegistry | None = None,
        on_error: Callable[[str, Exception], object],
    ) -> None:
        """Collect *families*, without those whose names others in *registry* have.

        Args:
            families: Returns what to show.
            registry: Where it is registered; None if nobody knows.
            on_error: Told the name of a family that cannot be shown, and why.
        """
        self._families, self._registry, self._on_error = families, registry, on_error

    def describe(self) -> Iterable[Metric]:
        """Return nothing: which families there will be is known when they are collected."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return our families as prometheus_client's."""
        taken = self._taken()
        metrics = []
        for family in self._families():
            try:
                if taken.isdisjoint(series_names(base_name(family.definition), family.definition.type)):
                    metrics.append(_metric(family))
            except Exception as error:  # noqa: BLE001 - the boundary: the other families are served
                self._on_error(family.definition.name, error)
        return metrics

    def _taken(self) -> frozenset[str]:
        """Return the names of all series that other collectors of the registry have told."""
        return frozenset(getattr(self._registry, "_names_to_collectors", ()))


def _metric(family: Family) -> Metric:
    definition = family.definition
    base = base_name(definition)
    unit = definition.unit if base.endswith(f"_{definition.unit}") else ""
    metric = Metric(base, definition.description, definition.type.value, unit)
    for point in family.points:
        marks = _exemplars(point)
        for name, labels, value in samples(definition, point):
            mark = marks.get(labels.get("le", "") if definition.type is MetricType.HISTOGRAM else "")
            is_marked = mark is not None and name.endswith(("_bucket", "_total"))
            metric.samples.append(Sample(name, labels, value, None, mark if is_marked else None))
    return metric


def _exemplars(point: Point) -> dict[str, Any]:
    """Return the exemplars of a point by the text of ``le``, that of a counter by nothing."""
    value = point.value
    if isinstance(value, Histogram):
        ends = [*map(bound, value.boundaries), "+Inf"]
        found = {ends[bucket]: each for bucket, each in (value.exemplars or {}).items()}
    else:
        found = {} if point.exemplar is None else {"": point.exemplar}
    return {end: Exemplar(dict(each.labels), each.value, each.at) for end, each in found.items()}
