"""A scrape of many workers: 1,000 counters and 60 histograms, merged over all of them and rendered as text.

Before each scrape every worker of ours updates some of its series, so that nothing can be taken from the last merge.
prometheus_client keeps nothing between scrapes; its workers write their files once and end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

from benchmarks.harness.fleet import Fleet
from benchmarks.harness.results import Budget, Result
from benchmarks.harness.rounds import Contestant, Subject, race
from benchmarks.store.scene import COUNTERS, DURATIONS, fill, new_folder, open_store, use_multiprocess
from perfkit.core.names import HTTP_BOUNDARIES

__all__ = ["measure", "subject"]

HISTOGRAMS = 60
SIZES = (1, 4, 16, 64)


def subject(argument: str) -> Subject:
    """Build the contestant that *argument* names as ``perfkit/16`` or ``prometheus_client/16``."""
    name, _, workers = argument.partition("/")
    return {"perfkit": _perfkit, "prometheus_client": _prometheus}[name](int(workers))


def _yardstick(count: int) -> None:
    """Do fixed work of the kind that scrapes do: dictionaries, sums, text."""
    for _ in range(count):
        sums: dict[str, float] = {}
        for number in range(4000):
            name = f"series_{number % 500}"
            sums[name] = sums.get(name, 0.0) + number
        "\n".join(f"{name} {value!r}" for name, value in sums.items()).encode()


def _perfkit(workers: int) -> Subject:
    from perfkit.metrics.exposition import Exposition

    directory = new_folder()
    exposition = Exposition()

    def build(_number: int) -> Callable[[], None]:
        store = open_store(directory)
        events, durations = fill(store, counters=len(COUNTERS), histograms=HISTOGRAMS)

        def work() -> None:
            for row in events[::10]:
                store.add(row, 1.0)
            for row in durations[::2]:
                store.observe(row, 0.02)

        return work

    fleet = Fleet(workers - 1, build)
    work = build(workers - 1)
    store = open_store(directory)
    page = b""

    def run(count: int) -> None:
        nonlocal page
        for _ in range(count):
            page = exposition.render(store.families())

    def prepare() -> None:
        work()
        fleet.work()

    def close() -> None:
        fleet.close()
        store.close()
        shutil.rmtree(directory)

    return Subject(
        run=run, twin=_yardstick, is_difference=False, prepare=prepare, notes=lambda: _notes(page), close=close
    )


def _prometheus(workers: int) -> Subject:
    directory = new_folder()
    use_multiprocess(directory)
    from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    def build(_number: int) -> Callable[[], None]:
        registry = CollectorRegistry()
        counter = Counter("bench_events", "Events.", ("kind", "place"), registry=registry)
        histogram = Histogram(
            "http_server_request_duration_seconds",
            "Duration.",
            ("http_request_method", "http_route", "http_response_status_code", "url_scheme", "error_type"),
            registry=registry,
            buckets=HTTP_BOUNDARIES,
        )
        for kind, place in COUNTERS:
            counter.labels(kind, place).inc()
        for number, labels in enumerate(DURATIONS[:HISTOGRAMS]):
            histogram.labels(*labels).observe(0.001 * (number + 1))
        return lambda: None

    fleet = Fleet(workers, build)
    fleet.close()
    if len(os.listdir(directory)) != 2 * workers:
        raise RuntimeError(f"{workers} workers left {len(os.listdir(directory))} files.")
    page = b""

    def run(count: int) -> None:
        nonlocal page
        for _ in range(count):
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call] # the package is partly typed
            page = generate_latest(registry)

    return Subject(
        run=run,
        twin=_yardstick,
        is_difference=False,
        notes=lambda: _notes(page),
        close=lambda: shutil.rmtree(directory),
    )


def _notes(page: bytes) -> dict[str, Any]:
    """Return what tells whether both pages show the same."""
    lines = [line for line in page.decode().splitlines() if line and not line.startswith("#")]
    ours = [line for line in lines if line.startswith(("bench_events_total{", "http_server_request_duration_seconds_"))]
    return {
        "lines": len(ours),
        "series": sum(line.startswith("bench_events_total{") for line in ours),
        "observations": sum(float(line.rsplit(" ", 1)[1]) for line in ours if "_seconds_count{" in line),
        "bytes": len(page),
    }


def measure(*, rounds: int, sizes: tuple[int, ...], on_round: Callable[[int], None]) -> dict[int, list[Result]]:
    """Race both at each number of workers."""
    found = {}
    for workers in sizes:
        contestants = [
            Contestant(
                name=name,
                factory="benchmarks.store.scrapes:subject",
                argument=f"{name}/{workers}",
                calls=2,
                pieces=2,
                budget=Budget(0.1, "prometheus_client") if name == "perfkit" else None,
            )
            for name in ("perfkit", "prometheus_client")
        ]
        found[workers] = race(contestants, rounds=rounds, on_round=on_round)
    return found
