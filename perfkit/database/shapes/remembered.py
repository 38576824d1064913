"""What was made of texts that may come again: bounded by their number and by their characters."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["MOST_CHARACTERS", "Remembered"]

T = TypeVar("T")

MOST_CHARACTERS = 4_000_000
"""Characters of all texts: what is made of one is about as large again, or twice that."""


class Remembered(dict[str, T]):
    """Text → what was made of it; all are forgotten once they are too many or too long, and learned anew."""

    def __init__(self, most: int) -> None:
        """Remember *most* texts."""
        super().__init__()
        self._most, self._characters = most, 0

    def remember(self, text: str, made: T) -> None:
        """Remember what was *made* of *text*."""
        if len(self) >= self._most or self._characters + len(text) > MOST_CHARACTERS:
            self.clear()
            self._characters = 0
        self._characters += len(text)
        self[text] = made
