"""Bytes of a terminal turned into the names of keys."""

from __future__ import annotations

__all__ = ["Keys"]

_SEQUENCES = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
    "[H": "home",
    "[F": "end",
    "OH": "home",
    "OF": "end",
    "[1~": "home",
    "[4~": "end",
    "[5~": "page up",
    "[6~": "page down",
}
_NAMES = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace"}
LONGEST = 16
"""Characters of a sequence; what is longer is none that anybody sends."""


class Keys:
    """Decodes what was typed; a sequence may come in pieces."""

    def __init__(self) -> None:
        """Begin with nothing typed."""
        self._bytes, self._sequence = b"", ""

    def feed(self, typed: bytes) -> list[str]:
        """Return the keys that *typed* completes; printable characters are keys of their own name."""
        self._bytes += typed
        text = self._bytes.decode("utf-8", "ignore")
        # A character whose other bytes have not come yet waits for them.
        cut = next((n for n in (1, 2, 3) if len(self._bytes) >= n and self._bytes[-n] >= 0xC0), 0)
        is_cut = bool(cut) and cut < (4 if self._bytes[-cut] >= 0xF0 else 3 if self._bytes[-cut] >= 0xE0 else 2)
        self._bytes = self._bytes[-cut:] if is_cut else b""
        return [key for character in text for key in self._take(character)]

    def rest(self) -> list[str]:
        """Return what an unfinished sequence was, as nothing more came: Escape alone is a key."""
        is_escape, self._sequence = self._sequence == "\x1b", ""
        return ["escape"] if is_escape else []

    def _take(self, character: str) -> list[str]:
        if self._sequence:
            if character == "\x1b":
                self._sequence = character
                return ["escape"]
            self._sequence += character
            return self._end()
        if character == "\x1b":
            self._sequence = character
            return []
        if character in _NAMES:
            return [_NAMES[character]]
        return [character] if character.isprintable() else []

    def _end(self) -> list[str]:
        """Return the key of the sequence if it is complete (ECMA-48: a final character ends it)."""
        body = self._sequence[1:]
        is_begun = body in ("[", "O")
        is_whole = not is_begun and (body[0] not in "[O" or "@" <= body[-1] <= "~")
        if not is_whole and len(body) < LONGEST:
            return []
        self._sequence = ""
        return [_SEQUENCES[body]] if body in _SEQUENCES else []
