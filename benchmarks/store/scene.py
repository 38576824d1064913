"""What all store benchmarks share: folders in memory and the series of a middle-sized service."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from perfkit.core.families import Definition, MetricType
from perfkit.core.names import REQUEST_DURATION
from perfkit.store import Store, StoreSettings

__all__ = [
    "COUNTERS",
    "DURATIONS",
    "EVENTS",
    "disk_bytes",
    "fill",
    "new_folder",
    "open_store",
    "use_multiprocess",
]

EVENTS = Definition(name="bench_events_total", type=MetricType.COUNTER, description="Events.", labels=("kind", "place"))

COUNTERS = [(f"kind-{number % 20}", f"place-{number // 20}") for number in range(1000)]
"""Label values of 1,000 series of `EVENTS`."""

DURATIONS = [("GET", f"/things/{number}/{{id}}", "200", "http", "") for number in range(200)]
"""Label values of up to 200 series of the request durations."""


def new_folder() -> str:
    """Make a folder, in memory where the system has such a place, as servers would use; gone when Python ends."""
    in_memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    path = tempfile.mkdtemp(prefix="bench-", dir=in_memory)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def open_store(directory: str, **details: Any) -> Store:
    """Open a store in *directory*; in memory if that is empty."""
    settings = StoreSettings(directory=directory) if directory else StoreSettings(mode="memory")
    store = Store(settings, service="bench", **details)
    store.open()
    if bool(directory) != store.is_shared or store.degraded:
        raise RuntimeError(
            f"The store is not what it should be: shared {store.is_shared}, degraded {store.degraded!r}."
        )
    return store


def fill(store: Store, *, counters: int, histograms: int) -> tuple[list[Any], list[Any]]:
    """Touch that many series once; return their rows, counters and histograms."""
    store.define(EVENTS)
    store.define(REQUEST_DURATION)
    events = [store.row(EVENTS, labels) for labels in COUNTERS[:counters]]
    durations = [store.row(REQUEST_DURATION, labels) for labels in DURATIONS[:histograms]]
    for row in events:
        store.add(row, 1.0)
    for number, row in enumerate(durations):
        store.observe(row, 0.001 * (number + 1))
    return events, durations


def disk_bytes(directory: str) -> tuple[int, int]:
    """Return the number of files below *directory* and the bytes allocated for them."""
    stats = [entry.stat() for entry in Path(directory).rglob("*") if entry.is_file()]
    return len(stats), sum(stat.st_blocks * 512 for stat in stats)


def use_multiprocess(directory: str) -> None:
    """Switch prometheus_client to its multiprocess mode; before it is imported for the first time."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
