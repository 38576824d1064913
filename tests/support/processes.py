"""Processes of a test: who belongs to whom, and who is still there. Any of them may end while it is looked at."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

import psutil

__all__ = ["family_of", "left_of", "pids_of", "stop"]


def family_of(pid: int) -> list[psutil.Process]:
    """Return the process *pid* and all below it; none where it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def pids_of(pid: int) -> set[int]:
    return {process.pid for process in family_of(pid)}


def left_of(processes: list[psutil.Process], *, seconds: float = 30.0) -> list[psutil.Process]:
    """Return which of *processes* have not ended within *seconds*; one that waits to be reaped has."""
    give_up_at = time.monotonic() + seconds
    while left := [process for process in processes if _lives(process)]:
        if time.monotonic() > give_up_at:
            break
        time.sleep(0.05)
    return left


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its own group, and its whole family: asked first, then killed."""
    family = family_of(process.pid)
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    left_of(family)
