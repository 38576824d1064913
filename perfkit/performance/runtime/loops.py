"""What is told only inside of an event loop: its tasks, and the thread pools that belong to it.

A look is a plain callback in the loop, no task. It leaves its result here, and the scheduler writes that down at its
next sample. While a loop is too busy for the last look no other is asked for.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfkit.core.names import OTHER
from perfkit.performance.runtime.metrics import POOL_BUSY, POOL_THREADS, POOL_WAITING, TASKS
from perfkit.performance.runtime.pools import Gthread, Pool, anyio_pool, executor_pool

if TYPE_CHECKING:
    import asyncio

    from perfkit.core.errors import ErrorLog
    from perfkit.core.loops import Loops, ServedLoop
    from perfkit.store import Store

__all__ = ["LoopLooks"]

NAMED = ("main", "loop-2", "loop-3", "loop-4")
"""Loops with a series of their own; some programs make new ones without end."""

MOST_COUNTED = 2000
"""Tasks up to which those that are done, or of another loop, are told apart: that takes a look at each."""


class _Look:
    """The last look at one loop."""

    __slots__ = ("is_pending", "pools", "tasks")

    def __init__(self) -> None:
        self.is_pending = False
        self.tasks: float | None = None
        self.pools: dict[str, Pool] = {}


class LoopLooks:
    """Looks at the loops of one process and writes what they told. Not thread-safe: the scheduler owns it."""

    def __init__(self, store: Store, loops: Loops, errors: ErrorLog) -> None:
        """Look at nothing yet; looks that fail are reported to *errors*."""
        self._store, self._loops, self._errors = store, loops, errors
        self._looks: dict[ServedLoop, _Look] = {}
        self._gthread = Gthread()
        self._written: set[tuple[str, str]] = set()

    def sample(self) -> None:
        """Write what the last looks told and ask for the next ones."""
        tasks: dict[str, float] = {}
        pools: dict[str, Pool] = {}
        self._looks = {served: self._looks.get(served) or _Look() for served in self._loops.alive()}
        for served, look in self._looks.items():
            if look.tasks is not None:
                name = served.name if served.name in NAMED else OTHER
                tasks[name] = tasks.get(name, 0.0) + look.tasks
            for word, pool in look.pools.items():
                pools[word] = pool.plus(pools.get(word))
            self._ask(served, look)
        threads = self._gthread.look()
        if threads is not None:
            pools["gthread"] = threads
        self._write(tasks, pools)

    def _ask(self, served: ServedLoop, look: _Look) -> None:
        loop = served.loop
        if loop is None or look.is_pending:
            return
        look.is_pending = True
        try:
            loop.call_soon_threadsafe(self._look, loop, look, context=_context())
        except RuntimeError:  # it was closed just now
            look.is_pending = False

    def _look(self, loop: asyncio.AbstractEventLoop, look: _Look) -> None:
        """Take a look, in the loop; some microseconds."""
        look.is_pending = False
        with self._errors.guarded("performance", "could not look at an event loop"):
            look.tasks = _count_tasks(loop)
            look.pools = dict(_pools(loop))

    def _write(self, tasks: dict[str, float], pools: dict[str, Pool]) -> None:
        values = {(TASKS.name, name): count for name, count in tasks.items()}
        for word, pool in pools.items():
            for definition, value in zip((POOL_THREADS, POOL_BUSY, POOL_WAITING), pool, strict=True):
                values[definition.name, word] = value
        # What is not there any more reads 0: a gauge cannot be taken back.
        for gone in self._written - values.keys():
            values[gone] = 0.0
        store = self._store
        for (metric, label), value in values.items():
            store.set(store.row(_DEFINITIONS[metric], (label,)), value)
        self._written |= values.keys()


_DEFINITIONS = {definition.name: definition for definition in (TASKS, POOL_THREADS, POOL_BUSY, POOL_WAITING)}


def _pools(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[str, Pool]]:
    for word, pool in (("anyio", anyio_pool()), ("asyncio", executor_pool(getattr(loop, "_default_executor", None)))):
        if pool is not None:
            yield word, pool


def _count_tasks(loop: asyncio.AbstractEventLoop) -> float:
    import asyncio  # there already, as we are in a loop; an app without one shall not pay for it

    known = getattr(asyncio.tasks, "_scheduled_tasks", None) or getattr(asyncio.tasks, "_all_tasks", None)
    if known is not None and len(known) > MOST_COUNTED:
        return float(len(known))
    return float(len(asyncio.all_tasks(loop)))


def _context() -> contextvars.Context:
    """Return a context in which anyio knows where it is: a plain callback belongs to no task that would tell it."""
    context = contextvars.Context()
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        context.run(sniffio.current_async_library_cvar.set, "asyncio")
    return context
