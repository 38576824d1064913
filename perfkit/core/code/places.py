"""Places in code, and whether they are the user's own."""

from __future__ import annotations

import os
import sysconfig
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

__all__ = ["Place", "is_users", "place_of", "source_line"]

MAX_SOURCE = 120
"""Characters of a source line that are shown."""

HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
"""Where perfkit itself lies."""

_ADAPTERS = tuple(
    f"{os.sep}{name}{os.sep}" for name in ("perfkit_asgi", "perfkit_wsgi", "perfkit_flask", "perfkit_django")
)
_DEMO = f"{os.sep}perfkit_demo{os.sep}"
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class Place(NamedTuple):
    """A line of code.

    Attributes:
        path: Relative to the working directory where it lies below it.
        function: Qualified name.
    """

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.function}"


@lru_cache(4096)
def is_users(filename: str) -> bool:
    """Return True if *filename* is neither Python's, nor an installed package's, nor perfkit's; the demo's shop is."""
    if _DEMO in filename:
        return True
    if filename.startswith("<") or any(part in filename for part in _PACKAGES):
        return False
    if filename.startswith(HOME) or any(part in filename for part in _ADAPTERS):
        return False
    return not filename.startswith(_standard())


@lru_cache(1)
def _standard() -> tuple[str, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    return tuple(path + os.sep for path in paths if path)


def place_of(code: CodeType, line: int) -> Place:
    """Return *line* of *code*, for people."""
    path, here = code.co_filename, os.getcwd() + os.sep
    return Place(path.removeprefix(here), line, getattr(code, "co_qualname", code.co_name))


def source_line(place: Place) -> str:
    """Return what stands at *place*; reads the file, so never call it where anybody waits."""
    import linecache

    return linecache.getline(place.path, place.line).strip()[:MAX_SOURCE]
