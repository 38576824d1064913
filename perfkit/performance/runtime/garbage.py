"""The garbage collector: how often, how much, and for how long it stopped everything.

How often and how much the interpreter tells by itself (`gc.get_stats`). Only the pauses need a callback, which runs
inside of each collection, in whatever thread and at whatever moment: perhaps while that very thread is counting
something. So it touches no store and takes no lock: it adds to a list of numbers of its own, from which the scheduler
counts what is new once a second. Measured with CPython 3.11 the pair of calls costs 1.5 µs for each collection.
"""

from __future__ import annotations

import gc
import os
from bisect import bisect_left
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from perfkit.performance.runtime.account import account
from perfkit.performance.runtime.metrics import COLLECTED, COLLECTIONS, GC_PAUSE, UNCOLLECTABLE
from perfkit.store.series.updates import guard

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["Garbage", "Pauses", "pauses"]

GENERATIONS = 3

WIDTH = len(GC_PAUSE.boundaries) + 2
"""Numbers that a generation takes: one for each bucket, and the seconds in all."""

KEYS = {"collections": COLLECTIONS, "collected": COLLECTED, "uncollectable": UNCOLLECTABLE}


class Pauses:
    """The pauses of one process, in buckets, while somebody wants them.

    Attributes:
        pid: The process.
        before: What the interpreter tells that a process has from its parent.
        counts: For each generation its buckets and the seconds in all, one after the other.
    """

    def __init__(self, pid: int, before: Sequence[dict[str, int]] = ()) -> None:
        """Count nothing before `hold`."""
        self.pid, self.before = pid, before
        self.counts = [0.0] * (GENERATIONS * WIDTH)
        self._holders = 0
        self._callback = _callback(self.counts)

    def hold(self) -> None:
        """Count from now on, where the interpreter lets us; each call wants a `release`."""
        self._holders += 1
        called = getattr(gc, "callbacks", None)
        if called is not None and self._callback not in called:
            called.append(self._callback)

    def release(self) -> None:
        """Count no longer if nobody else holds."""
        self._holders = max(0, self._holders - 1)
        if not self._holders:
            self.remove()

    def remove(self) -> None:
        """Take the callback out, whoever holds."""
        called = getattr(gc, "callbacks", None)
        if called is not None and self._callback in called:
            called.remove(self._callback)


def _callback(counts: list[float]) -> Callable[[str, dict[str, Any]], None]:
    """Return what the collector shall call. It reaches nothing but local names: modules may be gone at exit."""
    bounds, width, last, clock, place = GC_PAUSE.boundaries, WIDTH, WIDTH - 1, perf_counter, bisect_left
    began = 0.0

    def note(phase: str, info: dict[str, Any]) -> None:
        nonlocal began
        if phase == "start":
            began = clock()
        elif began:
            seconds = clock() - began
            began = 0.0
            first = info["generation"] * width
            if first < len(counts):
                counts[first + place(bounds, seconds)] += 1.0
                counts[first + last] += seconds

    return note


_current = Pauses(os.getpid())


def pauses() -> Pauses:
    """Return those of this process: a forked child has had none yet, and does not go on counting its parent's."""
    global _current
    if _current.pid != os.getpid():
        _current.remove()
        _current = Pauses(os.getpid(), gc.get_stats())
    return _current


class Garbage:
    """Counts the collector's work in one store. Not thread-safe: the scheduler owns it.

    Attributes:
        unavailable: Why a metric is missing, by its name; PyPy's collector tells neither counts nor pauses.
    """

    def __init__(self, store: Store) -> None:
        """Count nothing before `sample`."""
        self._store = store
        self.unavailable: dict[str, str] = {}
        if not hasattr(gc, "callbacks"):
            self.unavailable[GC_PAUSE.name] = "the interpreter calls nobody when it collects"
        self._held: Pauses | None = None
        self._seen = [0.0] * (GENERATIONS * WIDTH)

    def start(self) -> None:
        """Begin to measure pauses; called again it does nothing."""
        if self._held is None:
            self._held = pauses()
            self._held.hold()

    def stop(self) -> None:
        """Leave the collector alone."""
        if self._held is not None:
            self._held.release()
            self._held = None

    def sample(self) -> None:
        """Count what happened since the last sample."""
        store, book = self._store, account()
        before = pauses().before or ({},) * GENERATIONS
        stats: Any = gc.get_stats()
        if not isinstance(stats, list):
            reason = "the collector of this interpreter has no generations"
            self.unavailable.update({definition.name: reason for definition in KEYS.values()})
            stats = []
        for generation, (told, old) in enumerate(zip(stats, before, strict=False)):
            for key, definition in KEYS.items():
                new = book.claim(store, (key, generation), float(told.get(key, 0) - old.get(key, 0)))
                row = store.row(definition, (str(generation),))
                if new:
                    store.add(row, new)
        if self._held is not None and self._held.pid == book.pid:
            self._count_pauses(list(self._held.counts))

    def _count_pauses(self, counts: list[float]) -> None:
        store, book = self._store, account()
        for generation in range(GENERATIONS):
            first = generation * WIDTH
            if counts[first : first + WIDTH] == self._seen[first : first + WIDTH]:
                continue
            row = store.row(GC_PAUSE, (str(generation),))
            for offset in range(WIDTH):
                amount = book.claim(store, ("pause", generation, offset), counts[first + offset])
                if amount:
                    with guard():
                        values = store.values
                        index = row.index
                        values[index + offset] += amount
        self._seen = counts
