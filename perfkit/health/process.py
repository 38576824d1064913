"""The built-in checks of this process: memory, open files, uptime, disk, CPU, the store."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.clock import Clock
from perfkit.core.context import Context
from perfkit.core.limits import DiskLooks, Limits, Usage
from perfkit.core.status import Status
from perfkit.health.settings import HealthSettings

__all__ = ["BUILT_IN", "process_checks"]

BUILT_IN = ("memory", "open_files", "disk", "cpu", "uptime", "store", "event_loop", "database")
"""Names of the checks that perfkit brings along, and that others may depend on."""

MINUTE = 60.0
FIRST_LOOK = 0.1
"""Seconds that the first run waits for the file systems."""

GIB = 2.0**30


def process_checks(settings: HealthSettings, context: Context) -> Iterable[HealthCheck]:
    """Return the checks of this very process.

    None of them fails readiness: when the machine runs short, taking every worker out of service makes it an outage.
    """
    began = context.clock.monotonic()
    limits = Limits()
    return (
        HealthCheck(name="memory", run=partial(_memory, settings, limits), critical=False),
        HealthCheck(name="open_files", run=partial(_open_files, settings), critical=False),
        HealthCheck(name="disk", run=_Disk(settings, context).check, critical=False, interval=10.0),
        HealthCheck(name="cpu", run=_Cpu(settings, limits, context.clock).check, critical=False, interval=5.0),
        HealthCheck(name="uptime", run=partial(_uptime, context.clock, began), critical=False),
        HealthCheck(name="store", run=partial(_store, context), critical=False),
    )


def _graded(value: float, warning: float, critical: float, message: str) -> CheckResult:
    status = Status.CRITICAL if value >= critical else Status.WARNING if value >= warning else Status.HEALTHY
    return CheckResult(status, message, value, "ratio")


def _memory(settings: HealthSettings, limits: Limits) -> CheckResult:
    """Memory of the machine or, where one is set, of the container's limit, used by all processes in it."""
    usage = limits.memory()
    if usage is None:
        return CheckResult(Status.UNKNOWN, "this platform does not tell how much memory is in use")
    message = f"{100.0 * usage.ratio:.0f} % of the {usage.source}'s {usage.total / 2**20:,.0f} MiB are in use"
    return _graded(usage.ratio, settings.memory_warning, settings.memory_critical, message)


def _open_files(settings: HealthSettings) -> CheckResult:
    try:
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        used = len(os.listdir("/proc/self/fd"))
    except (ImportError, OSError):
        return CheckResult(Status.UNKNOWN, "this platform does not tell how many files are open")
    if allowed in (resource.RLIM_INFINITY, 0):
        return CheckResult(Status.HEALTHY, f"{used} files are open, without a limit", float(used), "files")
    share = used / allowed
    message = f"{used} of at most {allowed} files are open"
    return _graded(share, settings.open_files_warning, settings.open_files_critical, message)


class _Disk:
    """The fullest of the file systems that hold the store and the working directory, as of the last look.

    Each run begins a look and tells what the one before found: the scheduler must not wait for one that hangs.
    """

    def __init__(self, settings: HealthSettings, context: Context) -> None:
        self._settings, self._context = settings, context
        self._looks = DiskLooks()
        self._found: dict[str, Usage | None] = {}
        self._is_first = True

    def check(self) -> CheckResult:
        directory = self._context.store.directory
        places = {} if directory is None else {"the store": directory}
        has_begun = self._looks.begin({**places, "the working directory": Path(os.curdir)})
        if self._is_first:
            # A local file system answers in microseconds, and there shall be an answer from the start.
            self._is_first = False
            self._looks.wait(FIRST_LOOK)
        self._found = self._looks.take() or self._found
        if not has_begun:
            return CheckResult(Status.WARNING, "a file system, the store's or the working directory's, does not answer")
        return self._grade() or CheckResult(Status.UNKNOWN, "this platform does not tell how full its disks are")

    def _grade(self) -> CheckResult | None:
        fullest: CheckResult | None = None
        settings = self._settings
        for name, usage in self._found.items():
            if usage is None:
                continue
            message = f"{100.0 * usage.ratio:.0f} % in use where {name} lies, {usage.free / GIB:,.1f} GiB free"
            result = _graded(usage.ratio, settings.disk_warning, settings.disk_critical, message)
            if 0 < settings.disk_plenty <= usage.free:
                result = CheckResult(Status.HEALTHY, message, usage.ratio, "ratio")
            if fullest is None or (result.value or 0.0) > (fullest.value or 0.0):
                fullest = result
        return fullest


class _Cpu:
    """How busy the CPU was over the last minute; where a quota is set, in how many of its periods it stopped us."""

    def __init__(self, settings: HealthSettings, limits: Limits, clock: Clock) -> None:
        self._settings, self._limits, self._clock = settings, limits, clock
        self._samples: deque[tuple[float, float, float]] = deque()

    def check(self) -> CheckResult:
        sample = self._sample()
        if sample is None:
            return CheckResult(Status.UNKNOWN, "this platform does not tell how busy its CPU is")
        now, (busy, total), word = self._clock.monotonic(), sample[:2], sample[2]
        samples = self._samples
        samples.append((now, busy, total))
        while now - samples[0][0] > MINUTE and len(samples) > 2:
            samples.popleft()
        elapsed = total - samples[0][2]
        if elapsed <= 0.0:
            return CheckResult(Status.UNKNOWN, "the first sample was taken just now")
        share = min(1.0, max(0.0, (busy - samples[0][1]) / elapsed))
        warning = self._settings.cpu_warning
        # A short burst is no illness: only a whole minute counts.
        is_long = now - samples[0][0] >= MINUTE - 10.0
        status = Status.WARNING if warning < 1.0 and share >= warning and is_long else Status.HEALTHY
        return CheckResult(status, f"{100.0 * share:.0f} % of the {word}", share, "ratio")

    def _sample(self) -> tuple[float, float, str] | None:
        """Return what is busy and all there was, since some time ago, and what it is; None if it is not told."""
        throttling = self._limits.throttling()
        if throttling is not None:
            return throttling.throttled, throttling.periods, "periods of the CPU quota were cut short"
        try:
            with open("/proc/stat") as file:
                times = [float(word) for word in file.readline().split()[1:9]]
        except (OSError, ValueError):
            return None
        return (sum(times) - times[3] - times[4], sum(times), "machine's CPU time is used") if len(times) > 4 else None


def _uptime(clock: Clock, began: float) -> CheckResult:
    seconds = clock.monotonic() - began
    return CheckResult(Status.HEALTHY, f"up for {seconds:.0f} s", seconds, "seconds")


def _store(context: Context) -> CheckResult:
    reason = context.store.degraded
    if reason:
        return CheckResult(Status.WARNING, f"numbers are those of this worker only: {reason}")
    return CheckResult(Status.HEALTHY, "shared by all workers" if context.store.is_shared else "one process")
