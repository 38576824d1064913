"""What of a process was counted already, and where.

The kernel and the interpreter tell totals since the process began; several systems of one process, and their stores,
are to count each of them once. A store that several systems share is told by its directory, or by what they share.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["Account", "account"]


class Account:
    """How much of each total of one process was counted, and where. Thread-safe.

    Attributes:
        pid: The process.
    """

    def __init__(self, pid: int) -> None:
        """Nothing of *pid* was counted yet."""
        self.pid = pid
        self._lock = threading.Lock()
        self._in_files: dict[Path, dict[Hashable, float]] = {}
        self._in_memory: WeakKeyDictionary[object, dict[Hashable, float]] = WeakKeyDictionary()

    def claim(self, store: Store, figure: Hashable, total: float) -> float:
        """Return what of the *total* of *figure* was not counted yet where *store* counts; it is from now on."""
        with self._lock:
            directory, shared = store.directory, store.texts
            in_memory = self._in_memory.setdefault(shared, {})
            counted = in_memory.get(figure, 0.0)
            if directory is not None:
                in_files = self._in_files.setdefault(directory, {})
                counted = max(counted, in_files.get(figure, 0.0))
                in_files[figure] = max(total, counted)
            total = max(total, counted)
            in_memory[figure] = total
            return total - counted


_current = Account(os.getpid())


def account() -> Account:
    """Return the account of this process: a forked child has used nothing yet."""
    global _current
    if _current.pid != os.getpid():
        _current = Account(os.getpid())
    return _current
