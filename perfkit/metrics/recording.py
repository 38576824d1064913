"""What follows an update, where anything does: an exemplar is kept, listeners are told.

While nobody listens to ``metric_recorded`` and a metric keeps no exemplars, its updates never come here: series have
two classes that differ in this alone, and change from one to the other when listeners come or go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import msgspec

from perfkit.core.context import Context
from perfkit.core.families import Exemplar
from perfkit.metrics.exemplars import Exemplars, checked, current_trace
from perfkit.store import Row

__all__ = ["MetricRecorded", "Recording"]


class MetricRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """The event ``metric_recorded``.

    Attributes:
        name: Full name of the metric.
        type: ``counter``, ``gauge``, ``histogram``, ``summary`` or ``timer``.
        value: What was added, set or observed.
        labels: Label names and values of the series.
        at: Unix seconds.
    """

    name: str
    type: str
    value: float
    labels: dict[str, str]
    at: float


class Recording:
    """What the series of one collector share. Thread-safe.

    Attributes:
        exemplars: Where exemplars are kept.
        has_listeners: Whether anyone listens to ``metric_recorded``.
        trace: Returns the labels of an exemplar, or None where there is no trace; replace it to use another tracer
            than OpenTelemetry.
    """

    def __init__(self, context: Context) -> None:
        """Tell the listeners of *context*."""
        self._context = context
        self._telling = threading.local()
        self.exemplars = Exemplars()
        self.has_listeners = False
        self.trace: Callable[[], Mapping[str, str] | None] = current_trace

    def follow(self, row: Row, kind: str, value: float, *, traced: bool) -> None:
        """Do what follows when *value* was recorded in *row*. Never raises."""
        if traced:
            with self._context.errors.guarded("metrics", "an exemplar could not be kept"):
                labels = self.trace()
                if labels:
                    self.exemplify(row, value, labels)
        if self.has_listeners:
            self._tell(row, kind, value)

    def exemplify(self, row: Row, value: float, labels: Mapping[str, str]) -> None:
        """Keep *labels* as the newest exemplar of *row* for *value*.

        Raises:
            MetricError: They are too long, or are no labels.
        """
        exemplar = Exemplar(checked(labels), float(value), self._context.clock.time())
        self.exemplars.note(row.definition, row.labels, exemplar)

    def _tell(self, row: Row, kind: str, value: float) -> None:
        if getattr(self._telling, "is_busy", False):
            return  # a listener that records metrics itself would be told of them for ever
        self._telling.is_busy = True
        try:
            recorded = MetricRecorded(
                name=row.definition.name,
                type=kind,
                value=float(value),
                labels=dict(zip(row.definition.labels, row.labels, strict=True)),
                at=self._context.clock.time(),
            )
            self._context.events.emit("metric_recorded", recorded)
        finally:
            self._telling.is_busy = False
