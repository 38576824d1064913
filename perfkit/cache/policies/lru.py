"""Least recently used: who was not asked for the longest time leaves."""

from __future__ import annotations

from collections.abc import Callable

from perfkit.cache.entry import Entry
from perfkit.cache.policies.fifo import Fifo

__all__ = ["Lru"]


class Lru(Fifo):
    """Entries in the order of their last use. All operations are O(1).

    Attributes:
        touch: Puts an entry at the end; KeyError if it has just left. It needs no lock: `OrderedDict.move_to_end` is
            one step under the interpreter's lock, as entries hash and compare by identity and so run no Python code.
    """

    __slots__ = ("touch",)

    def __init__(self, max_size: int = 0) -> None:
        """Begin empty; *max_size* is of no interest here."""
        super().__init__(max_size)
        self.touch: Callable[[Entry], None] = self._order.move_to_end
