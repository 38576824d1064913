"""The signs of a frame: those of Unicode where the terminal has them, else plain ASCII."""

from __future__ import annotations

from collections.abc import Sequence

from perfkit.core.status import Status

__all__ = ["ASCII", "UNICODE", "Glyphs"]

_REPLACED = str.maketrans(
    {"×": "x", "—": "-", "–": "-", "·": "-", "…": "~", "µ": "u", "≤": "<=", "−": "-", "⏎": "enter"}
)


class Glyphs:
    """One set of signs.

    Attributes:
        pointer: Before the chosen row.
        full: A whole cell of a bar.
        down: Behind the title of the column that is sorted by.
        dash: Between two thoughts.
        statuses: The shape of each status, so that colour is never alone.
    """

    def __init__(
        self, levels: str, blocks: str, pointer: str, down: str, dash: str, statuses: str, *, is_ascii: bool
    ) -> None:
        """Draw small charts with *levels*, from nothing to most, and bars with *blocks*, from thin to full."""
        self._levels, self._blocks, self.full = levels, blocks, blocks[-1]
        self.pointer, self.down, self.dash, self._is_ascii = pointer, down, dash, is_ascii
        names = (Status.UNKNOWN, Status.HEALTHY, Status.WARNING, Status.CRITICAL)
        self.statuses = dict(zip(names, statuses, strict=True))

    def plain(self, text: str) -> str:
        """Return *text* with signs that this set has: in ASCII the rest becomes a question mark."""
        if not self._is_ascii or text.isascii():
            return text
        text = text.replace("↑↓", "up/down")
        return text.translate(_REPLACED).encode("ascii", "replace").decode()

    def bar(self, share: float, width: int) -> str:
        """Return a bar for *share* (0-1) of *width* characters."""
        steps = len(self._blocks)
        filled = round(max(0.0, min(1.0, share)) * width * steps)
        whole, part = divmod(filled, steps)
        return (self._blocks[-1] * whole + (self._blocks[part - 1] if part else "")).ljust(width)

    def spark(self, values: Sequence[float | None], width: int) -> str:
        """Return a small chart of the last values, *width* characters; a blank where nothing was."""
        shown = [_most(values[at : at + _step(values, width)]) for at in range(0, len(values), _step(values, width))]
        shown = shown[-width:]
        top = max((value for value in shown if value is not None), default=0.0)
        highest = len(self._levels) - 1
        drawn = (
            " " if value is None else self._levels[round(max(0.0, value) / top * highest) if top > 0.0 else 0]
            for value in shown
        )
        return "".join(drawn).rjust(width)


def _step(values: Sequence[object], width: int) -> int:
    return max(1, -(-len(values) // width))


def _most(values: Sequence[float | None]) -> float | None:
    """Return the largest: a peak must show, whatever stands beside it."""
    return max((value for value in values if value is not None), default=None)


UNICODE = Glyphs("▁▂▃▄▅▆▇█", "▏▎▍▌▋▊▉█", "▸", "▼", "—", "◌●▲■", is_ascii=False)
ASCII = Glyphs("_.-=+*#@", "#", ">", "v", "-", ".o!X", is_ascii=True)
