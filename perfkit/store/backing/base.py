"""What a store stands on: some slots of its own, and a way to read those of all workers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from perfkit.store.layout import FIXED, SLOT_BYTES
from perfkit.store.series.table import Request, Table

__all__ = ["Backing", "Place", "Reading", "unpack_fixed"]

_FIXED = struct.Struct(f"={FIXED}d")


class Place(NamedTuple):
    """Where a series was put.

    Attributes:
        slot: First slot.
        fits: False if it is not its own: that of the family's series `_other`, or the sink.
    """

    slot: int
    fits: bool


class Reading(NamedTuple):
    """One worker's numbers, taken in one read.

    Attributes:
        started_at: Unix time at which the worker opened its file.
        fixed: The fixed slots.
        rows: The slots of the table's rows as bytes, from `Table.first` on.
    """

    number: int
    pid: int
    started_at: float
    is_alive: bool
    is_self: bool
    fixed: Sequence[float]
    rows: bytes


class Backing(Protocol):
    """Memory or files.

    Attributes:
        values: This worker's slots.
        table: Which series begins at which slot.
        capacity: Slots beyond the last one that a row may take.
        number: The n of this worker.
    """

    values: memoryview[float]
    table: Table
    capacity: int
    number: int

    @property
    def is_shared(self) -> bool:
        """True if other processes read these slots."""
        ...

    def place(self, requests: Sequence[Request]) -> list[Place]:
        """Return the slots of each series, given out now if need be. Never raises."""
        ...

    def read(self, now: float) -> list[Reading]:
        """Return the numbers of all workers in the order of their n, at *now* monotonic seconds."""
        ...

    def close(self) -> None:
        """Let go of everything but `values`, which threads may still use."""
        ...

    def release_after_fork(self) -> None:
        """In a forked child: let go of everything without touching the parent's numbers."""
        ...


def unpack_fixed(data: bytes, offset: int) -> tuple[float, ...]:
    """Return the fixed slots that lie at *offset* bytes in *data*; zeros where *data* ends before."""
    if len(data) < offset + FIXED * SLOT_BYTES:
        return (0.0,) * FIXED
    return _FIXED.unpack_from(data, offset)


def find_place(table: Table, request: Request) -> list[int]:
    """Return the slots that would do for a series, the best first: its own, that of `_other`."""
    definition, labels = request
    entry = table.entry(definition)
    if entry is None:
        return []
    found = (entry.series.get(labels), None if entry.other is None else entry.series.get(entry.other))
    return [slot for slot in found if slot is not None]
