"""Caches and forks: a child begins with empty caches and locks of its own, before any of its code runs."""

from __future__ import annotations

import os
import weakref
from contextlib import ExitStack
from typing import Protocol

__all__ = ["watch"]


class Forkable(Protocol):
    """What wants to know of a fork."""

    def after_fork(self) -> None:
        """Begin anew in the child."""
        ...


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()


def watch(cache: Forkable) -> None:
    """Tell *cache* in each forked child."""
    if hasattr(os, "register_at_fork") and not _registered:
        os.register_at_fork(after_in_child=_tell)
        _registered.append(True)
    _watched.add(cache)


_registered: list[bool] = []


def _tell() -> None:
    with ExitStack() as told:  # all of them, also where one fails
        for cache in list(_watched):
            told.callback(cache.after_fork)
