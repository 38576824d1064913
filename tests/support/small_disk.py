"""A real file system with hardly any room: what a container with a small /dev/shm or a full volume has."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["can_mount", "fill", "small_disk"]


def can_mount() -> bool:
    """Return True if this process may mount: root outside of a container that forbids it."""
    return os.geteuid() == 0 and shutil.which("mount") is not None and shutil.which("umount") is not None


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of *size* such as ``256k`` below *folder*; it is gone at the end."""
    place = folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "perfkit-test", str(place)], check=True)
    try:
        yield place
    finally:
        # Lazily: a server that was killed may still have it mapped for a moment.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that *disk* has left, and return the file that holds it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return ballast
