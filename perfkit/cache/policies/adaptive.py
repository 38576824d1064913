"""Recency and frequency, balanced by what the traffic shows: the best hit ratio over very different workloads.

Sources: Yang, Zhang, Qiu, Yue, Rashmi: FIFO Queues are All You Need for Cache Eviction (SOSP 2023), for the two queues
and the ghosts; Megiddo, Modha: ARC, A Self-Tuning, Low Overhead Replacement Cache (FAST 2003), §III, for the target
that moves. New entries wait in a small queue; those used twice there move to the main queue, the others leave and are
remembered for a while by the hash of their key. A key that comes back shows which queue was too short.

Deviations: the small queue's length follows ARC's rule at twice its pace instead of a fixed tenth; both queues have
ghosts (those of the main queue half as many as entries); one eviction looks at `STEPS` entries at most and then takes
the next: after a time of hits alone it would otherwise walk over everybody.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from perfkit.cache.entry import Entry
from perfkit.cache.policies.fifo import SLACK
from perfkit.cache.policies.ghosts import Ghosts

__all__ = ["Adaptive"]

STEPS = 32
MOST_HITS = 3
"""Hits that count; so an entry goes round the main queue three times at most without being used."""

PACE = 2.0
"""How much faster than ARC's the target moves."""

GENERATION = 0.67
"""Ghosts of the small queue in a generation, as part of the size; one to two generations are remembered."""


class Adaptive:
    """Two queues and their ghosts. O(1) over time, without any work at a hit."""

    __slots__ = ("_main", "_main_ghosts", "_max_size", "_members", "_size", "_small", "_small_ghosts", "_target")
    most_hits = MOST_HITS

    def __init__(self, max_size: int = 0) -> None:
        """Begin empty.

        Args:
            max_size: The most entries that there will be; 0 if that is not known.
        """
        self._max_size = max_size
        self._small: deque[Entry] = deque()
        self._main: deque[Entry] = deque()
        self._members = 0
        self._small_ghosts = Ghosts(max(1.0, max_size * GENERATION))
        self._main_ghosts: OrderedDict[int, None] = OrderedDict()
        self._size = max(1, max_size)
        self._target = max(1.0, max_size / 10)

    def add(self, entry: Entry) -> None:
        """Put *entry* into the small queue, or into the main one if it has been here lately."""
        ghost = hash(entry.key)
        small, main = self._small_ghosts, self._main_ghosts
        self._members += 1
        if not self._max_size and self._members > self._size:
            self._grow()
        if small.take(ghost):
            self._move(PACE * max(1.0, len(main) / (len(small) + 1)))
        elif ghost in main:
            del main[ghost]
            self._move(-PACE * max(1.0, len(small) / (len(main) + 1)))
        else:
            self._small.append(entry)
            return
        self._main.append(entry)

    def _grow(self) -> None:
        """As many as there have ever been are the size where that was not told."""
        self._target *= self._members / self._size
        self._size = self._members
        self._small_ghosts.most = self._size * GENERATION

    def _move(self, step: float) -> None:
        self._target = max(1.0, min(self._size - 1.0, self._target + step))

    def remove(self, entry: Entry | None = None) -> Entry:
        """Forget *entry*, or return the one that leaves."""
        if entry is None:
            entry = self._choose()
            entry.is_alive = False
            self._members -= 1
            return entry
        entry.is_alive = False
        self._members -= 1
        if len(self._small) + len(self._main) > 2 * self._members + SLACK:
            self._small = deque(each for each in self._small if each.is_alive)
            self._main = deque(each for each in self._main if each.is_alive)
        return entry

    def replace(self, entry: Entry) -> Entry:
        """Return the one that leaves, and take *entry* in: `remove` and then `add`, with most of it written out."""
        small, ghosts = self._small, self._small_ghosts
        gone = small[0] if len(small) >= self._target else None
        if gone is not None and gone.hits <= 1 and gone.is_alive:
            small.popleft()
            young = ghosts.young
            young.add(hash(gone.key))
            if len(young) > ghosts.most:
                ghosts.turn()
        else:
            gone = self._choose()
        gone.is_alive = False
        ghost = hash(entry.key)
        if ghost in ghosts.young or ghost in ghosts.old or ghost in self._main_ghosts:
            self._members -= 1
            self.add(entry)
        else:
            small.append(entry)
        return gone

    def _choose(self) -> Entry:
        small, main, target = self._small, self._main, self._target
        steps = 0
        while small or main:
            if small and (len(small) >= target or not main):
                entry = small.popleft()
                if not entry.is_alive:
                    continue
                steps += 1
                if entry.hits > 1 and steps <= STEPS:
                    entry.hits = 0
                    main.append(entry)
                    continue
                self._small_ghosts.remember(hash(entry.key))
            else:
                entry = main.popleft()
                if not entry.is_alive:
                    continue
                steps += 1
                hits = entry.hits
                if hits > 0 and steps <= STEPS:
                    entry.hits = min(hits, MOST_HITS) - 1
                    main.append(entry)
                    continue
                ghosts = self._main_ghosts
                ghosts[hash(entry.key)] = None
                if len(ghosts) > self._size // 2:
                    ghosts.popitem(last=False)
            return entry
        raise LookupError("The policy is empty. Only a policy that holds entries can choose one. Add entries first.")
