"""The key log: one line of JSON a family and a series, appended under the directory lock, read by everybody.

All workers build the same table from it, so a series has the same slots in all of them. A line counts once its
line feed is there; what a killed process or a full disk left behind the last line feed is cut by the next writer.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from perfkit.core.errors import StoreError
from perfkit.store.series.table import LayoutLine, Line, Request, Table

__all__ = ["FILE_NAME", "KeyLog"]

FILE_NAME = "keys.log"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


class KeyLog:
    """The key log of one directory. Its owner sees to it that one thread at a time calls it.

    Attributes:
        corrupt: Lines that could not be read and were skipped.
    """

    def __init__(self, directory: Path, table: Table) -> None:
        """Open the log of *directory*, to be read into *table*.

        Raises:
            OSError: The file cannot be opened or made.
        """
        self.corrupt = 0
        self._table = table
        self._offset = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(directory / FILE_NAME, flags, 0o600)

    def close(self) -> None:
        """Close the file."""
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            os.close(descriptor)

    @property
    def is_removed(self) -> bool:
        """True if somebody deleted the file."""
        return os.fstat(self._file).st_nlink == 0

    def begin(self) -> None:
        """Write the first line if there is none, and read all. The caller holds the directory lock.

        Raises:
            StoreError: Another version of perfkit wrote the log.
            OSError: The disk is full.
        """
        self.refresh()
        if self._offset == 0:
            self._append([LayoutLine(secrets.randbits(62) + 1)])
        if self._table.log_id == 0 or not self._table.readable:
            raise StoreError(
                "The store's files were written by another version of perfkit. This one cannot read them. "
                "Remove them while no worker runs, or set another store.directory."
            )

    def refresh(self) -> None:
        """Read what others have added. No lock is needed: whole lines never change.

        Raises:
            StoreError: The log is shorter than before: it was replaced.
        """
        size = os.fstat(self._file).st_size
        if size == self._offset:
            return
        if size < self._offset:
            raise StoreError(f"{FILE_NAME} was cut from outside. It only ever grows. Leave the directory alone.")
        data = os.pread(self._file, size - self._offset, self._offset)
        end = data.rfind(b"\n") + 1
        for line in data[:end].split(b"\n")[:-1]:
            self._read(line)
        self._offset += end

    def place(self, requests: Iterable[Request]) -> None:
        """Give each request its row, as far as there is room. The caller holds the directory lock.

        Raises:
            StoreError: The log was replaced.
            OSError: It cannot be written; what fitted is in the table.
        """
        self.refresh()
        lines = self._table.plan(requests)
        if lines:
            self._append(lines)

    def _append(self, lines: list[Line]) -> None:
        if os.fstat(self._file).st_size > self._offset:
            os.ftruncate(self._file, self._offset)
        data = b"".join(_encode(line) + b"\n" for line in lines)
        try:
            written = os.pwrite(self._file, data, self._offset)
            if written < len(data):
                os.ftruncate(self._file, self._offset + data.rfind(b"\n", 0, written) + 1)
        finally:
            self.refresh()

    def _read(self, line: bytes) -> None:
        try:
            self._table.apply(_decode(line))
        except (msgspec.DecodeError, msgspec.ValidationError):
            self.corrupt += 1
