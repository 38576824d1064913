"""Problem 4, the cache-miss storm: a page cache with a lifetime and without a lock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["CONTENT_DELAY", "HOME_TTL", "STALE", "PageCache", "Pages", "SharedPages"]

HOME_TTL = 5.0
"""Seconds for which the home page is kept."""

SPREAD = 0.02
"""Part of the time since the last round time by which a page outlives the next one."""

STALE = 30.0
"""Seconds for which an old page serves while the new one is made, once the storm is mended."""

CONTENT_DELAY = 0.2
"""Seconds that the content service takes for the home page's banner."""


class Pages(Protocol):
    """Pages with a lifetime, without a lock."""

    def get(self, key: str, now: float) -> Any:
        """Return the page of *key*, or None if there is none that is fresh at *now* (monotonic seconds)."""
        ...

    def put(self, key: str, page: Any, now: float) -> None:
        """Keep *page* from *now* (monotonic seconds)."""
        ...


class SharedPages:
    """The same in perfkit's cache, so that it sees the storm. Thread-safe."""

    def __init__(self, cache: Any) -> None:
        """Keep pages in *cache*."""
        self._cache = cache

    def get(self, key: str, now: float) -> Any:
        """Return the page of *key*, or None if there is none that is fresh."""
        return self._cache.get(key)

    def put(self, key: str, page: Any, now: float) -> None:
        """Keep *page* for its time."""
        self._cache.set(key, page, ttl=until_round())

    def load(self, key: str, make: Callable[[], Any]) -> Any:
        """Return the page of *key*, made once for all who ask: problem 4, mended."""
        return self._cache.memoize(key, make, ttl=until_round(), stale_while_revalidate=STALE)

    async def aload(self, key: str, make: Callable[[], Any]) -> Any:
        """Do what `load` does for a coroutine function *make*."""
        return await self._cache.amemoize(key, make, ttl=until_round(), stale_while_revalidate=STALE)


def until_round() -> float:
    """Return the seconds until a page expires: about at a round time, as the offer on it changes then.

    A page that is made later lives a few milliseconds longer, as one with a plain time to live does.
    """
    return HOME_TTL - time.time() % HOME_TTL * (1.0 - SPREAD)


class PageCache:
    """Pages with a lifetime. Whoever misses builds the page, however many others are building it already.

    Attributes:
        hits: How often a page was found.
        misses: How often it was not.
    """

    def __init__(self, ttl: float = HOME_TTL) -> None:
        """Keep each page for *ttl* seconds."""
        self._ttl = ttl
        self._pages: dict[str, tuple[float, Any]] = {}
        self.hits = self.misses = 0

    def get(self, key: str, now: float) -> Any:
        """Return the page of *key*, or None if there is none that is fresh at *now* (monotonic seconds)."""
        expires, page = self._pages.get(key, (0.0, None))
        if page is None or now >= expires:
            self.misses += 1
            return None
        self.hits += 1
        return page

    def put(self, key: str, page: Any, now: float) -> None:
        """Keep *page* from *now* (monotonic seconds)."""
        self._pages[key] = (now + self._ttl, page)
