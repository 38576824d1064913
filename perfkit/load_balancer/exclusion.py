"""One thread at a time, where the interpreter runs without its lock; elsewhere nothing is added.

What requests change (counts of servers, estimates) is changed by single steps between which CPython with its lock
does not change threads. Without that lock, right comes first: each pick and each release takes a lock, which is
reentrant as a lease may be collected anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from perfkit.core.locks import OwnLock
from perfkit.store.series.updates import is_free_threaded

__all__ = ["alone", "alone_as_needed"]

P = ParamSpec("P")
R = TypeVar("R")

_lock = OwnLock()


def alone(method: Callable[P, R]) -> Callable[P, R]:
    """Return *method*, of all that are wrapped so one at a time."""

    @wraps(method)
    def one_at_a_time(*args: P.args, **kwargs: P.kwargs) -> R:
        with _lock:
            return method(*args, **kwargs)

    return one_at_a_time


def alone_as_needed(method: Callable[P, R]) -> Callable[P, R]:
    """Return *method* as it is, or `alone` where this interpreter needs it."""
    return alone(method) if is_free_threaded() else method
