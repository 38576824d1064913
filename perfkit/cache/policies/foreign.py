"""A cache of cachetools as the policy: it chooses who leaves, the cache around it does all the rest.

What is in it is thrown away. Its `maxsize` becomes the bound in entries, or in bytes where it has a `getsizeof`; the
`ttl` of a `TTLCache` becomes the default time to live. What a cachetools cache drops by itself, as its own clock says,
is chosen first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from perfkit.cache.entry import Entry

__all__ = ["Foreign", "bounds_of", "is_foreign", "sizes_of"]


class Foreign:
    """Asks a cachetools cache. Its methods are no single steps, so each takes a lock of ours."""

    __slots__ = ("_cache", "_lock", "_members")

    def __init__(self, cache: Any) -> None:
        """Choose as *cache* does; it is emptied."""
        self._cache, self._lock = cache, threading.Lock()
        self._members: OrderedDict[Entry, None] = OrderedDict()
        cache.clear()

    def add(self, entry: Entry) -> None:
        """Take *entry* in."""
        with self._lock:
            self._members[entry] = None
            try:
                self._cache[entry] = entry.value
            except ValueError:
                # Too large for it; it will be chosen first.
                self._members.move_to_end(entry, last=False)

    def touch(self, entry: Entry) -> None:
        """Let it see a hit.

        Raises:
            KeyError: *entry* has just left.
        """
        with self._lock:
            try:
                self._cache[entry]
            except KeyError:
                # It may have been dropped by the cache itself; then it is still ours.
                if entry not in self._members:
                    raise

    def remove(self, entry: Entry | None = None) -> Entry:
        """Forget *entry*, or choose who leaves: what the cache has dropped by itself, else whom it would drop.

        Raises:
            LookupError: There is nobody to choose from.
        """
        with self._lock:
            if entry is None:
                entry = self._choose()
            else:
                self._cache.pop(entry, None)
            del self._members[entry]
        entry.is_alive = False
        return entry

    def _choose(self) -> Entry:
        first = next(iter(self._members), None)
        if first is None:
            raise KeyError("there is nobody to choose from")
        if len(self._cache) < len(self._members) and first not in self._cache:
            return first
        try:
            chosen: Entry = self._cache.popitem()[0]
        except KeyError:
            return first
        return chosen


def is_foreign(strategy: object) -> bool:
    """Return whether *strategy* is a cache like those of cachetools."""
    return all(hasattr(strategy, name) for name in ("popitem", "maxsize", "getsizeof", "__setitem__"))


def sizes_of(cache: Any) -> Callable[[Any], int] | None:
    """Return the `getsizeof` that *cache* was made with, if any."""
    found: Callable[[Any], int] | None = getattr(cache, "__dict__", {}).get("getsizeof")
    return found


def bounds_of(cache: Any) -> dict[str, Any]:
    """Return the settings that *cache* stands for."""
    bound = "max_size" if sizes_of(cache) is None else "max_bytes"
    found: dict[str, Any] = {"max_size": None, "max_bytes": None, bound: int(cache.maxsize)}
    ttl = getattr(cache, "ttl", None)
    return {**found, "default_ttl": float(ttl)} if isinstance(ttl, (int, float)) else found
