"""What this process may use: the container's limits where there are any, else those of the machine.

Source: Linux kernel, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/{memory,cpu}. A limit of any control group
above ours holds for us too, so each level is read, and the tightest one counts. What a container mounts as its root is
often a group in the middle of the host's tree: where the path that the kernel tells is not mounted, its root is ours.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

__all__ = ["ROOT", "DiskLooks", "Limits", "Throttling", "Usage", "cpu", "disk", "machine_memory", "memory"]

ROOT = Path("/")
"""Where `proc` and `sys` are found; tests bring a tree of their own."""

UNLIMITED = 2.0**60
"""Bytes from which version 1's limit is none: it tells the largest number of pages instead of a word."""


class Usage(NamedTuple):
    """How much of something is used.

    Attributes:
        used: Bytes that cannot be had at need: caches that the kernel gives back do not count.
        total: Bytes that may be used at most.
        source: Whose limit `total` is.
    """

    used: float
    total: float
    source: Literal["container", "machine"] = "machine"

    @property
    def free(self) -> float:
        """Bytes that may still be used."""
        return max(0.0, self.total - self.used)

    @property
    def ratio(self) -> float:
        """Part of `total` in use, 0 to 1 (above 1 where a limit was lowered)."""
        return self.used / self.total if self.total else 0.0


class Throttling(NamedTuple):
    """How often the CPU quota held the container up, since it was made.

    Attributes:
        periods: Periods of the quota (mostly 0.1 s) in which something ran.
        throttled: Those in which it was stopped.
        seconds: Seconds that its threads were stopped in all.
    """

    periods: float
    throttled: float
    seconds: float


class _MemoryFiles(NamedTuple):
    """Where one group tells its limit, what is used, and of what that is made; *cache* is the line to leave out."""

    limit: str
    usage: str
    stat: str
    cache: str


class Limits:
    """The control groups of this process, looked up once; what they allow is read each time. Thread-safe."""

    def __init__(self, root: Path = ROOT) -> None:
        """Find the groups below *root*."""
        self._root = root
        # Most groups have no such files: to look for them once a second cost more than to read those that are there.
        self._memory = tuple(files for group in groups("memory", root) for files in _memory_files(group))
        self._cpu = tuple((group, files) for group in groups("cpu", root) for files in _quota_files(group))

    def memory(self) -> Usage | None:
        """Return the memory in use of what the container, else the machine, has; None where neither is told.

        All that runs in the container counts, not this process alone.
        """
        machine = machine_memory(self._root)
        limited = [usage for files in self._memory if (usage := _limited_memory(files)) is not None]
        if machine is not None:
            limited = [usage for usage in limited if usage.total < machine.total]
        # Of equal limits the upper group's, which comes last, uses more.
        return min(reversed(limited), key=lambda usage: usage.total, default=machine)

    def cpu(self) -> float:
        """Return the cores that this process may keep busy: its quota, or those it may run on where that is less."""
        cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        return min((cores, *(quota for _, files in self._cpu if (quota := _quota(files)) is not None)))

    def throttling(self) -> Throttling | None:
        """Return how the CPU quota nearest to us held us up; None where no quota is set or it is not told."""
        for group, files in self._cpu:
            if _quota(files) is not None:
                with contextlib.suppress(OSError, ValueError, KeyError):
                    told = _table(group / "cpu.stat")
                    # Microseconds in version 2, nanoseconds in version 1.
                    seconds = told["throttled_usec"] / 1e6 if "throttled_usec" in told else told["throttled_time"] / 1e9
                    return Throttling(told["nr_periods"], told["nr_throttled"], seconds)
        return None


def memory(root: Path = ROOT) -> Usage | None:
    """Return what `Limits.memory` does; half a millisecond, as the groups are looked up each time."""
    return Limits(root).memory()


def cpu(root: Path = ROOT) -> float:
    """Return what `Limits.cpu` does; half a millisecond, as the groups are looked up each time."""
    return Limits(root).cpu()


def disk(path: str | os.PathLike[str]) -> Usage | None:
    """Return the use of the file system that holds *path* (or will: the nearest folder that exists), None if untold.

    What is kept back for the administrator counts as used.
    """
    try:
        place = Path(path).absolute()  # the working directory may be gone
        while not place.exists() and place != place.parent:
            place = place.parent
        usage = shutil.disk_usage(place)
    except OSError:
        return None
    return Usage(float(usage.total - usage.free), float(usage.total))


class DiskLooks:
    """Looks at file systems in a thread of their own: one on a network may not answer for ever. One thread owns it."""

    def __init__(self) -> None:
        """Look at nothing yet."""
        self._thread: threading.Thread | None = None
        self._found: dict[str, Usage | None] | None = None

    def begin(self, places: Mapping[str, Path]) -> bool:
        """Begin a look at *places*; return False, and do not, if the last one does not come to an end."""
        if self._thread is not None and self._thread.is_alive():
            return False
        thread = threading.Thread(target=self._look, args=(dict(places),), name="perfkit-disk", daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads can be had, or the interpreter ends
            thread.start()
            self._thread = thread
        return True

    def _look(self, places: dict[str, Path]) -> None:
        # Left for the owner: what it does with them may be over meanwhile.
        self._found = {place: disk(path) for place, path in places.items()}

    def take(self) -> dict[str, Usage | None] | None:
        """Return what the last look found, by place, None for a file system that does not tell; once."""
        found, self._found = self._found, None
        return found

    def wait(self, seconds: float) -> bool:
        """Wait for the look under way, at most *seconds*; return False if it goes on."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()


def machine_memory(root: Path = ROOT) -> Usage | None:
    """Return the memory of the machine, whatever limits a container sets."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        told = _table(root / "proc/meminfo", most=5)
        total = told["MemTotal:"] * 1024.0
        return Usage(total - told["MemAvailable:"] * 1024.0, total)
    # Elsewhere than on Linux. psutil may raise whatever the platform made of it, and no number is an answer too.
    with contextlib.suppress(Exception):
        import psutil

        seen = psutil.virtual_memory()
        return Usage(float(seen.total - seen.available), float(seen.total))
    return None


def groups(controller: str, root: Path = ROOT) -> Iterator[Path]:
    """Yield the folders of our control groups that *controller* (`cpu`, `memory`) may limit, our own first."""
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            bases = [mount]
        elif controller in controllers.split(","):
            bases = [mount / controller, mount / controllers]
        else:
            continue
        # Where version 1 rules, the mount is a plain folder of controllers, no group.
        base = next((each for each in bases if (each / "cgroup.procs").exists()), None)
        if base is not None:
            yield from _upwards(base, path)


def _upwards(base: Path, path: str) -> Iterator[Path]:
    """Yield the group *path* and those above it up to the mount *base*."""
    parts = [part for part in path.split("/") if part]
    if ".." in parts or not base.joinpath(*parts).is_dir():
        parts = []
    for length in range(len(parts), -1, -1):
        yield base.joinpath(*parts[:length])


def _memory_files(group: Path) -> Iterator[_MemoryFiles]:
    """Yield the files of *group* by which memory is limited; none for a group without the controller."""
    for limit, usage, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        if (group / limit).exists():
            yield _MemoryFiles(str(group / limit), str(group / usage), str(group / "memory.stat"), cache)


def _quota_files(group: Path) -> Iterator[tuple[str, ...]]:
    """Yield the files of *group* that tell its quota; none for a group without the controller."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        if (group / names[0]).exists():
            yield tuple(str(group / name) for name in names)


def _limited_memory(files: _MemoryFiles) -> Usage | None:
    # "max" is no number: no limit then.
    with contextlib.suppress(OSError, ValueError):
        total = float(_read(files.limit))
        if 0.0 < total < UNLIMITED:
            used = float(_read(files.usage)) - _table(files.stat).get(files.cache, 0.0)
            return Usage(max(0.0, used), total, "container")
    return None


def _quota(files: tuple[str, ...]) -> float | None:
    """Return the cores of the quota that *files* tell; None where there is none."""
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = " ".join(map(_read, files)).split()
        cores = float(quota) / float(period)
        return cores if cores > 0.0 else None
    return None


def _table(path: str | Path, most: int = -1) -> dict[str, float]:
    """Return the numbers of a file of lines `name value …`, of the first *most* lines (all of them if negative)."""
    numbers: dict[str, float] = {}
    for line in _read(path).split("\n", most)[: most if most > 0 else None]:
        words = line.split(None, 2)
        with contextlib.suppress(ValueError, IndexError):
            numbers[words[0]] = float(words[1])
    return numbers


def _read(path: str | Path) -> str:
    with open(path) as file:
        return file.read()
