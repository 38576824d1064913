"""Time to live: who would expire first leaves first; those that never expire leave last, the oldest first."""

from __future__ import annotations

from perfkit.cache.entry import Entry
from perfkit.cache.policies.waiting import Waiting

__all__ = ["Ttl"]

STEPS = 32
"""Entries renewed since they came that one eviction looks at."""


class Ttl:
    """Entries by the time of their end. O(log n)."""

    __slots__ = ("_waiting",)
    most_hits = 0

    def __init__(self, max_size: int = 0) -> None:
        """Begin empty; *max_size* is of no interest here."""
        self._waiting = Waiting()

    def add(self, entry: Entry) -> None:
        """Take *entry* in."""
        self._waiting.wanted += 1
        self._waiting.push(entry.expires, entry)

    def remove(self, entry: Entry | None = None) -> Entry:
        """Forget *entry*, or return the one that ends first."""
        if entry is None:
            entry = self._first()
        entry.is_alive = False
        self._waiting.wanted -= 1
        return entry

    def _first(self) -> Entry:
        waiting = self._waiting
        for step in range(STEPS + 1):
            found = waiting.first()
            if found is None:
                break
            rank, entry, _ = found
            waiting.pop()
            if entry.expires <= rank or step == STEPS:
                return entry
            waiting.push(entry.expires, entry)
        raise LookupError("The policy is empty. Only a policy that holds entries can choose one. Add entries first.")
