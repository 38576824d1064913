"""What the leader does each second: write the rings, and now and then a snapshot.

For each ring it keeps the buckets as they were at that ring's last record; the next record is the difference.
It writes about itself nothing and waits for nobody: other threads get their turn every few rows, and when rounds
cost much CPU, they come less often, so that 1/160 of a core is the limit.
"""

from __future__ import annotations

import math
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from perfkit.core.errors import ErrorLog
from perfkit.core.families import Histogram, Point
from perfkit.core.names import CLIENT_DISCONNECTED, OTHER
from perfkit.store.history.columns import COLUMNS, OTHER_COLUMN, TOTAL_COLUMN, Columns
from perfkit.store.history.ring import FIELDS, History
from perfkit.store.history.snapshots import PERIOD, Buckets, Labels, Snapshots
from perfkit.store.history.window import buckets_of, difference
from perfkit.store.quantiles import quantile

__all__ = ["HistoryRecorder"]

SHARE = 1.0 / 160.0
"""Seconds of CPU that the rounds may use in each second."""
CREDIT = 0.02
"""Seconds of CPU that may be saved up: one round that costs more than usual puts off nothing."""
TURN = 16
"""Rows after which other threads may run: some 0.3 ms. More often would cost more than the work itself."""


class _Sum:
    """What one column gathers in one interval; the parts are added up once, at the end."""

    __slots__ = ("errors", "parts", "seconds")

    def __init__(self) -> None:
        self.parts: list[Sequence[float]] = []
        self.errors = 0.0
        self.seconds = 0.0

    def add(self, counts: Sequence[float], errors: float, seconds: float) -> None:
        self.parts.append(counts)
        self.errors += errors
        self.seconds += seconds

    def join(self) -> Sequence[float]:
        if len(self.parts) > 1:
            self.parts = [list(map(sum, zip(*self.parts, strict=True)))]
        return self.parts[0] if self.parts else ()


class _Base:
    """The state at the last record of a ring, at monotonic *at*; *place* is the number of its interval."""

    __slots__ = ("at", "place", "series")

    def __init__(self, at: float, place: int, series: Mapping[Labels, Buckets]) -> None:
        self.at, self.place, self.series = at, place, series


class HistoryRecorder:
    """Writes the history while its worker leads. One thread calls it."""

    def __init__(
        self,
        history: History,
        snapshots: Snapshots,
        read: Callable[[], Sequence[Point]],
        *,
        errors: ErrorLog | None = None,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """Write to *history* and *snapshots* what *read* returns.

        Args:
            read: Returns the cumulative request durations of all workers, with all buckets.
            cpu: Seconds of CPU that the calling thread has used.
        """
        self._history, self._snapshots, self._read = history, snapshots, read
        self._errors = errors or ErrorLog()
        self._cpu = cpu
        self._bases: list[_Base] = []
        self._credit, self._credited_at = CREDIT, math.inf
        self._snapshot_place = -1

    def rest(self) -> None:
        """Forget what was read: this worker does not lead, or the store is another one."""
        self._bases = []

    def tick(
        self, now: float, now_unix: float, *, born: float = math.inf, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        """Write the records that are due. Never raises.

        Args:
            now: Monotonic seconds.
            now_unix: Unix seconds.
            born: Monotonic seconds at which a store without any snapshot began to count.
            may_write: Asked before each write; False ends the round.
        """
        self._credit = min(CREDIT, self._credit + SHARE * max(0.0, now - self._credited_at))
        self._credited_at = now
        if self._credit < 0.0:
            return
        began = self._cpu()
        with self._errors.guarded("store", "the history could not be written"):
            self._round(now, now_unix, min(born, now), may_write)
        self._credit -= self._cpu() - began

    def _round(self, now: float, now_unix: float, born: float, may_write: Callable[[], bool]) -> None:
        points = self._read()
        series = buckets_of(points, self._bases[0].series if self._bases else None)
        boundaries = next((p.value.boundaries for p in points if isinstance(p.value, Histogram)), ())
        if not self._bases:
            self._begin(series, now, now_unix, born, may_write)
        for tier in range(len(self._history.tiers)):
            if not self._record(tier, series, boundaries, now, now_unix, may_write):
                return
        place = int(now_unix // PERIOD)
        if place != self._snapshot_place and may_write():
            self._snapshot_place = place
            self._snapshots.take(now_unix, series)

    def _begin(
        self, series: Mapping[Labels, Buckets], now: float, now_unix: float, born: float, may_write: Callable[[], bool]
    ) -> None:
        """Find the state from which the first records count."""
        if not self._snapshots.times() and may_write():
            # The store is new: what was counted until now belongs to the first record.
            self._snapshots.take(now_unix - (now - born), {})
            bases = [_Base(born, -1, {}) for _ in self._history.tiers]
        else:
            bases = [self._resumed(tier, series, now, now_unix) for tier in range(len(self._history.tiers))]
        for base, tier in zip(bases, self._history.tiers, strict=True):
            base.place = int((now_unix - (now - base.at)) // tier.step)
        self._bases = bases
        self._snapshot_place = int(now_unix // PERIOD)

    def _resumed(self, tier: int, series: Mapping[Labels, Buckets], now: float, now_unix: float) -> _Base:
        """Go on from the last record of another leader, if a snapshot tells the state at that time."""
        step = self._history.tiers[tier].step
        if step > PERIOD:
            last = self._history.last_at(tier)
            snapshot = self._snapshots.nearest(last) if 0.0 < now_unix - last <= 2.0 * step else None
            if snapshot is not None and 0.0 <= snapshot.at - last <= PERIOD and snapshot.at < now_unix:
                return _Base(now - (now_unix - snapshot.at), 0, snapshot.series)
        return _Base(now, 0, series)

    def _record(
        self,
        tier: int,
        series: Mapping[Labels, Buckets],
        boundaries: Sequence[float],
        now: float,
        now_unix: float,
        may_write: Callable[[], bool],
    ) -> bool:
        """Write the record of one ring if it is due; return False if the round is to end."""
        base = self._bases[tier]
        step = self._history.tiers[tier].step
        place = int(now_unix // step)
        if tier == 0:
            # A tick a little early and the next a little late fall into one second; neither may get lost.
            place = max(place, base.place + 1) if now - base.at >= step / 2.0 else base.place
        if place == base.place or now <= base.at:
            return True
        try:
            sums = self._sums(series, base.series)
        except ValueError:
            # The numbers began anew: the old base means nothing, and the old snapshots neither.
            self._bases = [_Base(now, int(now_unix // t.step), series) for t in self._history.tiers]
            if may_write():
                self._snapshots.clear()
                self._snapshots.take(now_unix, series)
            return False
        if not may_write():
            return False
        columns = self._columns(tier, {name: sum(part.join()) for name, part in sums.items()}, now_unix)
        cells = _cells(sums, columns, boundaries)
        self._history.append(tier, now_unix, now - base.at, cells, place)
        self._bases[tier] = _Base(now, place, series)
        return True

    def _sums(self, series: Mapping[Labels, Buckets], base: Mapping[Labels, Buckets]) -> dict[str, _Sum]:
        """Return what happened since *base*, by route.

        Raises:
            ValueError: A count went back.
        """
        sums: dict[str, _Sum] = {}
        for order, (labels, buckets) in enumerate(series.items()):
            if order % TURN == TURN - 1:
                time.sleep(0)
            passed = difference(buckets, base.get(labels))
            if passed is None:
                continue
            name, is_error = _name(labels)
            part = sums.setdefault(name, _Sum())
            part.add(passed.counts, sum(passed.counts) if is_error else 0.0, passed.sum)
        return sums

    def _columns(self, tier: int, counts: Mapping[str, float], now_unix: float) -> Columns:
        """Return the table, with room made for new routes; the coarsest ring decides who has to go."""
        columns = self._history.columns().copy()
        changed = columns.started_at == 0.0
        if changed:
            columns.started_at = now_unix
        changed |= columns.assign(counts, now_unix)
        if tier == len(self._history.tiers) - 1:
            changed |= columns.reassign(counts, now_unix)
        if changed:
            self._history.save(columns)
        return columns


def _name(labels: Labels) -> tuple[str, bool]:
    """Return the column's name of a series, and whether it counts errors."""
    method, route, error_type = labels[0], labels[1], labels[4]
    name = OTHER if method == route == OTHER else f"{method} {route}"
    return name, name != OTHER and error_type not in ("", CLIENT_DISCONNECTED)


def _cells(sums: Mapping[str, _Sum], columns: Columns, boundaries: Sequence[float]) -> array[float]:
    """Return one record's columns."""
    parts: dict[int, _Sum] = {TOTAL_COLUMN: _Sum()}
    for name, part in sums.items():
        for index in (TOTAL_COLUMN, columns.index_of(name) if name != OTHER else OTHER_COLUMN):
            parts.setdefault(index, _Sum()).add(part.join(), part.errors, part.seconds)
    cells = array("f", (0.0, 0.0, 0.0, math.nan, math.nan, math.nan) * COLUMNS)
    for order, (index, part) in enumerate(parts.items()):
        if order % TURN == TURN - 1:
            time.sleep(0)
        counts = part.join()
        if counts:
            at = index * FIELDS
            quantiles = _quantiles(boundaries, counts)
            cells[at : at + FIELDS] = array("f", (sum(counts), part.errors, part.seconds, *quantiles))
    return cells


def _quantiles(boundaries: Sequence[float], counts: Sequence[float]) -> Iterator[float]:
    """Yield p50, p95 and p99: the bucket of each is found in one pass over all, and only that one is looked into."""
    upto = list(accumulate(counts))
    for q in (0.5, 0.95, 0.99):
        rank = q * upto[-1]
        bucket = bisect_left(upto, rank)
        share = 1.0 - (upto[bucket] - rank) / counts[bucket]
        first = max(0, bucket - 1)
        alone = [0.0] * (bucket - first) + [counts[bucket], 0.0][: len(counts) - bucket]
        yield quantile(boundaries[first : bucket + 1], alone, share)
