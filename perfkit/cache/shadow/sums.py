"""What several windows found, added up; what is older weighs less."""

from __future__ import annotations

from collections.abc import Sequence

from perfkit.cache.shadow.ghost import Ghost
from perfkit.cache.shadow.window import Tally

__all__ = ["EXPIRED", "UNREAD", "Ratios", "Sums"]

Ratios = dict[tuple[str, float], float]
"""Hit ratio by strategy and size as a multiple of the cache's, and two other ratios under names of their own."""

UNREAD, EXPIRED = "_unread", "_expired"

KEPT = 0.5
"""What a window counts for when the next one has ended."""

ENOUGH_LOOKUPS, ENOUGH_MISSES = 500.0, 30.0
"""Look-ups, and misses of watched keys, below which a namespace has no estimate."""


class Sums:
    """The figures of one namespace."""

    __slots__ = ("arrived", "expired", "hits", "lookups", "misses", "read", "seen")

    def __init__(self, ghosts: int) -> None:
        """Begin with nothing."""
        self.lookups = self.hits = 0.0
        self.misses = [0.0] * ghosts
        self.seen = self.arrived = self.read = self.expired = 0.0

    def add(self, tally: Tally, rate: float, own: int) -> None:
        """Take in what one window counted; *own* is the place of the ghost that is as the cache is."""
        self.lookups += tally.lookups
        self.hits += tally.hits
        self.misses = [sum_ + misses / rate for sum_, misses in zip(self.misses, tally.misses, strict=True)]
        self.seen += tally.misses[own]
        self.arrived += tally.arrived
        self.read += tally.read
        self.expired += tally.expired

    def join(self, other: Sums) -> None:
        """Take in another namespace's figures."""
        self.lookups += other.lookups
        self.hits += other.hits
        self.misses = [one + two for one, two in zip(self.misses, other.misses, strict=True)]
        self.seen += other.seen
        self.arrived += other.arrived
        self.read += other.read
        self.expired += other.expired

    def fade(self) -> None:
        """Let all that is known count for less."""
        self.lookups *= KEPT
        self.hits *= KEPT
        self.seen *= KEPT
        self.arrived *= KEPT
        self.read *= KEPT
        self.expired *= KEPT
        self.misses = [misses * KEPT for misses in self.misses]

    @property
    def is_enough(self) -> bool:
        """There is enough to say something."""
        return self.lookups >= ENOUGH_LOOKUPS and self.seen >= ENOUGH_MISSES

    @property
    def unread(self) -> float:
        """Part of the values that came and were not read."""
        return 1.0 - self.read / self.arrived if self.arrived else 0.0

    @property
    def expired_of_misses(self) -> float:
        """Part of the misses that are values which had expired."""
        return self.expired / self.arrived if self.arrived else 0.0

    def ratios(self, ghosts: Sequence[Ghost], own: int) -> Ratios:
        """Return the hit ratio with each ghost: what was measured, and the difference that the ghost makes.

        The ghost that is as the cache is has the same sample as the others, and so most of its chance error too.
        """
        measured = self.hits / self.lookups
        found = {
            (ghost.strategy, ghost.scale): min(1.0, max(0.0, measured + (self.misses[own] - misses) / self.lookups))
            for ghost, misses in zip(ghosts, self.misses, strict=True)
        }
        return {**found, (UNREAD, 1.0): self.unread, (EXPIRED, 1.0): self.expired_of_misses}
