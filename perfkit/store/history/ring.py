"""What happened: requests, errors and latency of the service and its routes, from seconds to a month back.

One file, ``history.ring``, preallocated: a page with a mark, two copies of the column table (written in turn),
then four rings of records of the same size. A record is the end of its interval, its duration and a checksum,
then 64 columns of six float32: count, errors, sum of seconds, p50, p95, p99. A record's place follows from its
time, so there is no position to keep, and a new leader goes on where the old one fell.

The idea of rings of different steps is RRDtool's (T. Oetiker, "RRDtool", round-robin archives). Deviation: a
coarse record is never made of fine ones; each ring has its quantiles from its own difference of the buckets.
"""

from __future__ import annotations

import os
import struct
import threading
import time
import zlib
from array import array
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from perfkit.core.errors import ErrorLog
from perfkit.store.history.columns import COLUMNS, TOTAL_COLUMN, Columns
from perfkit.store.reserve import reserve, write_whole

__all__ = ["FIELDS", "MONTH", "TIERS", "Column", "History", "Tick", "Tier"]

MONTH = 30 * 86400.0
FIELDS = 6
WIDTH = COLUMNS * FIELDS

HEADER = struct.Struct("<dfI")
"""End of the interval (Unix seconds), its duration (seconds), crc32 of both and the columns."""
CELL = struct.Struct(f"<{FIELDS}f")
RECORD_BYTES = HEADER.size + WIDTH * 4

MARK = b"perfkitH\x01"
PAGE = 4096
TABLE = struct.Struct("<QII")
"""Generation, length, crc32 of the column table that follows."""
TABLE_BYTES = 32 * 1024

_STAMP = struct.Struct("<df")


class Tier(NamedTuple):
    """One ring: a record each *step* seconds, the last *cells* of them."""

    step: float
    cells: int

    @property
    def span(self) -> float:
        """Seconds that the ring reaches back."""
        return self.step * self.cells


TIERS = (Tier(1.0, 300), Tier(10.0, 360), Tier(60.0, 1440), Tier(900.0, 2880))
MEMORY_TIERS = 3


class Column(msgspec.Struct, frozen=True):
    """One route, or all of them, in one interval.

    Attributes:
        count: Requests that ended, errors among them.
        sum: Their seconds, together.
        p50, p95, p99: Seconds; None where there was no request.
    """

    count: float
    errors: float
    sum: float
    p50: float | None
    p95: float | None
    p99: float | None


class Tick(msgspec.Struct, frozen=True):
    """One interval.

    Attributes:
        at: Its end, Unix seconds.
        duration: Seconds; divide by it for rates, it is not always the step.
        columns: ``total`` always; ``METHOD route`` and ``_other`` where there was a request.
    """

    at: float
    duration: float
    columns: dict[str, Column]


_Loaded = tuple[float, float, bytes]


class History:
    """The history of one service. In memory it has three tiers, in a file four. The leader writes, all read."""

    def __init__(self, *, retention: float = MONTH, errors: ErrorLog | None = None) -> None:
        """Keep *retention* seconds: the tiers up to the first that reaches so far."""
        self._retention = retention
        self._errors = errors or ErrorLog()
        self._to_memory()

    def _to_memory(self) -> None:
        self._loading = threading.Lock()
        self._path: Path | None = None
        self._tables = 0
        self._columns = Columns()
        kept = self.tiers
        self._memory: list[deque[_Loaded]] = [deque(maxlen=tier.cells) for tier in kept]

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The rings that are kept, finest first."""
        available = TIERS if self._path is not None else TIERS[:MEMORY_TIERS]
        enough = [tier.span >= self._retention for tier in available]
        return available[: enough.index(True) + 1] if any(enough) else available

    def open(self, directory: Path) -> None:
        """Read and write ``history.ring`` in *directory* from now on; what was in memory is forgotten. No I/O."""
        self._path = directory / "history.ring"
        self._tables = 0
        self._columns = Columns()
        self._memory = []

    def close(self) -> None:
        """Go back to memory, empty."""
        self._to_memory()

    release_after_fork = close

    def append(self, tier: int, at: float, duration: float, cells: array[float], place: int) -> None:
        """Write one record; only the leader does.

        Args:
            tier: Index into `tiers`.
            at: End of the interval, Unix seconds.
            duration: Seconds.
            cells: 384 float32, column by column.
            place: Number of the interval, that is *at* divided by the step.

        Raises:
            OSError: It could not be written.
        """
        body = cells.tobytes()
        if self._path is None:
            used = max(index for index, _, _ in self._columns.named()) + 1
            self._memory[tier].append((at, duration, body[: used * CELL.size]))
            return
        crc = zlib.crc32(body, zlib.crc32(_STAMP.pack(at, duration)))
        record = HEADER.pack(at, duration, crc) + body
        offset = self._offset(tier) + place % TIERS[tier].cells * RECORD_BYTES
        with self._writable(self._path) as fd:
            write_whole(fd, record, offset, self._path)

    def columns(self) -> Columns:
        """Return the column table as it is now. Never raises."""
        if self._path is not None:
            with self._errors.guarded("store", "the columns of the history could not be read"), self._loading:
                self._load_columns(self._path)
        return self._columns

    def save(self, columns: Columns) -> None:
        """Keep a changed column table; only the leader does.

        Raises:
            OSError: It could not be written.
        """
        # A reader with the table of before would set the generation back: two tables would bear the same.
        with self._loading:
            if self._path is not None:
                data = columns.to_bytes()
                generation = self._tables + 1
                record = TABLE.pack(generation, len(data), zlib.crc32(data)) + data
                with self._writable(self._path) as fd:
                    write_whole(fd, record, PAGE + generation % 2 * TABLE_BYTES, self._path)
                self._tables = generation
            self._columns = columns

    def last_at(self, tier: int) -> float:
        """Return the end of the newest record of a tier in Unix seconds, 0.0 if there is none. Never raises."""
        return max((at for at, _, _ in self._load(tier)), default=0.0)

    def step(self, seconds: float, now: float) -> float:
        """Return how far apart (seconds) the records lie that `read` returns for the same. Never raises."""
        return self.tiers[self._tier_for(self._reach(seconds, now, self.columns()))].step

    def read(self, seconds: float, now: float, names: Collection[str] | None = None) -> list[Tick]:
        """Return the last *seconds* before *now* (Unix), oldest first, from the finest ring that reaches so far.

        A service that is younger is read from the ring that reaches back to its start. Never raises.

        Args:
            names: Only these columns (``total``, ``_other``, ``METHOD route``); None is all. Few are quicker.
        """
        columns = self.columns()
        reach = min(seconds, self._retention)
        tier = self._tier_for(self._reach(seconds, now, columns))
        wanted = [column for column in columns.named() if names is None or column[1] in names]
        loaded = self._load(tier, since=now - reach, until=now + TIERS[tier].step)
        turn = max(32, 1024 // max(1, len(wanted)))
        ticks = []
        for order, (at, duration, body) in enumerate(sorted(loaded, key=lambda record: record[0])):
            if order % turn == turn - 1:
                time.sleep(0)
            ticks.append(Tick(at, duration, _unpack(body, at, wanted)))
        return ticks

    def _reach(self, seconds: float, now: float, columns: Columns) -> float:
        return min(seconds, self._retention, now - columns.started_at)

    def _tier_for(self, reach: float) -> int:
        tiers = self.tiers
        return next((index for index, tier in enumerate(tiers) if tier.span >= reach), len(tiers) - 1)

    def _load(self, tier: int, since: float = 0.0, until: float = float("inf")) -> list[_Loaded]:
        """Return the sound records of a ring that end between *since* and *until*, in no order."""
        if self._path is None:
            return [record for record in list(self._memory[tier]) if since < record[0] <= until]
        data = b""
        with self._errors.guarded("store", "the history could not be read"):
            data = _pread(self._path, RECORD_BYTES * TIERS[tier].cells, self._offset(tier))
        return list(_sound(data, since, until))

    def _load_columns(self, path: Path) -> None:
        """Take over the newer sound copy, unless it is the one that we have."""
        newest = (0, b"")
        for copy in range(2):
            data = _pread(path, TABLE_BYTES, PAGE + copy * TABLE_BYTES)
            if len(data) < TABLE.size:
                continue
            generation, length, crc = TABLE.unpack_from(data)
            table = data[TABLE.size : TABLE.size + length]
            if generation > newest[0] and len(table) == length and zlib.crc32(table) == crc:
                newest = (generation, table)
        if newest[0] != self._tables or not newest[1]:
            self._columns = Columns.from_bytes(newest[1]) if newest[1] else Columns()
            self._tables = newest[0]

    def _offset(self, tier: int) -> int:
        return PAGE + 2 * TABLE_BYTES + sum(before.cells for before in TIERS[:tier]) * RECORD_BYTES

    @contextmanager
    def _writable(self, path: Path) -> Iterator[int]:
        """Open the file for writing, made whole before the first write."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            size = self._offset(len(self.tiers))
            if os.pread(fd, len(MARK), 0) != MARK or os.fstat(fd).st_size < size:
                if os.pread(fd, len(MARK), 0) != MARK:
                    os.ftruncate(fd, 0)
                reserve(fd, size, path)
                write_whole(fd, MARK, 0, path)
            yield fd
        finally:
            os.close(fd)


def _pread(path: Path, size: int, offset: int) -> bytes:
    """Return a part of a file, empty if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(fd, size, offset)
    finally:
        os.close(fd)


def _sound(data: bytes, since: float, until: float) -> Iterator[_Loaded]:
    for order, offset in enumerate(range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES)):
        at, duration, crc = HEADER.unpack_from(data, offset)
        if not (since < at <= until and at > 0.0):
            continue
        if order % 500 == 499:
            time.sleep(0)
        body = data[offset + HEADER.size : offset + RECORD_BYTES]
        if zlib.crc32(body, zlib.crc32(_STAMP.pack(at, duration))) == crc:
            yield at, duration, body


def _unpack(body: bytes, at: float, wanted: Iterable[tuple[int, str, float]]) -> dict[str, Column]:
    columns = {}
    for index, name, since in wanted:
        offset = index * CELL.size
        if at < since or offset >= len(body):
            continue
        count, errors, total, p50, p95, p99 = CELL.unpack_from(body, offset)
        if count > 0.0 or index == TOTAL_COLUMN:
            columns[name] = Column(count, errors, total, _known(p50), _known(p95), _known(p99))
    return columns


def _known(value: float) -> float | None:
    return value if value == value else None
