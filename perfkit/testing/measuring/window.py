"""The time in which statements are noted. Imports next to nothing: a suite without a database pays for none."""

from __future__ import annotations

import sys
import threading

from perfkit.testing.measuring.sent import ACTIVE, Sent

__all__ = ["begin", "end"]

LIBRARIES = ("sqlalchemy.engine", "django.db", "asyncpg.connection")
"""Modules that send statements, if they are imported."""

_lock = threading.Lock()


def begin() -> Sent:
    """Have what is sent from now on be noted; give the answer to `end`."""
    sent = Sent()
    with _lock:
        if any(library in sys.modules for library in LIBRARIES):
            from perfkit.testing.measuring.capture import capture

            capture().hook()
        ACTIVE.append(sent)
    return sent


def end(sent: Sent) -> None:
    """Note no more in *sent*."""
    with _lock:
        ACTIVE.remove(sent)
