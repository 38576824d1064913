"""The files of the other workers, held open: opening 64 of them anew each second was half of what a leader costs."""

from __future__ import annotations

import os
from pathlib import Path

from perfkit.store.backing.mapped import file_name
from perfkit.store.lock import is_locked

__all__ = ["Others"]


class Others:
    """Open descriptors by worker number, as many as there are files. Its owner sees to it that one thread calls it.

    Others are read with pread and never mapped, and probed with a shared lock; see `perfkit.store.backing.mapped`.
    """

    def __init__(self, directory: Path) -> None:
        """Open nothing yet."""
        self._directory = f"{directory}{os.sep}"
        self._open: dict[int, int] = {}

    def is_alive(self, number: int) -> bool:
        """Return whether somebody holds worker *number*'s file."""
        descriptor = self.descriptor(number)
        return descriptor is not None and is_locked(descriptor)

    def close(self) -> None:
        """Close all; a forked child must do so too, as what it inherits is the parent's to close."""
        while self._open:
            os.close(self._open.popitem()[1])

    def descriptor(self, number: int) -> int | None:
        """Return an open descriptor of worker *number*'s file, made anew if somebody deleted it; None without any."""
        descriptor = self._open.get(number)
        if descriptor is not None:
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(self._open.pop(number))
        try:
            descriptor = os.open(self._directory + file_name(number), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        self._open[number] = descriptor
        return descriptor
