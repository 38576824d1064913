"""The event loops that serve the app in this process, as the adapters meet them.

A system is started from anywhere (a lifespan, a first request, a test), mostly before anybody knows which loop serves.
So the adapters say `enter` wherever they stand in a loop and have time, and whoever needs a loop asks or waits here.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from perfkit.core.errors import ErrorLog

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import FrameType

__all__ = ["Loops", "SeenExchange", "ServedLoop"]

MOST_LOOPS = 16
"""Loops remembered at once; test suites make a new one for each test."""


class ServedLoop:
    """One event loop that serves the app, held weakly.

    Attributes:
        name: `main` for the first of a process, then `loop-2` and so on.
        thread: Identifier of the thread that it runs in.
    """

    __slots__ = ("_loop", "name", "thread")

    def __init__(self, loop: AbstractEventLoop, name: str, thread: int) -> None:
        """Remember *loop*, which runs in *thread*."""
        self._loop = weakref.ref(loop)
        self.name, self.thread = name, thread

    @property
    def loop(self) -> AbstractEventLoop | None:
        """The loop; None once it is closed or gone."""
        loop = self._loop()
        return None if loop is None or loop.is_closed() else loop


class SeenExchange(NamedTuple):
    """A request that was met in the frames of a task, without it having told anybody.

    Attributes:
        key: The same for all frames of one request.
        route: Template; empty while none has matched.
        age: Seconds since it began; None where the frame does not tell.
    """

    key: int
    method: str
    route: str
    age: float | None = None


Listener: TypeAlias = Callable[[ServedLoop], object]
Describer: TypeAlias = "Callable[[FrameType], SeenExchange | None]"


class Loops:
    """The loops of one system in this process. Thread-safe; a forked child begins without any."""

    def __init__(self, errors: ErrorLog | None = None) -> None:
        """Know no loop yet; listeners that fail are reported to *errors*."""
        self._errors = errors or ErrorLog()
        self._listeners: list[Listener] = []
        self._describers: list[Describer] = []
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._count = 0
        self._served: tuple[ServedLoop, ...] = ()

    def _own_lock(self) -> threading.Lock:
        """Return the lock of this process: neither the lock nor the loops of a parent are those of its child."""
        if self._pid != os.getpid():
            self._reset()
        return self._lock

    def enter(self) -> None:
        """Remember the loop that runs in this thread; without one, or with one known, do nothing. Microseconds."""
        asyncio = sys.modules.get("asyncio")
        loop = None if asyncio is None else asyncio._get_running_loop()
        if loop is None:
            return
        with self._own_lock():
            if any(each.loop is loop for each in self._served):
                return
            self._count += 1
            name = "main" if self._count == 1 else f"loop-{self._count}"
            entered = ServedLoop(loop, name, threading.get_ident())
            alive = tuple(each for each in self._served if each.loop is not None)
            self._served = (entered, *alive)[:MOST_LOOPS]
            listeners = tuple(self._listeners)
        for listener in listeners:
            self._tell(listener, entered)

    def alive(self) -> tuple[ServedLoop, ...]:
        """Return the loops of this process that are not closed, the newest first."""
        with self._own_lock():
            return tuple(each for each in self._served if each.loop is not None)

    def on_enter(self, listener: Listener) -> None:
        """Call *listener* for each new loop, in its thread; now, in that of the caller, for those known already."""
        with self._own_lock():
            self._listeners.append(listener)
        for each in self.alive():
            self._tell(listener, each)

    def describe_with(self, describer: Describer) -> None:
        """Ask *describer* which request a frame of a running app belongs to; an adapter gives one that is cheap."""
        if len(self._describers) < MOST_LOOPS:
            self._describers.append(describer)

    def exchange_in(self, frames: Iterable[FrameType]) -> SeenExchange | None:
        """Return the request that *frames*, those of one task, belong to; its age where one of them tells it."""
        found: SeenExchange | None = None
        for frame in frames if self._describers else ():
            for describer in self._describers:
                seen = None
                with self._errors.guarded("loops", "a request could not be described"):
                    seen = describer(frame)
                if seen is not None and seen.age is not None:
                    return seen
                found = found or seen
        return found

    def _tell(self, listener: Listener, served: ServedLoop) -> None:
        with self._errors.guarded("loops", "an event loop could not be told"):
            listener(served)
