"""The frameworks' own test suites: they are in the source distributions only, of the very version that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

__all__ = ["CACHE", "SourceMissing", "pip_says", "source_of"]

CACHE = Path(__file__).parents[2] / ".cache" / "transparency"
"""Where unpacked sources stay for the next time; may be deleted at any time."""

TIMEOUT = 300.0
"""Seconds for one download."""


class SourceMissing(Exception):
    """The package index did not give a source; the message says what it said."""


def source_of(distribution: str) -> Path:
    """Return the folder with the source of the installed *distribution*; downloaded once with pip as it is set up."""
    name = f"{distribution.lower()}-{version(distribution)}"
    place = CACHE / name
    if not place.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as working:
            unpacked = _unpacked(_downloaded(distribution, Path(working)), Path(working))
            try:
                unpacked.rename(place)
            except OSError:
                if not place.is_dir():  # else another run was faster
                    raise
    return place


def pip_says(command: list[str], timeout: float) -> str:
    """Run *command*, which is one of pip; return why it failed, empty where it did not."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return f"pip took more than {timeout:.0f} s."
    return "pip said: " + " ".join(done.stderr.split())[-300:] if done.returncode else ""


def _downloaded(distribution: str, folder: Path) -> Path:
    pinned = f"{distribution}=={version(distribution)}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", distribution, pinned]
    said = pip_says([*pip, "--dest", os.fspath(folder)], TIMEOUT)
    archives = sorted(folder.glob("*.tar.gz"))
    if said or not archives:
        raise SourceMissing(f"pip download {pinned} gave no source. A package index must be reached; {said}")
    return archives[0]


def _unpacked(archive: Path, folder: Path) -> Path:
    """Unpack *archive*, with nothing outside of *folder*; return its one folder."""
    target = folder / "unpacked"
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    (unpacked,) = target.iterdir()
    return unpacked
