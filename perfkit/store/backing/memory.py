"""The slots of one process: an anonymous private mapping, untouched pages of which cost nothing.

Rows lie in its upper half, at slots that no file has. So when the store moves to a file, a thread that is in the
middle of an update leaves its mark in the old mapping at a place from which one can tell which row was meant,
whether it knew the old slot or the new one already, and nothing is lost (`perfkit.store.series.settlement`).
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Sequence
from contextlib import suppress

from perfkit.core.clock import Clock
from perfkit.store.backing.base import Place, find_place
from perfkit.store.layout import FIXED, OVERFLOW, SINK, SLOT_BYTES
from perfkit.store.series.reading import Reading
from perfkit.store.series.table import Request, Table

__all__ = ["Memory"]


class Memory:
    """Slots that live and die with this process. Thread-safe but for the updates themselves."""

    is_shared = False
    number = 0

    def __init__(self, *, max_slots: int, max_series: int, clock: Clock) -> None:
        """Make room for *max_slots* slots of rows; nothing is touched yet."""
        self.capacity = 2 * max_slots
        self.table = Table(first=max_slots, capacity=self.capacity, max_series=max_series)
        self._lock = threading.Lock()
        self._started_at = clock.time()
        self._map = mmap.mmap(-1, self.capacity * SLOT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._bytes = memoryview(self._map)
        self.values: memoryview[float] = self._bytes.cast("d")

    def place(self, requests: Sequence[Request]) -> list[Place]:
        """Return the slots of each series, given out now if need be."""
        with self._lock:
            for line in self.table.plan(requests):
                self.table.apply(line)
            return [self._place(request) for request in requests]

    def _place(self, request: Request) -> Place:
        slots = find_place(self.table, request)
        own = self.table.slot(request)
        if own is not None:
            return Place(own, fits=True)
        values = self.values
        values[OVERFLOW] += 1.0
        return Place(slots[0] if slots else SINK, fits=False)

    def read(self, now: float, *, with_rows: bool = True) -> list[Reading]:
        """Return the numbers of this process."""
        first, free = self.table.first, self.table.free
        fixed = self.values[:FIXED].tolist()
        rows = self.values[first:free].tobytes() if with_rows else b""
        return [Reading(self.number, os.getpid(), self._started_at, True, True, fixed, rows)]

    def close(self) -> None:
        """Do nothing: the memory goes with the last who uses it."""

    def release_after_fork(self) -> None:
        """In a forked child: whoever still holds `values` gets an error."""
        self.values.release()
        self._bytes.release()
        with suppress(BufferError):  # a thread of the parent was in the middle of a read: the mapping stays
            self._map.close()
