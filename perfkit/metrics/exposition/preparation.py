"""The text of a family that does not change between two scrapes: header lines and what stands before each number.

At a scrape with everything prepared, what remains is one dictionary look-up and one ``repr`` a number: measured at a
quarter of the time that making the names anew takes (1,000 counters and 60 histograms: 1.3 against 5.7 ms).
"""

from __future__ import annotations

from collections.abc import Sequence

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, MetricType, Point
from perfkit.metrics.exposition import openmetrics, prometheus
from perfkit.metrics.exposition.formats import Escaping
from perfkit.metrics.exposition.identifiers import (
    escaped_name,
    escaped_value,
    is_legacy_label,
    is_legacy_metric,
)
from perfkit.metrics.exposition.series import (
    SCALAR_SUFFIX,
    base_name,
    bounds,
    check_labels,
    label_pairs,
    series_names,
)

__all__ = ["Preparation"]


class Preparation:
    """The fixed text of one family under one escaping scheme. Threads may share it: entries are only added.

    Attributes:
        heads: Label values to what stands before the number: ``name{labels} `` where a series has one number, else the
            labels alone (`series` makes the names of buckets and sums from them).
        names: The names of series that the family takes.
    """

    __slots__ = (
        "_base",
        "_is_quoted",
        "_labels",
        "_tails",
        "definition",
        "heads",
        "is_scalar",
        "names",
        "openmetrics_header",
        "prometheus_header",
    )

    def __init__(self, definition: Definition, escaping: Escaping) -> None:
        """Prepare the family of *definition*; MetricError if it cannot be shown."""
        check_labels(definition)
        self.definition = definition
        self.heads: dict[tuple[str, ...], str] = {}
        self.is_scalar = definition.type not in (MetricType.HISTOGRAM, MetricType.SUMMARY)
        self._base = escaped_name(base_name(definition), escaping)
        self._is_quoted = is_legacy_metric(self._base) is None
        self._labels = tuple(_label(name, escaping) for name in definition.labels)
        if len(set(self._labels)) < len(self._labels):
            raise MetricError(
                f"Labels of {definition.name!r} become one when escaped: {definition.labels} give {self._labels}. "
                "They must differ. Rename one."
            )
        self.names = series_names(self._base, definition.type)
        self.prometheus_header = prometheus.header(definition, self.named)
        self.openmetrics_header = openmetrics.header(definition, self.named)
        self._tails: tuple[Sequence[float] | None, list[str]] = (None, [])

    def named(self, suffix: str = "") -> str:
        """Return the family's name with *suffix* as comments show it."""
        return f'"{escaped_value(self._base + suffix)}"' if self._is_quoted else self._base + suffix

    def series(self, suffix: str, labels: str) -> str:
        """Return the name of a series with its *labels* and a blank; the number follows."""
        if self._is_quoted:
            return f"{{{self.named(suffix)},{labels}}} " if labels else f"{{{self.named(suffix)}}} "
        return f"{self._base}{suffix}{{{labels}}} " if labels else f"{self._base}{suffix} "

    def heads_of(self, points: Sequence[Point], *, keep: bool) -> list[str]:
        """Return the heads of *points*, made where they are missing and kept if *keep*."""
        heads = self.heads
        try:
            return [heads[point.labels] for point in points]
        except KeyError:
            result = []
            for point in points:
                head = heads.get(point.labels)
                if head is None:
                    head = self._head(point)
                    if keep:
                        heads[point.labels] = head
                result.append(head)
            return result

    def _head(self, point: Point) -> str:
        pairs = label_pairs(self.definition, point, names=self._labels)
        labels = ",".join([f'{name}="{escaped_value(value)}"' for name, value in pairs])
        return self.series(SCALAR_SUFFIX.get(self.definition.type, ""), labels) if self.is_scalar else labels

    def tails(self, boundaries: Sequence[float]) -> list[str]:
        """Return what stands behind ``le="`` for each of *boundaries* and +Inf; the last answer is kept."""
        known, tails = self._tails
        if boundaries is not known:
            tails = [f'{le}"}} ' for le in bounds(self.definition, boundaries)]
            self._tails = (boundaries, tails)  # one assignment: another thread never sees half of it
        return tails


def _label(name: str, escaping: Escaping) -> str:
    escaped = escaped_name(name, escaping, is_label=True)
    return escaped if is_legacy_label(escaped) else f'"{escaped_value(escaped)}"'
