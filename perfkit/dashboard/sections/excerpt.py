"""A few lines of the user's own source around a call site: in development only, of files that a stack named."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from perfkit.dashboard.editor import Editor, own_file
from perfkit.dashboard.html import Markup, h
from perfkit.dashboard.parts import site_code

__all__ = ["AROUND", "Excerpt", "excerpt", "source"]

AROUND = 5
"""Lines before and after the line in question."""

LARGEST = 1_000_000
"""Bytes of a file that is read."""

LONGEST = 200
"""Characters of a line."""

Excerpt = tuple[tuple[int, str], ...]
"""Numbers and lines."""


def excerpt(site: str, root: Path | None = None) -> Excerpt:
    """Return the lines around *site* (``shop/views.py:48``), which the capture named, never a visitor.

    Empty where it lies outside of *root* (the working directory) and is no loaded module of the app, where it is no
    Python file, and where it is not there (any more).
    """
    found = own_file(site, root)
    if found is None:
        return ()
    file, number = found
    try:
        status = file.stat()
        lines = _lines(file, status.st_mtime_ns) if status.st_size <= LARGEST else ()
    except OSError:
        return ()
    if not 1 <= number <= len(lines):
        return ()
    first = max(1, number - AROUND)
    return tuple((at, lines[at - 1][:LONGEST]) for at in range(first, min(len(lines), number + AROUND) + 1))


@lru_cache(maxsize=32)
def _lines(file: Path, _changed: int) -> tuple[str, ...]:
    return tuple(file.read_text("utf-8", "replace").splitlines())


def source(site: str, lines: Iterable[tuple[int, str]], editor: Editor | None = None) -> Markup:
    """Return *lines* as a listing; the line of *site* is marked by a sign and by weight, and opens in the *editor*."""
    wanted = int(site.rpartition(":")[2])
    told = [
        h("span", {"class": "here" if at == wanted else None}, f"{'▸' if at == wanted else ' '} {at:>5}  {line}\n")
        for at, line in lines
    ]
    return h(
        "figure",
        {"class": "source"},
        h("figcaption", None, site_code(site, editor)),
        h("pre", {"tabindex": 0, "aria-label": f"Source around {site}"}, told),
    )
