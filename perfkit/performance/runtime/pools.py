"""Thread pools: how many threads each may have, how many work, and what waits.

No pool tells this in public, but for anyio's. So each look takes what it can get: a release that has it otherwise costs
the numbers of that pool and nothing else.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any, NamedTuple

__all__ = ["Gthread", "Pool", "anyio_pool", "executor_pool"]

GTHREAD = "gunicorn.workers.gthread"

MAX_FRAMES = 100


class Pool(NamedTuple):
    """One look at a pool.

    Attributes:
        threads: Threads that it may have.
        busy: Threads that work.
        waiting: Calls that wait for one.
    """

    threads: float
    busy: float
    waiting: float

    def plus(self, other: Pool | None) -> Pool:
        """Return both together."""
        return self if other is None else Pool(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))


def executor_pool(executor: Any) -> Pool | None:
    """Return the state of a `concurrent.futures.ThreadPoolExecutor`; None if *executor* has no such."""
    try:
        made = len(executor._threads)
        # A permit for each thread that waits for work; a thread is made only where there is none.
        idle = executor._idle_semaphore._value
        return Pool(float(executor._max_workers), float(max(0, made - idle)), float(executor._work_queue.qsize()))
    except (AttributeError, TypeError):
        return None


def anyio_pool() -> Pool | None:
    """Return the state of anyio's default limiter; to be called in the loop, in a context that names asyncio."""
    anyio = sys.modules.get("anyio.to_thread")
    if anyio is None:
        return None
    limiter = anyio.current_default_thread_limiter()
    told = limiter.statistics()
    return Pool(float(told.total_tokens), float(told.borrowed_tokens), float(told.tasks_waiting))


class Gthread:
    """The pool of gunicorn's threaded worker, found on the stack of the main thread, which runs it for life."""

    def __init__(self) -> None:
        """Know no worker yet."""
        self._worker: weakref.ref[Any] | None = None

    def look(self) -> Pool | None:
        """Return the state of the pool; None where no such worker runs in this process."""
        worker = None if self._worker is None else self._worker()
        if worker is None:
            worker = self._find()
            if worker is None:
                return None
            self._worker = weakref.ref(worker)
        return executor_pool(getattr(worker, "tpool", None))

    @staticmethod
    def _find() -> Any:
        kind: Any = getattr(sys.modules.get(GTHREAD), "ThreadWorker", None)
        frame = None if kind is None else sys._current_frames().get(threading.main_thread().ident or 0)
        for _ in range(MAX_FRAMES):
            if frame is None:
                return None
            if frame.f_globals.get("__name__") == GTHREAD and isinstance(found := frame.f_locals.get("self"), kind):
                return found
            frame = frame.f_back
        return None
