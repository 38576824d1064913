"""Patterns over keys: `*`, `?` and `[…]`, as the shell has them."""

from __future__ import annotations

import re
from fnmatch import translate

__all__ = ["Glob"]

SPECIAL = re.compile(r"[*?\[]")


class Glob:
    """One pattern.

    Attributes:
        prefix: What it begins with literally.
        beyond: The first text after all that begin with `prefix`; empty if there is none.
        is_all: It matches everything.
    """

    __slots__ = ("_match", "beyond", "is_all", "pattern", "prefix")

    def __init__(self, pattern: str) -> None:
        """Read *pattern*."""
        self.pattern = pattern
        found = SPECIAL.search(pattern)
        self.prefix = pattern if found is None else pattern[: found.start()]
        self.beyond = _after(self.prefix)
        self.is_all = bool(pattern) and not pattern.strip("*")
        self._match = re.compile(translate(pattern)).match

    def matches(self, key: object) -> bool:
        """Return whether *key* is a text that the pattern describes."""
        return isinstance(key, str) and self._match(key) is not None


def _after(prefix: str) -> str:
    """Return the lowest text above all that begin with *prefix*."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            return prefix[:-1] + chr(last + 1)
        prefix = prefix[:-1]
    return ""
