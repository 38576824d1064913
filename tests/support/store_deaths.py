"""A worker's store that dies without a word, in this process."""

from __future__ import annotations

import os

from perfkit.store import Store
from perfkit.store.backing import fork

__all__ = ["kill"]


def kill(store: Store) -> None:
    """Do what the kernel does when the worker's process dies: close its lock."""
    shared = store._ground.shared
    assert shared is not None
    os.close(shared._file._lock)
    os.close(shared._keys._file)
    shared._others.close()
    store.control.leave()
    store.is_open = False
    # The dead hear of no fork; this one would close numbers that belong to others by then.
    fork._watched.discard(store)
