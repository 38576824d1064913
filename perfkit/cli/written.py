"""A file that a command writes: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from perfkit.core.errors import PerfkitError

__all__ = ["written"]


def written(name: str, body: bytes) -> None:
    """Write *body* into the file *name*, which keeps what it holds if that fails.

    Raises:
        PerfkitError: It cannot be written.
    """
    path = Path(name)
    if path.exists() and not path.is_file():  # a device or a pipe is written to, not replaced
        _into(path, body)
        return
    draft = ""
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(draft, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
        os.replace(draft, path)
    except OSError as error:
        if draft:
            with contextlib.suppress(OSError):
                os.unlink(draft)
        raise _unwritable(path, error) from None


def _into(path: Path, body: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(body)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> PerfkitError:
    return PerfkitError(
        f"{path} cannot be written ({error.strerror}). It must be a file in a folder of yours. Look at its path."
    )
