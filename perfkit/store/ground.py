"""What a store stands on: slots, and beside them texts, lease and history. Systems of one app share one ground.

It begins in memory. `open` moves it to files, `close` back; the stores on it are told to move their rows along.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Container, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from perfkit.core.clock import Clock
from perfkit.core.errors import ErrorLog
from perfkit.core.families import Family, Point
from perfkit.core.names import REQUEST_DURATION
from perfkit.store.backing.base import Backing
from perfkit.store.backing.memory import Memory
from perfkit.store.commands import Commands
from perfkit.store.history.past import Past
from perfkit.store.history.recorder import HistoryRecorder
from perfkit.store.history.ring import History
from perfkit.store.history.snapshots import Buckets, Labels, Snapshots
from perfkit.store.history.summaries import SummaryWindow
from perfkit.store.lease import Lease
from perfkit.store.series.families import build, fixed_families, has_summaries, summary_buckets
from perfkit.store.series.merge import Merge
from perfkit.store.series.reading import Reading
from perfkit.store.series.rows import bounds_of, width_of
from perfkit.store.series.settlement import Move, Settlement, fixed_moves
from perfkit.store.series.updates import guard
from perfkit.store.settings import StoreSettings
from perfkit.store.texts import KEPT_BYTES, Texts

if TYPE_CHECKING:
    from perfkit.store.backing.shared import Shared

__all__ = ["Ground", "Mover"]

TICK_INTERVAL = 0.5
"""Seconds; the systems that share a ground tick once a second each."""

SETTLING = 2
"""Ticks after a move at which late additions to the old slots are still carried over."""

Mover = Callable[[Backing], None]
"""Points the rows of one store to the new slots."""


class Ground:
    """Slots, texts, lease and history of one or more stores. Thread-safe.

    Attributes:
        backing: The slots: `Memory` or `Shared`.
        shared: The same where they are files, else None.
        degraded: Why the slots are in memory though files were wished; empty if all is well.
        directory: Makes or finds the directory of the files; None for memory.
        movers, twins: One for each open store: what points its rows elsewhere, and its commands.
    """

    def __init__(self, settings: StoreSettings, clock: Clock, errors: ErrorLog) -> None:
        """Begin in memory."""
        self._settings, self._clock, self._errors = settings, clock, errors
        self.backing: Backing = self._memory()
        self.shared: Shared | None = None
        self.degraded = ""
        self.directory: Callable[[], Path] | None = None
        self.movers: list[Mover] = []
        self.twins: list[Commands] = []
        self.texts = Texts(clock=clock, errors=errors)
        self.kept = Texts(size=KEPT_BYTES, prefix="x", clock=clock, errors=errors)
        self.audit = Texts(prefix="a", clock=clock, errors=errors)
        self.lease = Lease(errors=errors)
        self.history = History(retention=settings.retention, errors=errors)
        self.snapshots = Snapshots(retention=settings.retention, errors=errors)
        self.summaries = SummaryWindow(settings.summary_window, errors=errors)
        bounds = bounds_of(REQUEST_DURATION)
        self.past = Past(self.request_points, self.snapshots, self.born, boundaries=bounds, clock=clock, errors=errors)
        self._recorder = HistoryRecorder(self.history, self.snapshots, self.request_points, errors=errors)
        self._merge = Merge()
        self._birth: float | None = None
        self._reading = threading.RLock()
        self._ticking = threading.Lock()
        self._ticked_at = -math.inf
        self._settlements: list[Settlement] = []
        self.pid = os.getpid()

    def _memory(self) -> Memory:
        settings = self._settings
        return Memory(max_slots=settings.max_slots, max_series=settings.max_series_per_family, clock=self._clock)

    def open(self, directory: Callable[[], Path]) -> None:
        """Move to files. What was counted before stays where it was until `settle_from`.

        Raises:
            OSError: They cannot be used; everything is as before.
        """
        shared = self._adopt(directory)
        self.directory = directory
        self._swap(shared, shared)
        self._open_parts(shared)

    def close(self) -> None:
        """Go back to memory, if this was files; leave them to the next worker."""
        with self._ticking:
            self._settle()
            shared = self.shared
            if shared is None:
                return
            self._settlements.clear()
            self._swap(self._memory(), None)
            for mover in self.movers:
                mover(self.backing)
            self._close_parts()
            shared.close()

    def settle_from(self, old: Backing) -> None:
        """Add what was counted in *old* to the slots of now, at once and again at the next ticks."""
        requests = [(entry.definition, labels) for entry in old.table.entries() for labels in entry.series]
        slots = [slot for entry in old.table.entries() for slot in entry.series.values()]
        moves = fixed_moves()
        for source, request, place in zip(slots, requests, self.backing.place(requests), strict=True):
            width = width_of(request[0])
            moves.append(Move(source, place.slot, width))
            if place.slot + width <= old.table.first:
                moves.append(Move(place.slot, place.slot, width))
        settlement = Settlement(old.values, moves)
        with guard():
            settlement.pour(self.backing.values)
        self._settlements.append(settlement)

    def tick(self, now: float) -> None:
        """Do what is due once a second, at *now* monotonic seconds."""
        if not self._ticking.acquire(blocking=False):
            return
        try:
            if 0.0 <= now - self._ticked_at < TICK_INTERVAL:
                return
            self._ticked_at = now
            self._settle()
            if self.shared is not None:
                self._look_after(self.shared)
            self._keep_history(now)
        finally:
            self._ticking.release()

    def readings(self, *, with_rows: bool = False) -> list[Reading]:
        """Return the numbers of all workers, in the order of their n; without rows only the fixed slots."""
        with self._reading:
            return self.backing.read(self._clock.monotonic(), with_rows=with_rows)

    def families(
        self, names: Container[str] | None = None, *, detailed: bool = False, polite: bool = False
    ) -> list[Family]:
        """Return the metrics of all workers together; see `Store.families`."""
        with self._reading:
            readings = self.readings(with_rows=True)
            numbers = tuple(reading.number for reading in readings)
            sums = self._merge.update(numbers, [reading.rows for reading in readings], polite=polite)
            families = build(
                self.backing.table,
                sums,
                readings,
                names,
                detailed=detailed,
                base=lambda: self.summaries.base(self._clock.time()),
            )
        return families + fixed_families(readings, names, is_degraded=bool(self.degraded))

    def per_worker(self, names: Container[str]) -> list[tuple[int, Family]]:
        """Return the metrics *names* of each worker; see `Store.per_worker`."""
        with self._reading:
            readings, table = self.readings(with_rows=True), self.backing.table
        found: list[tuple[int, Family]] = []
        for reading in readings:
            slots = memoryview(reading.rows).cast("d").tolist()
            families = build(table, slots, [reading], names)
            families += fixed_families([reading], names, is_degraded=False)
            found.extend((reading.number, family) for family in families)
        return found

    def request_points(self) -> Sequence[Point]:
        """Return the request durations of all workers with all buckets, without haste."""
        families = self.families((REQUEST_DURATION.name,), detailed=True, polite=True)
        return families[0].points if families else ()

    def _summary_buckets(self) -> dict[Labels, Buckets]:
        """Return the buckets of all summaries of all workers, without haste."""
        if not has_summaries(self.backing.table):
            return {}
        with self._reading:
            readings = self.readings(with_rows=True)
            numbers = tuple(reading.number for reading in readings)
            sums = self._merge.update(numbers, [reading.rows for reading in readings], polite=True)
            return summary_buckets(self.backing.table, sums)

    def born(self) -> float:
        """Return the Unix seconds at which the oldest worker of now began to count."""
        return min(reading.started_at for reading in self.readings())

    def release_after_fork(self) -> None:
        """In a forked child: let go of all that is the parent's; of the rest also where a part fails."""
        with ExitStack() as parts:
            files = (self.summaries, self.past, self.snapshots, self.history)
            for part in (*files, self.lease, self.texts, self.kept, self.audit, self.backing):
                parts.callback(part.release_after_fork)

    def _adopt(self, directory: Callable[[], Path]) -> Shared:
        from perfkit.store.backing.shared import Shared

        settings = self._settings
        for attempt in range(2):
            try:
                return Shared(
                    directory(),
                    max_slots=settings.max_slots,
                    max_series=settings.max_series_per_family,
                    clock=self._clock,
                )
            except FileNotFoundError:
                # Somebody who cleans up took the directory for a leftover before we had a lock in it.
                if attempt:
                    raise
        raise AssertionError("unreachable")

    def _swap(self, backing: Backing, shared: Shared | None) -> None:
        with self._reading:
            self.backing, self.shared, self._merge = backing, shared, Merge()
            self._birth = None

    def _open_parts(self, shared: Shared) -> None:
        self.texts.open(shared.directory, shared.number)
        self.kept.open(shared.directory, shared.number)
        self.audit.open(shared.directory, shared.number)
        self.lease.open(shared.directory, locked=shared.locked, number=shared.number)
        self.history.open(shared.directory)
        self.snapshots.open(shared.directory)
        self.past.open(shared.directory, shared.locked)
        self.summaries.open(shared.directory)
        self._recorder.rest()

    def _close_parts(self) -> None:
        self.lease.close()
        self.texts.close()
        self.kept.close()
        self.audit.close()
        self.history.close()
        self.snapshots.close()
        self.past.close()
        self.summaries.close()
        self._recorder.rest()

    def _settle(self) -> None:
        for settlement in list(self._settlements):
            with guard():
                settlement.pour(self.backing.values)
            if settlement.rounds > SETTLING:
                self._settlements.remove(settlement)

    def _look_after(self, shared: Shared) -> None:
        """Report what went wrong in silence, leave a sign of life, and begin anew if the files were removed."""
        if shared.trouble is not None:
            self._errors.report("store", shared.trouble, doing="the shared files cannot be used as they should")
            shared.trouble = None
        if not shared.is_removed:
            shared.beat(self._clock.time())
            return
        self._errors.warn("store", "files_removed", "the store's files were removed; new ones are made")
        self._close_parts()
        backing: Backing
        anew: Shared | None
        try:
            assert self.directory is not None
            backing = anew = self._adopt(self.directory)
        except OSError as error:
            backing, anew = self._memory(), None
            self.degraded = f"the shared files were removed and cannot be made anew: {error}"
            self._errors.warn("store", "degraded", self.degraded)
        self._swap(backing, anew)
        for mover in self.movers:
            mover(backing)
        self._settlements.clear()
        self.settle_from(shared)
        if anew is not None:
            self._open_parts(anew)
        shared.close()

    def _keep_history(self, now: float) -> None:
        if not self.lease.poll(now):
            self._recorder.rest()
            self._birth = None
            return
        now_unix = self._clock.time()
        if self._birth is None:
            # Asked once by who leads: it costs more than all else in a second without a record.
            self._birth = self.born()
        born = self._birth

        def may_write() -> bool:
            return self.lease.is_still_mine(self._clock.monotonic())

        self._recorder.tick(now, now_unix, born=now - (now_unix - born), may_write=may_write)
        with self._errors.guarded("store", "the window of the summaries could not be written"):
            self.summaries.tick(now_unix, self._summary_buckets, born=born, may_write=may_write)
