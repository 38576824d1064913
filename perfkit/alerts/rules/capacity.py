"""How much CPU and memory this process may use: the container's quota where there is one, else the machine's."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["cores", "memory"]

CGROUP = Path("/sys/fs/cgroup")


def cores(cgroup: Path = CGROUP) -> float:
    """Return the cores of the control group's quota (version 2), or those that this process may run on."""
    available = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, _, period = (cgroup / "cpu.max").read_text().strip().partition(" ")
        return available if quota == "max" else min(available, int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return available


def memory(cgroup: Path = CGROUP) -> float | None:
    """Return the bytes of the control group's limit, or those of the machine; None where neither is known."""
    limits = []
    # "max" is no number, and not every platform tells: what is not known sets no limit.
    with contextlib.suppress(OSError, ValueError):
        limits.append(int((cgroup / "memory.max").read_text()))
    with contextlib.suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return float(min(limits)) if limits else None
