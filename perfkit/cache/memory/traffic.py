"""What happens to single keys that the counts of a namespace do not show: storms of misses, values too heavy."""

from __future__ import annotations

import re
from typing import Any

from perfkit.cache.entry import Entry

__all__ = ["MANY", "Heavy", "Storm", "Traffic"]

MANY = 10
"""Callers at once, for one missing key, that make a storm."""

SOON = 1.0
"""Seconds after its coming in which a value that is stored again was made by callers unaware of each other."""

MOST = 50
"""Keys remembered of each kind."""

LONGEST = 80
CHANGING = re.compile(r"[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]+)*|\d+")


class Storm:
    """Callers that all wanted one missing key at the same time.

    Attributes:
        waited: Callers at once that waited for one load, at most.
        repeated: Times that its value was stored again within a second of its coming, at most.
        count: Times that there were `MANY` or more.
    """

    __slots__ = ("count", "key", "namespace", "repeated", "waited")

    def __init__(self, namespace: str, key: str) -> None:
        """Begin with nothing."""
        self.namespace, self.key = namespace, key
        self.waited = self.repeated = self.count = 0


class Heavy:
    """Values of one kind of key that take much of the bound in bytes."""

    __slots__ = ("count", "key", "largest", "namespace", "refused")

    def __init__(self, namespace: str, key: str) -> None:
        """Begin with nothing."""
        self.namespace, self.key = namespace, key
        self.count = self.refused = self.largest = 0


class Traffic:
    """Remembers what was told, by kind of key. Told rarely; a lost count in a race does no harm."""

    def __init__(self) -> None:
        """Know nothing."""
        self.storms: dict[tuple[str, str], Storm] = {}
        self.heavy: dict[tuple[str, str], Heavy] = {}
        self._running: dict[tuple[str, Any], int] = {}

    def wait(self, namespace: str, key: Any, waiting: int) -> None:
        """*waiting* callers wait for one load of *key*."""
        storm = self._storm(namespace, key)
        if storm is not None:
            storm.count += waiting == MANY
            storm.waited = max(storm.waited, waiting)

    def store_again(self, entry: Entry, fresh_until: float) -> None:
        """*entry* gets another value, with about the same end; within a second of its coming that is a repetition."""
        if entry.space is not None and 0.0 <= fresh_until - entry.due < SOON:
            self.repeat(entry.space.name, entry.key, is_first=entry.due == entry.expires)

    def repeat(self, namespace: str, key: Any, *, is_first: bool) -> None:
        """The value of *key*, which came a moment ago, is stored again; *is_first* if for the first time."""
        running = self._running
        if is_first or len(running) >= MOST:
            running.pop((namespace, key), None)
            if len(running) >= MOST:
                running.clear()
        count = running[namespace, key] = running.get((namespace, key), 0) + 1
        if count >= MANY:
            storm = self._storm(namespace, key)
            if storm is not None:
                storm.count += count == MANY
                storm.repeated = max(storm.repeated, count)

    def weigh(self, namespace: str, key: Any, size: int, *, is_refused: bool) -> None:
        """A value of *size* bytes takes much of the bound, or more than one may."""
        text = shape(key)
        heavy = self.heavy.get((namespace, text))
        if heavy is None:
            if len(self.heavy) >= MOST:
                return
            heavy = self.heavy.setdefault((namespace, text), Heavy(namespace, text))
        heavy.count += 1
        heavy.refused += is_refused
        heavy.largest = max(heavy.largest, size)

    def _storm(self, namespace: str, key: Any) -> Storm | None:
        text = shape(key)
        storm = self.storms.get((namespace, text))
        if storm is None and len(self.storms) < MOST:
            storm = self.storms.setdefault((namespace, text), Storm(namespace, text))
        return storm


def shape(key: Any) -> str:
    """Return *key* as a short text without its numbers and long hexadecimal parts, which may be secrets."""
    text = key if isinstance(key, str) else ":".join(map(str, key)) if isinstance(key, tuple) else type(key).__name__
    return CHANGING.sub("#", text[: 4 * LONGEST])[:LONGEST]
