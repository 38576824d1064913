"""Which line of the user's own code asked for something: a statement, a call of another service, a value to be kept.

A walk from the innermost frame outwards to the first that is the user's: no text is made, and whose a file is is
remembered. Under async SQLAlchemy the chain of frames ends at the root of a greenlet; it goes on in the parent's.
Measured with CPython 3.11: about 0.1 us a frame.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from perfkit.core.code.places import is_users, place_of

__all__ = ["FINDERS", "MAX_DEPTH", "Site", "Spot", "beyond", "find_with", "found_from", "site_of"]

MAX_DEPTH = 120
"""Frames that are looked at."""

MOST_SITES = 5_000

FINDERS: list[Callable[[FrameType], FrameType | None]] = []
"""Asked with the outermost frame where no frame is the user's: where did the work come from? Adapters add theirs."""


def find_with(find: Callable[[FrameType], FrameType | None]) -> None:
    """Ask *find*, too, where the work of a library's outermost frame came from; asked for again it does nothing."""
    if find not in FINDERS:
        FINDERS.append(find)


class Site:
    """A line of the user's code.

    Attributes:
        text: ``path:line``.
        function: Qualified name of the function.
    """

    __slots__ = ("function", "text")

    def __init__(self, text: str, function: str) -> None:
        """Describe a line."""
        self.text, self.function = text, function


_is_users: dict[str, bool] = {}
_sites: dict[tuple[str, int], Site] = {}


class Spot:
    """Where a call site was met on the stack: the same instruction at the same depth is the same line.

    Python makes an object of each frame that is walked over; to look at one depth alone takes a tenth of a walk. What
    lies between may have changed, but the line is on the stack and the user's own.
    """

    __slots__ = ("_code", "_depth", "_instruction", "site")

    def __init__(self, site: Site, frame: FrameType, depth: int) -> None:
        """Remember *frame*, *depth* frames outwards of whoever asks `is_here`."""
        self.site, self._code, self._instruction, self._depth = site, frame.f_code, frame.f_lasti, depth

    def is_here(self) -> bool:
        """Return whether the caller of whoever asks is at this spot."""
        try:
            frame = sys._getframe(self._depth + 1)
        except ValueError:
            return False
        return frame.f_code is self._code and frame.f_lasti == self._instruction


def site_of(frame: FrameType | None) -> Site | None:
    """Return the first line of the user's code from *frame* outwards; None where there is none."""
    found = found_from(frame)
    return None if found is None else found[0]


def found_from(frame: FrameType | None) -> tuple[Site, FrameType, int] | None:
    """Return the site, its frame and how many frames outwards of *frame* that is; -1 beyond the end of a stack."""
    known, steps = _is_users, 0
    for _ in range(MAX_DEPTH):
        if frame is None:
            return None
        filename = frame.f_code.co_filename
        users = known.get(filename)
        if users is None:
            if len(known) >= MOST_SITES:
                known.clear()
            users = known[filename] = is_users(filename)
        if users:
            return _sites.get((filename, frame.f_lineno)) or _learn(frame), frame, steps
        outer = frame.f_back
        if outer is None:
            frame, steps = beyond(frame), -1
        else:
            frame, steps = outer, steps + (steps >= 0)
    return None


def beyond(frame: FrameType) -> FrameType | None:
    """Return where the work of the outermost *frame* came from: the greenlet's parent, or what a finder knows."""
    greenlet: Any = sys.modules.get("greenlet")
    if greenlet is not None:
        parent = greenlet.getcurrent().parent
        if parent is not None and parent.gr_frame is not None and parent.gr_frame is not frame:
            found: FrameType = parent.gr_frame
            return found if not _is_within(frame, found) else None
    for finder in FINDERS:
        came_from = finder(frame)
        if came_from is not None:
            return came_from
    return None


def _is_within(frame: FrameType, stack: FrameType | None) -> bool:
    """Whether *frame* belongs to *stack* already, so that to go on there would go round for ever."""
    for _ in range(MAX_DEPTH):
        if stack is None:
            return False
        if stack is frame:
            return True
        stack = stack.f_back
    return True


def _learn(frame: FrameType) -> Site:
    code, line = frame.f_code, frame.f_lineno
    place = place_of(code, line)
    site = Site(f"{place.path}:{line}", place.function)
    if len(_sites) >= MOST_SITES:
        _sites.clear()
    _sites[code.co_filename, line] = site
    return site
