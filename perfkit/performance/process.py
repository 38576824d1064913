"""What this process uses: CPU, memory, threads, open files. psutil is imported when the first sample is taken.

A process may run several systems whose numbers are added up. Its CPU is counted once there, by whoever samples next.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["ProcessSample", "ProcessSampler"]


class ProcessSample(msgspec.Struct, frozen=True, kw_only=True):
    """One look at this process; None where the platform does not tell.

    Attributes:
        cpu_seconds: User and system CPU seconds that nobody has counted yet in the sampler's store; without one,
            those since the last sample (the first: since the process started).
        cpu_cores: Cores used since the last sample; None for the first.
        memory: Resident bytes.
        started_at: Unix seconds.
    """

    cpu_seconds: float
    cpu_cores: float | None
    memory: int | None
    threads: int | None
    open_files: int | None
    started_at: float | None


class ProcessSampler:
    """Takes samples of one process: the one that made it. Not thread-safe: the scheduler owns it.

    Attributes:
        pid: The process that it samples.
    """

    def __init__(self, store: Store | None = None) -> None:
        """Look at the current process, to be counted in *store*."""
        import psutil

        self._store = store
        self.pid = os.getpid()
        self._process = psutil.Process(self.pid)
        self._unavailable = (psutil.Error, OSError, AttributeError)
        self._cpu = 0.0
        self._at: float | None = None

    def sample(self, now: float) -> ProcessSample:
        """Return what the process used up to *now* (monotonic seconds)."""
        process = self._process
        with process.oneshot():
            times = self._try(process.cpu_times)
            memory = self._try(process.memory_info)
            threads = self._try(process.num_threads)
            started_at = self._try(process.create_time)
        cpu = self._cpu if times is None else float(times.user + times.system)
        used = max(0.0, cpu - self._cpu)
        elapsed = None if self._at is None else now - self._at
        self._cpu, self._at = cpu, now
        return ProcessSample(
            cpu_seconds=used if self._store is None else _account().claim(self._store, cpu),
            cpu_cores=used / elapsed if elapsed else None,
            memory=None if memory is None else int(memory.rss),
            threads=threads,
            open_files=self._try(process.num_fds),
            started_at=started_at,
        )

    def _try(self, read: Callable[[], Any]) -> Any:
        """Return what *read* answers, None where this platform or these permissions do not allow it."""
        try:
            return read()
        except self._unavailable:
            return None


class _Account:
    """How many CPU seconds of one process were counted, and where. Thread-safe.

    Told by directory, as several stores of one process may count in it, and by what stores without one share.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._lock = threading.Lock()
        self._in_files: dict[Path, float] = {}
        self._in_memory: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def claim(self, store: Store, total: float) -> float:
        """Return what of *total* was not counted yet where *store* counts; it is from now on."""
        with self._lock:
            directory, shared = store.directory, store.texts
            counted = self._in_memory.get(shared, 0.0)
            if directory is not None:
                counted = max(counted, self._in_files.get(directory, 0.0))
            total = max(total, counted)
            self._in_memory[shared] = total
            if directory is not None:
                self._in_files[directory] = total
            return total - counted


_current = _Account(os.getpid())


def _account() -> _Account:
    """Return the account of this process: a forked child has used nothing yet."""
    global _current
    if _current.pid != os.getpid():
        _current = _Account(os.getpid())
    return _current
