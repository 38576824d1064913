"""One worker's file: a header page and the slots, mapped once at its full virtual size.

The file is as long as it can ever get, but a hole: space is taken in steps of 64 KiB before a slot is handed out,
because a write to a mapped hole of a full file system is a SIGBUS and the end of the app. Only the owner maps it;
others read with pread, for even reading a hole through a mapping takes space.

The lock that says "its worker lives" is on a descriptor of its own: Python's mmap keeps a duplicate of the one it
is given, and a duplicate in a forked child would hold the lock after the death of the worker.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path

import msgspec

from perfkit.store.layout import HEADER_BYTES, LAYOUT_VERSION, ROWS, SLOT_BYTES

__all__ = ["Header", "WorkerFile", "file_name", "numbers_in", "read_header"]

MAGIC = b"perfkit1"
STEP = 64 * 1024
_HEADER = struct.Struct("<8sIIQqddQ")


class Header(msgspec.Struct):
    """The head of a file.

    Attributes:
        number: The n of its name.
        log_id: The key log after which its slots are laid out.
        pid: The worker's process, 0 while nobody owns the file or it is being adopted.
        started_at: Unix time at which the worker took the file.
        beat_at: Unix time of the worker's last sign of life.
        reserved: Bytes from the start of the file that have space on the disk.
    """

    number: int
    log_id: int
    pid: int = 0
    started_at: float = 0.0
    beat_at: float = 0.0
    reserved: int = 0

    def pack(self) -> bytes:
        """Return the header as bytes."""
        fields = (self.number, self.log_id, self.pid, self.started_at, self.beat_at, self.reserved)
        return _HEADER.pack(MAGIC, LAYOUT_VERSION, *fields)


def read_header(data: bytes) -> Header | None:
    """Return the header at the start of *data*, or None if the file was never finished or is not ours."""
    if len(data) < _HEADER.size:
        return None
    magic, version, *fields = _HEADER.unpack_from(data)
    return Header(*fields) if magic == MAGIC and version == LAYOUT_VERSION else None


def file_name(number: int) -> str:
    """Return the name of worker *number*'s file."""
    return f"w-{number}.val"


def numbers_in(directory: Path) -> list[int]:
    """Return the numbers of all workers' files, ascending."""
    names = (name for name in os.listdir(directory) if name.startswith("w-") and name.endswith(".val"))
    return sorted(int(number) for name in names if (number := name[2:-4]).isdecimal())


class WorkerFile:
    """The file of this worker. Its owner sees to it that one thread at a time calls it.

    Attributes:
        header: As it is in the file.
        values: The slots. Writing beyond what `ensure` has taken space for may kill the process.
    """

    def __init__(self, path: Path, lock: int, *, number: int, slots: int, log_id: int) -> None:
        """Map *path*, which is open and locked as *lock*; begin it anew if it was made for another key log.

        Raises:
            OSError: There is no space for the first step.
        """
        self._lock, self._slots = lock, slots
        header = read_header(os.pread(lock, HEADER_BYTES, 0))
        self.is_new = header is None or header.log_id != log_id
        if header is None or header.log_id != log_id:
            os.ftruncate(lock, 0)
            header = Header(number, log_id)
        else:
            header.pid = 0
            self._write(header)
        self.header = header
        size = HEADER_BYTES + slots * SLOT_BYTES
        if os.fstat(lock).st_size < size:
            os.ftruncate(lock, size)
        self._take(ROWS)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._bytes = memoryview(self._map)
        self._body = self._bytes[HEADER_BYTES:]
        self.values: memoryview[float] = self._body.cast("d")

    def publish(self, pid: int, started_at: float) -> None:
        """Make the file count from now on as that of process *pid*."""
        self.header.pid, self.header.started_at, self.header.beat_at = pid, started_at, started_at
        self._write(self.header)
        os.pwrite(self._lock, MAGIC, 0)

    def beat(self, now_unix: float) -> None:
        """Leave a sign of life, which is also the file's time of change (a write through a mapping is none)."""
        self.header.beat_at = now_unix
        self._write(self.header)

    def ensure(self, slots: int) -> bool:
        """Take space for slots 0 to *slots* - 1; return False if there is none."""
        if slots > self._slots:
            return False
        try:
            self._take(slots)
        except OSError:
            return False
        return True

    def has(self, slots: int) -> bool:
        """Return whether slots 0 to *slots* - 1 have their space already."""
        return HEADER_BYTES + slots * SLOT_BYTES <= self.header.reserved

    @property
    def is_removed(self) -> bool:
        """True if somebody deleted the file."""
        return os.fstat(self._lock).st_nlink == 0

    @property
    def descriptor(self) -> int:
        """To read the file with pread, also when it was deleted."""
        return self._lock

    def close(self) -> None:
        """Give the file back. The mapping goes when the last thread lets go of `values`."""
        self.header.pid = 0
        self._write(self.header)
        os.close(self._lock)

    def release_after_fork(self) -> None:
        """In a forked child: let go of the parent's mapping and lock; whoever still holds `values` gets an error."""
        for view in (self.values, self._body, self._bytes):
            view.release()
        with suppress(BufferError):  # a thread of the parent was in the middle of a read: the mapping stays
            self._map.close()
        os.close(self._lock)  # last, as it fails where a daemon's start closed all that was open

    def _take(self, slots: int) -> None:
        end = HEADER_BYTES + slots * SLOT_BYTES
        while self.header.reserved < end:
            at = self.header.reserved
            step = STEP + (HEADER_BYTES if at == 0 else 0)
            _reserve(self._lock, at, min(step, HEADER_BYTES + self._slots * SLOT_BYTES - at))
            self.header.reserved = at + step
            self._write(self.header)

    def _write(self, header: Header) -> None:
        """Write all of the header but its magic, which only `publish` writes."""
        os.pwrite(self._lock, header.pack()[len(MAGIC) :], len(MAGIC))


def _reserve(descriptor: int, start: int, length: int) -> None:
    """Take disk space for a part of the file without changing it."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, length)
        return
    data = os.pread(descriptor, length, start)
    if os.pwrite(descriptor, data, start) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
