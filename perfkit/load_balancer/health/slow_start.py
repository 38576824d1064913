"""Slow start: a server that just came gets a part of its share that grows with its age.

Source: Envoy, "Slow start mode", with aggression 1: ``max(least, age / window)``. Deviation: the more of the fleet
is starting the less is held back, and nothing once half of it is: what one server does not get the others have to
bear.
"""

from __future__ import annotations

from collections.abc import Sequence

from perfkit.load_balancer.servers import Server

__all__ = ["LEAST", "STEPS", "admit"]

LEAST = 0.1
"""The part of its share with which a server begins."""

STEPS = 20
"""Steps in which the part grows."""


def admit(servers: Sequence[Server], window: float, now: float) -> float | None:
    """Set the `admission` of *servers* at *now*; return when to come again, None if nobody is starting."""
    starting = [server for server in servers if server.joined_at is not None]
    for server in starting:
        began = server.joined_at
        if began is None or window <= 0.0 or now - began >= window:
            server.joined_at, server.admission = None, 1.0
    starting = [server for server in starting if server.joined_at is not None and server.is_eligible]
    if not starting:
        return None
    held = max(0.0, 1.0 - 2.0 * len(starting) / sum(1 for server in servers if server.is_eligible))
    for server in starting:
        began = server.joined_at
        part = 1.0 if began is None else max(LEAST, (now - began) / window)
        server.admission = 1.0 - held * (1.0 - part)
    return now + window / STEPS
