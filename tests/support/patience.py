"""To wait for what comes sooner or later: soon on a quiet machine, and in time on a busy one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["PATIENCE", "until"]

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds after which what should have come is taken for lost; a busy machine needs half a minute for a server."""


def until(ask: Callable[[], T], is_right: Callable[[T], object] = bool, *, seconds: float = PATIENCE) -> T:
    """Ask again and again until the answer is right, and return it.

    Raises:
        AssertionError: It was not right within *seconds*.
    """
    give_up_at, pause = time.monotonic() + seconds, 0.01
    while not is_right(answer := ask()):
        assert time.monotonic() < give_up_at, f"after {seconds:g} s it is still {answer!r}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return answer
