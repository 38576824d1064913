"""Least response time: requests in flight times the average latency, over all servers.

Source: nginx Plus, ``least_time``. Deviations: the average forgets with time (5 s), so a server that was slow is
tried again; a failure counts as a second at least, as one that fails at once would look like the fastest; a server
without a figure counts as the fleet's average, not as 0.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import exp

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies.least_connections import SCAN

__all__ = ["FAILURE", "LeastResponseTime"]

FAILURE = 1.0
"""Seconds as which a failure counts at least."""

DECAY = 5.0
"""Seconds in which the past falls to 1/e."""

SHARE = 0.02
"""Part by which one answer moves the fleet's average."""


class Average:
    """Seconds of one server, and when they were reckoned."""

    __slots__ = ("at", "seconds")

    def __init__(self, seconds: float, at: float) -> None:
        self.seconds, self.at = seconds, at


class LeastResponseTime:
    """The smallest product of requests in flight and average latency."""

    def __init__(self) -> None:
        """Know nothing."""
        self._fleet = 0.0

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        count, chance = len(group.servers), group.rng.random
        servers, width = list(group.servers), min(SCAN, count)
        group.rng.shuffle(servers)
        around = servers + servers[:width]

        def pick(now: float, key: Hashable | None) -> Server:
            start = int(chance() * count)
            near = around[start : start + width]
            usual = self._fleet or 1.0
            costs = [
                (server.in_flight + 1) * (server.memory.seconds if server.memory is not None else usual)
                for server in near
            ]
            return near[costs.index(min(costs))]

        return pick

    def observe(self, server: Server, latency: float, success: bool, now: float) -> None:
        """Learn from an answer."""
        if success:
            self._fleet += SHARE * (latency - self._fleet) if self._fleet else latency
        elif latency < FAILURE:
            latency = FAILURE
        average = server.memory
        if average is None:
            server.memory = Average(latency, now)
            return
        part = exp((average.at - now) / DECAY)
        average.seconds = latency + (average.seconds - latency) * max(part, 0.5)
        average.at = now
