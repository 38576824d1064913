"""The token of this service: given, or made at start and shared by its workers through the store's directory."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path
from typing import TextIO

from perfkit.core.errors import StoreError

__all__ = ["TOKEN_FILE", "is_shown", "new_token", "ready_url", "shared_token"]

TOKEN_FILE = "token"
"""Name of the file in the store's directory."""

_SHORTEST, _LONGEST = 16, 500


def new_token() -> str:
    """Return 192 random bits as text that needs no escaping anywhere."""
    return secrets.token_urlsafe(24)


def shared_token(directory: Path | None, token: str | None = None) -> str:
    """Return the token all workers of this *directory* share; None (one worker in memory) makes one for this process.

    The first worker writes the file (mode 0600), the others read it. *token* is what the first would write.

    Raises:
        StoreError: The file belongs to someone else, is open to others or holds no token.
        OSError: The directory cannot be written, or the file is a symbolic link.
    """
    token = token or new_token()
    if directory is None:
        return token
    path = directory / TOKEN_FILE
    try:
        return _write(path, token)
    except FileExistsError:
        return _read(path)


def _write(path: Path, token: str) -> str:
    """Publish *token* whole or not at all: others never see half a file."""
    draft = path.with_name(f".{TOKEN_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token)
        os.link(draft, path)  # fails, as O_EXCL does, where another worker was faster
    finally:
        os.unlink(draft)
    return token


def _read(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        token = file.read(_LONGEST).decode("ascii", "replace").strip()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid() or mode & 0o077:
        raise StoreError(
            f"{path} has mode {mode:04o} and owner {status.st_uid}. "
            f"It must be 0600 and belong to user {os.geteuid()}. Delete the file, or set PERFKIT_TOKEN."
        )
    if len(token) < _SHORTEST:
        raise StoreError(
            f"{path} holds {len(token)} characters. A token has at least {_SHORTEST}. "
            "Delete the file, or set PERFKIT_TOKEN."
        )
    return token


def ready_url(base: str, mount: str, token: str) -> str:
    """Return the URL that opens the dashboard; *base* is scheme, host and application root."""
    return f"{base.rstrip('/')}{mount.rstrip('/')}/?t={token}"


def is_shown(environment: str, stream: TextIO | None = None) -> bool:
    """Return True if the ready URL may be printed: in development, or where a person sits at *stream* (stderr)."""
    if environment == "development":
        return True
    try:
        return (stream or sys.stderr).isatty()
    except (AttributeError, ValueError):  # no stderr at all, or one that is closed
        return False
