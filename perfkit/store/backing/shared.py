"""The slots of many workers: one file each, the key log that tells what they mean, and who is alive.

A new worker takes the lowest file whose lock is free, that of a dead one, and goes on counting in it. So dead
workers' counts never move and never have to be folded into another place (which would change the order of
additions, and so the last digit of a sum, which Prometheus takes for a restart). For the same reason workers are
always added in the order of their numbers.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from perfkit.core.clock import Clock
from perfkit.core.errors import StoreError
from perfkit.store.backing.base import Place, find_place
from perfkit.store.backing.directory import LOCK_FILE
from perfkit.store.backing.keys import KeyLog
from perfkit.store.backing.mapped import Header, WorkerFile, file_name, numbers_in, read_header
from perfkit.store.backing.others import Others
from perfkit.store.layout import FINISHED, FIXED, HEADER_BYTES, LOST, OVERFLOW, ROWS, SINK, SLOT_BYTES, STARTED
from perfkit.store.lock import PATIENCE, directory_lock, hold, is_held
from perfkit.store.series.reading import Reading, unpack_fixed
from perfkit.store.series.rows import GAUGE_WIDTH, width_of
from perfkit.store.series.table import Request, Table

__all__ = ["Shared"]

HEAD = HEADER_BYTES + FIXED * SLOT_BYTES
"""Bytes of a file up to the end of its fixed slots."""
ROWS_AT = HEADER_BYTES + ROWS * SLOT_BYTES
"""Where the first row lies in a file."""
PROBE_INTERVAL = 1.0
"""Seconds for which it is believed who was alive."""
REQUEST_PATIENCE = 0.1
"""Seconds that a request with a new series waits for somebody who holds the lock, which takes microseconds."""
RETRY_INTERVAL = 1.0
"""Seconds without an attempt to write after the key log could not be written."""


class Shared:
    """The files of one directory, and this worker's own among them. Thread-safe but for the updates themselves.

    Attributes:
        trouble: The last thing that went wrong where nothing could be said; whoever reports it sets it to None.
    """

    is_shared = True

    def __init__(self, directory: Path, *, max_slots: int, max_series: int, clock: Clock) -> None:
        """Adopt or make a file in *directory*.

        Raises:
            OSError: There is no space, or the directory was removed in between.
            StoreError: Another version of perfkit wrote the files, or the lock is never free.
        """
        self.directory, self.capacity = directory, max_slots
        self.trouble: Exception | None = None
        self.table = Table(first=ROWS, capacity=max_slots, max_series=max_series)
        self._clock = clock
        self._lock = threading.Lock()
        self._alive: dict[int, tuple[tuple[int, float], bool]] = {}
        self._probed_at = self._paused_until = -math.inf
        self._keys = KeyLog(directory, self.table)
        self._others = Others(directory)
        try:
            with self.locked():
                self._keys.begin()
                self.number, self._file = self._adopt()
        except BaseException:
            self._keys.close()
            raise
        self.values = self._file.values

    def locked(self, patience: float = PATIENCE) -> AbstractContextManager[None]:
        """Return the directory lock, to be held with ``with``; it fails after *patience* seconds."""
        return directory_lock(self.directory / LOCK_FILE, patience)

    def _adopt(self) -> tuple[int, WorkerFile]:
        """Take the lowest free file or make the next. The caller holds the directory lock."""
        known = numbers_in(self.directory)
        new = next(number for number in range(1, len(known) + 2) if number not in known)
        for number in (*known, new):
            path = self.directory / file_name(number)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                if os.fstat(lock).st_uid != os.geteuid():
                    # Its owner could cut it while it is mapped, and the next addition would be the worker's end.
                    os.close(lock)
                    continue
                if not hold(lock):
                    # Somebody's probe for life holds it for a moment; a living worker holds it for good.
                    time.sleep(0.001)
                    if not hold(lock):
                        os.close(lock)
                        continue
                file = WorkerFile(path, lock, number=number, slots=self.capacity, log_id=self.table.log_id)
            except BaseException:
                os.close(lock)
                raise
            self._inherit(file)
            file.publish(os.getpid(), self._clock.time())
            return number, file
        raise StoreError(f"No file in {self.directory} could be taken. At least the newest should be free. Try again.")

    def _inherit(self, file: WorkerFile) -> None:
        """Settle what a dead worker left: its exchanges in flight are lost, its gauges mean nothing."""
        if file.is_new:
            return
        values = file.values
        finished = values[FINISHED]
        lost = values[STARTED] - finished
        values[STARTED] = finished
        if lost > 0.0:
            values[LOST] += lost
        for entry in self.table.entries():
            if entry.width != GAUGE_WIDTH:
                continue
            for slot in entry.series.values():
                if slot + GAUGE_WIDTH <= self.capacity and file.has(slot + GAUGE_WIDTH):
                    values[slot] = values[slot + 1] = 0.0

    def place(self, requests: Sequence[Request]) -> list[Place]:
        """Return the slots of each series, given out now if need be."""
        with self._lock:
            try:
                self._give_out(requests)
            except OSError as error:
                self.trouble = error
                self._paused_until = self._clock.monotonic() + RETRY_INTERVAL
            return [self._place(request) for request in requests]

    def _give_out(self, requests: Sequence[Request]) -> None:
        missing = [request for request in requests if self.table.slot(request) is None]
        if not missing and not self.table.plan(requests):
            return
        self._keys.refresh()
        if self._clock.monotonic() >= self._paused_until and self.table.plan(requests):
            with self.locked(REQUEST_PATIENCE):
                self._keys.place(requests)

    def _place(self, request: Request) -> Place:
        own = self.table.slot(request)
        width = width_of(request[0])
        for slot in find_place(self.table, request):
            if self._file.ensure(slot + width):
                if slot == own:
                    return Place(slot, fits=True)
                break
        else:
            slot = SINK
        values = self.values
        values[OVERFLOW] += 1.0
        return Place(slot, fits=False)

    def read(self, now: float, *, with_rows: bool = True) -> list[Reading]:
        """Return the numbers of all workers in the order of their n. One thread at a time.

        The lock, for which a new series of a request may have to wait, is held for the look at the key log only.
        """
        with self._lock:
            try:
                self._keys.refresh()
            except OSError as error:
                self.trouble = error
        size = SLOT_BYTES * (self.table.free - ROWS) if with_rows else 0
        if not 0.0 <= now - self._probed_at < PROBE_INTERVAL:
            self._alive, self._probed_at = {}, now
        loaded = [(number, *self._load(number, size)) for number in self._numbers()]
        found = [(number, head, rows, self._header_of(head)) for number, head, rows in loaded]
        return [
            Reading(
                number=number,
                pid=header.pid,
                started_at=header.started_at,
                is_alive=self._probe(number, header),
                is_self=number == self.number,
                fixed=unpack_fixed(head, HEADER_BYTES),
                rows=rows,
            )
            for number, head, rows, header in found
            if header is not None
        ]

    def is_alive(self, number: int) -> bool:
        """Return whether worker *number* lives now."""
        return number == self.number or is_held(self.directory / file_name(number))

    @property
    def is_removed(self) -> bool:
        """True if somebody deleted our file or the key log."""
        return self._file.is_removed or self._keys.is_removed

    def beat(self, now_unix: float) -> None:
        """Leave a sign of life for those who clean up."""
        self._file.beat(now_unix)

    def close(self) -> None:
        """Give the file back; the next new worker goes on counting in it."""
        with self._lock:
            self._file.close()
            self._keys.close()
            self._others.close()

    def release_after_fork(self) -> None:
        """In a forked child: the parent keeps its file, we keep nothing of it."""
        with ExitStack() as parts:
            parts.callback(self._others.close)
            parts.callback(self._keys.close)
            parts.callback(self._file.release_after_fork)

    def _numbers(self) -> list[int]:
        try:
            known = numbers_in(self.directory)
        except OSError:
            known = []
        return known if self.number in known else sorted((*known, self.number))

    def _load(self, number: int, size: int) -> tuple[bytes, bytes]:
        """Return the head of a file with its fixed slots, and *size* bytes of its rows."""
        descriptor = self._file.descriptor if number == self.number else self._others.descriptor(number)
        if descriptor is None:
            return b"", b""
        # Two reads, as one of all would have to be cut, which copies it once more.
        return os.pread(descriptor, HEAD, 0), os.pread(descriptor, size, ROWS_AT) if size else b""

    def _header_of(self, data: bytes) -> Header | None:
        """Return the header of a file that is finished and laid out by our key log."""
        header = read_header(data)
        return header if header is not None and header.log_id == self.table.log_id else None

    def _probe(self, number: int, header: Header) -> bool:
        """Return whether a worker lives; looked up once a second, and at once where the file has a new owner."""
        if number == self.number:
            return True
        if header.pid == 0:
            # On its way from one worker to the next, or left in order: its gauges are nobody's.
            return False
        owner = (header.pid, header.started_at)
        known = self._alive.get(number)
        if known is None or known[0] != owner:
            known = self._alive[number] = (owner, self._others.is_alive(number))
        return known[1]
