"""Which requests were under way in a loop right after it was blocked: a look at its tasks, nothing is kept on the way.

No request pays for this. Where a loop was blocked, and only then, its tasks are looked at once, in the loop, and the
frames that they wait in tell which request they serve.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from perfkit.core.loops import SeenExchange

__all__ = ["frames_of", "requests_of"]

MOST_TASKS = 500
"""Tasks looked at."""

MOST_SECONDS = 0.005
"""Time that the look may take: the loop has waited enough."""

MAX_AWAITS = 60
"""Coroutines of a task that are followed, from the outermost."""


def frames_of(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of *coroutine* and of what it waits for, outermost first."""
    for _ in range(MAX_AWAITS):
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            frame = getattr(coroutine, "ag_frame", None)
        if frame is None:
            return
        yield frame
        coroutine = (
            getattr(coroutine, "cr_await", None)
            or getattr(coroutine, "gi_yieldfrom", None)
            or getattr(coroutine, "ag_await", None)
        )


def requests_of(
    loop: AbstractEventLoop, exchange_in: Callable[[Iterable[FrameType]], SeenExchange | None]
) -> dict[int, SeenExchange]:
    """Return the requests that the tasks of *loop* serve, by their keys; in the loop, some milliseconds at most."""
    asyncio = sys.modules["asyncio"]
    found: dict[int, SeenExchange] = {}
    give_up_at = monotonic() + MOST_SECONDS
    for number, task in enumerate(asyncio.all_tasks(loop)):
        if number >= MOST_TASKS or monotonic() > give_up_at:
            break
        seen = exchange_in(frames_of(task.get_coro()))
        if seen is not None and (seen.key not in found or seen.age is not None):
            found[seen.key] = seen
    return found
