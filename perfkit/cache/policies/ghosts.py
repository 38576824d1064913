"""Ghosts: the hashes of keys that left lately, the oldest forgotten first."""

from __future__ import annotations

from collections import deque

__all__ = ["Ghosts"]


class Ghosts:
    """Who left lately. O(1) over time. Not thread-safe.

    A dict and a deque; not shown to be quicker than an `OrderedDict`. One that is
    taken out of the dict leaves its place in the deque, which is known by its number when it comes up.

    Attributes:
        numbers: Hash → number of its place. Read and delete in it as you like.
    """

    __slots__ = ("_first", "_last", "_order", "numbers")

    def __init__(self) -> None:
        """Know nobody."""
        self.numbers: dict[int, int] = {}
        self._order: deque[int] = deque()
        self._first = self._last = 0

    def remember(self, ghost: int, most: int) -> None:
        """Take *ghost* in; forget the oldest beyond *most*."""
        numbers, order = self.numbers, self._order
        self._last = last = self._last + 1
        numbers[ghost] = last
        order.append(ghost)
        while len(numbers) > most or len(order) > 2 * most + 1:
            oldest = order.popleft()
            self._first = first = self._first + 1
            if numbers.get(oldest) == first:
                del numbers[oldest]
