"""The built-in checks of this process: memory, open files, uptime, the store."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.clock import Clock
from perfkit.core.context import Context
from perfkit.core.status import Status
from perfkit.health.settings import HealthSettings

__all__ = ["process_checks"]


def process_checks(settings: HealthSettings, context: Context) -> Iterable[HealthCheck]:
    """Return the checks of this very process.

    None of them fails readiness: when the machine runs short, taking every worker out of service makes it an outage.
    """
    began = context.clock.monotonic()
    return (
        HealthCheck(name="memory", run=partial(_memory, settings), critical=False),
        HealthCheck(name="open_files", run=partial(_open_files, settings), critical=False),
        HealthCheck(name="uptime", run=partial(_uptime, context.clock, began), critical=False),
        HealthCheck(name="store", run=partial(_store, context), critical=False),
    )


def _graded(value: float, warning: float, critical: float, message: str) -> CheckResult:
    status = Status.CRITICAL if value >= critical else Status.WARNING if value >= warning else Status.HEALTHY
    return CheckResult(status, message, value, "ratio")


def _memory(settings: HealthSettings) -> CheckResult:
    """Memory of the machine or, where one is set, of the container's limit, used by all processes in it."""
    import psutil

    limit = _container_limit()
    memory = psutil.virtual_memory()
    if limit is None or limit[1] >= memory.total:
        used, total, of = memory.total - memory.available, memory.total, "the machine's"
    else:
        (used, total), of = limit, "the container's"
    share = used / total if total else 0.0
    message = f"{share:.0%} of {of} {total / 2**20:,.0f} MiB are in use"
    return _graded(share, settings.memory_warning, settings.memory_critical, message)


def _container_limit() -> tuple[int, int] | None:
    """Return used and allowed bytes of this control group (version 2), or None where none is set."""
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            allowed = file.read().strip()
        with open("/sys/fs/cgroup/memory.current") as file:
            used = int(file.read())
        return None if allowed == "max" else (used - _file_cache(), int(allowed))
    except (OSError, ValueError):
        return None


def _file_cache() -> int:
    """Return the bytes of the control group's memory that the kernel gives back at need."""
    with open("/sys/fs/cgroup/memory.stat") as file:
        for line in file:
            name, _, value = line.partition(" ")
            if name == "inactive_file":
                return int(value)
    return 0


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


def _uptime(clock: Clock, began: float) -> CheckResult:
    seconds = clock.monotonic() - began
    return CheckResult(Status.HEALTHY, f"up for {seconds:.0f} s", seconds, "seconds")


def _store(context: Context) -> CheckResult:
    reason = context.store.degraded
    if reason:
        return CheckResult(Status.WARNING, f"numbers are those of this worker only: {reason}")
    return CheckResult(Status.HEALTHY, "shared by all workers" if context.store.is_shared else "one process")
