"""A lock that a fork does not hand on."""

from __future__ import annotations

import os
import threading
from typing import Self

__all__ = ["OwnLock"]


class OwnLock:
    """The reentrant lock of this very process, for ``with``. Do not fork while you hold it.

    A child would inherit a lock that some thread of its parent holds, without the thread that could let it go; so each
    process has its own.
    """

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        """Make a lock that nobody holds."""
        self._locks = {os.getpid(): threading.RLock()}

    def __enter__(self) -> Self:
        self._own().acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self._own().release()

    def _own(self) -> threading.RLock:
        pid = os.getpid()
        # One step, as two threads of a new child may come at once and must get the same lock.
        return self._locks.get(pid) or self._locks.setdefault(pid, threading.RLock())
