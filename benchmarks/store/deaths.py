"""Deaths of workers: each opens the store, counts, tells what it counted, and is gone without a word.

Each worker is a process of its own that ends by SIGKILL, four at a time. Afterwards: are all counts there that were
acknowledged, how many files are left, how much disk, and what does a scrape cost?
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness.fleet import in_own_process
from benchmarks.store.scene import (
    COUNTERS,
    DURATIONS,
    EVENTS,
    disk_bytes,
    fill,
    new_folder,
    open_store,
    use_multiprocess,
)
from perfkit.core.names import HTTP_BOUNDARIES

__all__ = ["measure_perfkit", "measure_prometheus"]

AT_ONCE = 4
UPDATES = 5
"""Increments of one series by each worker, acknowledged together."""
SERIES = 10


def measure_perfkit(deaths: int, *, stages: int = 4) -> list[dict[str, float]]:
    """Return the figures after each of *stages* equal parts of *deaths*."""
    directory = new_folder()

    def worker(acknowledge: Callable[[], None]) -> None:
        store = open_store(directory)
        events, _ = fill(store, counters=SERIES, histograms=1)
        for _ in range(UPDATES - 1):
            store.add(events[0], 1.0)
        acknowledge()

    def look() -> dict[str, float]:
        from perfkit.metrics.exposition import Exposition

        store = open_store(directory)
        exposition = Exposition()
        families = store.families({EVENTS.name})
        values = (point.value for family in families for point in family.points if point.labels == COUNTERS[0])
        counted = sum(value for value in values if isinstance(value, float))
        scrape = _median_cpu(lambda: exposition.render(store.families()))
        return {"counted": counted, "scrape": scrape}

    return _churn(directory, deaths, stages, worker, look)


def measure_prometheus(deaths: int, *, stages: int = 4) -> list[dict[str, float]]:
    """Return the same of prometheus_client's multiprocess mode. Call it in a process of its own."""
    directory = new_folder()
    use_multiprocess(directory)
    from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

    def worker(acknowledge: Callable[[], None]) -> None:
        registry = CollectorRegistry()
        counter = Counter("bench_events", "Events.", ("kind", "place"), registry=registry)
        histogram = Histogram("duration_seconds", "D.", ("route",), registry=registry, buckets=HTTP_BOUNDARIES)
        for kind, place in COUNTERS[:SERIES]:
            counter.labels(kind, place).inc()
        for labels in DURATIONS[:1]:
            histogram.labels(labels[1]).observe(0.01)
        for _ in range(UPDATES - 1):
            counter.labels(*COUNTERS[0]).inc()
        acknowledge()

    def scrape() -> bytes:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call] # the package is partly typed
        return generate_latest(registry)

    def look() -> dict[str, float]:
        kind, place = COUNTERS[0]
        start = f'bench_events_total{{kind="{kind}",place="{place}"}} '
        line = next(line for line in scrape().decode().splitlines() if line.startswith(start))
        return {"counted": float(line.removeprefix(start)), "scrape": _median_cpu(scrape)}

    def bury(process: int) -> None:
        mark_process_dead(process, directory)  # type: ignore[no-untyped-call] # the package is partly typed

    return _churn(directory, deaths, stages, worker, look, bury)


def _churn(
    directory: str,
    deaths: int,
    stages: int,
    worker: Callable[[Callable[[], None]], None],
    look: Callable[[], dict[str, float]],
    bury: Callable[[int], None] = lambda process: None,
) -> list[dict[str, float]]:
    found = []
    done = acknowledged = 0
    try:
        for stage in range(stages):
            goal = deaths * (stage + 1) // stages
            started = time.perf_counter()
            while done < goal:
                wave = min(AT_ONCE, goal - done)
                acknowledged += _wave(worker, wave, bury)
                done += wave
            seconds = time.perf_counter() - started
            files, disk = disk_bytes(directory)
            found.append(
                {
                    "deaths": done,
                    "acknowledged": acknowledged * UPDATES,
                    **in_own_process(look),
                    "files": files,
                    "disk": disk,
                    "seconds": seconds,
                }
            )
    finally:
        shutil.rmtree(directory)
    return found


def _wave(worker: Callable[[Callable[[], None]], None], count: int, bury: Callable[[int], None]) -> int:
    """Let *count* workers live at once and die by SIGKILL; return how many acknowledged."""
    ready_read, ready_write = os.pipe()
    processes = []
    for _ in range(count):
        process = os.fork()
        if not process:
            _live(worker, ready_write)
        processes.append(process)
    os.close(ready_write)
    acknowledged = 0
    while data := os.read(ready_read, count):
        acknowledged += len(data)
        if acknowledged == count:
            break
    for process in processes:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        bury(process)
    os.close(ready_read)
    if acknowledged != count:
        raise RuntimeError(f"{count - acknowledged} of {count} workers died before they had counted.")
    return acknowledged


def _live(worker: Callable[[Callable[[], None]], None], ready: int) -> None:
    """Be a worker until killed."""

    def acknowledge() -> None:
        os.write(ready, b"a")

    try:
        worker(acknowledge)
        os.close(ready)
        signal.pause()
    finally:
        os._exit(1)


def _median_cpu(scrape: Callable[[], Any], times: int = 9) -> float:
    costs = []
    for _ in range(times):
        before = time.process_time()
        scrape()
        costs.append(time.process_time() - before)
    return statistics.median(costs)
