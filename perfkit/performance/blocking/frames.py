"""Stacks of other threads. Nothing here keeps a frame alive."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

__all__ = ["MAX_DEPTH", "is_idle", "root_of", "runs_loop", "stack_of", "stacks", "uncollected"]

MAX_DEPTH = 60
"""Frames of a stack that are looked at, from the innermost."""

COLLECTS_ANYWHERE = sys.version_info < (3, 12)

_COLLECTED = os.path.join("perfkit", "performance", "runtime", "garbage.py")
_RUNNERS = (os.path.join("asyncio", "base_events.py"), os.path.join("asyncio", "runners.py"))


def runs_loop(code: CodeType) -> bool:
    """Return True if *code* is what starts an event loop: who called it is to blame for nothing that runs in it."""
    return code.co_filename.endswith(_RUNNERS) and code.co_name in ("run_forever", "run_until_complete", "run")


def stack_of(thread: int, depth: int = MAX_DEPTH) -> list[FrameType]:
    """Return the frames of another *thread*, innermost first; empty if it has none.

    Drop the list soon: frames keep all their variables alive. Up to CPython 3.11 making a frame's object may start a
    garbage collection, whose callbacks let other threads run; when the frame is left meanwhile, the interpreter goes on
    with memory that is not its any more and crashes. So nothing is collected for these microseconds. Later versions
    collect between two instructions only.
    """
    pauses = COLLECTS_ANYWHERE and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        return _followed(sys._current_frames().get(thread), depth)
    finally:
        if pauses:
            gc.enable()


def stacks(depth: int = MAX_DEPTH) -> dict[int, list[FrameType]]:
    """Return the frames of all threads by their identifiers, innermost first; call it with garbage `uncollected`."""
    return {thread: _followed(frame, depth) for thread, frame in sys._current_frames().items()}


def _followed(frame: FrameType | None, depth: int) -> list[FrameType]:
    if frame is not None and frame.f_code.co_filename.endswith(_COLLECTED):
        frame = frame.f_back  # the collector calls it within what it interrupts, and that is what took the time
    frames: list[FrameType] = []
    while frame is not None and len(frames) < depth:
        frames.append(frame)
        frame = frame.f_back
    return frames


@contextmanager
def uncollected() -> Iterator[None]:
    """Let nothing be collected for some microseconds, where that is dangerous: see `stack_of`.

    To look at the variables of a frame that runs makes an object as well.
    """
    pauses = COLLECTS_ANYWHERE and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            gc.enable()


def is_idle(frames: list[FrameType], base: CodeType | None) -> bool:
    """Return True if a loop's thread whose innermost *frames* these are (two suffice) waits for something to do.

    asyncio waits in a selector. Another loop (uvloop) has no frame of its own, so the innermost is *base*, the code
    that its callbacks come from; that alone does not tell it from a task at work, so ask for the task as well.
    """
    if len(frames) > 1 and frames[1].f_code.co_name in ("_run_once", "_poll", "select"):
        return frames[1].f_code.co_filename.endswith(_LOOP_FILES)
    return bool(frames) and frames[0].f_code is base


_LOOP_FILES = tuple(f"asyncio{os.sep}{name}.py" for name in ("base_events", "windows_events"))


def root_of(frames: list[FrameType], task: Any) -> Any:
    """Return what tells one call of the loop from the next; None if it makes none.

    That is asyncio's frame that makes the call, and the task; in another loop the task alone.
    """
    for frame in frames:
        code = frame.f_code
        if code.co_name == "_run" and code.co_filename.endswith(f"asyncio{os.sep}events.py"):
            return _Root(frame, task)
    if task is None and frames[0].f_code.co_filename.endswith(_LOOP_FILES):
        return None
    return _Root(None, task)


class _Root:
    """Holds on to what it names, so that no other object can get its identity. Short-lived."""

    __slots__ = ("_frame", "_task")

    def __init__(self, frame: FrameType | None, task: Any) -> None:
        self._frame, self._task = frame, task

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Root) and self._frame is other._frame and self._task is other._task

    def __hash__(self) -> int:
        return hash((id(self._frame), id(self._task)))
