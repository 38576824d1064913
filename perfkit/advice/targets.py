"""What the service should reach; beyond it, advice speaks up."""

from __future__ import annotations

import msgspec

__all__ = ["Targets"]


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """The limits a verdict compares with.

    Attributes:
        p95: Seconds that 95 of 100 requests should stay within.
        error_rate: Share of requests that may end in a 5xx or an exception, 0-1; five times that is failing.
        requests: Requests since the start before anything is judged.
    """

    p95: float = 0.3
    error_rate: float = 0.01
    requests: int = 50
