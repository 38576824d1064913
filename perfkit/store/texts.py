"""Texts that all workers can read: SQL shapes, call sites, kept exchanges. Old ones make room for new.

Each worker writes to a ring of its own, ``t-<n>.ring``, a file of fixed size with nothing but records in it:
a mark, length, sequence number, checksum, then msgpack of (kind, time, record). There is no index to keep
right: the mark cannot occur in UTF-8, so a reader finds its way by searching for it, and what fails its
checksum (half overwritten, torn by a kill) is skipped. The worker that takes over a dead one's files goes on
after its last record; until then the dead one's texts are still read.

Appending is an encoding and a copy into mapped memory: no system call but for the first one, which takes the
space of the ring so that later writes cannot hit a full disk. Kept exchanges have rings of their own, ``x-<n>.ring``,
and so has what people did, ``a-<n>.ring``: nothing that visitors cause pushes that out.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from perfkit.core.clock import Clock, SystemClock
from perfkit.core.errors import ErrorLog
from perfkit.store.reserve import map_own

__all__ = ["KEPT_BYTES", "RING_BYTES", "Texts"]

RING_BYTES = 256 * 1024
"""Bytes of texts a worker."""

KEPT_BYTES = 1024 * 1024
"""Bytes of kept exchanges a worker; a ring of their own, as they would push out the texts."""

MARK = b"\xc1\xfe\xc1\xff"
HEADER = struct.Struct("<4sIQI")
"""Mark, bytes of the body, sequence number, crc32 of both and the body."""

_NUMBERS = struct.Struct("<IQ")


class _Text(msgspec.Struct, array_like=True):
    kind: str
    at: float
    record: msgspec.Raw


class _Found(NamedTuple):
    sequence: int
    end: int
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Text).decode
_decode_record = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Texts:
    """The texts of one service. Starts in memory, moves to files at `open`. Thread-safe.

    Attributes:
        refused: Records that were too large (an eighth of the ring) and not kept.
        corrupt: Records that were found damaged by the last `read`.
    """

    def __init__(
        self,
        *,
        size: int = RING_BYTES,
        prefix: str = "t",
        clock: Clock | None = None,
        errors: ErrorLog | None = None,
    ) -> None:
        """Keep *size* bytes of records; stamp them by *clock*. Rings of another *prefix* are others."""
        self._size, self._prefix = size, prefix
        self._clock: Clock = clock or SystemClock()
        self._errors = errors or ErrorLog(clock=self._clock)
        self.refused = self.corrupt = 0
        self._to_memory()

    def _to_memory(self) -> None:
        self._lock = threading.Lock()
        self._memory: deque[bytes] = deque()
        self._memory_bytes = 0
        self._directory: Path | None = None
        self._number = -1
        self._ring: mmap.mmap | None = None
        self._is_full = False
        self._head = 0
        self._sequence = 0

    def open(self, directory: Path, number: int) -> None:
        """Write to ``<prefix>-<number>.ring`` in *directory* from now on; what was in memory goes along.

        The file is made at the first record. Does no I/O, unless there were records before.
        """
        with self._lock:
            waiting = list(self._memory)
            self._memory.clear()
            self._memory_bytes = 0
            self._directory, self._number = directory, number
            for body in waiting:
                self._put(body)

    def close(self) -> None:
        """Go back to memory, with nothing in it; the records stay in the file for the others."""
        with self._lock:
            ring = self._ring
            self._to_memory()
            if ring is not None:
                ring.close()

    def release_after_fork(self) -> None:
        """In a forked child: let go of the parent's ring and start with nothing."""
        ring = self._ring
        self._to_memory()
        if ring is not None:
            ring.close()

    def append(self, kind: str, record: dict[str, Any], at: float | None = None) -> bool:
        """Keep *record* under *kind*, the oldest ones give way.

        Args:
            kind: What sort of text it is, such as ``exchange``.
            record: What msgpack can carry.
            at: Unix seconds of the record; None is now.

        Returns:
            False if it was too large; that is counted.

        Raises:
            TypeError: The record holds something that msgpack cannot carry.
        """
        stamp = self._clock.time() if at is None else at
        body = _encode((kind, stamp, record))
        if len(body) > self._size // 8:
            self.refused += 1
            self._errors.warn("store", "text_too_large", f"a text of kind {kind!r} has {len(body)} bytes")
            return False
        with self._lock:
            self._put(body)
        return True

    def read(self, kind: str | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        """Return the records of *kind* (None: of all kinds) of all workers, newest first. Never raises."""
        self.corrupt = 0
        texts: list[tuple[float, int, _Text]] = []
        for order, (sequence, body) in enumerate(self._bodies()):
            if order % 200 == 199:
                time.sleep(0)
            try:
                text = _decode(body)
            except msgspec.DecodeError:
                self.corrupt += 1
                continue
            if kind is None or text.kind == kind:
                texts.append((text.at, sequence, text))
        texts.sort(key=lambda item: item[:2], reverse=True)
        return [_decode_record(text.record) for _, _, text in texts[:limit]]

    def _bodies(self) -> Iterator[tuple[int, bytes]]:
        """Yield sequence number and body of all records of all workers."""
        with self._lock:
            directory, ring, number = self._directory, self._ring, self._number
            own = list(self._memory)
            rings = [bytes(ring)] if ring is not None else []
        yield from enumerate(own)
        if directory is not None:
            with self._errors.guarded("store", "the texts of the other workers could not be read"):
                mine = f"{self._prefix}-{number}.ring" if ring is not None else ""
                others = sorted(path for path in directory.glob(f"{self._prefix}-*.ring") if path.name != mine)
                rings.extend(path.read_bytes() for path in others)
        for data in rings:
            found, damaged = _scan(data)
            self.corrupt += damaged
            yield from ((record.sequence, record.body) for record in found)

    def _put(self, body: bytes) -> None:
        """Store one record. The caller holds the lock."""
        if self._directory is not None and self._ring is None and not self._is_full:
            self._make_ring(self._directory)
        if self._ring is None:
            self._remember(body)
            return
        size = HEADER.size + len(body)
        if self._head + size > self._size:
            # What lies behind would else survive as a very old record.
            self._ring[self._head : self._size] = bytes(self._size - self._head)
            self._head = 0
        self._sequence += 1
        end = self._head + size
        header = HEADER.pack(MARK, len(body), self._sequence, _checksum(self._sequence, body))
        self._ring[self._head : end] = header + body
        self._head = end

    def _remember(self, body: bytes) -> None:
        self._memory.append(body)
        self._memory_bytes += HEADER.size + len(body)
        while self._memory_bytes > self._size:
            self._memory_bytes -= HEADER.size + len(self._memory.popleft())

    def _make_ring(self, directory: Path) -> None:
        """Map this worker's ring and find its end; without space the texts stay in memory."""
        try:
            path = directory / f"{self._prefix}-{self._number}.ring"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                ring = map_own(fd, self._size, path)
            finally:
                os.close(fd)
        except OSError as error:
            self._errors.report("store", error, doing="the ring of texts could not be made")
            self._is_full = True
            return
        found, _ = _scan(ring[:])
        last = max(found, key=lambda record: record.sequence, default=_Found(0, 0, b""))
        self._ring, self._sequence, self._head = ring, last.sequence, last.end


def _checksum(sequence: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_NUMBERS.pack(len(body), sequence)))


def _scan(data: bytes) -> tuple[list[_Found], int]:
    """Return the sound records of a ring in the order of the file, and how many were damaged."""
    found: list[_Found] = []
    damaged = 0
    at = data.find(MARK)
    while at >= 0 and at + HEADER.size <= len(data):
        _, length, sequence, crc = HEADER.unpack_from(data, at)
        start = at + HEADER.size
        body = data[start : start + length]
        if len(body) == length and _checksum(sequence, body) == crc:
            found.append(_Found(sequence, start + length, body))
            at = data.find(MARK, start + length)
        else:
            damaged += 1
            at = data.find(MARK, at + 1)
    return found, damaged
