"""What this process uses: CPU, memory, threads, open files. psutil is imported when the first sample is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["ProcessSample", "ProcessSampler"]


class ProcessSample(msgspec.Struct, frozen=True, kw_only=True):
    """One look at this process; None where the platform does not tell.

    Attributes:
        cpu_seconds: User and system CPU seconds since the last sample (the first: since the process started).
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

    def __init__(self) -> None:
        """Look at the current process."""
        import psutil

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
            cpu_seconds=used,
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
