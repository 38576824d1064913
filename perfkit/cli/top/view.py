"""What the person at the terminal has chosen to see. Pure: keys go in, choices come out."""

from __future__ import annotations

import msgspec

__all__ = ["SORTS", "VIEWS", "View"]

SORTS = ("share", "rate", "p95", "errors", "route")
VIEWS = {"d": "database", "c": "cache", "r": "runtime", "a": "advice", "?": "help"}
LONGEST_FILTER = 60


class View(msgspec.Struct):
    """The choices. Not thread-safe.

    Attributes:
        page: ``routes``, ``route`` (the selected one), or one of `VIEWS`.
        row: The selected row, from 0; the frame keeps it within what there is.
        rows: How many rows there are to choose from, as of the last frame.
        is_typing: True while the filter is being typed.
        is_over: True once the person wants to leave.
    """

    page: str = "routes"
    row: int = 0
    rows: int = 0
    sort: str = SORTS[0]
    filter: str = ""
    is_typing: bool = False
    is_paused: bool = False
    is_over: bool = False

    def press(self, key: str) -> None:
        """Take one *key*, as `perfkit.cli.top.keys` calls them."""
        if self.is_typing:
            self._type(key)
        elif key == "q":
            self.is_over = True
        elif key == "p":
            self.is_paused = not self.is_paused
        elif key == "/" and self.page == "routes":
            self.is_typing = True
        elif key == "s" and self.page == "routes":
            self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
            self.row = 0
        elif key in ("escape", "backspace", "left"):
            self._back()
        elif key == "enter" and self.page == "routes" and self.rows:
            self.page = "route"
        elif key in VIEWS:
            self.page = "routes" if self.page == VIEWS[key] else VIEWS[key]
        else:
            self._move(key)

    def _type(self, key: str) -> None:
        if key == "escape":
            self.filter, self.is_typing = "", False
        elif key == "enter":
            self.is_typing = False
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1:
            self.filter = (self.filter + key)[:LONGEST_FILTER]
        self.row = 0

    def _back(self) -> None:
        if self.page == "routes":
            self.filter = ""
        self.page = "routes"

    def _move(self, key: str) -> None:
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -10, "page down": 10}
        ends = {"home": 0, "g": 0, "end": self.rows - 1, "G": self.rows - 1}
        wanted = ends[key] if key in ends else self.row + steps.get(key, 0)
        self.row = max(0, min(wanted, self.rows - 1))
