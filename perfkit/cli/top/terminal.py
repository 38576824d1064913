"""The terminal while `perfkit top` has it: a screen of its own, single keys, and everything as it was on any exit."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import tty
from types import FrameType
from typing import Any, Self

from perfkit.cli.top.keys import Keys

__all__ = ["Terminal"]

ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""The other screen, without a cursor, blank."""
LEAVE = "\x1b[?25h\x1b[?1049l\x1b[0m"

ENDING = (signal.SIGTERM, signal.SIGHUP)
ESCAPE_PAUSE = 0.05
"""Seconds after which an escape that nothing followed was the key of that name (vim's and tmux's habit)."""


class Terminal:
    """Has the terminal between `__enter__` and `__exit__`; also a signal to end or to stop gives it back first.

    Attributes:
        ended_by: The signal that ended us, to be passed on once the terminal is as it was; None without one.
    """

    def __init__(self) -> None:
        """Use the process's own standard input and output."""
        self._input, self._keys = sys.stdin.fileno(), Keys()
        self._before: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self.ended_by: int | None = None

    def __enter__(self) -> Self:
        """Take the terminal."""
        self._before = termios.tcgetattr(self._input)
        for number in ENDING:
            self._handlers[number] = signal.signal(number, self._end)
        self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._pause)
        self._take()
        return self

    def __exit__(self, *error: object) -> None:
        """Give it back as it was."""
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as of now."""
        found = shutil.get_terminal_size()
        return max(1, found.columns), max(1, found.lines)

    def write(self, text: str) -> None:
        """Send *text*; signs that the terminal's coding has not become question marks."""
        data = text.encode(sys.stdout.encoding or "ascii", "replace")
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]

    def keys(self, wait: float) -> list[str] | None:
        """Return what was pressed, waiting up to *wait* seconds for the first; None where the terminal is gone."""
        if not self._is_ready(wait):
            return []
        typed = os.read(self._input, 1024)
        if not typed:
            return None
        pressed = self._keys.feed(typed)
        if not self._is_ready(ESCAPE_PAUSE):
            pressed += self._keys.rest()
        return pressed

    def _is_ready(self, wait: float) -> bool:
        return bool(select.select([self._input], [], [], wait)[0])

    def _take(self) -> None:
        tty.setcbreak(self._input)
        self.write(ENTER)

    def _give_back(self) -> None:
        try:
            self.write(LEAVE)
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
        except OSError:
            return  # it was hung up: there is nothing to give back
        except termios.error:
            return  # the same, as the other module says it

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.ended_by = number
        raise KeyboardInterrupt

    def _pause(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal back, and we take it again when we go on."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Here again after SIGCONT.
        signal.signal(signal.SIGTSTP, self._pause)
        self._take()
