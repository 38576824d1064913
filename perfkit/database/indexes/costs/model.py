"""The words in which every model of costs is asked."""

from __future__ import annotations

from typing import Protocol

from perfkit.database.indexes.definition import Definition

__all__ = ["Costs"]


class Costs(Protocol):
    """Answers what a statement would cost.

    Attributes:
        verified_by: How it knows, as in `IndexAdvice.verified_by`.
    """

    @property
    def verified_by(self) -> str:
        """``hypopg``, ``planner`` or ``rules``."""
        ...

    @property
    def calls(self) -> int:
        """How often a planner was asked so far."""
        ...

    def cost(self, number: int, definitions: frozenset[Definition]) -> float:
        """Return the cost of statement *number* with *definitions* beside the indexes that exist."""
        ...

    def used(self, number: int, definitions: frozenset[Definition]) -> frozenset[Definition]:
        """Return which of *definitions* its plan would use."""
        ...

    def size(self, definition: Definition) -> int:
        """Return the bytes of *definition*."""
        ...

    def rows(self, number: int) -> float:
        """Return how many rows statement *number* returns, 0 where that is not known."""
        ...

    def names(self, number: int) -> frozenset[str]:
        """Return the names of the indexes of today that its plan uses."""
        ...
