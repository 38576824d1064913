"""Plain references of the policies that ours are measured by: nothing shared with perfkit, nothing tuned.

Sources: SIEVE: Zhang, Yang, Yue, Vigfusson, Rashmi (NSDI 2024). S3-FIFO: Yang, Zhang, Qiu, Yue, Rashmi (SOSP 2023).
ARC: Megiddo, Modha (FAST 2003), figure 4. W-TinyLFU: Einziger, Friedman, Manes (ACM TOS 2017), with exact counts in
place of a sketch, which favours it. OPT: Belady (1966).
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Protocol

__all__ = ["ONLINE", "Reference", "hit_ratio", "optimum"]

Key = Hashable


class Reference(Protocol):
    """A cache of keys."""

    def access(self, key: Key) -> bool:
        """Ask for *key*, put it in if it is not there; return whether it was."""
        ...


class Fifo:
    def __init__(self, size: int) -> None:
        self.size, self.order = size, OrderedDict[Key, None]()

    def access(self, key: Key) -> bool:
        if key in self.order:
            self.touch(key)
            return True
        if len(self.order) >= self.size:
            self.order.popitem(last=False)
        self.order[key] = None
        return False

    def touch(self, key: Key) -> None:
        """First in, first out: a hit changes nothing."""


class Lru(Fifo):
    def touch(self, key: Key) -> None:
        self.order.move_to_end(key)


class Lfu:
    """Uses are counted while a key is in; of those used least the one used longest ago leaves."""

    def __init__(self, size: int) -> None:
        self.size, self.least = size, 0
        self.uses: dict[Key, int] = {}
        self.groups: dict[int, OrderedDict[Key, None]] = {}

    def access(self, key: Key) -> bool:
        uses = self.uses.get(key, 0)
        if uses:
            group = self.groups[uses]
            del group[key]
            if not group:
                del self.groups[uses]
                if self.least == uses:
                    self.least = uses + 1
        else:
            if len(self.uses) >= self.size:
                group = self.groups[self.least]
                gone, _ = group.popitem(last=False)
                del self.uses[gone]
                if not group:
                    del self.groups[self.least]
            self.least = 1
        self.uses[key] = uses + 1
        self.groups.setdefault(uses + 1, OrderedDict())[key] = None
        return uses > 0


class Sieve:
    """A queue with one bit a key and a hand that goes from the oldest to the newest, and round."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.visited: dict[Key, bool] = {}
        self.older: dict[Key, Key | None] = {}
        self.newer: dict[Key, Key | None] = {}
        self.head: Key | None = None
        self.tail: Key | None = None
        self.hand: Key | None = None

    def access(self, key: Key) -> bool:
        if key in self.visited:
            self.visited[key] = True
            return True
        if len(self.visited) >= self.size:
            self.evict()
        self.visited[key], self.older[key], self.newer[key] = False, self.head, None
        if self.head is not None:
            self.newer[self.head] = key
        self.head = key
        if self.tail is None:
            self.tail = key
        return False

    def evict(self) -> None:
        hand = self.hand if self.hand is not None else self.tail
        assert hand is not None
        while self.visited[hand]:
            self.visited[hand] = False
            after = self.newer[hand]
            hand = after if after is not None else self.tail
            assert hand is not None
        self.hand = self.newer[hand]
        older, newer = self.older.pop(hand), self.newer.pop(hand)
        del self.visited[hand]
        if older is None:
            self.tail = newer
        else:
            self.newer[older] = newer
        if newer is None:
            self.head = older
        else:
            self.older[newer] = older


class S3Fifo:
    def __init__(self, size: int) -> None:
        self.size, self.target = size, max(1, size // 10)
        self.small, self.main = deque[Key](), deque[Key]()
        self.uses: dict[Key, int] = {}
        self.ghosts = OrderedDict[Key, None]()

    def access(self, key: Key) -> bool:
        if key in self.uses:
            self.uses[key] = min(3, self.uses[key] + 1)
            return True
        while len(self.uses) >= self.size:
            if len(self.small) >= self.target or not self.main:
                self.evict_small()
            else:
                self.evict_main()
        if key in self.ghosts:
            del self.ghosts[key]
            self.main.append(key)
        else:
            self.small.append(key)
        self.uses[key] = 0
        return False

    def evict_small(self) -> None:
        while self.small:
            key = self.small.popleft()
            if self.uses[key] > 1:
                self.uses[key] = 0
                self.main.append(key)
                if len(self.main) > self.size - self.target:
                    self.evict_main()
                    return
            else:
                del self.uses[key]
                self.ghosts[key] = None
                if len(self.ghosts) > self.size - self.target:
                    self.ghosts.popitem(last=False)
                return

    def evict_main(self) -> None:
        while self.main:
            key = self.main.popleft()
            if self.uses[key] > 0:
                self.uses[key] -= 1
                self.main.append(key)
            else:
                del self.uses[key]
                return


class Arc:
    def __init__(self, size: int) -> None:
        self.size, self.target = size, 0.0
        self.recent, self.frequent = OrderedDict[Key, None](), OrderedDict[Key, None]()
        self.recent_ghosts, self.frequent_ghosts = OrderedDict[Key, None](), OrderedDict[Key, None]()

    def access(self, key: Key) -> bool:
        if key in self.recent or key in self.frequent:
            self.recent.pop(key, None)
            self.frequent.pop(key, None)
            self.frequent[key] = None
            return True
        if key in self.recent_ghosts:
            self.target = min(self.size, self.target + max(1.0, len(self.frequent_ghosts) / len(self.recent_ghosts)))
            self.replace(is_frequent=False)
            del self.recent_ghosts[key]
            self.frequent[key] = None
            return False
        if key in self.frequent_ghosts:
            self.target = max(0.0, self.target - max(1.0, len(self.recent_ghosts) / len(self.frequent_ghosts)))
            self.replace(is_frequent=True)
            del self.frequent_ghosts[key]
            self.frequent[key] = None
            return False
        self.make_room()
        self.recent[key] = None
        return False

    def make_room(self) -> None:
        recent = len(self.recent) + len(self.recent_ghosts)
        total = recent + len(self.frequent) + len(self.frequent_ghosts)
        if recent == self.size:
            if len(self.recent) < self.size:
                self.recent_ghosts.popitem(last=False)
                self.replace(is_frequent=False)
            else:
                self.recent.popitem(last=False)
        elif total >= self.size:
            if total == 2 * self.size:
                self.frequent_ghosts.popitem(last=False)
            self.replace(is_frequent=False)

    def replace(self, *, is_frequent: bool) -> None:
        if len(self.recent) + len(self.frequent) < self.size:
            return
        length = len(self.recent)
        if length and (length > self.target or (is_frequent and length == self.target)):
            self.recent_ghosts[self.recent.popitem(last=False)[0]] = None
        else:
            self.frequent_ghosts[self.frequent.popitem(last=False)[0]] = None


class WTinyLfu:
    """A window of 1 %, then a segmented LRU that a key enters only if it is asked for more often than who leaves."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.window_size = max(1, size // 100)
        self.protected_size = max(1, (size - self.window_size) * 4 // 5)
        self.window, self.probation = OrderedDict[Key, None](), OrderedDict[Key, None]()
        self.protected = OrderedDict[Key, None]()
        self.counts, self.asked = Counter[Key](), 0

    def access(self, key: Key) -> bool:
        self.count(key)
        if key in self.window:
            self.window.move_to_end(key)
        elif key in self.protected:
            self.protected.move_to_end(key)
        elif key in self.probation:
            del self.probation[key]
            self.protected[key] = None
            if len(self.protected) > self.protected_size:
                self.probation[self.protected.popitem(last=False)[0]] = None
        else:
            self.window[key] = None
            if len(self.window) > self.window_size:
                self.admit(self.window.popitem(last=False)[0])
            return False
        return True

    def count(self, key: Key) -> None:
        self.counts[key] += 1
        self.asked += 1
        if self.asked >= 10 * self.size:
            self.asked //= 2
            self.counts = Counter({each: uses // 2 for each, uses in self.counts.items() if uses > 1})

    def admit(self, candidate: Key) -> None:
        if len(self.probation) + len(self.protected) < self.size - self.window_size:
            self.probation[candidate] = None
            return
        segment = self.probation or self.protected
        if not segment:
            return
        victim = next(iter(segment))
        if self.counts[candidate] > self.counts[victim]:
            del segment[victim]
            self.probation[candidate] = None


ONLINE: dict[str, Callable[[int], Reference]] = {
    "FIFO": Fifo,
    "LRU": Lru,
    "LFU": Lfu,
    "SIEVE": Sieve,
    "S3-FIFO": S3Fifo,
    "ARC": Arc,
    "W-TinyLFU": WTinyLfu,
}
"""What can be done without knowing the future."""


def hit_ratio(reference: Reference, keys: Iterable[Key]) -> float:
    """Return which part of *keys* was there, 0-1."""
    hits = count = 0
    access = reference.access
    for key in keys:
        hits += access(key)
        count += 1
    return hits / count


def optimum(size: int, keys: Sequence[Key]) -> float:
    """Return the best hit ratio that a cache of *size* keys can have which takes in every key: OPT."""
    never = len(keys)
    after = [never] * len(keys)
    last: dict[Key, int] = {}
    for place in range(len(keys) - 1, -1, -1):
        after[place] = last.get(keys[place], never)
        last[keys[place]] = place
    held: dict[Key, int] = {}
    farthest: list[tuple[int, int]] = []
    hits = 0
    for place, key in enumerate(keys):
        if key in held:
            hits += 1
        elif len(held) >= size:
            while True:
                when, since = heapq.heappop(farthest)
                if held.get(keys[since]) == -when:
                    del held[keys[since]]
                    break
        held[key] = after[place]
        heapq.heappush(farthest, (-after[place], place))
    return hits / len(keys)
