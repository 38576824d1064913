"""The container around the workers, or the machine: its quota, its memory, what waits in it, its disks.

Every worker sees the same here. Gauges are those of the latest look; what only rises is counted by the leader alone,
from its first look on, as what others had counted before cannot be told from what is new.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from perfkit.core.limits import ROOT, DiskLooks, Limits, Throttling, groups
from perfkit.performance.runtime.metrics import (
    CPU_PERIODS,
    CPU_QUOTA,
    DISK_FREE,
    DISK_SIZE,
    MEMORY_LIMIT,
    MEMORY_USED,
    PRESSURE,
    THROTTLED,
    THROTTLED_PERIODS,
)

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["Container"]

RESOURCES = ("cpu", "memory", "io")

PERIOD = 5.0
"""Seconds between two looks at limits and pressure."""

DISK_PERIOD = 30.0
"""Seconds between two looks at disks."""


class Container:
    """Writes what surrounds the process into one store. Not thread-safe: the scheduler owns it.

    Attributes:
        cores: Cores that may be used, as of the last look.
        unavailable: Why a metric is missing, by its name.
    """

    def __init__(self, store: Store, root: Path = ROOT) -> None:
        """Find the control groups below *root*."""
        self._store = store
        self._limits = Limits(root)
        self._pressure = _pressure_files(root)
        self._throttling: Throttling | None = None
        self._looked_at: float | None = None
        self._disks_at: float | None = None
        self._disks = DiskLooks()
        self.cores = self._limits.cpu()
        self.unavailable: dict[str, str] = {}

    def sample(self, now: float) -> None:
        """Look, if a look is due at *now* (monotonic seconds). At most 1 ms; disks have a thread as they may hang."""
        if self._looked_at is None or now - self._looked_at >= PERIOD:
            self._looked_at = now
            self._look()
        if self._disks_at is None or now - self._disks_at >= DISK_PERIOD:
            self._disks_at = now
            self._begin_disks()
        self._write_disks()

    def _look(self) -> None:
        store = self._store
        self.cores = self._limits.cpu()
        store.set(store.row(CPU_QUOTA), self.cores)
        memory = self._limits.memory()
        self._tell(MEMORY_LIMIT.name, None if memory else "neither the kernel nor psutil tells it")
        if memory is not None:
            store.set(store.row(MEMORY_LIMIT), memory.total)
            store.set(store.row(MEMORY_USED), memory.used)
        self._count_throttling()
        told = 0
        for resource in RESOURCES:
            ratio = _pressure(self._pressure.get(resource))
            if ratio is not None:
                store.set(store.row(PRESSURE, (resource,)), ratio)
                told += 1
        self._tell(PRESSURE.name, None if told else "the kernel does not tell pressure stall information")

    def _count_throttling(self) -> None:
        before, now = self._throttling, self._limits.throttling()
        self._throttling = now
        self._tell(THROTTLED.name, None if now else "no CPU quota is set")
        if before is None or now is None or not self._store.is_leader:
            return
        definitions = (CPU_PERIODS, THROTTLED_PERIODS, THROTTLED)
        for definition, old, new in zip(definitions, before, now, strict=True):
            self._store.add(self._store.row(definition), max(0.0, new - old))

    def _begin_disks(self) -> None:
        places = {"working": Path(os.curdir)}
        if self._store.directory is not None:
            places["store"] = self._store.directory
        if not self._disks.begin(places):
            self._tell(DISK_FREE.name, "a file system does not answer")

    def _write_disks(self) -> None:
        found = self._disks.take()
        if found is None:
            return
        store, reason = self._store, None
        for place, usage in found.items():
            if usage is None:
                reason = f"the file system of {place} does not tell it"
            else:
                store.set(store.row(DISK_FREE, (place,)), usage.free)
                store.set(store.row(DISK_SIZE, (place,)), usage.total)
        self._tell(DISK_FREE.name, reason)

    def wait(self, seconds: float) -> None:
        """Wait until the next sample has what the disks tell, at most *seconds*."""
        self._disks.wait(seconds)

    def _tell(self, metric: str, reason: str | None) -> None:
        if reason is None:
            self.unavailable.pop(metric, None)
        else:
            self.unavailable[metric] = reason


def _pressure_files(root: Path) -> dict[str, Path]:
    """Return where the pressure on each resource is told: of our control group if it has that, else of the machine."""
    own = next(groups("pressure", root), None)
    files = {}
    for resource in RESOURCES:
        places = (None if own is None else own / f"{resource}.pressure", root / "proc/pressure" / resource)
        found = next((place for place in places if place is not None and _pressure(place) is not None), None)
        if found is not None:
            files[resource] = found
    return files


def _pressure(path: Path | None) -> float | None:
    """Return the part of the last ten seconds in which something waited, 0 to 1; None if *path* does not tell."""
    if path is None:
        return None
    try:
        with open(path) as file:
            kind, average, _ = file.readline().split(" ", 2)
    except (OSError, ValueError):
        return None
    return float(average.removeprefix("avg10=")) / 100.0 if kind == "some" else None
