"""One namespace of the cache: its own keys, its own counts, cleared in one step."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from perfkit.cache.entry import Entry
from perfkit.cache.memory.glob import Glob

__all__ = ["EVICTED", "HITS", "MISSES", "REMOTE", "SAVED", "STALE", "Space"]

HITS, MISSES, STALE, SAVED, REMOTE, EVICTED = range(6)
"""Places in `Space.counts`."""

SLICE = 10_000
"""Keys that a scan looks at before it lets others in."""


class Space:
    """The data of a namespace. The tier's lock guards all but the look-up of an entry and the counts.

    Attributes:
        generation: Times that it was cleared; entries of an older one are not in it any more.
        has_only_texts: No key was ever added that is not a text.
        order: Stands for the keys as they were last sorted for a pattern; None since one was added.
        lost: Entries that left unasked, by cause.
        counts: Hits, misses, stale hits, seconds saved, misses for which the second tier had the value, and entries
            that left for a new one by the quick `set`, which are in `lost` if they left otherwise. Raised without a
            lock by ``counts[i] += local``, which is not interrupted as long as nothing is called; moved into the
            store from time to time.
    """

    __slots__ = (
        "_sorted",
        "counts",
        "entries",
        "generation",
        "has_only_texts",
        "lost",
        "name",
        "order",
    )

    def __init__(self, name: str) -> None:
        """Begin empty."""
        self.name = name
        self.entries: dict[Any, Entry] = {}
        self.generation = 0
        self.has_only_texts = True
        self.lost: dict[str, float] = {"size": 0.0}
        self.counts = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        self._sorted: tuple[object, list[str]] = (object(), [])
        self.order: object = None

    def matching(self, glob: Glob) -> Iterator[list[str]]:
        """Yield the text keys that *glob* matches, in slices. Keys that came meanwhile may or may not be among them.

        A pattern with a literal beginning costs a search in a sorted list, made at the first such call and made anew
        after keys were added.
        """
        if glob.prefix:
            keys = self._in_order()
            first = bisect_left(keys, glob.prefix)
            last = bisect_left(keys, glob.beyond) if glob.beyond else len(keys)
        else:
            keys = [key for key in list(self.entries) if isinstance(key, str)]
            first, last = 0, len(keys)
        for start in range(first, last, SLICE):
            yield [key for key in keys[start : min(start + SLICE, last)] if glob.matches(key)]

    def _in_order(self) -> list[str]:
        order, keys = self._sorted
        if order is not self.order:
            # Said before the keys are read: one that comes meanwhile takes it back. Who else asks meanwhile sorts them
            # for himself, as those of before may lack what has been added since.
            order = self.order = object()
            keys = sorted(key for key in list(self.entries) if isinstance(key, str))
            self._sorted = order, keys
        return keys
