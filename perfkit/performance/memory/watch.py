"""The memory of this worker over the last hour: is it a leak, and what grows? Told to all workers by the texts."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from perfkit.performance.memory.contents import Allocations, grown, types

if TYPE_CHECKING:
    from perfkit.performance.memory.slope import Slope
    from perfkit.performance.settings import MemoryWatch
    from perfkit.store import Store

__all__ = ["KIND", "MemoryGrowth", "MemoryWatcher", "suspects"]

KIND = "memory_growth"
"""The kind of these texts in the store."""

WARM_UP = 120.0
"""Seconds after the start in which every program grows."""

SAMPLES = 600
"""Samples kept of a window."""

JUDGED_EVERY = 60.0
"""Seconds between two judgements; what a worker says is good for three of them."""

LOOKED_AFTER = 300.0
"""Seconds between the two looks at what is in the memory."""


class MemoryGrowth(msgspec.Struct, frozen=True, kw_only=True):
    """A worker whose memory keeps growing.

    Attributes:
        at: Unix seconds of the judgement.
        resident: Bytes now.
        bytes_per_hour: The median slope of its lower envelope; `low` and `high` enclose 80 of 100 pairs of points.
        seconds: Time that was looked at.
        confidence: Part of the pairs of points that rise, 0-1.
        types: Objects more of each type, between two looks; empty unless `performance.memory.types` is on.
        lines: Bytes more by line of code; empty unless `performance.memory.tracemalloc` is on.
    """

    at: float
    pid: int
    resident: float
    bytes_per_hour: float
    low: float
    high: float
    seconds: float
    confidence: float
    is_suspect: bool = True
    types: dict[str, int] = msgspec.field(default_factory=dict)
    lines: dict[str, int] = msgspec.field(default_factory=dict)


class MemoryWatcher:
    """Watches one process: the one that made it. Not thread-safe: the scheduler owns it."""

    def __init__(self, store: Store, settings: MemoryWatch) -> None:
        """Know nothing yet; write to *store*."""
        self._store, self._settings = store, settings
        self.pid = os.getpid()
        self._points: deque[tuple[float, float]] = deque(maxlen=SAMPLES + 1)
        self._begun_at: float | None = None
        self._judged_at = float("-inf")
        self._is_suspect = False
        self._allocations = Allocations()
        self._types: dict[str, int] = {}
        self._looked_at: float | None = None
        self._contents: tuple[dict[str, int], dict[str, int]] = ({}, {})

    def start(self) -> None:
        """Begin to trace allocations, if the settings say so."""
        if self._settings.tracemalloc:
            self._allocations.start()

    def stop(self) -> None:
        """Trace no longer."""
        self._allocations.stop()

    def sample(self, resident: float, now: float) -> None:
        """Take the *resident* bytes at *now* (monotonic seconds) in, and judge them once a minute."""
        if self._begun_at is None:
            self._begun_at = now
        if now - self._begun_at < WARM_UP:
            return
        if not self._points or now - self._points[-1][0] >= self._settings.window / SAMPLES:
            self._points.append((now, resident))
        if now - self._judged_at >= JUDGED_EVERY:
            self._judged_at = now
            self._judge(resident, now)

    def _judge(self, resident: float, now: float) -> None:
        from perfkit.performance.memory.slope import floor_of, slope

        line = slope(floor_of(self._points, self._settings.window))
        is_suspect = line is not None and self._grows(line)
        if line is not None and is_suspect:
            self._look(now)
            self._tell(line, resident, is_suspect=True)
        elif line is not None and self._is_suspect:
            self._looked_at, self._contents = None, ({}, {})
            self._tell(line, resident, is_suspect=False)
        self._is_suspect = is_suspect

    def _grows(self, line: Slope) -> bool:
        """Return True if what *line* tells is large enough and sure enough, and was seen for long enough."""
        window, least = self._settings.window, self._settings.growth
        return (
            line.is_steady
            and line.low > 0.0
            and line.seconds >= window / 3
            and line.growth >= least * min(1.0, line.seconds / window)
        )

    def _look(self, now: float) -> None:
        """Look at what is in the memory when the suspicion begins, and again later."""
        settings = self._settings
        if not (settings.types or settings.tracemalloc):
            return
        if self._looked_at is None:
            self._looked_at = now
            self._types = types() if settings.types else {}
            self._allocations.mark()
        elif now - self._looked_at >= LOOKED_AFTER:
            self._looked_at = now
            found = types() if settings.types else {}
            self._contents = grown(self._types, found), self._allocations.grown()

    def _tell(self, line: Slope, resident: float, *, is_suspect: bool) -> None:
        growth = MemoryGrowth(
            at=self._store.clock.time(),
            pid=self.pid,
            resident=resident,
            bytes_per_hour=line.per_second * 3600.0,
            low=line.low * 3600.0,
            high=line.high * 3600.0,
            seconds=line.seconds,
            confidence=line.rising,
            is_suspect=is_suspect,
            types=self._contents[0],
            lines=self._contents[1],
        )
        self._store.texts.append(KIND, msgspec.to_builtins(growth))


def suspects(records: Iterable[dict[str, Any]], alive: Iterable[int], now: float) -> tuple[MemoryGrowth, ...]:
    """Return what the workers *alive* (process ids) say in *records*, newest first, at *now* (Unix seconds)."""
    known, found = set(alive), []
    for raw in records:
        try:
            growth = msgspec.convert(raw, MemoryGrowth)
        except msgspec.ValidationError:  # of another version of perfkit
            continue
        if growth.pid in known:
            known.discard(growth.pid)
            if growth.is_suspect and now - growth.at < 3 * JUDGED_EVERY:
                found.append(growth)
    return tuple(sorted(found, key=lambda each: -each.bytes_per_hour))
