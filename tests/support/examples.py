"""How many examples a property test looks at, where one of them is costly."""

from __future__ import annotations

from hypothesis import settings

__all__ = ["share"]

FEWEST = 5


def share(part: float) -> int:
    """Return that *part* of the examples which the profile in force (tests/conftest.py) gives to each test."""
    return max(FEWEST, round(settings().max_examples * part))
