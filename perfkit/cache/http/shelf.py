"""Which URLs have responses kept in this worker, and who leaves when the shelf is full.

Segmented LRU (Karedla, Love, Wherry: Caching Strategies to Improve Disk System Performance, 1994): a new URL is on
trial; one that is asked for again is moved to the protected part, four fifths of the room. Those on trial leave first.
So whoever asks for ever new URLs, such as made-up queries, only pushes out his own and what nobody asked for twice.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

__all__ = ["Shelf"]

PROTECTED_PART = 0.8
MOST_VARIANTS = 50
"""Responses of one URL: strangers choose the fields by which they differ."""


class Shelf:
    """The URLs with their sizes. Thread-safe; it names what has to leave and removes nothing itself.

    Attributes:
        bytes: Sum of what is kept.
    """

    __slots__ = ("_held", "_lock", "_max_bytes", "_max_urls", "_protected", "_protected_bytes", "_trial", "bytes")

    def __init__(self, *, max_urls: int, max_bytes: int) -> None:
        """Begin empty."""
        self._max_urls, self._max_bytes = max_urls, max_bytes
        self.after_fork()

    def __len__(self) -> int:
        """Return the number of URLs."""
        return len(self._held)

    def after_fork(self) -> None:
        """Begin anew: a forked child's cache is empty."""
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, int]] = {}
        self._trial: OrderedDict[str, int] = OrderedDict()
        self._protected: OrderedDict[str, int] = OrderedDict()
        self.bytes = self._protected_bytes = 0

    def open(self, url: str, generation: str | None = None) -> list[str]:
        """Take *url* in, without what was kept of it; return the keys, URLs among them, that have to leave for it.

        Args:
            generation: Keys that begin with it stay: another thread may have taken *url* in already, and kept them.
        """
        with self._lock:
            held = self._held.get(url)
            if held is not None:
                over = [key for key in held if generation is None or not key.startswith(generation)]
                self._grow(url, -sum(held.pop(key) for key in over))
                return over
            self._held[url] = {}
            self._trial[url] = 0
            return self._make_room(url)

    def add(self, url: str, key: str, size: int) -> list[str] | None:
        """Put *key* of *size* bytes under *url*; return what has to leave, None if it must not be kept.

        It must not where *url* has left meanwhile, or where it alone would take a quarter of the room.
        """
        with self._lock:
            held = self._held.get(url)
            if held is None or size > self._max_bytes // 4:
                return None
            self._grow(url, size - held.pop(key, 0))
            held[key] = size
            leaving = []
            while len(held) > MOST_VARIANTS:
                oldest = next(iter(held))
                self._grow(url, -held.pop(oldest))
                leaving.append(oldest)
            return leaving + self._make_room(url)

    def holds(self, url: str, key: str | None = None) -> bool:
        """Return whether *url* is on the shelf, with *key* under it if one is given."""
        held = self._held.get(url)
        return held is not None and (key is None or key in held)

    def touch(self, url: str) -> None:
        """Note that *url* was asked for again. Takes no lock once it is protected."""
        try:
            self._protected.move_to_end(url)
        except KeyError:
            self._protect(url)

    def _protect(self, url: str) -> None:
        with self._lock:
            size = self._trial.pop(url, None)
            if size is None:
                return
            self._protected[url] = size
            self._protected_bytes += size
            most, most_bytes = self._max_urls * PROTECTED_PART, self._max_bytes * PROTECTED_PART
            while len(self._protected) > 1 and (len(self._protected) > most or self._protected_bytes > most_bytes):
                back, size = self._protected.popitem(last=False)
                self._protected_bytes -= size
                self._trial[back] = size

    def _grow(self, url: str, size: int) -> None:
        self.bytes += size
        if url in self._protected:
            self._protected[url] += size
            self._protected_bytes += size
        else:
            self._trial[url] += size

    def _make_room(self, newcomer: str) -> list[str]:
        """Let URLs leave, *newcomer* only if it is alone, until the bounds hold. The caller holds the lock."""
        leaving: list[str] = []
        while (len(self._held) > self._max_urls or self.bytes > self._max_bytes) and len(self._held) > 1:
            url = next((each for each in self._trial if each != newcomer), None)
            if url is not None:
                self.bytes -= self._trial.pop(url)
            else:
                # In single steps: who touches a protected one has no lock, and would end a look through them.
                url, size = self._protected.popitem(last=False)
                if url == newcomer:
                    self._protected[url] = size
                    url, size = self._protected.popitem(last=False)
                self.bytes -= size
                self._protected_bytes -= size
            leaving += [url, *self._held.pop(url)]
        return leaving
