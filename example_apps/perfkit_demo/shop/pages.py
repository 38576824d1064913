"""Problem 4, the cache-miss storm: a page cache with a lifetime and without a lock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["CONTENT_DELAY", "HOME_TTL", "STALE", "PageCache", "Pages", "until_round"]

HOME_TTL = 5.0
"""Seconds for which the home page is kept."""

SPREAD = 0.02
"""Part of the time since the last round time by which a page outlives the next one."""

STALE = 30.0
"""Seconds for which an old page serves while the new one is made, once the storm is mended."""

CONTENT_DELAY = 0.2
"""Seconds that the content service takes for the home page's banner."""


class Pages(Protocol):
    """Pages with a lifetime, without a lock: perfkit's cache, so that it sees the storm, or the one below."""

    def get(self, key: str) -> Any:
        """Return the page of *key*, or None if there is none that is fresh."""
        ...

    def set(self, key: str, value: Any, *, ttl: float) -> object:
        """Keep *value* for *ttl* seconds."""
        ...


def until_round() -> float:
    """Return the seconds until a page expires: about at a round time, as the offer on it changes then.

    A page that is made later lives a few milliseconds longer, as one with a plain time to live does.
    """
    return HOME_TTL - time.time() % HOME_TTL * (1.0 - SPREAD)


class PageCache:
    """Pages with a lifetime, where perfkit does not watch.

    Attributes:
        hits: How often a page was found.
        misses: How often it was not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the time from *clock* (monotonic seconds)."""
        self._clock = clock
        self._pages: dict[str, tuple[float, Any]] = {}
        self.hits = self.misses = 0

    def get(self, key: str) -> Any:
        """Return the page of *key*, or None if there is none that is fresh."""
        expires, page = self._pages.get(key, (0.0, None))
        if page is None or self._clock() >= expires:
            self.misses += 1
            return None
        self.hits += 1
        return page

    def set(self, key: str, value: Any, *, ttl: float) -> None:
        """Keep *value* for *ttl* seconds."""
        self._pages[key] = (self._clock() + ttl, value)
