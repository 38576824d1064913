"""One look at the traffic: the requests for a sample of the keys, put to ghosts of several sizes and strategies.

Source: Waldspurger, Park, Garthwaite, Ahmad: Efficient MRC Construction with SHARDS (FAST 2015): keys are sampled by
their hash, so that a key is watched always or never, and a ghost of as small a part of the size sees the misses of the
whole, scaled. Their §3.2 (SHARDS-adj) corrects the hits by the number of requests there should have been; ours counts
misses alone and takes requests from the cache's own counts, which comes to the same. Deviations: ghosts run the cache's
own policies instead of a stack of distances, as most policies have none; and a hit must cost nothing where nobody
watches. So watched entries bear an epoch that no look-up trusts, which leads their next hit here, once between two
arrivals of watched keys: only arrivals change who is held, and hits in between change little but the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from perfkit.cache.entry import FOREVER, Entry
from perfkit.cache.memory.space import HITS, MISSES, STALE, Space
from perfkit.cache.memory.tags import Stamps, is_valid
from perfkit.cache.memory.watcher import WATCHED
from perfkit.cache.shadow.ghost import Ghost

__all__ = ["LOWEST", "WHOLE", "Tally", "Window"]

WHOLE = 2.0**64
LOWEST = -(2**63)
"""Hashes lie from here on, as many as `WHOLE`."""

KNOWN = 24
"""Versions kept for each key of that ghost."""

DEAD: tuple[float, Stamps, int] = (-FOREVER, (), 0)


class Tally:
    """What one namespace did while it was counted.

    Attributes:
        lookups, hits: All of them, as the cache itself counted.
        misses: Of the watched keys in each ghost.
        arrived, read, expired: Watched keys that came, those that were hit afterwards, and those that had been there
            and had expired.
    """

    __slots__ = ("_base", "arrived", "expired", "misses", "read", "space")

    def __init__(self, space: Space, ghosts: int) -> None:
        """Begin now."""
        self.space = space
        self._base = list(space.counts)
        self.misses = [0] * ghosts
        self.arrived = self.read = self.expired = 0

    @property
    def hits(self) -> float:
        """Look-ups that a value served, since it began."""
        counts, base = self.space.counts, self._base
        return counts[HITS] - base[HITS] + counts[STALE] - base[STALE]

    @property
    def lookups(self) -> float:
        """All look-ups since it began."""
        return self.hits + self.space.counts[MISSES] - self._base[MISSES]


class Window:
    """Watches the keys whose hashes lie in one stretch. The tier's lock guards it.

    Attributes:
        rate: Part of all keys that is watched.
        low, high: Their hashes lie from the one up to the other.
        tallies: By namespace, from when the ghosts are warm.
        is_counting: They are.
        told: Hits that were told.
        watched: Arrivals of watched keys.
    """

    def __init__(
        self,
        ghosts: Sequence[Ghost],
        *,
        size: int,
        warm_after: int,
        end_after: int,
        low: int,
        high: int,
        spaces: Mapping[str, Space],
        now: Callable[[], float],
        on_end: Callable[[Window], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Watch hashes from *low* up to *high*; *size* is that of the ghost as large as the cache.

        Args:
            warm_after: Arrivals of watched keys after which counting begins.
            end_after: Those after which it ends.
            spaces: The namespaces that there are.
            now: Monotonic seconds.
            on_end: Called once enough has been seen.
            on_error: Called if a ghost's policy fails.
        """
        self.ghosts = ghosts
        self.rate = (high - low) / WHOLE
        self.low, self.high, self._size, self._now, self._on_end = low, high, size, now, on_end
        self._on_error = on_error
        self._spaces, self._warm_after, self._end_after = spaces, warm_after, end_after
        self._largest = max(ghosts, key=lambda ghost: ghost.scale)
        self.tallies: dict[Space, Tally] = {}
        self.is_counting = False
        self.told = self.watched = 0
        self._versions: dict[int, tuple[float, Stamps, int]] = {}
        self._quiet: list[Entry] = []
        self._unread: set[int] = set()

    def _hash(self, key: Any) -> int:
        # Numbers hash to themselves, so neighbours would be watched together.
        return hash(key) if key.__class__ is str else hash((key, WHOLE))

    def seed(self, space: Space, entries: Iterable[Entry]) -> None:
        """Begin with what the cache holds, the oldest first."""
        low, high = self.low, self.high
        for entry in entries:
            found = self._hash(entry.key)
            if low <= found < high:
                place = found ^ id(space)
                self._versions[place] = (entry.expires, entry.stamps, entry.generation)
                for ghost in self.ghosts:
                    ghost.access(place, entry.expires)
                entry.epoch = WATCHED

    def arrive(self, space: Space, key: Any, expires: float, stamps: Stamps) -> bool:
        """A value came in for a key that had none; return whether the key is watched."""
        found = self._hash(key)
        if not self.low <= found < self.high:
            return False
        place = found ^ id(space)
        for entry in self._quiet:
            entry.epoch = WATCHED
        self._quiet.clear()
        known = self._versions.get(place)
        # A value that ended or was made invalid would have been missed in a cache of any size.
        is_expired = known is not None and -FOREVER < known[0] <= self._now()
        is_lost = known is not None and (
            is_expired or known[0] == -FOREVER or known[2] != space.generation or not is_valid(known[1])
        )
        if self.is_counting:
            tally = self._tally(space)
            tally.arrived += 1
            tally.expired += is_expired
            self._unread.add(place)
        self._versions[place] = (expires, stamps, space.generation)
        if len(self._versions) > KNOWN * self._size:
            held = self._largest
            self._versions = {each: version for each, version in self._versions.items() if each in held}
            self._unread.intersection_update(self._versions)
        self._access(space, place, expires, is_lost=is_lost)
        self.watched += 1
        if self.watched == self._end_after:
            self._on_end(self)
        self.begin()
        return True

    def begin(self) -> None:
        """Begin to count if the ghosts are warm."""
        if not self.is_counting and self.watched >= self._warm_after:
            self.is_counting = True
            self.tallies = {each: Tally(each, len(self.ghosts)) for each in list(self._spaces.values())}

    def renew(self, space: Space, key: Any, expires: float, stamps: Stamps) -> bool:
        """A key that was there has another value; return whether it is watched."""
        found = self._hash(key)
        if not self.low <= found < self.high:
            return False
        self._versions[found ^ id(space)] = (expires, stamps, space.generation)
        return True

    def forget(self, space: Space, key: Any) -> None:
        """A key was deleted."""
        place = self._hash(key) ^ id(space)
        if place in self._versions:
            self._versions[place] = DEAD

    def note(self, entry: Entry) -> None:
        """A watched entry was hit; the next time it is told after the next arrival."""
        space = entry.space
        if space is not None:
            self.told += 1
            self._quiet.append(entry)
            place = self._hash(entry.key) ^ id(space)
            if place in self._unread:
                self._unread.discard(place)
                self._tally(space).read += 1
            self._access(space, place, entry.expires, is_lost=False)

    def _access(self, space: Space, place: int, expires: float, *, is_lost: bool) -> None:
        misses = self._tally(space).misses if self.is_counting else None
        try:
            for number, ghost in enumerate(self.ghosts):
                if (not ghost.access(place, expires) or is_lost) and misses is not None:
                    misses[number] += 1
        except Exception as error:  # noqa: BLE001 - a policy of the user's own; whoever asks the cache has no part in it
            self._on_error(error)

    def _tally(self, space: Space) -> Tally:
        tally = self.tallies.get(space)
        if tally is None:
            tally = self.tallies[space] = Tally(space, len(self.ghosts))
        return tally
