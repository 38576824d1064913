"""A heap whose entries may change their rank or leave without a search."""

from __future__ import annotations

import heapq
from itertools import count

from perfkit.cache.entry import Entry

__all__ = ["Waiting"]

SLACK = 64
"""Items beyond twice those needed before the heap is made anew."""


class Waiting:
    """Entries by rank, the lowest first; equal ranks in the order of arrival.

    Who leaves only lowers `wanted`; its item is dropped when it is met at the top, or when more than half of all are
    such: then the heap is made anew, which costs O(1) a removal over time. Not thread-safe.

    Attributes:
        wanted: Entries that are counted on; at most twice as many items are kept.
    """

    __slots__ = ("_heap", "_number", "wanted")

    def __init__(self) -> None:
        """Begin empty."""
        self._heap: list[tuple[float, int, Entry, int]] = []
        self._number = count()
        self.wanted = 0

    def push(self, rank: float, entry: Entry, note: int = 0) -> None:
        """Put *entry* in at *rank*, with a number to be remembered."""
        heapq.heappush(self._heap, (rank, next(self._number), entry, note))
        if len(self._heap) > 2 * self.wanted + SLACK:
            self._heap = [item for item in self._heap if item[2].is_alive]
            heapq.heapify(self._heap)

    def first(self) -> tuple[float, Entry, int] | None:
        """Return rank, entry and note of the lowest that is alive; None if there is none."""
        heap = self._heap
        while heap:
            rank, _, entry, note = heap[0]
            if entry.is_alive:
                return rank, entry, note
            heapq.heappop(heap)
        return None

    def pop(self) -> None:
        """Drop the lowest."""
        heapq.heappop(self._heap)
