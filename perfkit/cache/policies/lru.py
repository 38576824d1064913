"""Least recently used: who was not asked for the longest time leaves.

A hit moves nobody: it raises a count of all hits, the tick, and notes it in its entry. Entries stand in a queue in the
order in which they came, each with the tick of the last hit before it came. Who comes up there for eviction and was
used meanwhile goes into a heap by its last use; its rank there is put right in the same way when it comes up again.
Ticks only rise, so the first whose tick is still that of its rank was used longest ago of all.
Source of the idea: the lazy promotion of Yang, Qiu, Zhang, Yue, Rashmi: FIFO Can Be Better than LRU (HotOS 2023), §4,
made exact by the ticks. Measured, a `set` into a full cache costs a tenth less than with an `OrderedDict` and a log of
hits; a hit costs the same.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush, heapreplace

from perfkit.cache.entry import Entry
from perfkit.cache.policies.fifo import SLACK

__all__ = ["Lru"]

STEPS = 4096
"""Entries put right in one eviction; after that the first known leaves: a long time of hits alone may have used all."""


class Lru:
    """Entries in the order of their last use. O(1) over time for those that are not used, O(log n) for the others.

    Attributes:
        ticks: One number, raised at each use.
    """

    __slots__ = ("_dead", "_queue", "_used", "ticks")
    most_hits = 0

    def __init__(self, max_size: int = 0) -> None:
        """Begin empty; *max_size* is of no interest here."""
        self.ticks = [0.0]
        self._queue: deque[Entry] = deque()
        self._used: list[tuple[float, int, Entry]] = []
        self._dead = 0

    def touch(self, entry: Entry) -> None:
        """Note a use. It needs no lock: two at one moment may get the same tick, which does no harm."""
        ticks = self.ticks
        entry.used = ticks[0] = ticks[0] + 1.0

    def add(self, entry: Entry) -> None:
        """Put *entry* at the end."""
        entry.used = 0.0
        entry.rank = self.ticks[0]
        self._queue.append(entry)

    def remove(self, entry: Entry | None = None) -> Entry:
        """Forget *entry*, or return the one used longest ago."""
        if entry is None:
            entry = self._choose()
            entry.is_alive = False
            return entry
        entry.is_alive = False
        self._dead += 1
        if 2 * self._dead > len(self._queue) + len(self._used) + SLACK:
            self._queue = deque(each for each in self._queue if each.is_alive)
            self._used = [item for item in self._used if item[2].is_alive]
            heapify(self._used)
            self._dead = 0
        return entry

    def replace(self, entry: Entry) -> Entry:
        """Return the one used longest ago, and put *entry* at the end."""
        queue = self._queue
        gone = queue[0] if queue and not self._used else None
        # Most often nobody was used, and the first in the queue is the one.
        if gone is not None and not gone.used and gone.is_alive:
            queue.popleft()
        else:
            gone = self._choose()
        gone.is_alive = False
        entry.used = 0.0
        entry.rank = self.ticks[0]
        queue.append(entry)
        return gone

    def _choose(self) -> Entry:
        """Take out the one used longest ago.

        Raises:
            LookupError: There is nobody.
        """
        queue, heap, steps = self._queue, self._used, 0
        while True:
            # Of a use and an arrival with the same tick the use came first.
            if heap and not (queue and queue[0].rank < heap[0][0]):
                rank, number, entry = heap[0]
                used = entry.used
                if used != rank and steps < STEPS and entry.is_alive:
                    heapreplace(heap, (used, number, entry))
                    steps += 1
                    continue
                heappop(heap)
            else:
                # An empty deque raises IndexError, which is a LookupError.
                entry = queue.popleft()
                used = entry.used
                if used and steps < STEPS and entry.is_alive:
                    heappush(heap, (used, id(entry), entry))
                    steps += 1
                    continue
            if entry.is_alive:
                return entry
            self._dead -= 1
