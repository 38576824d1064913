"""What was computed a moment ago answers everybody: one computation a second however many ask."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from perfkit.core.clock import Clock

__all__ = ["LIFETIME", "Computed", "Kept", "KeptViews"]

LIFETIME = 1.0
"""Seconds for which one computation answers everybody."""

MOST_BODIES = 16
"""Bodies kept of one computation."""

MOST_VIEWS = 48
"""Views kept; the one that was asked for longest ago goes first."""

T = TypeVar("T")


class Computed(Generic[T]):
    """One computation, until when it is good (monotonic seconds), and the bodies already made of it."""

    __slots__ = ("_bodies", "data", "until")

    def __init__(self, data: T, until: float) -> None:
        """Keep *data* until *until*."""
        self.data, self.until = data, until
        self._bodies: dict[Hashable, bytes] = {}

    def body(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return the body for *key*; kept while there are few, as a visitor's Host is part of some keys."""
        body = self._bodies.get(key)
        if body is None:
            body = make()
            if len(self._bodies) < MOST_BODIES:
                self._bodies[key] = body
        return body


class Kept(Generic[T]):
    """The last computation of one thing. Thread-safe: while one thread computes, others get what was."""

    __slots__ = ("_clock", "_computed", "_lock")

    def __init__(self, clock: Clock) -> None:
        """Measure by *clock*."""
        self._clock = clock
        self._lock = threading.Lock()
        self._computed: Computed[T] | None = None

    @property
    def is_fresh(self) -> bool:
        """True while nothing has to be computed."""
        computed = self._computed
        return computed is not None and self._clock.monotonic() < computed.until

    def get(self, compute: Callable[[], T]) -> Computed[T]:
        """Return data at most `LIFETIME` old; older if another thread computes just now."""
        computed = self._computed
        if computed is not None and self._clock.monotonic() < computed.until:
            return computed
        if not self._lock.acquire(blocking=computed is None) and computed is not None:
            return computed
        try:
            computed = self._computed
            if computed is None or self._clock.monotonic() >= computed.until:
                data = compute()
                computed = self._computed = Computed(data, self._clock.monotonic() + LIFETIME)
            return computed
        finally:
            self._lock.release()


class KeptViews(Generic[T]):
    """The last computation of each of many things, at most `MOST_VIEWS` of them. Thread-safe."""

    __slots__ = ("_clock", "_lock", "_views")

    def __init__(self, clock: Clock) -> None:
        """Measure by *clock*."""
        self._clock = clock
        self._lock = threading.Lock()
        self._views: OrderedDict[Hashable, Kept[T]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of views kept."""
        return len(self._views)

    def of(self, key: Hashable) -> Kept[T]:
        """Return what is kept for *key*; those that nobody asked for in a second are let go of with their data."""
        with self._lock:
            kept = self._views.get(key)
            if kept is None:
                for old in [each for each, view in self._views.items() if not view.is_fresh]:
                    del self._views[old]
                while len(self._views) >= MOST_VIEWS:
                    self._views.popitem(last=False)
                kept = self._views[key] = Kept(self._clock)
            self._views.move_to_end(key)
            return kept
