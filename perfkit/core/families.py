"""The words for numbers: what a metric is (`Definition`) and what it reads now (`Family` of `Point`s).

The store makes families out of slots; components may add foreign ones (`Component.families`); exposition,
dashboard and alerts read them. Names and labels follow Prometheus, units its base units (seconds, bytes, ratio).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

__all__ = ["Definition", "Exemplar", "Family", "GaugeMode", "Histogram", "MetricType", "Point", "Summary"]


class MetricType(StrEnum):
    """The type of a metric; a timer is a histogram of seconds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    INFO = "info"
    UNKNOWN = "unknown"


class GaugeMode(StrEnum):
    """How the gauges of several workers become one number. Only live workers take part."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"
    MEAN = "mean"
    LATEST = "latest"
    PER_WORKER = "per_worker"


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a metric is. Two equal definitions are the same metric.

    Attributes:
        name: Full Prometheus name with its unit suffix; a counter's ends in ``_total``.
        labels: Label names in the order in which `Point.labels` gives their values.
        unit: Base unit word (``seconds``, ``bytes``, ``ratio``) or empty.
        boundaries: Histograms only: the upper bounds shown by exposition, ascending, without +Inf.
        detailed: Histograms only: True keeps the store's fine latency boundaries (for percentiles) beneath.
        mode: Gauges only: how workers are joined.
        max_series: Series that get room of their own; 0 is what the store's settings say. No part of what makes a
            metric the same.
    """

    name: str
    type: MetricType
    description: str = ""
    labels: tuple[str, ...] = ()
    unit: str = ""
    boundaries: tuple[float, ...] = ()
    detailed: bool = False
    mode: GaugeMode = GaugeMode.SUM
    max_series: int = 0


class Exemplar(msgspec.Struct, frozen=True):
    """One observation that stands for its bucket or counter.

    Attributes:
        labels: Name and value pairs, at most 128 characters together.
        value: The observed value.
        at: Unix seconds, or None.
    """

    labels: tuple[tuple[str, str], ...]
    value: float
    at: float | None = None


class Histogram(msgspec.Struct, frozen=True):
    """The state of a histogram.

    Attributes:
        boundaries: Upper bounds (inclusive), ascending, without +Inf.
        counts: Observations per bucket, not cumulative; one more than boundaries (the last is above all bounds).
        sum: Sum of the observations.
        exemplars: Bucket index to exemplar.
    """

    boundaries: Sequence[float]
    counts: Sequence[float]
    sum: float
    exemplars: dict[int, Exemplar] | None = None

    @property
    def count(self) -> float:
        """Number of observations."""
        return sum(self.counts)


class Summary(msgspec.Struct, frozen=True):
    """The state of a summary: quantile and value pairs, number and sum of the observations."""

    quantiles: tuple[tuple[float, float], ...]
    count: float
    sum: float


class Point(msgspec.Struct, frozen=True):
    """The value of one series.

    Attributes:
        labels: Label values, in the order of the definition's label names.
        value: A number, a `Histogram` or a `Summary`.
        exemplar: For counters only.
    """

    labels: tuple[str, ...]
    value: float | Histogram | Summary
    exemplar: Exemplar | None = None


class Family(msgspec.Struct, frozen=True):
    """A metric and all its series."""

    definition: Definition
    points: Sequence[Point]
