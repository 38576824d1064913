"""Least frequently used, with ageing, so that yesterday's favourites do not stay for ever.

Sources: Einziger, Friedman, Manes: TinyLFU (ACM TOS 2017), for halving all counts each time that ten times as many uses
were counted as there are entries; Cormode, Shkapenyuk, Srivastava, Xu: Forward Decay (ICDE 2009), for doing so without
touching them: what is counted later weighs more. Deviations: the weight grows steadily instead of in steps, and ranks
are logarithms, so that it may grow for ever; a hit only raises the entry's own count, and its rank is put right when it
comes up for eviction. Ranks only rise, so the first whose rank is right is the lowest. After `STEPS` corrections the
lowest known leaves: after a long time of hits alone an eviction would otherwise walk over everybody.
"""

from __future__ import annotations

import math

from perfkit.cache.entry import Entry
from perfkit.cache.policies.waiting import Waiting

__all__ = ["Lfu"]

STEPS = 32
MEMORY = 10.0
"""Uses for each entry after which one that was counted before weighs half."""


class Lfu:
    """Entries by number of uses, of which old ones count less. O(log n)."""

    __slots__ = ("_age", "_max_size", "_waiting")

    def __init__(self, max_size: int = 0) -> None:
        """Begin empty.

        Args:
            max_size: The most entries that there will be; 0 if that is not known.
        """
        self._max_size = max_size
        self._waiting = Waiting()
        # Binary logarithm of what a use weighs now.
        self._age = 0.0

    def add(self, entry: Entry) -> None:
        """Take *entry* in as used once."""
        self._waiting.wanted += 1
        self._waiting.push(self._age, entry)
        self._grow_older(1)

    def remove(self, entry: Entry | None = None) -> Entry:
        """Forget *entry*, or return the one used least."""
        if entry is None:
            entry = self._least()
        entry.is_alive = False
        self._waiting.wanted -= 1
        return entry

    def _grow_older(self, uses: int) -> None:
        self._age += uses / (MEMORY * (self._max_size or max(1, self._waiting.wanted)))

    def _least(self) -> Entry:
        waiting = self._waiting
        for step in range(STEPS + 1):
            found = waiting.first()
            if found is None:
                break
            rank, entry, _ = found
            waiting.pop()
            hits = entry.hits
            if hits == 0 or step == STEPS:
                return entry
            entry.hits = 0
            more = self._age + math.log2(hits)
            # log2(2**rank + 2**more), without the powers, which would overflow.
            waiting.push(max(rank, more) + math.log2(1.0 + 2.0 ** -min(abs(rank - more), 1000.0)), entry)
            self._grow_older(hits)
        raise LookupError("The policy is empty. Only a policy that holds entries can choose one. Add entries first.")
