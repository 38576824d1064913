"""One update of a known series, in turn over 20 label sets: counters, histograms, and the look-up by labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, Subject, race
from benchmarks.store.scene import new_folder, open_store, use_multiprocess
from perfkit.core.context import Context
from perfkit.core.families import Histogram
from perfkit.core.names import HTTP_BOUNDARIES
from perfkit.metrics import MetricsCollector, MetricsSettings

__all__ = ["PARTS", "REFERENCE", "measure", "subject"]

REFERENCE = "prometheus_client"
MULTIPROCESS = "prometheus_client, multiprocess"

PARTS = {
    "counter": "a bound counter is raised",
    "histogram": "a bound histogram of 14 buckets counts a value",
    "labels": "labels(route=…, status=…) and a counter is raised",
    "positions": "labels('…', '…') and a counter is raised",
    "names": "increment_counter(name, 1, {…}) against labels(route=…, status=…)",
    "timer": "with timer.time(): pass",
}
"""What is done, by the name of the race."""

BOUND, LOOKED_UP = ("counter", "histogram"), ("labels", "positions")
"""The races with a budget."""

SERIES = 20
LABELS = [("/things/{id}", str(200 + number)) for number in range(SERIES)]
VALUES = (0.0004, 0.0021, 0.0133, 0.047, 0.31)


def _budgets(part: str) -> dict[str, Budget]:
    if part in LOOKED_UP:
        return {"perfkit": Budget(0.25, REFERENCE)}
    if part not in BOUND:
        return {}
    return {"perfkit": Budget(0.5, REFERENCE), "perfkit, shared file": Budget(0.125, MULTIPROCESS)}


def _empty(count: int) -> None:
    for _item in islice(cycle(LABELS), count):
        pass


def _calls(part: str, counter: Any, histogram: Any, names: tuple[str, str], by_name: Any) -> Callable[[int], None]:
    """Return what makes that many calls; *names* are those of the verbs that raise and count."""
    raised, counted = names
    counters = [getattr(counter.labels(*each), raised) for each in LABELS]
    histograms = [getattr(histogram.labels(*each), counted) for each in LABELS]
    items = [(histograms[n], VALUES[n % len(VALUES)]) for n in range(SERIES)]
    series = [histogram.labels(*each) for each in LABELS]

    def run_counter(count: int) -> None:
        for increment in islice(cycle(counters), count):
            increment()

    def run_histogram(count: int) -> None:
        for record, value in islice(cycle(items), count):
            record(value)

    def run_timer(count: int) -> None:
        for each in islice(cycle(series), count):
            with each.time():
                pass

    if raised == "increment":

        def run_labels(count: int) -> None:
            for route, status in islice(cycle(LABELS), count):
                counter.labels(route=route, status=status).increment()

        def run_positions(count: int) -> None:
            for route, status in islice(cycle(LABELS), count):
                counter.labels(route, status).increment()

    else:

        def run_labels(count: int) -> None:
            for route, status in islice(cycle(LABELS), count):
                counter.labels(route=route, status=status).inc()

        def run_positions(count: int) -> None:
            for route, status in islice(cycle(LABELS), count):
                counter.labels(route, status).inc()

    runs = {
        "counter": run_counter,
        "histogram": run_histogram,
        "timer": run_timer,
        "labels": run_labels,
        "positions": run_positions,
        "names": by_name or run_labels,
    }
    return runs[part]


def _perfkit(part: str, *, directory: str = "") -> Subject:
    store = open_store(directory)
    metrics = MetricsCollector(settings=MetricsSettings(prometheus_client="off"), context=Context(store=store))
    counter = metrics.define_metric("bench_events_total", "counter", labels=("route", "status"))
    histogram = metrics.define_metric(
        "bench_seconds", "histogram", labels=("route", "status"), unit="seconds", buckets=HTTP_BOUNDARIES
    )

    def by_name(count: int) -> None:
        increment = metrics.increment_counter
        for route, status in islice(cycle(LABELS), count):
            increment("bench_events_total", 1.0, {"route": route, "status": status})

    def counted() -> float:
        families = store.families({"bench_events_total", "bench_seconds"})
        values: list[Any] = [point.value for family in families for point in family.points]
        return sum(each.count if isinstance(each, Histogram) else float(each) for each in values)

    def close() -> None:
        store.close()
        if directory:
            shutil.rmtree(directory)

    run = _calls(part, counter, histogram, ("increment", "record"), by_name)
    return Subject(run=run, twin=_empty, counted=counted, close=close)


def _prometheus(part: str, *, directory: str = "") -> Subject:
    if directory:
        use_multiprocess(directory)
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    counter = prometheus_client.Counter("bench_events", "Events.", ("route", "status"), registry=registry)
    histogram = prometheus_client.Histogram(
        "bench_seconds", "Durations.", ("route", "status"), registry=registry, buckets=HTTP_BOUNDARIES
    )

    def counted() -> float:
        wanted = ("bench_events_total", "bench_seconds_count")
        samples = [sample for metric in registry.collect() for sample in metric.samples]
        return float(sum(sample.value for sample in samples if sample.name in wanted))

    def close() -> None:
        if directory:
            shutil.rmtree(directory)

    return Subject(
        run=_calls(part, counter, histogram, ("inc", "observe"), None),
        twin=_empty,
        counted=counted,
        close=close,
    )


SUBJECTS: dict[str, Callable[[str], Subject]] = {
    "perfkit": _perfkit,
    "perfkit, shared file": lambda part: _perfkit(part, directory=new_folder()),
    REFERENCE: _prometheus,
    MULTIPROCESS: lambda part: _prometheus(part, directory=new_folder()),
}


def subject(argument: str) -> Subject:
    """Build the contestant of *argument*, which is ``race:name``."""
    part, _, name = argument.partition(":")
    return SUBJECTS[name](part)


def measure(part: str, *, rounds: int, scale: float, on_round: Callable[[int], None]) -> list[Result]:
    """Race all contestants of one *part*."""
    contestants = [
        Contestant(
            name=name,
            factory="benchmarks.metrics.instruments:subject",
            argument=f"{part}:{name}",
            calls=10_000,
            budget=_budgets(part).get(name),
        )
        for name in SUBJECTS
    ]
    return race(contestants, rounds=rounds, scale=scale, on_round=on_round)
