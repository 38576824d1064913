"""The series of an instrument, bound to their slots: what a hot place holds and updates.

Each type has two classes. The plain one does the update and nothing else; the followed one also keeps exemplars and
tells listeners. A child is of the one or the other class, changed while it lives, so that the plain update pays
nothing for what few use: no flag is looked at. Their slots are the same, which is what Python asks for.
"""

from __future__ import annotations

from collections.abc import Mapping

from perfkit.metrics.definitions import Kind
from perfkit.metrics.recording import Recording
from perfkit.metrics.sampler import GaugeSampler
from perfkit.metrics.timing import Timing
from perfkit.store import BoundCounter, BoundGauge, BoundHistogram, BoundSummary, Row, Store

__all__ = [
    "Child",
    "CounterChild",
    "GaugeChild",
    "HistogramChild",
    "Origin",
    "SummaryChild",
    "followed",
    "plain",
]


class Origin:
    """Where a child comes from: what all children of one instrument share.

    Attributes:
        kind: What its instrument was defined as.
        keeps_exemplars: Whether each update leaves the trace of its moment as exemplar.
        sampler: Calls the callbacks of gauges.
        clock: Returns monotonic seconds.
    """

    __slots__ = ("clock", "keeps_exemplars", "kind", "recording", "sampler", "store")

    def __init__(
        self,
        kind: Kind,
        *,
        store: Store,
        recording: Recording,
        sampler: GaugeSampler,
        keeps_exemplars: bool = False,
    ) -> None:
        """Describe an instrument of *kind*."""
        self.kind, self.keeps_exemplars = kind, keeps_exemplars
        self.store, self.recording, self.sampler, self.clock = store, recording, sampler, store.clock.monotonic

    def follow(self, row: Row, value: float) -> None:
        """Do what follows an update."""
        self.recording.follow(row, self.kind, value, traced=self.keeps_exemplars)

    def exemplify(self, row: Row, value: float, exemplar: Mapping[str, str]) -> None:
        """Keep *exemplar*; MetricError if it is none."""
        self.recording.exemplify(row, value, exemplar)


class CounterChild(BoundCounter):
    """One series of a counter. Thread-safe."""

    __slots__ = ("_origin",)

    def __init__(self, origin: Origin, row: Row) -> None:
        """Bind *row*."""
        super().__init__(origin.store, row)
        self._origin = origin

    increment = BoundCounter.add

    def increment_with_exemplar(self, amount: float, exemplar: Mapping[str, str]) -> None:
        """Add *amount* and keep *exemplar*, such as ``{"trace_id": "…"}``, at most 128 characters.

        Raises:
            MetricError: *amount* is negative, or *exemplar* too long.
        """
        self.increment(amount)
        self._origin.exemplify(self._row, amount, exemplar)


class _FollowedCounter(CounterChild):
    __slots__ = ()

    def increment(self, amount: float = 1.0) -> None:
        BoundCounter.add(self, amount)
        self._origin.follow(self._row, amount)


class GaugeChild(BoundGauge):
    """One series of a gauge. Thread-safe."""

    __slots__ = ("_origin",)

    def __init__(self, origin: Origin, row: Row) -> None:
        """Bind *row*."""
        super().__init__(origin.store, row)
        self._origin = origin

    increment = BoundGauge.add

    def decrement(self, amount: float = 1.0) -> None:
        """Take *amount* away."""
        self.increment(-amount)

    def unset(self) -> None:
        """Have no value in this worker any more, until it is set again."""
        values = self._store.values
        values[self._row.index + 1] = 0.0


class _FollowedGauge(GaugeChild):
    __slots__ = ()

    def set(self, value: float) -> None:
        BoundGauge.set(self, value)
        self._origin.follow(self._row, value)

    def increment(self, amount: float = 1.0) -> None:
        BoundGauge.add(self, amount)
        self._origin.follow(self._row, amount)


class HistogramChild(BoundHistogram):
    """One series of a histogram or timer. Thread-safe."""

    __slots__ = ("_origin",)

    def __init__(self, origin: Origin, row: Row) -> None:
        """Bind *row*."""
        super().__init__(origin.store, row)
        self._origin = origin

    record = BoundHistogram.observe

    def record_with_exemplar(self, value: float, exemplar: Mapping[str, str]) -> None:
        """Count *value* and keep *exemplar*, such as ``{"trace_id": "…"}``, at most 128 characters, for its bucket.

        Raises:
            MetricError: *exemplar* is too long.
        """
        self.record(value)
        self._origin.exemplify(self._row, value, exemplar)

    def time(self) -> Timing:
        """Return what times a block or decorates a function, in seconds."""
        return Timing(self.record, self._origin.clock)


class _FollowedHistogram(HistogramChild):
    __slots__ = ()

    def record(self, value: float) -> None:
        BoundHistogram.observe(self, value)
        self._origin.follow(self._row, value)


class SummaryChild(BoundSummary):
    """One series of a summary. Thread-safe."""

    __slots__ = ("_origin",)

    def __init__(self, origin: Origin, row: Row) -> None:
        """Bind *row*."""
        super().__init__(origin.store, row)
        self._origin = origin

    record = BoundSummary.observe

    def time(self) -> Timing:
        """Return what times a block or decorates a function, in seconds."""
        return Timing(self.record, self._origin.clock)


class _FollowedSummary(SummaryChild):
    __slots__ = ()

    def record(self, value: float) -> None:
        BoundSummary.observe(self, value)
        self._origin.follow(self._row, value)


Child = CounterChild | GaugeChild | HistogramChild | SummaryChild

_FOLLOWED: dict[type[Child], type[Child]] = {
    CounterChild: _FollowedCounter,
    GaugeChild: _FollowedGauge,
    HistogramChild: _FollowedHistogram,
    SummaryChild: _FollowedSummary,
}
_PLAIN = {followed: plain for plain, followed in _FOLLOWED.items()}


def followed(child: Child) -> None:
    """Let each update of *child* be followed from now on."""
    child.__class__ = _FOLLOWED.get(type(child), type(child))


def plain(child: Child) -> None:
    """Let the updates of *child* do nothing else from now on."""
    child.__class__ = _PLAIN.get(type(child), type(child))
