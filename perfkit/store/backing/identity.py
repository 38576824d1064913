"""Which server a process belongs to: the same answer in each of its workers, or "only itself".

An environment variable set by the app would never agree: the master of a plain gunicorn does not import the app.
What does agree (uvicorn --workers and --reload, granian, hypercorn, gunicorn plain, preloading, renamed, after HUP):

1. a process made by multiprocessing has its maker as server;
2. a process whose ``/proc/<parent>/auxv`` equals its own was forked without an exec: the kernel makes the
   auxiliary vector (random addresses) at exec and a fork shares it (proc(5), getauxval(3));
3. where the parent's may not be read (``gunicorn -u nobody``): an equal command line, or gunicorn's arbiter is loaded;
4. uWSGI names its master;
5. else the process stands alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

__all__ = ["Server", "find_server", "has_ended", "namespace", "start_time"]

PROC = Path("/proc")


class Server(msgspec.Struct, frozen=True):
    """A server process.

    Attributes:
        pid: Its number.
        started: Its start time in clock ticks since boot, 0 where unknown; tells it from a later process of its pid.
        namespace: Inode of its pid namespace, 0 where unknown.
    """

    pid: int
    started: int
    namespace: int


def find_server() -> Server | None:
    """Return the server this process works for, or None if it stands alone."""
    pid = _maker() or _forking_parent() or _uwsgi_master()
    if pid is None or pid == os.getpid():
        return None
    started = start_time(pid)
    return None if started is None else Server(pid, started, namespace())


def start_time(pid: int) -> int | None:
    """Return when process *pid* started, in ticks since boot; 0 where that is unknown, None if there is none."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except FileNotFoundError:
        return 0 if not PROC.joinpath("self", "stat").exists() and _exists(pid) else None
    except OSError:
        return 0 if _exists(pid) else None
    # The name may hold spaces and brackets: the fields are counted from its last bracket (proc(5), field 22).
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def has_ended(server: Server) -> bool:
    """Return whether *server*, which must be of our own pid namespace, is gone."""
    return start_time(server.pid) != server.started


def namespace() -> int:
    """Return the inode of our pid namespace, 0 where unknown."""
    try:
        return (PROC / "self" / "ns" / "pid").stat().st_ino
    except OSError:
        return 0


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _maker() -> int | None:
    """Return the pid of the process that made this one by multiprocessing."""
    processes = sys.modules.get("multiprocessing.process")
    parent = processes.parent_process() if processes is not None else None
    return None if parent is None else int(parent.pid)


def _forking_parent() -> int | None:
    """Return the pid of the parent if this process was forked from it and nothing was executed since."""
    parent = os.getppid()
    try:
        theirs = (PROC / str(parent) / "auxv").read_bytes()
    except PermissionError:
        theirs = b""
    except OSError:
        return None
    try:
        same = theirs == (PROC / "self" / "auxv").read_bytes() if theirs else _looks_forked(parent)
    except OSError:
        return None
    return parent if same else None


def _looks_forked(parent: int) -> bool:
    """Guess from what everybody may read; parent 1 may be a container's server or the init of the machine."""
    if "gunicorn.arbiter" in sys.modules:
        return True
    theirs = (PROC / str(parent) / "cmdline").read_bytes()
    return bool(theirs) and theirs == (PROC / "self" / "cmdline").read_bytes()


def _uwsgi_master() -> int | None:
    uwsgi = sys.modules.get("uwsgi")
    pid = int(uwsgi.masterpid()) if uwsgi is not None and hasattr(uwsgi, "masterpid") else 0
    return pid or None
