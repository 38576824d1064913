"""The memory of this worker over the last hour: is it a leak, and what grows? Told to all workers by the texts."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from perfkit.performance.memory.contents import Allocations, OwnTypes, grown, home_of, types

if TYPE_CHECKING:
    from perfkit.performance.memory.slope import Slope
    from perfkit.performance.settings import MemoryWatch
    from perfkit.store import Store

__all__ = ["KIND", "MemoryGrowth", "MemoryWatcher", "suspects"]

KIND = "memory_growth"
"""The kind of these texts in the store."""

SAMPLES = 600
"""Samples kept of a window."""

JUDGED_EVERY = 60.0
"""Seconds between two judgements at most; what a worker says is good for three of them."""

JUDGEMENTS = 45.0
"""Judgements in the time of the window at least."""

TOLD_EVERY = 10.0
"""Seconds between two texts while nothing changes but the numbers."""

LOOKED_AFTER = 300.0
"""Seconds between two looks at what is in the memory."""


class MemoryGrowth(msgspec.Struct, frozen=True, kw_only=True):
    """A worker whose memory keeps growing.

    Attributes:
        at: Unix seconds of the judgement.
        resident: Bytes now.
        bytes_per_hour: The median slope of its lower envelope; `low` and `high` enclose 80 of 100 pairs of points.
        seconds: Time that was looked at.
        confidence: Part of the pairs of points that rise, 0-1.
        types: Objects more of each type, between two looks; empty unless `performance.memory.types` is on.
        homes: Where these types are defined, as far as they are the user's own: ``path:line``.
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
    homes: dict[str, str] = msgspec.field(default_factory=dict)


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
        self._told_at = float("-inf")
        self._allocations = Allocations()
        self._types: dict[str, int] | None = None
        self._looked_at: float | None = None
        self._contents: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._own = OwnTypes(settings.window) if settings.is_short else None

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
        if now - self._begun_at < self._settings.warm_up:
            return
        if self._types is None and self._settings.types:
            self._types = types()  # so that the first suspicion has something to compare with
        if not self._points or now - self._points[-1][0] >= self._settings.window / SAMPLES:
            self._points.append((now, resident))
        if now - self._judged_at >= min(JUDGED_EVERY, self._settings.window / JUDGEMENTS):
            self._judged_at = now
            self._judge(resident, now)

    def _judge(self, resident: float, now: float) -> None:
        from perfkit.performance.memory.slope import floor_of, slope

        steady: dict[str, int] = {}
        line = slope(floor_of(self._points, self._settings.window))
        is_suspect = line is not None and self._grows(line)
        if self._own is not None:
            # Every program grows for a while: in a short time a type that becomes steadily more is the proof.
            self._own.look(now)
            steady = self._own.steady()
            is_suspect = bool(steady) and line is not None and line.per_second > 0.0
        if line is not None and is_suspect:
            is_news = self._look(now, steady) or not self._is_suspect
            if is_news or now - self._told_at >= TOLD_EVERY:
                self._told_at = now
                self._tell(line, resident, is_suspect=True)
        elif line is not None and self._is_suspect:
            self._looked_at, self._types, self._contents = None, None, ({}, {})
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

    def _look(self, now: float, steady: Mapping[str, int]) -> bool:
        """Look at what is in the memory when the suspicion begins, and again later; return whether it did.

        The first look compares with what was there when the worker had warmed up, the later ones with the first.
        """
        settings, is_first = self._settings, self._looked_at is None
        if not (settings.types or settings.tracemalloc):
            return False
        if self._looked_at is not None and now - self._looked_at < LOOKED_AFTER:
            return False
        self._looked_at = now
        found = types() if settings.types else {}
        self._contents = {**steady, **grown(self._types or found, found)}, self._allocations.grown()
        if is_first:
            self._types = found
            self._allocations.mark()
        return True

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
            homes={name: home for name in self._contents[0] if (home := home_of(name))},
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
