"""Deadlines: how long the request that is being served still has, for all that it asks of others.

    with deadline(2.0):
        balancer.execute_request(fetch)     # all tries together take two seconds at most

A deadline inside another one never ends later than that. Source: gRPC, "Deadlines"; the remaining time is passed
on, not a point in time, as clocks of machines differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic as _monotonic

from perfkit.core.errors import DeadlineExceeded, LoadBalancerError

__all__ = ["HEADER", "deadline", "read_headers", "remaining", "time_left", "write_headers"]

HEADER = "x-request-timeout-ms"
"""The header in which the remaining time is passed on, in milliseconds."""

LONGEST = 86_400.0
"""Seconds above which a deadline from outside is none."""

_ends: ContextVar[float | None] = ContextVar("perfkit_deadline", default=None)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


@contextmanager
def deadline(seconds: float | None, *, monotonic: Callable[[], float] = _monotonic) -> Iterator[None]:
    """Give what happens inside *seconds* at most; None leaves it as it is.

    Raises:
        LoadBalancerError: That is no number.
    """
    if seconds is None:
        yield
        return
    if not _is_number(seconds):
        raise LoadBalancerError(
            f"A deadline of {seconds!r} was given. It must be a number of seconds, or None. Correct the argument."
        )
    before = _ends.get()
    end = monotonic() + seconds
    token = _ends.set(end if before is None else min(before, end))
    try:
        yield
    finally:
        _ends.reset(token)


def remaining(*, monotonic: Callable[[], float] = _monotonic) -> float | None:
    """Return the seconds left, 0 if it is over; None without a deadline."""
    end = _ends.get()
    return None if end is None else max(0.0, end - monotonic())


def time_left(*, monotonic: Callable[[], float] = _monotonic) -> float | None:
    """Return the seconds left; None without a deadline.

    Raises:
        DeadlineExceeded: There are none left.
    """
    left = remaining(monotonic=monotonic)
    if left is not None and left <= 0.0:
        raise DeadlineExceeded(
            "The deadline of this request is over. No further try can end in time. "
            "Give it more time, or ask for less in one request."
        )
    return left


def read_headers(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a caller gave in *headers* (lower-case names); None if it gave none that can be."""
    text = headers.get(HEADER, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return None
    seconds = int(text) / 1000.0
    return seconds if seconds <= LONGEST else None


def write_headers(*, monotonic: Callable[[], float] = _monotonic) -> dict[str, str]:
    """Return the header that passes the remaining time on; empty without a deadline."""
    left = remaining(monotonic=monotonic)
    return {} if left is None else {HEADER: str(int(left * 1000.0))}
