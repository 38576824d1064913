"""What the person at the terminal has chosen to see. Pure: keys go in, choices come out."""

from __future__ import annotations

import msgspec

__all__ = ["RANGES", "SORTS", "VIEWS", "View"]

SORTS = ("share", "rate", "p95", "errors", "queries", "route")
RANGES = {"1": "5m", "2": "1h", "3": "6h", "4": "24h"}
"""How far back the routes are looked at."""
VIEWS = {"d": "database", "c": "cache", "r": "runtime", "a": "advice", "?": "help"}
LONGEST_FILTER = 60


class View(msgspec.Struct):
    """The choices. Not thread-safe.

    Attributes:
        page: ``routes``, ``route`` (the selected one), ``request`` (its slowest one), or one of `VIEWS`.
        row: The selected route, from 0; the frame keeps it within what there is.
        scroll: Lines of another page that lie above the screen; the frame keeps it within what there is.
        rows: How many rows there are to choose from, as of the last frame.
        opened: Method and template of the route that was opened, as of the last frame.
        range: How far back routes are looked at, one of `RANGES`.
        is_typing: True while the filter is being typed.
        is_over: True once the person wants to leave.
    """

    page: str = "routes"
    row: int = 0
    rows: int = 0
    scroll: int = 0
    opened: str = ""
    sort: str = SORTS[0]
    range: str = "5m"
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
        elif key == "enter":
            self._open()
        elif key in RANGES:
            self.range = RANGES[key]
        elif key in VIEWS:
            self.page, self.scroll = "routes" if self.page == VIEWS[key] else VIEWS[key], 0
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

    def _open(self) -> None:
        if self.page == "routes" and self.rows:
            self.page, self.scroll = "route", 0
        elif self.page == "route":
            self.page, self.scroll = "request", 0

    def _back(self) -> None:
        if self.page == "routes":
            self.filter = ""
        self.page, self.scroll = "route" if self.page == "request" else "routes", 0

    def _move(self, key: str) -> None:
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -10, "page down": 10}
        ends = {"home": 0, "g": 0, "end": self.rows - 1, "G": self.rows - 1}
        if self.page != "routes":
            self.scroll = max(0, ends.get(key, self.scroll + steps.get(key, 0)))
            return
        wanted = ends[key] if key in ends else self.row + steps.get(key, 0)
        self.row = max(0, min(wanted, self.rows - 1))
