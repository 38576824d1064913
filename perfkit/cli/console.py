"""What is printed: cleaned of what a terminal would obey, in colour only where somebody sees it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

__all__ = ["Style", "clean", "fitted", "is_coloured", "progress", "say", "shortened", "table"]

PATIENCE = 0.4
"""Seconds after which a person wants to know that something goes on."""
REDRAWN_EVERY = 0.5

_CONTROLS = re.compile(
    # C0 and C1 controls, DEL, the characters that turn the direction of text around or take no place in it, and those
    # that are none: XML has no place for them.
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_CODES = {
    "bold": "1",
    "dim": "2",
    "reverse": "7",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
}


def clean(text: str, *, lines: bool = False) -> str:
    """Return *text* without anything that a terminal would obey; line ends become spaces unless *lines* are kept.

    What a service says may have come from its visitors: a path, a user agent, an exception's text.
    """
    if lines:
        return "\n".join(clean(line) for line in text.splitlines())
    return _CONTROLS.sub(lambda found: " " if found[0] in "\n\r\t" else "\ufffd", text)


def fitted(text: str, width: int) -> str:
    """Return *text* cut to *width* characters, with a mark where something is missing."""
    return text if len(text) <= width else text[: max(0, width - 1)] + ("~" if width > 0 else "")


def shortened(text: str, width: int) -> str:
    """Return *text* cut to *width* characters in its middle: names that begin alike mostly end otherwise."""
    if len(text) <= width or width < 3:
        return fitted(text, width)
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}~{text[-tail:]}"


def is_coloured(wish: str = "auto", stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Return True where *stream* (stdout) shall have colour.

    ``--color always`` and ``never`` are strongest, then NO_COLOR (no-color.org), FORCE_COLOR and CLICOLOR_FORCE,
    CLICOLOR=0 and TERM=dumb; else a terminal has it and nothing else.
    """
    if wish != "auto":
        return wish == "always"
    if environ.get("NO_COLOR"):
        return False
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        if environ.get(name, "0") not in ("0", ""):
            return True
    if environ.get("CLICOLOR") == "0" or environ.get("TERM") == "dumb":
        return False
    return _is_terminal(stream or sys.stdout)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


class Style:
    """Puts colour around words, or leaves them."""

    __slots__ = ("is_coloured",)

    def __init__(self, is_coloured: bool) -> None:
        """Colour words if *is_coloured*."""
        self.is_coloured = is_coloured

    def __call__(self, text: str, *names: str) -> str:
        """Return *text* in the styles of those *names*."""
        if not self.is_coloured or not names:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


def say(message: str) -> None:
    """Print a message for people, to stderr."""
    sys.stderr.write(f"{message}\n")


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Say on stderr what goes on and for how long, while the block runs; only where that is a terminal.

    Nothing is said of what is quick, and nothing is left behind.
    """
    if not _is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
        yield
        return
    import threading
    import time

    ended, began = threading.Event(), time.monotonic()

    def tell() -> None:
        wait = PATIENCE
        while not ended.wait(wait):
            wait = REDRAWN_EVERY
            sys.stderr.write(f"\r\x1b[K{fitted(clean(doing), 60)} ... {time.monotonic() - began:.0f} s")
            sys.stderr.flush()

    teller = threading.Thread(target=tell, name="perfkit-progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
        if time.monotonic() - began >= PATIENCE:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,)) -> list[str]:
    """Return the lines of a table: columns *left* stand left, the others, which are numbers, right."""
    widths = [max(len(row[at]) for row in (titles, *rows)) for at in range(len(titles))]
    return [
        "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (titles, *rows)
    ]
