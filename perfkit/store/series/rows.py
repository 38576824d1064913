"""Rows: how many slots a series takes, and the handle through which it is updated."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec

from perfkit.core.errors import MetricError
from perfkit.core.families import Definition, GaugeMode, MetricType
from perfkit.core.names import OTHER
from perfkit.store.boundaries import DEFAULT, fine_with
from perfkit.store.layout import MAX_WIDTH
from perfkit.store.quantiles import SUMMARY_WIDTH

__all__ = [
    "COUNTER_WIDTH",
    "GAUGE_WIDTH",
    "WORKER_LABEL",
    "Row",
    "bounds_of",
    "check",
    "clean",
    "identity",
    "other_labels",
    "width_of",
]

COUNTER_WIDTH = 1
GAUGE_WIDTH = 2
"""The value, and the Unix time at which it was set (0: never)."""

WORKER_LABEL = "worker"
"""The label that a gauge of mode per_worker gets when it is read."""

MAX_LABEL = 1024
"""Characters of a label value; what is longer is cut."""


class Row:
    """One series of one store. Hold it; read `index` anew at every update.

    Attributes:
        definition: The metric.
        labels: Label values, in the order of the definition.
        index: First slot now; it changes when the store opens, closes or forks.
        width: Number of slots: 1 counter, 2 gauge, one per bucket and one for the sum histogram.
        bounds: Upper bounds of a histogram's buckets, inclusive; empty for other types.
        keep_from: Seconds from which whoever records an exchange of this series offers it to be kept; infinity while
            nobody wants any. Here, as the hot path has the row at hand and asks nobody else.
    """

    __slots__ = ("bounds", "definition", "index", "keep_from", "labels", "width")

    def __init__(self, definition: Definition, labels: tuple[str, ...], index: int) -> None:
        """Describe the series of *definition* and *labels* whose slots start at *index*."""
        self.definition, self.labels, self.index = definition, labels, index
        self.width, self.bounds = width_of(definition), bounds_of(definition)
        self.keep_from = math.inf

    def __repr__(self) -> str:
        """Return name, labels and slot."""
        return f"<Row {self.definition.name}{self.labels} at {self.index}>"


def bounds_of(definition: Definition) -> tuple[float, ...]:
    """Return the upper bounds of the buckets that are kept, which may be finer than those that are shown."""
    if definition.type is not MetricType.HISTOGRAM:
        return ()
    shown = definition.boundaries or DEFAULT
    return fine_with(shown) if definition.detailed else shown


def width_of(definition: Definition) -> int:
    """Return the number of slots of each series of *definition*."""
    match definition.type:
        case MetricType.COUNTER:
            return COUNTER_WIDTH
        case MetricType.HISTOGRAM:
            return len(bounds_of(definition)) + 2
        case MetricType.SUMMARY:
            return SUMMARY_WIDTH
        case _:
            return GAUGE_WIDTH


def identity(definition: Definition) -> Definition:
    """Return what makes a family the same family: everything but its description and its limit."""
    return msgspec.structs.replace(definition, description="", max_series=0)


def other_labels(definition: Definition) -> tuple[str, ...] | None:
    """Return the labels of the series that takes what does not fit; None where there are no labels."""
    return (OTHER,) * len(definition.labels) or None


def check(definition: Definition) -> None:
    """Refuse a definition that the store cannot hold.

    Raises:
        MetricError: Its boundaries are not ascending finite numbers, or too many.
    """
    bounds = definition.boundaries
    if not all(map(math.isfinite, bounds)) or any(low >= high for low, high in pairwise(bounds)):
        raise MetricError(
            f"The boundaries of {definition.name} are {bounds}. They must be finite and ascending. "
            "Sort them, remove doubles and leave out infinity, which is always there."
        )
    if width_of(definition) > MAX_WIDTH:
        raise MetricError(
            f"{definition.name} has {len(bounds)} boundaries. At most {MAX_WIDTH - 2} fit, those of "
            "the store included. Use fewer."
        )
    if definition.mode is GaugeMode.PER_WORKER and WORKER_LABEL in definition.labels:
        raise MetricError(
            f"{definition.name} has a label 'worker' and the mode per_worker. "
            "That mode adds the label 'worker' itself. Remove yours or rename it."
        )


def clean(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return *labels* as they can be kept: not too long, and without lone surrogates."""
    return tuple(label[:MAX_LABEL].encode("utf-8", "replace").decode("utf-8") for label in labels)
