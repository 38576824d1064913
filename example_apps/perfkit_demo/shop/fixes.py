"""Which problems are mended at this moment: a file each, so that all workers of the shop know at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from perfkit_demo.shop.problems import FIXABLE

__all__ = ["Fixes"]

FRESH = 0.25
"""Seconds for which what was read is good."""

MAKE_INDEX = "CREATE INDEX IF NOT EXISTS product_sku_name ON product (sku, name)"
DROP_INDEX = "DROP INDEX IF EXISTS product_sku_name"


class Fixes:
    """The switches of one shop. Thread-safe."""

    def __init__(self, database: Path | str) -> None:
        """Keep them beside *database*."""
        self._database = Path(database)
        self._folder = Path(f"{database}.fixes")
        self._known: tuple[float, frozenset[str]] = (float("-inf"), frozenset())

    def on(self) -> frozenset[str]:
        """Return the names of what is mended."""
        now = time.monotonic()
        if now - self._known[0] >= FRESH:
            found = {entry.name for entry in self._folder.iterdir()} if self._folder.is_dir() else set()
            self._known = now, frozenset(found & FIXABLE)
        return self._known[1]

    def has(self, name: str) -> bool:
        """Return whether the problem *name* is mended."""
        return name in self.on()

    def flip(self, name: str, *, on: bool) -> None:
        """Mend the problem *name*, or seed it again.

        Raises:
            LookupError: There is no such problem, or nothing to mend.
        """
        if name not in FIXABLE:
            raise LookupError(
                f"There is no fix {name!r}. The fixes are: {', '.join(sorted(FIXABLE))}. Use one of them."
            )
        if name == "index":
            with closing(sqlite3.connect(self._database, timeout=10.0)) as connection:
                connection.execute(MAKE_INDEX if on else DROP_INDEX)
        if on:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            (self._folder / name).touch()
        else:
            (self._folder / name).unlink(missing_ok=True)
        self._known = (float("-inf"), frozenset())

    def begin_with(self, names: Iterable[str]) -> None:
        """Mend the problems *names* before the shop opens."""
        for name in names:
            self.flip(name, on=True)
