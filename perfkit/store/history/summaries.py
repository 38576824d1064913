"""The last minutes of summaries: what their buckets held then, so that quantiles speak of now and not of all time.

A snapshot of all summaries is taken a tenth of the window apart, by the leader, in a file of its own beside that of
the request durations; everybody subtracts the one that is nearest to the window's beginning. So all workers answer
alike, and a quantile covers the window, give or take a twentieth of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from perfkit.core.errors import ErrorLog
from perfkit.store.history.snapshots import Buckets, Labels, Snapshots

__all__ = ["STEPS", "SummaryWindow"]

STEPS = 10
"""Snapshots in a window."""

SPARE = 2.0
"""Steps for which a snapshot is kept beyond the window, so that one of its beginning is always there."""


class SummaryWindow:
    """Where the window of summaries begins. The leader ticks, all read. Series are named by metric and labels."""

    def __init__(self, seconds: float, *, errors: ErrorLog | None = None) -> None:
        """Look back *seconds*; begin in memory."""
        self.seconds = seconds
        self._step = seconds / STEPS
        span = seconds + SPARE * self._step
        self._snapshots = Snapshots(
            retention=span, errors=errors, file_name="summaries.bin", ladder=((span, self._step),)
        )
        self._place = -1

    def open(self, directory: Path) -> None:
        """Use the file in *directory* from now on; what was in memory is forgotten. No I/O."""
        self._snapshots.open(directory)
        self._place = -1

    def close(self) -> None:
        """Go back to memory, empty."""
        self._snapshots.close()
        self._place = -1

    release_after_fork = close

    def tick(
        self,
        now: float,
        read: Callable[[], Mapping[Labels, Buckets]],
        *,
        born: float,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take a snapshot if one is due; only the leader calls it.

        Args:
            now: Unix seconds.
            read: Returns the cumulative buckets of all summaries.
            born: Unix seconds at which a store without any snapshot began to count.
            may_write: Asked before a snapshot is written.

        Raises:
            OSError: The file could not be replaced; the old one stays.
        """
        place = int(now // self._step)
        if place == self._place:
            return
        series = read()
        if not may_write():
            return
        if not self._snapshots.times():
            if not series:
                self._place = place
                return
            # The store is new: what was counted until now belongs to the first window.
            self._snapshots.take(min(born, now - 0.001), {})
        self._snapshots.take(now, series)
        self._place = place

    def base(self, now: float) -> Mapping[Labels, Buckets]:
        """Return what the summaries held when the window that ends at *now* (Unix seconds) began. Never raises."""
        found = self._snapshots.nearest(now - self.seconds, before=now - self.seconds / 2.0)
        return found.series if found is not None else {}
