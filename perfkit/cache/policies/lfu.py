"""Least frequently used, with ageing, so that yesterday's favourites do not stay for ever.

Source: Arlitt, Cherkasova, Dilley, Friedrich, Jin: Evaluating Content Management Techniques for Web Proxy Caches
(2000), "LFU with dynamic ageing": an entry's rank is its number of uses plus the rank of the last that was evicted.
Deviation: a hit only raises the entry's own count; its rank is put right when it comes up for eviction. Ranks only
rise, so the first whose rank is right is the lowest. After `STEPS` corrections the lowest known leaves: after a long
time of hits alone an eviction would otherwise walk over everybody.
"""

from __future__ import annotations

from perfkit.cache.entry import Entry
from perfkit.cache.policies.waiting import Waiting

__all__ = ["Lfu"]

STEPS = 32


class Lfu:
    """Entries by number of uses. O(log n)."""

    __slots__ = ("_age", "_waiting")

    def __init__(self, max_size: int = 0) -> None:
        """Begin empty; *max_size* is of no interest here."""
        self._waiting = Waiting()
        self._age = 0.0

    def add(self, entry: Entry) -> None:
        """Take *entry* in as used once."""
        self._waiting.wanted += 1
        self._waiting.push(self._age + 1.0, entry, 1)

    def remove(self, entry: Entry | None = None) -> Entry:
        """Forget *entry*, or return the one used least."""
        if entry is None:
            entry = self._least()
        entry.is_alive = False
        self._waiting.wanted -= 1
        return entry

    def _least(self) -> Entry:
        waiting = self._waiting
        for step in range(STEPS + 1):
            found = waiting.first()
            if found is None:
                break
            rank, entry, uses = found
            waiting.pop()
            if entry.hits == 0 or step == STEPS:
                self._age = max(self._age, rank)
                return entry
            uses += entry.hits
            entry.hits = 0
            waiting.push(self._age + uses, entry, uses)
        raise LookupError("The policy is empty. Only a policy that holds entries can choose one. Add entries first.")
