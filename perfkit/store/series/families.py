"""Families out of slots: what exposition, dashboard, alerts and advice read."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Container, Mapping, Sequence
from itertools import accumulate, pairwise

import msgspec

from perfkit.core.families import Definition, Family, GaugeMode, Histogram, MetricType, Point, Summary
from perfkit.core.names import ABANDONED, ACTIVE_REQUESTS
from perfkit.store.history.snapshots import Buckets, Labels
from perfkit.store.history.window import difference
from perfkit.store.layout import FINISHED, LOST, OVERFLOW, SLOT_BYTES, STARTED
from perfkit.store.quantiles import SUMMARY_BUCKETS, SUMMARY_QUANTILES, summary_quantile
from perfkit.store.series.reading import Reading
from perfkit.store.series.rows import WORKER_LABEL
from perfkit.store.series.table import Entry, Table

__all__ = [
    "DEGRADED",
    "OVERFLOWED",
    "build",
    "fixed_families",
    "has_summaries",
    "in_flight",
    "summary_buckets",
    "summed",
]

OVERFLOWED = Definition(
    name="perfkit_store_overflow_total",
    type=MetricType.COUNTER,
    description="Requests for a series that found no room of its own and went to the series _other.",
)
DEGRADED = Definition(
    name="perfkit_store_degraded",
    type=MetricType.GAUGE,
    description="1 while the worker that answers counts in its own memory because the shared files cannot be used.",
    mode=GaugeMode.MAX,
)

_GAUGE = struct.Struct("=2d")

Slots = Sequence[float]


def build(
    table: Table,
    sums: Slots,
    readings: Sequence[Reading],
    names: Container[str] | None = None,
    *,
    detailed: bool = False,
    base: Callable[[], Mapping[Labels, Buckets]] = dict,
) -> list[Family]:
    """Return the families called *names* (None: all) that have a point.

    Args:
        table: Tells what the slots mean.
        sums: The sums of all workers' rows.
        readings: The workers, for gauges.
        detailed: Show histograms with the boundaries that are kept instead of those that are defined.
        base: Returns what the summaries held when the window of their quantiles began.
    """
    first = table.first
    families = []
    for name, entry in list(table.newest.items()):
        if names is not None and name not in names:
            continue
        definition = entry.definition
        match definition.type:
            case MetricType.COUNTER:
                points = _counters(entry, sums, first)
            case MetricType.HISTOGRAM:
                points = _histograms(entry, sums, first, detailed=detailed)
            case MetricType.SUMMARY:
                points = _summaries(entry, sums, first, base())
            case _:
                points = _gauges(entry, readings, first)
                if definition.mode is GaugeMode.PER_WORKER:
                    labels = (*definition.labels, WORKER_LABEL)
                    definition = msgspec.structs.replace(definition, labels=labels)
        if points:
            families.append(Family(definition, points))
    return families


def fixed_families(readings: Sequence[Reading], names: Container[str] | None, *, is_degraded: bool) -> list[Family]:
    """Return what the fixed slots say."""
    values = {
        ABANDONED: summed(readings, LOST),
        ACTIVE_REQUESTS: in_flight(readings),
        OVERFLOWED: summed(readings, OVERFLOW),
        DEGRADED: float(is_degraded),
    }
    return [
        Family(definition, (Point((), value),))
        for definition, value in values.items()
        if names is None or definition.name in names
    ]


def summed(readings: Sequence[Reading], slot: int) -> float:
    """Return a fixed slot of all workers."""
    return sum(reading.fixed[slot] for reading in readings)


def in_flight(readings: Sequence[Reading]) -> float:
    """Return the exchanges that live workers have begun and not ended."""
    alive = [reading.fixed for reading in readings if reading.is_alive]
    return max(0.0, sum(fixed[STARTED] - fixed[FINISHED] for fixed in alive))


def _placed(entry: Entry, sums: Slots, first: int) -> list[tuple[tuple[str, ...], int]]:
    """Return labels and offset of the series that were read; one may be given out after the reading."""
    last = len(sums) - entry.width
    return [(labels, slot - first) for labels, slot in list(entry.series.items()) if slot - first <= last]


def _counters(entry: Entry, sums: Slots, first: int) -> list[Point]:
    other = entry.other
    return [Point(labels, sums[at]) for labels, at in _placed(entry, sums, first) if labels != other or sums[at] != 0.0]


def _histograms(entry: Entry, sums: Slots, first: int, *, detailed: bool) -> list[Point]:
    kept = entry.bounds
    shown = kept if detailed or not entry.definition.detailed else entry.shown
    buckets = len(kept) + 1
    ends = [kept.index(bound) for bound in shown] if shown is not kept else []
    points = []
    for labels, at in _placed(entry, sums, first):
        counts = sums[at : at + buckets]
        if labels == entry.other and not any(counts):
            continue
        if not detailed:
            counts = _coarse(counts, ends) if ends else list(counts)
        points.append(Point(labels, Histogram(shown, counts, sums[at + buckets])))
    return points


def _coarse(counts: Slots, ends: list[int]) -> list[float]:
    """Return the sums of fine buckets up to each of *ends*, and of those above the last."""
    upto = list(accumulate(counts))
    tops = [*map(upto.__getitem__, ends), upto[-1]]
    return [tops[0], *(high - low for low, high in pairwise(tops))]


def has_summaries(table: Table) -> bool:
    """Return whether there is any summary."""
    return any(entry.definition.type is MetricType.SUMMARY for entry in list(table.newest.values()))


def summary_buckets(table: Table, sums: Slots) -> dict[Labels, Buckets]:
    """Return the buckets of all summaries, by name and label values."""
    found: dict[Labels, Buckets] = {}
    for name, entry in list(table.newest.items()):
        if entry.definition.type is MetricType.SUMMARY:
            for labels, at in _placed(entry, sums, table.first):
                counts = sums[at : at + SUMMARY_BUCKETS]
                found[name, *labels] = Buckets(array("d", counts), sums[at + SUMMARY_BUCKETS])
    return found


def _summaries(entry: Entry, sums: Slots, first: int, base: Mapping[Labels, Buckets]) -> list[Point]:
    points = []
    for labels, at in _placed(entry, sums, first):
        counts = sums[at : at + SUMMARY_BUCKETS]
        count = sum(counts)
        if labels == entry.other and not count:
            continue
        recent = _recent(counts, base.get((entry.definition.name, *labels)))
        quantiles = tuple((q, summary_quantile(recent, q)) for q in SUMMARY_QUANTILES)
        points.append(Point(labels, Summary(quantiles, count, sums[at + SUMMARY_BUCKETS])))
    return points


def _recent(counts: Slots, base: Buckets | None) -> Slots:
    """Return what was counted since *base*; all of it if the numbers began anew in between."""
    now = Buckets(list(counts), 0.0)
    try:
        passed = difference(now, base)
    except ValueError:
        return now.counts
    return passed.counts if passed is not None else ()


def _gauges(entry: Entry, readings: Sequence[Reading], first: int) -> list[Point]:
    mode = entry.definition.mode
    alive = [reading for reading in readings if reading.is_alive]
    points: list[Point] = []
    for labels, slot in list(entry.series.items()):
        at = (slot - first) * SLOT_BYTES
        held = [
            (reading.number, *_GAUGE.unpack_from(reading.rows, at))
            for reading in alive
            if at + _GAUGE.size <= len(reading.rows)
        ]
        held = [one for one in held if one[2] != 0.0]
        if mode is GaugeMode.PER_WORKER:
            points.extend(Point((*labels, str(number)), value) for number, value, _ in held)
        elif held:
            points.append(Point(labels, _JOINED[mode](held)))
    return points


Held = list[tuple[int, float, float]]

_JOINED: dict[GaugeMode, Callable[[Held], float]] = {
    GaugeMode.SUM: lambda held: sum(value for _, value, _ in held),
    GaugeMode.MAX: lambda held: max(value for _, value, _ in held),
    GaugeMode.MIN: lambda held: min(value for _, value, _ in held),
    GaugeMode.MEAN: lambda held: sum(value for _, value, _ in held) / len(held),
    GaugeMode.LATEST: lambda held: max((at, number, value) for number, value, at in held)[2],
}
