"""Exemplars: for each bucket and counter the newest observation that has a trace, so that a number leads to a request.

Shown in OpenMetrics only, which is also where the limit of 128 characters comes from. They stay in the worker that
saw them: a scrape gets those of the worker that answers, the next one perhaps those of another, and all are true.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import msgspec

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, Exemplar, Family, Histogram, MetricType, Point
from perfkit.metrics.exposition.identifiers import is_legacy_label
from perfkit.metrics.exposition.openmetrics import EXEMPLAR_LENGTH

__all__ = ["MAX_SERIES", "Exemplars", "checked", "current_trace"]

MAX_SERIES = 2_000
"""Series of which exemplars are kept; those beyond have none."""


def current_trace() -> Mapping[str, str] | None:
    """Return trace and span of OpenTelemetry's current span; None unless its API is in use and the span is sampled."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    context = api.get_current_span().get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def checked(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the *labels* of an exemplar as pairs.

    Raises:
        MetricError: They are too long, or are no labels.
    """
    pairs = tuple((str(name), str(value)) for name, value in labels.items())
    length = sum(len(name) + len(value) for name, value in pairs)
    if length > EXEMPLAR_LENGTH or not all(is_legacy_label(name) for name, _ in pairs):
        raise MetricError(
            f"An exemplar has the labels {dict(pairs)}. Names are like those of metrics' labels, and all together have "
            f"at most {EXEMPLAR_LENGTH} characters. Give the trace_id only."
        )
    return pairs


class Exemplars:
    """The newest exemplars of this worker. Thread-safe."""

    def __init__(self) -> None:
        """Begin without any."""
        self._kept: dict[tuple[str, tuple[str, ...]], dict[int, Exemplar]] = {}

    def note(self, definition: Definition, labels: tuple[str, ...], exemplar: Exemplar) -> None:
        """Keep *exemplar* of one series as the newest of its bucket."""
        series = self._kept.get((definition.name, labels))
        if series is None:
            if len(self._kept) >= MAX_SERIES:
                return
            series = self._kept.setdefault((definition.name, labels), {})
        bucket = bisect_left(definition.boundaries, exemplar.value) if definition.boundaries else 0
        series[bucket] = exemplar

    def attach(self, family: Family) -> Family:
        """Return *family* with the exemplars of its points."""
        if not self._kept or family.definition.type not in (MetricType.COUNTER, MetricType.HISTOGRAM):
            return family
        name = family.definition.name
        found = [self._kept.get((name, point.labels)) for point in family.points]
        if not any(found):
            return family
        points = [
            _with(point, exemplars) if exemplars else point
            for point, exemplars in zip(family.points, found, strict=True)
        ]
        return Family(family.definition, points)


def _with(point: Point, exemplars: Mapping[int, Exemplar]) -> Point:
    exemplars = dict(exemplars)
    value = point.value
    if not isinstance(value, Histogram):
        return msgspec.structs.replace(point, exemplar=exemplars.get(0))
    # A bucket that this page shows as empty: the observation came after the counts were read.
    shown = {bucket: each for bucket, each in exemplars.items() if value.counts[bucket] > 0.0}
    return msgspec.structs.replace(point, value=msgspec.structs.replace(value, exemplars=shown))
