"""Threads in which tries of one request race each other: hedging for code that blocks.

A call that blocks can be given up only by letting it run on, so the first try runs in a thread of these as well. Where
all of them are busy a request runs in its caller's thread and is not hedged. The loser's answer is thrown away when
it comes; until then it counts as in flight, as its server is still working on it.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from perfkit.load_balancer.leases import Lease

__all__ = ["MOST", "Race", "Track"]

MOST = 16
"""Tries at a time, of all requests together."""


class Track:
    """The threads of one balancer, made when they are first needed."""

    def __init__(self, most: int = MOST) -> None:
        """Let *most* tries run at a time."""
        self._most = most
        self._lock, self._pid, self._free = threading.Lock(), 0, most
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, function: Callable[[], Any]) -> Future[Any] | None:
        """Call *function* in a thread, in the context of the caller; return None where no thread is free."""
        if self._pid != os.getpid():
            # A forked child has none of its parent's threads.
            self._lock, self._pid, self._free, self._pool = threading.Lock(), os.getpid(), self._most, None
        with self._lock:
            if self._free <= 0:
                return None
            self._free -= 1
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="perfkit-hedge")
            future = self._pool.submit(contextvars.copy_context().run, function)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: Future[Any]) -> None:
        with self._lock:
            self._free += 1

    def close(self) -> None:
        """Let the threads end when their tries have ended."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)


class Race:
    """The tries of one request."""

    def __init__(self, track: Track) -> None:
        """Run on *track*."""
        self._track = track
        self._tries: dict[Future[Any], Lease] = {}

    def enter(self, function: Callable[[Any], Any], lease: Lease) -> bool:
        """Begin a try on the server of *lease*; return whether there was a thread for it."""
        future = self._track.begin(lambda: function(lease.server))
        if future is None:
            return False
        self._tries[future] = lease
        return True

    def is_decided(self, seconds: float) -> bool:
        """Wait up to *seconds* for a try to end; return whether one has."""
        return bool(wait(self._tries, timeout=seconds, return_when=FIRST_COMPLETED).done)

    def take(self) -> tuple[Future[Any], Lease]:
        """Wait for the next try to end and take it out of the race."""
        done = wait(self._tries, return_when=FIRST_COMPLETED).done
        future = next(each for each in self._tries if each in done)
        return future, self._tries.pop(future)

    @property
    def is_over(self) -> bool:
        """Whether no try is left."""
        return not self._tries

    def give_up(self) -> None:
        """Let those that are left run on for nobody; each gives its server back when it ends."""
        for future, lease in self._tries.items():
            future.add_done_callback(lambda _, lease=lease: lease.cancel())  # type: ignore[misc]  # bound at once
        self._tries.clear()
