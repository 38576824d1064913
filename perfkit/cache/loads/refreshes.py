"""Threads that load anew what is stale while the stale value serves, for callers without an event loop."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

__all__ = ["Refreshes"]

THREADS = 2
MOST_WAITING = 100
"""Refreshes that may wait for a thread; more are not begun, and the stale value goes on serving."""


class Refreshes:
    """A bounded pool, made when it is first needed. Thread-safe."""

    def __init__(self) -> None:
        """Begin without a thread."""
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0
        self._pid = os.getpid()

    def submit(self, refresh: Callable[[], object]) -> bool:
        """Run *refresh* in a thread, in the caller's context; return False if too many wait already."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            if self._waiting >= MOST_WAITING:
                return False
            if self._pool is None:
                self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="perfkit-cache")
            try:
                self._pool.submit(self._run, contextvars.copy_context(), refresh)
            except RuntimeError:
                # The interpreter is shutting down.
                return False
            self._waiting += 1
        return True

    def _run(self, context: contextvars.Context, refresh: Callable[[], object]) -> None:
        try:
            context.run(refresh)
        finally:
            with self._lock:
                self._waiting -= 1

    def stop(self) -> None:
        """End the threads when what was submitted is done; the next refresh makes new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)
