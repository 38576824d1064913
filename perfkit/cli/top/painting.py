"""Lines of styled words turned into what a terminal is sent: by rich where it is installed, else plainly."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from perfkit.cli.console import Style

if TYPE_CHECKING:
    from perfkit.cli.top.frame import Line

__all__ = ["Painter", "has_rich"]

HOME, ERASE_LINE, ERASE_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def has_rich() -> bool:
    """Return whether rich (the extra `cli`) is installed."""
    return find_spec("rich") is not None


class Painter:
    """Paints frames for one terminal."""

    def __init__(self, *, is_coloured: bool, by_rich: bool) -> None:
        """Paint in colour if *is_coloured*, with as many as the terminal has where rich knows that."""
        self._style = Style(is_coloured)
        self._console = _console(is_coloured) if by_rich and is_coloured else None

    def text(self, lines: Sequence[Line], width: int) -> str:
        """Return the *lines* as text of that *width*, for a terminal or a file."""
        if self._console is not None:
            return _by_rich(self._console, lines, width)
        painted = ("".join(self._style(word.text, *word.style.split()) for word in line) for line in lines)
        return "\n".join(line.rstrip() for line in painted)

    def screen(self, lines: Sequence[Line], width: int) -> str:
        """Return what paints the *lines* over what is on the screen, without a flicker."""
        painted = self.text(lines, width).split("\n")
        return HOME + f"{ERASE_LINE}\r\n".join(painted) + ERASE_LINE + ERASE_BELOW


def _console(is_coloured: bool) -> Any:
    from rich.console import Console

    return Console(
        file=io.StringIO(), force_terminal=True, highlight=False, markup=False, emoji=False, legacy_windows=False
    )


def _by_rich(console: Any, lines: Sequence[Line], width: int) -> str:
    from rich.text import Text

    whole = Text(no_wrap=True, overflow="crop", end="")
    for at, line in enumerate(lines):
        if at:
            whole.append("\n")
        for word in line:
            whole.append(word.text, word.style or None)
    with console.capture() as capture:
        console.print(whole, width=width, soft_wrap=False, crop=True)
    return str(capture.get()).rstrip("\n")
