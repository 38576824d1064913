"""When entries expire: the next to do so is known at once, however many there are.

Most caches give most values the same time to live, so most ends come later than all before. Those stand in a queue; the
others in a heap. Measured, time to live and a tag add half of what they add to a `set` if all are in a heap.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush

from perfkit.cache.entry import FOREVER, Entry

__all__ = ["Ends"]

SLACK = 64
"""Items beyond twice those needed before both are made anew."""

Item = tuple[float, int, Entry]


class Ends:
    """Entries by the time of their end, the first first. O(1) over time in the queue, O(log n) in the heap.

    Who leaves only lowers `wanted`; its item is dropped when it comes up, or when more than half of all are such. Not
    thread-safe.

    Attributes:
        wanted: Entries that are counted on; at most twice as many items are kept.
    """

    __slots__ = ("_heap", "_last", "_queue", "wanted")

    def __init__(self) -> None:
        """Begin empty."""
        self._queue: deque[Item] = deque()
        self._heap: list[Item] = []
        self._last = 0.0
        self.wanted = 0

    def push(self, at: float, entry: Entry) -> None:
        """Put *entry* in, whose `due` is *at*."""
        queue = self._queue
        if at >= self._last:
            # In the order of arrival many leave as they came: their items go at once, and their memory with them.
            while queue and not queue[0][2].is_alive:
                queue.popleft()
            queue.append((at, 0, entry))
            self._last = at
        else:
            heappush(self._heap, (at, id(entry), entry))
        if len(queue) + len(self._heap) > 2 * self.wanted + SLACK:
            self._queue = deque(filter(_is_wanted, queue))
            self._heap = list(filter(_is_wanted, self._heap))
            heapify(self._heap)

    def first(self) -> tuple[float, Entry] | None:
        """Return the first end and whose it is; None if there is none."""
        queue, heap = self._queue, self._heap
        while queue and not _is_wanted(queue[0]):
            queue.popleft()
        while heap and not _is_wanted(heap[0]):
            heappop(heap)
        if not queue and not heap:
            # Whatever comes is in order again.
            self._last = 0.0
            return None
        at, _, entry = heap[0] if self._is_heap_first() else queue[0]
        return at, entry

    def pop(self) -> None:
        """Drop the first."""
        if self._is_heap_first():
            heappop(self._heap)
        else:
            self._queue.popleft()

    def _is_heap_first(self) -> bool:
        queue, heap = self._queue, self._heap
        return bool(heap) and not (queue and queue[0][0] <= heap[0][0])


def _is_wanted(item: Item) -> bool:
    at, _, entry = item
    return entry.is_alive and entry.due == at and entry.expires is not FOREVER
