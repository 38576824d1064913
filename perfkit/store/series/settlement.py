"""Settling: what was counted in the old slots of a process follows it to its new ones, once and completely.

A store moves while threads count. Those that had loaded the old slots before the swap finish their additions
there, a moment later. So the old slots are kept and poured again at the next ticks; what was poured already is
remembered, never zeroed (a zero could be overwritten by an addition that is under way).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from perfkit.store.layout import FIXED
from perfkit.store.series.rows import GAUGE_WIDTH

__all__ = ["Move", "Settlement", "fixed_moves"]


class Move(NamedTuple):
    """*width* slots that belong to *target* now and were at *source*."""

    source: int
    target: int
    width: int


def fixed_moves() -> list[Move]:
    """Return the moves of the fixed slots, which keep their places."""
    return [Move(slot, slot, 1) for slot in range(FIXED)]


class Settlement:
    """The pouring of one set of old slots. One thread at a time.

    Attributes:
        rounds: How often they have been poured.
    """

    def __init__(self, old: memoryview[float], moves: Iterable[Move]) -> None:
        """Prepare to pour *old* along *moves*."""
        self._old, self._moves = old, list(moves)
        self._poured: dict[int, float] = {}
        self.rounds = 0

    def pour(self, values: memoryview[float]) -> None:
        """Add to *values* what came into the old slots since the last call."""
        self.rounds += 1
        for move in self._moves:
            if not any(self._old[move.source : move.source + move.width]):
                continue
            if move.width == GAUGE_WIDTH:
                self._pour_gauge(values, move)
            else:
                for offset in range(move.width):
                    self._pour_slot(values, move.source + offset, move.target + offset)

    def _pour_slot(self, values: memoryview[float], source: int, target: int) -> None:
        amount = self._old[source]
        missing = amount - self._poured.get(source, 0.0)
        if missing != 0.0:
            self._poured[source] = amount
            values[target] += missing

    def _pour_gauge(self, values: memoryview[float], move: Move) -> None:
        """Carry a gauge over unless it was set anew since: its value is a state, not an amount."""
        value, set_at = self._old[move.source], self._old[move.source + 1]
        if set_at == self._poured.get(move.source + 1, 0.0):
            return
        self._poured[move.source + 1] = set_at
        if set_at > values[move.target + 1]:
            values[move.target], values[move.target + 1] = value, set_at
