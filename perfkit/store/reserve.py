"""Space on the disk before it is touched (writing to a hole of a full file system is a SIGBUS, the end), and whole
writes. Both name the file when they fail: the kernel does not, as it knows a descriptor only.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

__all__ = ["map_own", "reserve", "write_whole"]

ZEROS = bytes(64 * 1024)


def reserve(fd: int, size: int, path: Path) -> None:
    """Make the file behind *fd* at least *size* bytes long, every one of them backed by storage.

    Raises:
        OSError: The space is not there. The file may have grown, but holds nothing new.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            raise _named(error, path) from None
        return
    at = os.fstat(fd).st_size
    while at < size:
        zeros = ZEROS[: size - at]
        write_whole(fd, zeros, at, path)
        at += len(zeros)


def map_own(fd: int, size: int, path: Path) -> mmap.mmap:
    """Map the first *size* bytes of the file behind *fd* for reading and writing, their space taken before.

    Raises:
        OSError: The space is not there, or the file is another user's, who could cut it: the next look at it would be
            the worker's end.
    """
    if os.fstat(fd).st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "The file belongs to another user", str(path))
    reserve(fd, size, path)
    return mmap.mmap(fd, size)


def write_whole(fd: int, data: bytes, offset: int, path: Path) -> None:
    """Write all of *data* at *offset* of the file behind *fd*.

    Raises:
        OSError: It could not be written, or only a part of it, which means that the disk is full.
    """
    try:
        written = os.pwrite(fd, data, offset)
    except OSError as error:
        raise _named(error, path) from None
    if written < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _named(error: OSError, path: Path) -> OSError:
    return OSError(error.errno, error.strerror, str(path))
