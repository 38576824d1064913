"""Who leads: one worker of all appends history, evaluates alerts, refreshes findings.

The leader holds a lease, a record in ``leader.lease``: who, which generation, valid until. It renews the
record each second; whoever finds it expired takes it and raises the generation. A lock held for life would
not do: it never passes over from a process that is stopped but alive. That one finds another generation
when it is continued, so it asks `is_still_mine` before each write.

Source of the idea: C. Gray, D. Cheriton, "Leases: An Efficient Fault-Tolerant Mechanism for Distributed
File Cache Consistency", SOSP 1989; the generation is a fencing token. Deviation: one host, hence one clock
(CLOCK_MONOTONIC, the same in all processes), which starts again at a reboot: a record that is valid for
longer than any lease can be is from before it, and expired.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from perfkit.core.errors import ErrorLog
from perfkit.store.reserve import reserve, write_whole

__all__ = ["DURATION", "Lease"]

DURATION = 5.0
"""Seconds that a lease is valid after its last renewal."""
PERIOD = 0.9
"""Seconds between two renewals; a tick of a second must not miss every other one."""

RECORD = struct.Struct("<8sQd16sQI")
"""Mark, generation, expiry (monotonic seconds), token, pid, crc32."""
MARK = b"perfkitL"


class _Record(NamedTuple):
    generation: int
    expiry: float
    token: bytes


class Lease:
    """The leadership as one worker sees it. In memory it is always this one's. One thread polls it.

    Attributes:
        generation: Of the lease while it is ours; rises with each change of the leader.
    """

    def __init__(self, *, duration: float = DURATION, errors: ErrorLog | None = None) -> None:
        """Hold leases for *duration* seconds."""
        self._duration = duration
        self._errors = errors or ErrorLog()
        self._to_memory()

    def _to_memory(self) -> None:
        self._path: Path | None = None
        self._locked: Callable[[], AbstractContextManager[object]] = nullcontext
        self._token = b""
        self._expiry = 0.0
        self._due = 0.0
        self.generation = 1

    @property
    def is_leader(self) -> bool:
        """Whether the last poll found or made this worker the leader. Ask `is_still_mine` before a write."""
        return self._path is None or self.generation > 0

    def open(self, directory: Path, *, locked: Callable[[], AbstractContextManager[object]], number: int = 0) -> None:
        """Take part in *directory*; nobody leads yet. *number* staggers the polls of the workers.

        The record's space is taken now: on a disk that fills a moment later, somebody can still lead. Never raises.
        """
        self._token = os.urandom(16)
        self._locked = locked
        self._stagger = self._duration / 10.0 * (number * 0.618 % 1.0)
        self._due = self._expiry = 0.0
        self.generation = 0
        self._path = path = directory / "leader.lease"
        with suppress(OSError), locked():  # if there is a reason, the first poll meets and reports it
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                reserve(fd, RECORD.size, path)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Give the lease up, so that another worker may lead at once; then back to memory. Never raises."""
        path, generation = self._path, self.generation
        if path is not None and generation:
            try:
                with self._locked():
                    if self._is_mine(self._read(path)):
                        self._write(path, generation, 0.0)
            except OSError as error:
                self._errors.report("store", error, doing="the leader's lease could not be given up")
        self._to_memory()

    def release_after_fork(self) -> None:
        """In a forked child: the lease stays the parent's."""
        self._to_memory()

    def poll(self, now: float) -> bool:
        """Renew or take the lease if that is due at *now* (monotonic seconds); return whether we lead.

        Never raises: who cannot reach the record does not lead.
        """
        path = self._path
        if path is None or now < self._due:
            return self.is_leader
        self._due = now + min(PERIOD, self._duration / 5.0)
        try:
            if not self.generation and self._is_valid(self._read(path), now):
                self._due += self._stagger
                return False
            with self._locked():
                self._renew_or_take(path, now)
        except OSError as error:
            self._errors.report("store", error, doing="the leader's lease could not be renewed")
            self.generation = 0
        return self.generation > 0

    def is_still_mine(self, now: float) -> bool:
        """Read the record again: did nobody take the lease, and is it valid at *now*? Never raises."""
        path = self._path
        if path is None:
            return True
        if not self.generation:
            return False
        try:
            record = self._read(path)
        except OSError as error:
            self._errors.report("store", error, doing="the leader's lease could not be read")
            return False
        return self._is_mine(record) and self._is_valid(record, now)

    def _renew_or_take(self, path: Path, now: float) -> None:
        """Write the record if it is ours or nobody's. The caller holds the directory lock."""
        record = self._read(path)
        mine = self._is_mine(record)
        if not mine and self._is_valid(record, now):
            self.generation = 0
            return
        generation = record.generation if record is not None else 0
        self._write(path, generation if mine else generation + 1, now + self._duration)
        self.generation = generation if mine else generation + 1

    def _is_mine(self, record: _Record | None) -> bool:
        return record is not None and record.token == self._token and record.generation == self.generation

    def _is_valid(self, record: _Record | None, now: float) -> bool:
        return record is not None and now < record.expiry <= now + self._duration * 2.0

    def _read(self, path: Path) -> _Record | None:
        """Return the record, or None if there is none or it is damaged."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            data = os.pread(fd, RECORD.size, 0)
        finally:
            os.close(fd)
        if len(data) < RECORD.size:
            return None
        mark, generation, expiry, token, _pid, crc = RECORD.unpack(data)
        if mark != MARK or zlib.crc32(data[:-4]) != crc:
            return None
        return _Record(generation, expiry, token)

    def _write(self, path: Path, generation: int, expiry: float) -> None:
        data = RECORD.pack(MARK, generation, expiry, self._token, os.getpid(), 0)[:-4]
        data += struct.pack("<I", zlib.crc32(data))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            write_whole(fd, data, 0, path)
        finally:
            os.close(fd)
