"""Invalidations that the server has not confirmed. Until they are made up for, nothing of it is believed.

Locks that may still lie there are here too, so that others need not wait for their end; they are not missed much.
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Journal", "Undelivered"]

MOST = 10_000
"""Things remembered; beyond that everything is made invalid instead."""

KEYS_AT_ONCE = 500

MOST_LOCKS = 500
"""Locks remembered; the others end by themselves."""


class Undelivered:
    """What is to be made up for.

    Attributes:
        keys: Keys by their namespaces; a dict keeps their order.
        patterns: Pairs of namespace and pattern.
        locks: Pairs of a lock's name and what is in it if it is ours.
        everything: All of it, whatever else is here.
    """

    __slots__ = ("everything", "keys", "locks", "patterns", "spaces", "tags")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.tags: dict[str, None] = {}
        self.spaces: dict[str, None] = {}
        self.keys: dict[str, dict[Any, None]] = {}
        self.patterns: dict[tuple[str, str], None] = {}
        self.locks: dict[tuple[bytes, bytes], None] = {}
        self.everything = False

    @property
    def is_empty(self) -> bool:
        """There is nothing to be made up for."""
        return self.is_settled and not self.locks

    @property
    def is_settled(self) -> bool:
        """There is no invalidation."""
        return not (self.size or self.everything)

    @property
    def size(self) -> int:
        """How much is invalid, about."""
        return len(self.tags) + len(self.spaces) + len(self.patterns) + sum(map(len, self.keys.values()))

    def add(self, payload: dict[str, Any]) -> None:
        """Take in what a command of the relay says."""
        if payload.get("all"):
            self.everything = True
        elif "locks" in payload:
            room = MOST_LOCKS - len(self.locks)
            self.locks.update(dict.fromkeys(payload["locks"][:room]))
        elif "tags" in payload:
            self.tags.update(dict.fromkeys(payload["tags"]))
        elif "keys" in payload:
            self.keys.setdefault(payload["space"], {}).update(dict.fromkeys(payload["keys"]))
        elif "pattern" in payload:
            self.patterns[payload["space"], payload["pattern"]] = None
        else:
            self.spaces[payload["space"]] = None

    def payloads(self) -> list[dict[str, Any]]:
        """Return it as commands again."""
        found: list[dict[str, Any]] = [{"locks": list(self.locks)}] if self.locks else []
        if self.everything:
            return [*found, {"all": True}]
        found += [{"tags": list(self.tags)}] if self.tags else []
        found += [{"space": space} for space in self.spaces]
        found += [{"space": space, "pattern": pattern} for space, pattern in self.patterns]
        for space, keys in self.keys.items():
            some = list(keys)
            found += [
                {"space": space, "keys": some[start : start + KEYS_AT_ONCE]}
                for start in range(0, len(some), KEYS_AT_ONCE)
            ]
        return found


class Journal:
    """Collects what could not be delivered. Thread-safe.

    Attributes:
        is_empty: There is nothing to be made up for.
        is_settled: There is no invalidation among it, so what the server has may be believed.
    """

    __slots__ = ("_lock", "_open", "is_empty", "is_settled")

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._open = Undelivered()
        self.is_empty = self.is_settled = True

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def add(self, payload: dict[str, Any]) -> None:
        """Remember one command."""
        with self._lock:
            self._open.add(payload)
            if self._open.size > MOST:
                locks, self._open = self._open.locks, Undelivered()
                self._open.locks, self._open.everything = locks, True
            self.is_empty = False
            self.is_settled = self.is_settled and self._open.is_settled

    def take(self) -> list[dict[str, Any]]:
        """Return all commands. They count as undelivered until `done`, so whoever fails loses nothing."""
        with self._lock:
            taken, self._open = self._open, Undelivered()
            return taken.payloads()

    def done(self) -> None:
        """What was taken is delivered; what came meanwhile stays."""
        with self._lock:
            self.is_empty, self.is_settled = self._open.is_empty, self._open.is_settled

    def put_back(self, payloads: list[dict[str, Any]]) -> None:
        """What was taken is not delivered."""
        for payload in payloads:
            self.add(payload)
