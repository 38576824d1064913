"""What an ORM was doing at the line of the user's own code that sent a statement."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType

from perfkit.core.code.places import is_users
from perfkit.core.code.sites import MAX_DEPTH, beyond
from perfkit.database.patterns.observed import Relation

__all__ = ["RECOGNISERS", "recognise_with", "relation_of"]

RECOGNISERS: list[Callable[[FrameType], tuple[str, str, str, bool] | None]] = []
"""Asked about each library frame of a new site: is it an ORM that loads a relation? Adapters add theirs."""


def recognise_with(recognise: Callable[[FrameType], tuple[str, str, str, bool] | None]) -> None:
    """Ask *recognise*, too, about library frames; asked for again it does nothing."""
    if recognise not in RECOGNISERS:
        RECOGNISERS.append(recognise)


def relation_of(frame: FrameType | None) -> Relation | None:
    """Return what an ORM was loading between *frame* and the user's line; a hundred times dearer than `site_of`."""
    for _ in range(MAX_DEPTH):
        if frame is None or is_users(frame.f_code.co_filename):
            return None
        for recognise in RECOGNISERS:
            relation = recognise(frame)
            if relation is not None:
                return Relation(*relation)
        frame = frame.f_back or beyond(frame)
    return None
