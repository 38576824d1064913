"""Problem 4, the cache-miss storm: a page cache with a lifetime and without a lock."""

from __future__ import annotations

from typing import Any

__all__ = ["HOME_TTL", "PageCache"]

HOME_TTL = 5.0
"""Seconds for which the home page is kept."""

CONTENT_DELAY = 0.2
"""Seconds that the content service takes for the home page's banner."""


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
