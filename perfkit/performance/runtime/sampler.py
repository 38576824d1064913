"""One sample of everything that is no request: the process, the interpreter, the container, the loops and pools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from perfkit.core.errors import ErrorLog
from perfkit.core.limits import ROOT
from perfkit.core.loops import Loops
from perfkit.core.names import (
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_OPEN_FILES,
    PROCESS_START,
    PROCESS_THREADS,
    WORKER_CPU,
)
from perfkit.performance.runtime.account import account
from perfkit.performance.runtime.container import Container
from perfkit.performance.runtime.garbage import Garbage
from perfkit.performance.runtime.loops import LoopLooks
from perfkit.performance.runtime.metrics import (
    CPU_UTILIZATION,
    DISK_IO,
    FAULTS,
    MAX_FILES,
    PYTHON_INFO,
    SWITCHES,
    VIRTUAL_MEMORY,
)
from perfkit.performance.runtime.process import ProcessSample, ProcessSampler
from perfkit.performance.runtime.reader import ProcessReader

if TYPE_CHECKING:
    from perfkit.store import Store

__all__ = ["RuntimeSampler"]

COUNTERS = {
    "voluntary": (SWITCHES, "voluntary"),
    "involuntary": (SWITCHES, "involuntary"),
    "minor_faults": (FAULTS, "minor"),
    "major_faults": (FAULTS, "major"),
    "read_bytes": (DISK_IO, "read"),
    "written_bytes": (DISK_IO, "write"),
}
"""The metric and the label of each total of a process."""

METRICS = {
    "cpu": PROCESS_CPU.name,
    "memory": PROCESS_MEMORY.name,
    "virtual_memory": VIRTUAL_MEMORY.name,
    "threads": PROCESS_THREADS.name,
    "started_at": PROCESS_START.name,
    "open_files": PROCESS_OPEN_FILES.name,
    "max_files": MAX_FILES.name,
    **{figure: definition.name for figure, (definition, _) in COUNTERS.items()},
}
"""The metric that each figure of a process ends in."""


class RuntimeSampler:
    """Samples the process that made it into one store. Not thread-safe: the scheduler owns it.

    Attributes:
        pid: The process that it samples.
    """

    def __init__(
        self, store: Store, *, loops: Loops | None = None, errors: ErrorLog | None = None, root: Path = ROOT
    ) -> None:
        """Sample into *store*, once `start` was called.

        Args:
            loops: The event loops that serve the app.
            errors: Where looks that fail are reported.
            root: Where `proc` and `sys` are found.
        """
        self._store = store
        self._errors = errors or ErrorLog()
        self.pid = os.getpid()
        self._process = ProcessSampler(store, reader=ProcessReader(root))
        self._garbage = Garbage(store)
        self._container = Container(store, root)
        self._loops = LoopLooks(store, loops or Loops(), self._errors)

    @property
    def unavailable(self) -> dict[str, str]:
        """Metrics that this platform does not tell, and why, by their names."""
        reasons = {METRICS[figure]: reason for figure, reason in list(self._process.unavailable.items())}
        return reasons | dict(self._garbage.unavailable) | dict(self._container.unavailable)

    def start(self) -> None:
        """Begin to measure what cannot be read afterwards; called again it does nothing."""
        self._garbage.start()
        store = self._store
        with self._errors.guarded("performance", "could not tell which Python runs"):
            import platform  # only here

            major, minor, patchlevel = platform.python_version_tuple()
            labels = (platform.python_implementation(), major, minor, patchlevel, platform.python_version())
            store.set(store.row(PYTHON_INFO, labels), 1.0)

    def stop(self) -> None:
        """Leave the interpreter as it was."""
        self._garbage.stop()

    def sample(self, now: float) -> ProcessSample:
        """Write everything as of *now* (monotonic seconds); return what the process uses. Never waits."""
        sample = self._process.sample(now)
        self._write(sample)
        with self._errors.guarded("performance", "could not sample the garbage collector"):
            self._garbage.sample()
        with self._errors.guarded("performance", "could not sample the container"):
            self._container.sample(now)
        with self._errors.guarded("performance", "could not sample the event loops"):
            self._loops.sample()
        return sample

    def _write(self, sample: ProcessSample) -> None:
        store, row, book = self._store, self._store.row, account()
        store.add(row(PROCESS_CPU), sample.cpu_seconds)
        for figure, total in sample.totals.items():
            definition, label = COUNTERS[figure]
            store.add(row(definition, (label,)), book.claim(store, figure, total))
        cores = sample.cpu_cores
        gauges = (
            (PROCESS_MEMORY, sample.memory),
            (VIRTUAL_MEMORY, sample.virtual_memory),
            (PROCESS_THREADS, sample.threads),
            (PROCESS_OPEN_FILES, sample.open_files),
            (MAX_FILES, sample.max_files),
            (PROCESS_START, sample.started_at),
            (WORKER_CPU, cores),
            (CPU_UTILIZATION, None if cores is None else cores / self._container.cores),
        )
        for definition, value in gauges:
            if value is not None:
                store.set(row(definition), float(value))
