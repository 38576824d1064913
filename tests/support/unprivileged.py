"""Programs that refuse to run as root, run as another user where the tests are root, and folders that are theirs."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["as_user", "own_folder", "stop_server"]


def as_user(name: str, command: Sequence[str]) -> list[str]:
    """Return *command* as the user *name* runs it, or as it is where we are not root."""
    if os.geteuid() != 0:
        return list(command)
    found = _find(name)
    return ["setpriv", f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--clear-groups", "--", *command]


@contextlib.contextmanager
def own_folder(name: str, prefix: str) -> Iterator[Path]:
    """Make a folder that the user *name* owns and can reach, which pytest's own it cannot; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"perfkit-{prefix}-"))
    try:
        if os.geteuid() == 0:
            found = _find(name)
            os.chown(folder, found.pw_uid, found.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop_server(process: subprocess.Popen[bytes], signal: int) -> None:
    """End *process* with *signal*, and kill it if it stays."""
    process.send_signal(signal)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(30)


def _find(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return pwd.getpwnam("nobody")
