"""Space on the disk before it is touched: writing to a hole of a full file system is a SIGBUS, the end."""

from __future__ import annotations

import os

__all__ = ["reserve"]

ZEROS = bytes(64 * 1024)


def reserve(fd: int, size: int) -> None:
    """Make the file behind *fd* at least *size* bytes long, every one of them backed by storage.

    Raises:
        OSError: The space is not there. The file may have grown, but holds nothing new.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    at = os.fstat(fd).st_size
    while at < size:
        at += os.pwrite(fd, ZEROS[: size - at], at)
