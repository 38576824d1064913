"""Peak EWMA: two at random, and of these the one with the lower latency estimate times its requests in flight.

Source: Twitter Finagle, `PeakEwma` (a latency above the estimate replaces it at once, one below is averaged in with
a decay of 10 s; the estimate decays while the server is idle; one that was never heard of is not asked a second
time before it has answered). Deviation, as in Linkerd's load biaser: a failure counts as a second at least, since a
server that fails fast would look like the best. Offered as people know it; with latencies that scatter, `auto` is
better.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import exp

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies.random import drawer

__all__ = ["PeakEwma"]

DECAY = 10.0
"""Seconds in which an estimate falls to 1/e."""

FAILURE = 1.0
"""Seconds as which a failure counts at least."""

UNKNOWN = 65_536.0
"""Seconds as which a server counts that was asked and has not answered yet."""


class Estimate:
    """What is known of one server's latency: seconds, and when they were reckoned."""

    __slots__ = ("at", "seconds")

    def __init__(self) -> None:
        self.seconds, self.at = 0.0, 0.0


class PeakEwma:
    """Two at random, the one that will be faster."""

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        servers, count, chance = group.servers, len(group.servers), group.rng.random
        for server in servers:
            if not isinstance(server.memory, Estimate):
                server.memory = Estimate()
        if count == 1:
            return drawer(group)
        draw, less = drawer(group), count - 1
        is_even = group.is_even
        weights = None if is_even else dict(zip(map(id, servers), group.weights, strict=True))

        def pick(now: float, key: Hashable | None) -> Server:
            if weights is None:
                first = int(chance() * count)
                second = int(chance() * less)
                one, two = servers[first], servers[second + 1 if second >= first else second]
                return one if _cost(one, now) <= _cost(two, now) else two
            one, two = draw(now, key), draw(now, key)
            return one if _cost(one, now) * weights[id(two)] <= _cost(two, now) * weights[id(one)] else two

        return pick

    def observe(self, server: Server, latency: float, success: bool, now: float) -> None:
        """Learn from an answer."""
        if not success and latency < FAILURE:
            latency = FAILURE
        estimate = server.memory
        if estimate is None:
            return
        old = estimate.seconds
        if latency < old:
            part = exp((estimate.at - now) / DECAY)
            latency += (old - latency) * part
        estimate.seconds, estimate.at = latency, now


def _cost(server: Server, now: float) -> float:
    estimate = server.memory
    seconds: float = estimate.seconds
    pending = server.in_flight
    if seconds == 0.0 and pending:
        return UNKNOWN + pending
    return seconds * exp((estimate.at - now) / DECAY) * (pending + 1)
