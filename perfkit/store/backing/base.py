"""What a store stands on: some slots of its own, and a way to read those of all workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from perfkit.store.series.reading import Reading
from perfkit.store.series.table import Request, Table

__all__ = ["Backing", "Place", "find_place"]


class Place(NamedTuple):
    """Where a series was put.

    Attributes:
        slot: First slot.
        fits: False if it is not its own: that of the family's series `_other`, or the sink.
    """

    slot: int
    fits: bool


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

    def read(self, now: float, *, with_rows: bool = True) -> list[Reading]:
        """Return the numbers of all workers in the order of their n, at *now* monotonic seconds.

        Without rows only the fixed slots are read, which costs little.
        """
        ...

    def close(self) -> None:
        """Let go of everything but `values`, which threads may still use."""
        ...

    def release_after_fork(self) -> None:
        """In a forked child: let go of everything without touching the parent's numbers."""
        ...


def find_place(table: Table, request: Request) -> list[int]:
    """Return the slots that would do for a series, the best first: its own, that of `_other`."""
    definition, labels = request
    entry = table.entry(definition)
    if entry is None:
        return []
    found = (entry.series.get(labels), None if entry.other is None else entry.series.get(entry.other))
    return [slot for slot in found if slot is not None]
