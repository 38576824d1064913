"""An update of a known series: one counter and one histogram, in turn over 20 label sets."""

from __future__ import annotations

import shutil
from bisect import bisect_left
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, Subject, race
from benchmarks.store.scene import COUNTERS, DURATIONS, EVENTS, new_folder, open_store, use_multiprocess
from perfkit.core.names import HTTP_BOUNDARIES, REQUEST_DURATION
from perfkit.store import BoundCounter, BoundHistogram

__all__ = ["REFERENCE", "measure", "subject"]

REFERENCE = "bound pair"
BUDGETS = {
    "perfkit, bound, in memory": Budget(0.4, REFERENCE),
    "perfkit, bound, shared file": Budget(0.12, "multiprocess, bound pair"),
    "perfkit, written out as requests do": Budget(0.12, "multiprocess, bound pair"),
}
SERIES = 20
VALUES = (0.0004, 0.0021, 0.0133, 0.047, 0.31)


def _empty(items: list[Any]) -> Callable[[int], None]:
    def twin(count: int) -> None:
        for _counter, _histogram, _value in islice(cycle(items), count):
            pass

    return twin


def _perfkit(directory: str, *, way: str = "rows") -> Subject:
    store = open_store(directory)
    store.define(EVENTS)
    store.define(REQUEST_DURATION)
    items = [
        (store.row(EVENTS, COUNTERS[n]), store.row(REQUEST_DURATION, DURATIONS[n]), VALUES[n % len(VALUES)])
        for n in range(SERIES)
    ]

    bound = [(BoundCounter(store, counter), BoundHistogram(store, times), value) for counter, times, value in items]

    def run_bound(count: int) -> None:
        for counter, histogram, value in islice(cycle(bound), count):
            counter.add()
            histogram.observe(value)

    def run_rows(count: int) -> None:
        add, observe = store.add, store.observe
        for counter, histogram, value in islice(cycle(items), count):
            add(counter, 1.0)
            observe(histogram, value)

    def run_inline(count: int) -> None:
        for counter, histogram, value in islice(cycle(items), count):
            values = store.values
            values[counter.index] += 1.0
            index = histogram.index
            values[index + bisect_left(histogram.bounds, value)] += 1.0
            values[index + histogram.width - 1] += value

    def counted() -> float:
        totals = {
            family.definition.name: sum(
                point.value if isinstance(point.value, float) else getattr(point.value, "count", 0.0)
                for point in family.points
            )
            for family in store.families({EVENTS.name, REQUEST_DURATION.name})
        }
        if totals[EVENTS.name] != totals[REQUEST_DURATION.name]:
            raise RuntimeError(f"Counters and histograms disagree: {totals}.")
        return float(totals[EVENTS.name])

    def close() -> None:
        store.close()
        if directory:
            shutil.rmtree(directory)

    ways = {"rows": run_rows, "bound": run_bound, "inline": run_inline}
    return Subject(run=ways[way], twin=_empty(items), counted=counted, close=close)


def _prometheus(*, bound: bool, directory: str = "") -> Subject:
    if directory:
        use_multiprocess(directory)
    from prometheus_client import CollectorRegistry, Counter, Histogram

    registry = CollectorRegistry()
    counter = Counter("bench_events", "Events.", ("method", "route", "status"), registry=registry)
    histogram = Histogram(
        "duration_seconds", "Durations.", ("method", "route", "status"), registry=registry, buckets=HTTP_BOUNDARIES
    )
    labels = [DURATIONS[n][:3] for n in range(SERIES)]
    pairs = [(counter.labels(*labels[n]), histogram.labels(*labels[n]), VALUES[n % len(VALUES)]) for n in range(SERIES)]
    calls = [(labels[n], labels[n], VALUES[n % len(VALUES)]) for n in range(SERIES)]

    def run_bound(count: int) -> None:
        for one, other, value in islice(cycle(pairs), count):
            one.inc()
            other.observe(value)

    def run_labels(count: int) -> None:
        for one, other, value in islice(cycle(calls), count):
            counter.labels(*one).inc()
            histogram.labels(*other).observe(value)

    def counted() -> float:
        return float(sum(s.value for f in registry.collect() for s in f.samples if s.name == "bench_events_total"))

    def close() -> None:
        if directory:
            shutil.rmtree(directory)

    return Subject(
        run=run_bound if bound else run_labels,
        twin=_empty(pairs if bound else calls),
        counted=counted,
        close=close,
    )


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "perfkit, bound, in memory": lambda: _perfkit("", way="bound"),
    "perfkit, bound, shared file": lambda: _perfkit(new_folder(), way="bound"),
    "perfkit, by row, in memory": lambda: _perfkit(""),
    "perfkit, by row, shared file": lambda: _perfkit(new_folder()),
    "perfkit, written out as requests do": lambda: _perfkit(new_folder(), way="inline"),
    "bound pair": lambda: _prometheus(bound=True),
    "labels() pair": lambda: _prometheus(bound=False),
    "multiprocess, bound pair": lambda: _prometheus(bound=True, directory=new_folder()),
    "multiprocess, labels() pair": lambda: _prometheus(bound=False, directory=new_folder()),
}


def subject(name: str) -> Subject:
    """Build the contestant called *name*."""
    return SUBJECTS[name]()


def measure(*, rounds: int, scale: float, on_round: Callable[[int], None]) -> list[Result]:
    """Race all ways to update."""
    contestants = [
        Contestant(
            name=name,
            factory="benchmarks.store.updates:subject",
            argument=name,
            calls=10_000,
            budget=BUDGETS.get(name),
        )
        for name in SUBJECTS
    ]
    return race(contestants, rounds=rounds, scale=scale, on_round=on_round)
