"""What a metric was some time ago: samples of its series, dense for minutes and thin for days.

The increase over a window follows resets as Prometheus' ``increase()`` does (a value lower than the one before began
again at zero). Deviation: nothing is extrapolated to the edges of the window; instead the true time between the first
and the last sample is known. A series that was not there in an earlier sample was zero then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add, sub
from typing import NamedTuple

import msgspec

from perfkit.core.families import Family, Histogram, Summary

__all__ = ["Cell", "Increase", "Labels", "Past", "cell", "increases"]

Labels = tuple[str, ...]

LADDER = ((600.0, 0.0), (7_200.0, 60.0), (90_000.0, 900.0), (float("inf"), 7_200.0))
"""Up to this age (seconds) one sample in each of these steps (seconds)."""


class Cell(NamedTuple):
    """One series at one moment, or what was added to it in a while.

    Attributes:
        total: The value, or the number of observations.
        counts: Observations per bucket; empty for plain numbers.
        sum: Of the observations.
        boundaries: Of the buckets.
    """

    total: float
    counts: Sequence[float] = ()
    sum: float = 0.0
    boundaries: Sequence[float] = ()

    def plus(self, other: Cell) -> Cell:
        """Return both together."""
        if self.counts and len(self.counts) == len(other.counts):
            return Cell(
                self.total + other.total,
                list(map(add, self.counts, other.counts)),
                self.sum + other.sum,
                self.boundaries,
            )
        kept = self if self.counts else other
        return Cell(self.total + other.total, kept.counts, self.sum + other.sum, kept.boundaries)

    def minus(self, other: Cell) -> Cell:
        """Return what was added since *other*."""
        counts = self.counts
        if counts and len(counts) == len(other.counts):
            counts = list(map(sub, counts, other.counts))
        return Cell(self.total - other.total, counts, self.sum - other.sum, self.boundaries)


class Increase(msgspec.Struct, frozen=True):
    """What was added to a metric's series.

    Attributes:
        duration: Seconds that it took: about the window, or less where nothing older is known.
        names: Of the labels.
        cells: By label values.
        names_known: False while the metric was never seen: then nothing was added because there is nothing.
    """

    duration: float
    names: Sequence[str]
    cells: dict[Labels, Cell]
    names_known: bool = True


class _Sample(NamedTuple):
    at: float
    cells: dict[Labels, Cell]


class Past:
    """The samples of one metric. Not thread-safe: the evaluating thread owns it.

    Attributes:
        span: Seconds that it reaches back.
        names: Of the labels, as last seen.
    """

    __slots__ = ("_is_known", "_samples", "names", "span")

    def __init__(self, span: float) -> None:
        """Reach back *span* seconds."""
        self.span = span
        self.names: Sequence[str] = ()
        self._samples: list[_Sample] = []
        self._is_known = False

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def begins_at(self) -> float:
        """Seconds of the oldest sample; infinity without any."""
        return self._samples[0].at if self._samples else float("inf")

    def sample(self, family: Family | None, now: float) -> None:
        """Keep what *family* says at *now* (seconds that never go back); None: it has no series yet."""
        cells = {point.labels: cell(point.value) for point in family.points} if family is not None else {}
        if family is not None:
            self.names, self._is_known = family.definition.labels, True
        self._samples.append(_Sample(now, cells))
        if len(self._samples) % 8 == 0:
            self._samples = list(_thinned(self._samples, now, self.span))

    def increase(self, seconds: float, now: float) -> Increase | None:
        """Return what was added over the last *seconds*; None with fewer than two samples."""
        samples = self._since(now - seconds)
        if len(samples) < 2:
            return None
        labels = {each for sample in samples for each in sample.cells}
        cells = {each: increases([sample.cells.get(each) for sample in samples]) for each in labels}
        return Increase(samples[-1].at - samples[0].at, self.names, cells, self._is_known)

    def mean(self, seconds: float, now: float) -> dict[Labels, float]:
        """Return the mean of each series' samples of the last *seconds*."""
        sums: dict[Labels, tuple[float, int]] = {}
        for sample in self._since(now - seconds):
            for labels, each in sample.cells.items():
                total, count = sums.get(labels, (0.0, 0))
                sums[labels] = (total + each.total, count + 1)
        return {labels: total / count for labels, (total, count) in sums.items()}

    def _since(self, at: float) -> list[_Sample]:
        """Return the samples from the last one not after *at* on."""
        first = next((index for index, sample in enumerate(self._samples) if sample.at > at), len(self._samples))
        return self._samples[max(0, first - 1) :]

    def dump(self) -> list[tuple[float, list[tuple[Labels, float, list[float], float]]]]:
        """Return all samples as plain values, to be given to `load`."""
        return [
            (at, [(labels, each.total, list(each.counts), each.sum) for labels, each in cells.items()])
            for at, cells in self._samples
        ]

    def load(self, dumped: Iterable[tuple[float, Iterable[tuple[Iterable[str], float, list[float], float]]]]) -> None:
        """Put the samples of another worker before our own."""
        first = self._samples[0].at if self._samples else float("inf")
        bounds = next((each.boundaries for sample in self._samples for each in sample.cells.values()), ())
        older = [
            _Sample(at, {tuple(labels): Cell(total, counts, added, bounds) for labels, total, counts, added in cells})
            for at, cells in dumped
            if at < first
        ]
        self._samples = older + self._samples


def cell(value: float | Histogram | Summary) -> Cell:
    """Return a point's value as a cell."""
    if isinstance(value, Histogram):
        return Cell(float(sum(value.counts)), value.counts, value.sum, value.boundaries)
    if isinstance(value, Summary):
        return Cell(value.count, (), value.sum)
    return Cell(float(value))


def increases(values: Sequence[Cell | None]) -> Cell:
    """Return what was added along *values*, oldest first; None: the series was not there."""
    start = values[0] if values[0] is not None else Cell(0.0)
    last, added = start, Cell(0.0)
    for value in values[1:]:
        if value is None:
            continue
        if value.total < last.total:
            added = added.plus(last.minus(start))
            start = Cell(0.0)
        last = value
    return added.plus(last.minus(start))


def _thinned(samples: Sequence[_Sample], now: float, span: float) -> Iterator[_Sample]:
    """Yield the samples that the ladder keeps, the oldest that covers the whole *span* among them."""
    taken: set[tuple[float, float]] = set()
    expired = sum(1 for sample in samples if now - sample.at >= span)
    step_of: Callable[[float], float] = lambda age: next(step for reach, step in LADDER if age <= reach)  # noqa: E731
    for sample in samples[max(0, expired - 1) :]:
        step = step_of(now - sample.at)
        if step and (key := (step, sample.at // step)) in taken:
            continue
        if step:
            taken.add(key)
        yield sample
