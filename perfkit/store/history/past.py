"""Any stretch of the past, as one window or in slices, and the moments from which somebody wanted to measure anew.

Counts never go back, so a new recording resets nothing: it keeps all buckets as they are at that moment, in a file of
its own that ages for nobody. What was counted since then is the difference to now, exact to the request; what was
counted between two recordings is what there was before. Any worker may begin one, and all read it at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog
from perfkit.core.families import Histogram, Point
from perfkit.store.history.slices import Slice, Slices
from perfkit.store.history.snapshots import Snapshot, Snapshots
from perfkit.store.history.window import Window, between, buckets_of, window

__all__ = ["MOST", "Past"]

MOST = 8
"""Recordings that are remembered; the first one goes when another begins."""

PRESENT = 1.0
"""Seconds before now that count as now."""

_Locked = Callable[[], AbstractContextManager[object]]


class Past:
    """The request durations of one service over any stretch of time. Thread-safe; reads never raise."""

    def __init__(
        self,
        read: Callable[[], Sequence[Point]],
        snapshots: Snapshots,
        born: Callable[[], float],
        *,
        boundaries: Sequence[float],
        clock: Clock,
        errors: ErrorLog | None = None,
    ) -> None:
        """Take what was counted from *snapshots*, and what is counted now from *read*.

        Args:
            read: Returns the cumulative request durations of all workers, with all buckets.
            born: Returns the Unix seconds at which counting began.
            boundaries: Of all buckets, seconds.
        """
        self._read, self._snapshots, self._born, self._clock = read, snapshots, born, clock
        self._boundaries = boundaries
        self._recordings = Snapshots(retention=math.inf, errors=errors, file_name="recordings.bin")
        self._slices = Slices()
        self._locked: _Locked = nullcontext

    def open(self, directory: Path, locked: _Locked) -> None:
        """Share the recordings in *directory*; *locked* keeps two workers from writing them at once. No I/O."""
        self._recordings.open(directory)
        self._locked = locked

    def close(self) -> None:
        """Go back to memory, without a recording."""
        self._recordings.close()
        self._locked = nullcontext

    release_after_fork = close

    @property
    def recordings(self) -> tuple[float, ...]:
        """The Unix seconds at which each recording began, the latest last."""
        return tuple(self._recordings.times())

    def begin_recording(self) -> float:
        """Measure anew from now on, in all workers; return the Unix seconds of now.

        Raises:
            OSError: It could not be written; nothing began.
        """
        with self._locked():
            now = self._clock.time()
            self._recordings.keep(now, buckets_of(self._read()), MOST)
        return now

    def end_recording(self) -> bool:
        """Take back the last recording in all workers: what was before counts again; False where there is none.

        Raises:
            OSError: It could not be written; the recording goes on.
        """
        with self._locked():
            begun = self.recordings
            if begun:
                self._recordings.drop(begun[-1])
        return bool(begun)

    def window(self, seconds: float) -> Window:
        """Return the last *seconds*."""
        return window(self._read(), self._snapshots, seconds, self._clock.time(), self._born())

    def recorded(self, seconds: float = math.inf) -> Window:
        """Return the last *seconds*, but nothing from before the recording of now began."""
        now, begun = self._clock.time(), self.recordings
        base = self._recordings.nearest(begun[-1]) if begun and now - seconds < begun[-1] <= now else None
        if base is None and seconds == math.inf:
            return between(self._read(), now, None, self._born())
        return window(self._read(), self._snapshots, seconds, now, self._born(), base=base)

    def between(self, start: float, end: float, *, inside: bool = False) -> Window | None:
        """Return what was counted between two Unix seconds, as near to them as there are snapshots.

        None where these lie so far apart that there is nothing between them.

        Args:
            inside: Take nothing from before *start* or after *end*: rather less than what is wished.
        """
        now = self._clock.time()
        first = self._nearest(start, least=start if inside else -math.inf)
        began = self._born() if first is None else first.at
        if start >= now or (inside and began < start):
            return None
        if end >= now - PRESENT:
            return between(self._read(), now, first, began) if began < now else None
        last = self._nearest(end, most=end if inside else math.inf)
        if last is None or last.at <= began:
            return None
        points = [
            Point(labels, Histogram(self._boundaries, list(each.counts), each.sum))
            for labels, each in last.series.items()
            if len(each.counts) == len(self._boundaries) + 1
        ]
        return between(points, last.at, first, began)

    def slices(
        self, seconds: float, *, until: float | None = None, route: tuple[str, str] | None = None
    ) -> tuple[Sequence[float], tuple[Slice, ...]]:
        """Return boundaries, and the requests of *seconds* in slices of time, the first of which comes first.

        Args:
            until: Unix seconds at which they end; None is now.
            route: Only those of this method and template.
        """
        now = self._clock.time()
        end = now if until is None or until >= now - PRESENT else until
        return self._slices.read(self._read(), self._snapshots, seconds, now, self._born(), end=end, route=route)

    def _nearest(self, at: float, *, least: float = -math.inf, most: float = math.inf) -> Snapshot | None:
        """Return the snapshot, or begin of a recording, that is nearest to *at* among those from *least* to *most*."""
        kept = [
            (moment, each)
            for each in (self._snapshots, self._recordings)
            for moment in each.times()
            if least <= moment <= most
        ]
        if not kept:
            return None
        moment, holder = min(kept, key=lambda found: abs(found[0] - at))
        return holder.nearest(moment)
