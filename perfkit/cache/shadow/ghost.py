"""A ghost: a cache as it would be, of keys alone, under one of the very policies that the cache has."""

from __future__ import annotations

from collections.abc import Callable

from perfkit.cache.entry import FOREVER, Entry
from perfkit.cache.policies.policy import Policy, toucher

__all__ = ["Ghost"]


class Ghost:
    """Keys that would be held. The caller holds a lock.

    Attributes:
        strategy: Name of its policy.
        scale: Its size as a multiple of the cache's.
    """

    __slots__ = ("_held", "_policy", "_size", "_touch", "scale", "strategy")

    def __init__(self, strategy: str, make: Callable[[int], Policy], *, scale: float, size: int) -> None:
        """Begin empty, with room for *size* keys."""
        self.strategy, self.scale = strategy, scale
        self._size = max(1, size)
        self._policy = make(self._size)
        self._touch = toucher(self._policy)
        self._held: dict[int, Entry] = {}

    def __len__(self) -> int:
        """Return how many keys it holds."""
        return len(self._held)

    def __contains__(self, place: int) -> bool:
        """Return whether it holds the key of *place*."""
        return place in self._held

    def access(self, place: int, expires: float = FOREVER) -> bool:
        """Ask for a key and put it in if it is not there; return whether it was."""
        entry = self._held.get(place)
        if entry is not None:
            entry.hits += 1
            if self._touch is not None:
                self._touch(entry)
            return True
        if len(self._held) >= self._size:
            del self._held[self._policy.remove().key]
        entry = self._held[place] = Entry(place, None)
        entry.expires = entry.due = expires
        self._policy.add(entry)
        return False
