"""What each worker knows of a few things, by name: told to all workers through the texts, the newest of each counts."""

from __future__ import annotations

import os
import secrets
import threading
from typing import Any, Generic, TypeVar

import msgspec

from perfkit.store.store import Store

__all__ = ["Shares"]

TELL_INTERVAL = 5.0
"""Seconds between two texts about one thing, but for its first."""

SPACING = 1.0
"""Seconds that each thing adds to that: who makes many change at once must not push out the texts of others by it."""

REPEAT_INTERVAL = 300.0
"""Seconds after which a text is written again, as texts of others may have pushed it out of the ring."""

HELD = 1.0
"""Seconds for which what was read is good: a read is some ms a worker, and pages ask each second."""

Share = TypeVar("Share", bound=msgspec.Struct)


class _Own(Generic[Share]):
    """One thing as this worker knows it."""

    __slots__ = ("is_changed", "known", "told_at")

    def __init__(self, known: Share) -> None:
        self.known, self.is_changed, self.told_at = known, True, float("-inf")


class Shares(Generic[Share]):
    """Things of one kind. Thread-safe."""

    def __init__(self, store: Store, kind: str, share: type[Share], *, most: int) -> None:
        """Tell of at most *most* things under *kind*; what comes then is not told."""
        self._store, self._kind, self._share, self._most = store, kind, share, most
        self._begin()

    def _begin(self) -> None:
        pid = os.getpid()
        self._worker = f"{pid}-{secrets.token_hex(4)}"
        self._lock = threading.Lock()
        self._own: dict[str, _Own[Share]] = {}
        self._read: tuple[float, list[dict[str, Any]]] = (float("-inf"), [])
        self._pid = pid  # at last: what a thread finds before is the parent's lock, which nobody may ever release

    def tell(self, name: str, known: Share, now: float) -> None:
        """Say what this worker knows of *name* at *now* (monotonic seconds); it is written down when that is due."""
        self._notice_fork()
        with self._lock:
            own = self._own.get(name)
            if own is None:
                if len(self._own) >= self._most:
                    return
                own = self._own[name] = _Own(known)
            elif own.known != known:
                own.known, own.is_changed = known, True
            interval = max(TELL_INTERVAL, SPACING * len(self._own)) if own.is_changed else REPEAT_INTERVAL
            if now - own.told_at < interval:
                return
            own.told_at, own.is_changed = now, False
        if self._store.is_shared:
            record = {"worker": self._worker, "name": name, "known": msgspec.to_builtins(known)}
            self._store.texts.append(self._kind, record)

    def read(self) -> dict[str, list[Share]]:
        """Return by name what the workers know, one of each worker, what was told last first.

        What this worker knows is taken as it was told, too: so all workers say the same.
        """
        self._notice_fork()
        if not self._store.is_shared:
            with self._lock:
                return {name: [own.known] for name, own in self._own.items()}
        found: dict[str, list[Share]] = {}
        taken = set()
        for record in self._records():
            try:
                key = str(record["worker"]), str(record["name"])
                known = msgspec.convert(record["known"], self._share)
            except (KeyError, msgspec.ValidationError):  # of another version of perfkit
                continue
            if key not in taken:
                taken.add(key)
                found.setdefault(key[1], []).append(known)
        return found

    def _records(self) -> list[dict[str, Any]]:
        now = self._store.clock.monotonic()
        if not 0.0 <= now - self._read[0] < HELD:
            self._read = now, self._store.texts.read(self._kind)
        return self._read[1]

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin()
