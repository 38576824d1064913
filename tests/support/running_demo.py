"""A `perfkit demo` that runs, however it was started."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx2
import psutil
from patience import until
from processes import family_of

__all__ = ["START", "RunningDemo", "get", "wait_for_text"]

START = 90.0
"""Seconds that the demo may take to start on a busy machine."""

COMMAND = (sys.executable, "-m", "perfkit.cli", "demo", "--port", "0")


class RunningDemo:
    """A demo that runs, its addresses by name, and what it writes to stderr."""

    def __init__(self, folder: Path, *options: str, command: Sequence[str] = COMMAND, cwd: Path | None = None) -> None:
        # What is written to the home or the working directory is left behind as much as what is not removed.
        self.temporary, self.home = folder / "temporary", folder / "home"
        self.temporary.mkdir()
        self.home.mkdir()
        self._messages = folder / "messages"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PERFKIT_")}
        with self._messages.open("wb") as messages:
            self.process = subprocess.Popen(
                [*command, *options],
                stdout=subprocess.PIPE,
                stderr=messages,
                env={**environment, "TMPDIR": str(self.temporary), "HOME": str(self.home)},
                cwd=cwd or self.home,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().split() for _ in range(4)]
        self.addresses = {words[0]: words[1] for words in lines if len(words) == 2}
        assert set(self.addresses) == {"dashboard", "health", "metrics", "shop"}, self.messages

    @property
    def left_behind(self) -> list[Path]:
        return [*self.temporary.iterdir(), *self.home.iterdir()]

    @property
    def messages(self) -> str:
        return self._messages.read_text()

    def processes(self) -> list[psutil.Process]:
        return family_of(self.process.pid)

    def kill(self) -> None:
        """End whatever of it is still there."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()


def get(address: str) -> httpx2.Response:
    return httpx2.get(address, timeout=START, trust_env=False)


def wait_for_text(address: str, wanted: str) -> str:
    """Ask until *wanted* is in the answer, and return the answer."""
    return until(lambda: get(address).text, lambda text: wanted in text)
