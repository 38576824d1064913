"""The directory of a service: where it is, that it is ours alone, and the removal of those nobody needs.

One's own directory is never cleared: counters must not fall while a server recycles its only worker.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

import msgspec

from perfkit.core.errors import StoreError
from perfkit.store.backing.identity import Server, has_ended, namespace
from perfkit.store.layout import LAYOUT_VERSION
from perfkit.store.lock import directory_lock, is_held

__all__ = ["choose_root", "configured_directory", "remove_stale", "server_directory"]

SHARED_MEMORY = Path("/dev/shm")
ENOUGH = 64 * 1024 * 1024
"""Bytes of shared memory from which on it is used; its total size, so that all workers find the same answer."""
FOREIGN_PATIENCE = 3600.0
"""Seconds after which a directory of another pid namespace counts as untouched: its server cannot be looked up."""
SERVER_FILE = "server.json"
LOCK_FILE = "lock"


def choose_root() -> Path:
    """Return shared memory where there is enough of it, else the folder for temporary files."""
    try:
        size = os.statvfs(SHARED_MEMORY)
    except (OSError, AttributeError):
        return Path(tempfile.gettempdir())
    is_enough = size.f_blocks * size.f_frsize >= ENOUGH and os.access(SHARED_MEMORY, os.W_OK | os.X_OK)
    return SHARED_MEMORY if is_enough else Path(tempfile.gettempdir())


def configured_directory(path: str) -> Path:
    """Return the directory that the settings name, made if it is missing.

    Raises:
        StoreError: It cannot be made or written, or everybody may write to it.
    """
    directory = Path(path).expanduser().absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"store.directory {path!r} cannot be made: {error.strerror}.") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StoreError(
            f"store.directory {path!r} cannot be written. It must belong to the user of the workers. "
            "Change its owner or name another directory."
        )
    mode = stat.S_IMODE(directory.stat().st_mode)
    if mode & stat.S_IWOTH:
        raise StoreError(
            f"store.directory {path!r} has mode {mode:04o}: everybody may write to it. Whoever does could end the "
            "workers. Take that away (chmod o-w) or name another directory."
        )
    return directory


def server_directory(root: Path, server: Server, service: str, origin: str) -> Path:
    """Return the directory of *service* in this run of *server*, made if missing; others' leftovers are removed.

    Raises:
        StoreError: A directory there is not ours alone.
    """
    base = root / f"perfkit-{os.geteuid()}"
    _make_private(base)
    name = (LAYOUT_VERSION, service, origin, server.pid, server.started, server.namespace)
    directory = base / hashlib.sha256(repr(name).encode()).hexdigest()[:20]
    with directory_lock(base / LOCK_FILE):
        is_new = _make_private(directory)
        if is_new or not (directory / SERVER_FILE).exists():
            _write_server(directory, server)
        if is_new:
            remove_stale(base, keep=directory)
    return directory


def remove_stale(base: Path, keep: Path) -> None:
    """Remove the directories in *base* that nobody uses any more. The caller holds the lock of *base*."""
    for directory in base.iterdir():
        if directory != keep and directory.is_dir() and not directory.is_symlink() and _is_stale(directory):
            shutil.rmtree(directory, ignore_errors=True)


def _is_stale(directory: Path) -> bool:
    """Return whether no lock in *directory* is held and its server is gone."""
    try:
        files = list(directory.iterdir())
        if any(is_held(file) for file in files if file.suffix == ".val" or file.name == LOCK_FILE):
            return False
        touched = max(path.stat().st_mtime for path in (directory, *files))
    except OSError:
        return False
    server = _read_server(directory)
    if server is not None and server.namespace == namespace():
        return has_ended(server)
    return time.time() - touched > FOREIGN_PATIENCE


def _make_private(directory: Path) -> bool:
    """Make *directory* with mode 0700 or make sure that it is just that; return whether it was made."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        is_new = False
    except OSError as error:
        raise StoreError(f"The store's directory {directory} cannot be made: {error.strerror}.") from error
    else:
        is_new = True
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StoreError(
            f"{directory} is not a directory of ours alone (owner {found.st_uid}, mode {found.st_mode & 0o7777:o}). "
            "It must be a real directory of this user with mode 700. Remove it, or set store.directory."
        )
    return is_new


def _write_server(directory: Path, server: Server) -> None:
    (directory / SERVER_FILE).write_bytes(msgspec.json.encode(server))


def _read_server(directory: Path) -> Server | None:
    try:
        return msgspec.json.decode((directory / SERVER_FILE).read_bytes(), type=Server)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None
