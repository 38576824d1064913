"""The environment that the frameworks' own suites run in: all that this one has, and what only those suites want.

It is a virtual environment of its own, laid over the present one: some of what the suites want are plugins of pytest,
which would change perfkit's own tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from transparency_sources import CACHE, SourceMissing, pip_says

__all__ = ["python_of_suites"]

REQUIREMENTS = Path(__file__).parents[1] / "transparency" / "requirements.txt"

TIMEOUT = 600.0
"""Seconds for the installation."""


def python_of_suites() -> Path:
    """Return the interpreter that the suites run with; its environment is made once, and again after a change.

    Raises:
        SourceMissing: The package index did not give what the suites want.
    """
    present = sorted({f"{each.metadata['Name'].lower()}=={each.version}" for each in distributions()})
    text = "\n".join([sys.version, sys.prefix, REQUIREMENTS.read_text(encoding="utf-8"), *present])
    place = CACHE / f"environment-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    python = place / "bin" / "python"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "environment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            for old in CACHE.glob("environment-*"):
                shutil.rmtree(old)
            _make(place, python, present)
            (place / "complete").touch()
    return python


def _make(place: Path, python: Path, present: list[str]) -> None:
    """Make the environment *place*; nothing that is *present* below it is installed in another version."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", os.fspath(place)], check=True, timeout=TIMEOUT)
    (above,) = place.glob("lib/python*/site-packages")
    below = sysconfig.get_path("purelib")
    (above / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n", encoding="utf-8")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(each for each in present if not each.startswith("perfkit==")))
        constraints.flush()
        pip = [sys.executable, "-m", "pip", "--python", os.fspath(python), "install", "--quiet"]
        arguments = ["--requirement", os.fspath(REQUIREMENTS), "--constraint", constraints.name]
        if said := pip_says([*pip, *arguments], TIMEOUT):
            raise SourceMissing(f"What the suites want could not be installed. A package index must be reached; {said}")
