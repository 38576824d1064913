"""Commands to all workers: "clear the cache", "drain that server", told once and heard by everybody.

Two files. ``control.log`` holds the commands, ``control.val`` is one page that every worker maps: slot
`EPOCH` is the number of bytes ever written to the log, raised under the directory lock after the command
is in it. So a look at one slot tells whether there is anything new, and a command is either whole or not
there. The page also says where in that endless count the file begins (`BASE`), and how far each worker
has read. The log is cut to nothing when every live worker has read it; one that sleeps too long (stopped
by a signal) is passed over when the log reaches its bound, and told afterwards that it missed something.

Reading takes no lock. A reader that meets a cut sees `BASE` change around its read and reads again.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from perfkit.core.errors import ErrorLog
from perfkit.store.reserve import map_own, write_whole

__all__ = ["EPOCH", "Control"]

Listener = Callable[[dict[str, Any]], object]
Locked = Callable[[], AbstractContextManager[object]]

PAGE = 4096
SLOTS = PAGE // 8
EPOCH, MAGIC, BASE, READERS = 0, 1, 2, 8
LAYOUT = 0x7066_6B63_7472_6C01
MAX_RECORD = 64 * 1024
CUT_AT = 16 * 1024
MAX_LOG = 1024 * 1024
HEADER = struct.Struct("<II")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, dict[str, Any]]).decode


class Control:
    """The commands of one service. Starts in memory (one process), moves to files at `open`. Thread-safe.

    Attributes:
        slots: The page as unsigned 64-bit numbers. `slots[EPOCH]` changes with each command: compare it
            with ``!=`` (a new directory starts again at 0). Read the attribute each time, it is swapped
            at open, close and fork.
        corrupt: Records that were skipped because they were torn.
        missed: Times that this worker slept so long that commands were dropped before it read them.
    """

    def __init__(self, *, errors: ErrorLog | None = None) -> None:
        """Start with an empty log in memory; report trouble to *errors*."""
        self._errors = errors or ErrorLog()
        self._listeners: dict[str, list[Listener]] = {}
        self._on_missed: list[Callable[[], object]] = []
        self._pending: deque[bytes | None] = deque()
        self.corrupt = self.missed = 0
        self._make_locks()
        self._to_memory()

    def _make_locks(self) -> None:
        self._reading, self._writing, self._delivering = threading.Lock(), threading.Lock(), threading.Lock()

    def _to_memory(self) -> None:
        # A list is read in a third of the time, and the cache reads it at each look-up.
        self.slots: memoryview | list[int] = [0] * SLOTS
        self._page: mmap.mmap | None = None
        self._log = -1
        self._offset = 0
        self._number = -1
        # What belongs to the files is let go of, or their owner would live on, and with it its open file.
        self._path = Path()
        self._locked: Locked = nullcontext
        self._is_live: Callable[[int], bool] = _nobody

    @property
    def epoch(self) -> int:
        """A number that rises with each command."""
        return self.slots[EPOCH]

    @property
    def is_shared(self) -> bool:
        """True while the commands reach other processes."""
        return self._log >= 0

    @property
    def is_settled(self) -> bool:
        """True if whoever listens has been told all that was read: right after `poll`, all that was ever said."""
        return not self._pending and not self._delivering.locked()

    def open(self, directory: Path, number: int, *, locked: Locked, is_live: Callable[[int], bool]) -> None:
        """Share the commands of *directory* as worker *number*; older ones are not replayed.

        Args:
            directory: Where the two files lie or will lie.
            number: The n of this worker's own file.
            locked: Returns the directory lock, to be held with ``with``.
            is_live: True if the worker of that number lives now; asked only for those that lag behind.

        Raises:
            OSError: A file cannot be made; everything is as before.
        """
        path = directory / "control.log"
        log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with locked():
                page = _map(directory / "control.val")
                slots = memoryview(page).cast("Q")
                slots[MAGIC] = LAYOUT
                _mend(log, slots)
                offset = slots[EPOCH]
                if number < SLOTS - READERS:
                    slots[READERS + number] = offset + 1
        except BaseException:
            os.close(log)
            raise
        # Whoever raises the epoch in memory must not raise that of the page: there it counts the bytes of the log.
        with self._reading:
            self._path, self._locked, self._is_live = path, locked, is_live
            self._page, self._log, self._offset, self._number = page, log, offset, number
            self.slots = slots

    def close(self) -> None:
        """Go back to memory; harmless if not open. Others no longer wait for this worker."""
        if self._log < 0:
            return
        with self._writing, self._reading:
            self._publish(None)
            log = self._log
            # The old view is dropped, not released: a thread that just loaded it may still read its epoch.
            self._to_memory()
        os.close(log)

    def release_after_fork(self) -> None:
        """In a forked child: let go of the parent's page and log without writing to them."""
        slots, page, log = self.slots, self._page, self._log
        self._pending.clear()
        self._make_locks()
        self._to_memory()
        if isinstance(slots, memoryview):
            slots.release()
        if page is not None:
            page.close()
        if log >= 0:
            os.close(log)

    def on(self, command: str, fn: Listener) -> None:
        """Call *fn* with the payload of each *command*, in whichever thread notices it first."""
        self._listeners.setdefault(command, []).append(fn)

    def off(self, command: str, fn: Listener) -> None:
        """Do not call *fn* any more; harmless if it was not to be called."""
        listeners = self._listeners.get(command, [])
        if fn in listeners:
            listeners.remove(fn)

    def on_missed(self, fn: Callable[[], object]) -> None:
        """Call *fn* when commands were dropped unread: a cache forgets everything then."""
        self._on_missed.append(fn)

    def raise_epoch(self, command: str) -> bool:
        """Let whoever compares epochs look again, where nobody but the caller would hear *command*.

        Returns:
            False if others would, in this process or elsewhere: then tell them.
        """
        if self._log >= 0 or len(self._listeners.get(command, ())) > 1:
            return False
        with self._reading:
            if self._log >= 0:
                return False
            self.slots[EPOCH] += 1
        return True

    def append(self, command: str, payload: dict[str, Any]) -> bool:
        """Tell all workers, this one before the call returns, the others within a second.

        Returns:
            False if the others could not be told: too large (64 KiB), or the disk is full. It is reported.

        Raises:
            TypeError: The payload holds something that msgpack cannot carry.
        """
        body = _encode((command, payload))
        if len(body) > MAX_RECORD:
            self._errors.warn("store", "command_too_large", f"the command {command!r} has {len(body)} bytes")
            return False
        told = True
        if not self._remember(body):
            try:
                # The log is not closed under a writer, who would cut it where the page in memory says: at 0.
                with self._writing:
                    if not self._remember(body):
                        with self._locked():
                            self._write(HEADER.pack(len(body), zlib.crc32(body)) + body)
            except OSError as error:
                self._errors.report("store", error, doing=f"the command {command!r} did not reach the others")
                self._pending.append(body)
                told = False
        self.poll()
        return told

    def _remember(self, body: bytes) -> bool:
        """Queue a command where it stays in this process; return False where others are to be told."""
        size = HEADER.size + len(body)
        with self._reading:
            if self._log >= 0:
                return False
            self._pending.append(body)
            self.slots[EPOCH] += size
        return True

    def poll(self) -> int:
        """Read what is new and call the listeners; return how many commands were delivered. Never raises."""
        if self._log >= 0:
            try:
                self._collect()
            except OSError as error:
                self._errors.report("store", error, doing="the control log could not be read")
        return self._deliver()

    def _write(self, record: bytes) -> None:
        """Put *record* at the end of the log. The caller holds the directory lock."""
        slots, log = self.slots, self._log
        end = slots[EPOCH]
        length = end - slots[BASE]
        if length >= CUT_AT and (self._all_have_read(end) or length + len(record) > MAX_LOG):
            # The base first: who sees the new one reads nothing yet, who saw the old one reads again.
            slots[BASE] = end
            length = 0
        if os.fstat(log).st_size != length:
            os.ftruncate(log, length)
        try:
            write_whole(log, record, length, self._path)
        except OSError:
            os.ftruncate(log, length)
            raise
        slots[EPOCH] = end + len(record)

    def _all_have_read(self, end: int) -> bool:
        for number, offset in enumerate(list(self.slots[READERS:])):
            if offset == 0 or offset > end:
                continue
            if number == self._number or self._is_live(number):
                return False
            self.slots[READERS + number] = 0
        return True

    def _collect(self) -> None:
        """Queue the records between what was read and the epoch."""
        with self._reading:
            if self._log < 0:
                return
            slots = self.slots
            for _ in range(8):
                base, end = slots[BASE], slots[EPOCH]
                if self._offset == end:
                    return
                if not base <= self._offset <= end:
                    self.missed += 1
                    self._errors.warn("store", "commands_missed", "commands were dropped before they were read")
                    self._pending.append(None)
                    self._offset = base
                data = os.pread(self._log, end - self._offset, self._offset - base)
                if slots[BASE] == base:
                    self._split(data, end - self._offset)
                    self._offset = end
                    self._publish(end)
                    return

    def _split(self, data: bytes, expected: int) -> None:
        """Queue the whole records of *data*; count what is torn."""
        at = 0
        while at + HEADER.size <= len(data):
            length, crc = HEADER.unpack_from(data, at)
            body = data[at + HEADER.size : at + HEADER.size + length]
            if not 0 < length <= MAX_RECORD or len(body) < length:
                break
            at += HEADER.size + length
            if zlib.crc32(body) == crc:
                self._pending.append(body)
            else:
                self._skip()
        if at < expected:
            self._skip()

    def _skip(self) -> None:
        self.corrupt += 1
        self._errors.warn("store", "command_corrupt", "a torn record of the control log was skipped")

    def _publish(self, offset: int | None) -> None:
        if 0 <= self._number < SLOTS - READERS:
            self.slots[READERS + self._number] = 0 if offset is None else offset + 1

    def _deliver(self) -> int:
        """Call the listeners in order, one thread at a time, with no lock that a listener could wait for."""
        delivered = 0
        while self._pending:
            if not self._delivering.acquire(blocking=False):
                return delivered
            try:
                while self._pending:
                    self._call(self._pending.popleft())
                    delivered += 1
            finally:
                self._delivering.release()
        return delivered

    def _call(self, body: bytes | None) -> None:
        if body is None:
            for missed in list(self._on_missed):
                with self._errors.guarded("store", "a listener for missed commands failed"):
                    missed()
            return
        try:
            command, payload = _decode(body)
        except msgspec.DecodeError:
            self._skip()
            return
        for listener in list(self._listeners.get(command, ())):
            with self._errors.guarded("store", f"a listener for the command {command!r} failed"):
                listener(payload)


def _nobody(_number: int) -> bool:
    return False


def _map(path: Path) -> mmap.mmap:
    """Map the page for reading and writing, its space taken before."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        return map_own(fd, PAGE, path)
    finally:
        os.close(fd)


def _mend(log: int, slots: memoryview) -> None:
    """Make log and page agree after a kill or a lost write. The caller holds the directory lock."""
    size, length = os.fstat(log).st_size, slots[EPOCH] - slots[BASE]
    if size > length >= 0:
        os.ftruncate(log, length)
    elif size < length or length < 0:
        slots[BASE] = slots[EPOCH]
        os.ftruncate(log, 0)
