"""Threads that take turns all the time, so that each step of one is between two of another now and then."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hasty"]


@contextmanager
def hasty(interval: float = 1e-5) -> Iterator[None]:
    """Let a thread run for *interval* seconds at a time while the block runs."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
