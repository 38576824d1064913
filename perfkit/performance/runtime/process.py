"""What this process uses: CPU, memory, threads, open files and what the kernel had to do for it.

A process may run several systems whose numbers are added up. Its CPU is counted once there, by whoever samples next.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from perfkit.performance.runtime.account import account
from perfkit.performance.runtime.reader import ProcessReader

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
        max_files: Files that may be open at most; infinity where there is no limit.
        totals: What rose since the process began: `voluntary` and `involuntary` context switches, `minor_faults` and
            `major_faults` of pages, `read_bytes` and `written_bytes` of the disk; without those that are not told.
    """

    cpu_seconds: float
    cpu_cores: float | None
    memory: int | None
    threads: int | None
    open_files: int | None
    started_at: float | None
    virtual_memory: int | None = None
    max_files: float | None = None
    totals: dict[str, float] = {}


TOTALS = ("voluntary", "involuntary", "minor_faults", "major_faults", "read_bytes", "written_bytes")


class ProcessSampler:
    """Takes samples of one process: the one that made it. Not thread-safe: the scheduler owns it.

    Attributes:
        pid: The process that it samples.
        unavailable: Why a figure is missing, by its name.
    """

    def __init__(self, store: Store | None = None, *, reader: ProcessReader | None = None) -> None:
        """Look at the current process with *reader*, to be counted in *store*."""
        self._store = store
        self.pid = os.getpid()
        self._reader = reader or ProcessReader()
        self._cpu = 0.0
        self._at: float | None = None

    @property
    def unavailable(self) -> dict[str, str]:
        """Why a figure of the last sample is missing, by its name."""
        return self._reader.unavailable

    def sample(self, now: float) -> ProcessSample:
        """Return what the process used up to *now* (monotonic seconds)."""
        told = self._reader.read()
        cpu = told.get("cpu", self._cpu)
        used = max(0.0, cpu - self._cpu)
        elapsed = None if self._at is None else now - self._at
        self._cpu, self._at = cpu, now
        return ProcessSample(
            cpu_seconds=used if self._store is None else account().claim(self._store, "cpu", cpu),
            cpu_cores=used / elapsed if elapsed else None,
            memory=_whole(told.get("memory")),
            threads=_whole(told.get("threads")),
            open_files=_whole(told.get("open_files")),
            started_at=told.get("started_at"),
            virtual_memory=_whole(told.get("virtual_memory")),
            max_files=told.get("max_files"),
            totals={name: told[name] for name in TOTALS if name in told},
        )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
