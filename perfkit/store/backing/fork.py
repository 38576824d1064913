"""What this process holds open: told to let go in a forked child, and shared by the systems of one app.

The only state of the store that belongs to the process and not to a `Store`: the fork handler can be registered
once only and never taken back, and two systems of one app find each other nowhere else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from typing import Any, Protocol
from weakref import WeakSet

from perfkit.store.series.updates import UPDATE_LOCK

__all__ = ["Forkable", "Shares", "shares", "watch"]


class Forkable(Protocol):
    """Something that holds what a forked child must not keep."""

    def after_fork(self) -> None:
        """Let go of it, in the child. Only the thread that forked exists."""
        ...


class Shares:
    """Which open things are used by several, by key. Thread-safe."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._held: dict[Hashable, tuple[Any, list[object]]] = {}

    def join(self, key: Hashable, user: object, make: Callable[[], Any]) -> Any:
        """Return what is held under *key*, made if nobody holds it; *user* is one more who does."""
        with self._lock:
            if key not in self._held:
                self._held[key] = (make(), [])
            thing, users = self._held[key]
            users.append(user)
            return thing

    def leave(self, key: Hashable, user: object) -> bool:
        """Return whether *user* was the last who held *key*."""
        with self._lock:
            users = self._held[key][1]
            users[:] = [other for other in users if other is not user]
            if not users:
                del self._held[key]
            return not users

    def clear(self) -> None:
        """Forget everything, in a forked child."""
        self._lock = threading.Lock()
        self._held.clear()


shares = Shares()
_watched: WeakSet[Any] = WeakSet()
_is_registered = False


def watch(thing: Forkable) -> None:
    """Call ``thing.after_fork()`` in each forked child for as long as *thing* lives."""
    global _is_registered
    _watched.add(thing)
    if not _is_registered and hasattr(os, "register_at_fork"):
        _is_registered = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    shares.clear()
    # Another thread of the parent may have held it; updates hold this very object.
    UPDATE_LOCK._at_fork_reinit()  # type: ignore[attr-defined]  # as CPython's own modules do
    # All are told, also where one fails (Python reports it): who is not told would go on in the slots of the parent.
    with ExitStack() as told:
        for thing in list(_watched):
            told.callback(thing.after_fork)
