"""Ghosts: the hashes of keys that left lately, the oldest forgotten first, a generation at a time."""

from __future__ import annotations

__all__ = ["Ghosts"]


class Ghosts:
    """Who left lately, in two generations; when the younger one is full the older one is forgotten whole.

    So to put one in is one step, and nobody has to know who is next; a dict and a deque took a fifth longer of a `set`.
    A generation is freed at once, as a dict's table is when it grows. Not thread-safe.

    Attributes:
        young, old: The generations. Look into them as you like.
        most: Ghosts in one of them.
    """

    __slots__ = ("most", "old", "young")

    def __init__(self, most: float) -> None:
        """Know nobody; remember *most* to twice as many."""
        self.young: set[int] = set()
        self.old: set[int] = set()
        self.most = most

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self.young) + len(self.old)

    def remember(self, ghost: int) -> None:
        """Take *ghost* in."""
        self.young.add(ghost)
        if len(self.young) > self.most:
            self.turn()

    def turn(self) -> None:
        """Begin a new generation."""
        self.old, self.young = self.young, set()

    def take(self, ghost: int) -> bool:
        """Forget *ghost*; return whether it was remembered."""
        is_known = ghost in self.young or ghost in self.old
        self.young.discard(ghost)
        self.old.discard(ghost)
        return is_known
