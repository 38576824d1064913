"""SQLAlchemy's events of pools, listened to once for the whole process.

SQLAlchemy walks through its listeners while they run. Whoever adds or takes one meanwhile, in another thread, makes it
raise in the app's own call. So ours are added once, when the first system wants to hear of pools, and never taken
away: they hand on to those who listen now.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, Protocol

from perfkit.core.locks import OwnLock

__all__ = ["CHECKOUTS", "OURS", "PoolListener"]

OURS = "_perfkit_own"
"""Attribute of pools whose connections are our own and not the app's."""


class PoolListener(Protocol):
    """Who is told of connections that are taken out of pools and put back. It must not raise."""

    def on_checkout(self, record: Any, fairy: Any) -> None:
        """Take notice of a connection that was taken out."""
        ...

    def on_checkin(self, record: Any) -> None:
        """Take notice of a connection that is back."""
        ...


class Checkouts:
    """Hands the events of all pools of this process on. Thread-safe."""

    def __init__(self) -> None:
        """Tell nobody yet."""
        self._listeners: tuple[PoolListener, ...] = ()
        self._is_listening = False
        self._lock = OwnLock()

    def add(self, listener: PoolListener) -> None:
        """Tell *listener* from now on; SQLAlchemy must be imported."""
        with self._lock:
            if not self._is_listening:
                pool: Any = importlib.import_module("sqlalchemy.pool").Pool
                event: Any = importlib.import_module("sqlalchemy.event")
                event.listen(pool, "checkout", self._checkout)
                event.listen(pool, "checkin", self._checkin)
                self._is_listening = True
            if listener not in self._listeners:
                self._listeners = (*self._listeners, listener)

    def remove(self, listener: PoolListener) -> None:
        """Tell *listener* no more."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

    def __iter__(self) -> Iterator[PoolListener]:
        return iter(self._listeners)

    def __contains__(self, listener: PoolListener) -> bool:
        return listener in self._listeners

    def _checkout(self, connection: Any, record: Any, fairy: Any) -> None:
        for listener in self._listeners:
            listener.on_checkout(record, fairy)

    def _checkin(self, connection: Any, record: Any) -> None:
        for listener in self._listeners:
            listener.on_checkin(record)


CHECKOUTS = Checkouts()
"""Those of this process: SQLAlchemy's events are the process's too."""
