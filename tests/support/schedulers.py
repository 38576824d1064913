"""The threads that perfkit runs in this process."""

from __future__ import annotations

import threading

__all__ = ["schedulers"]


def schedulers() -> list[threading.Thread]:
    """Return the threads of all systems that run."""
    return [thread for thread in threading.enumerate() if thread.name == "perfkit-scheduler"]
