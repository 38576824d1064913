"""Least connections: who has the fewest requests in flight for its weight; ties at random.

Up to `SCAN` servers all are looked at. Of more, `SCAN` neighbours in an order of this client's own are, which costs
the same however many there are; the order is drawn anew with each change of the fleet. Source: HAProxy, ``balance
leastconn``, and nginx, ``least_conn``. Deviation: a server that failed lately counts as busier, as one that fails
at once never has anything in flight and would attract all requests.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server

__all__ = ["SCAN", "LeastConnections"]

SCAN = 16
"""Servers that are looked at for one choice."""


class LeastConnections:
    """The fewest requests in flight."""

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        count, chance = len(group.servers), group.rng.random
        pairs = list(zip(group.servers, group.weights, strict=True))
        group.rng.shuffle(pairs)
        around = pairs + pairs[: min(SCAN, count)]
        servers = [server for server, _ in around]
        weighted = [(server, 1.0 / weight) for server, weight in around]
        width = min(SCAN, count)

        def pick_even(now: float, key: Hashable | None) -> Server:
            start = int(chance() * count)
            near = servers[start : start + width]
            loads = [server.in_flight + server.penalty for server in near]
            return near[_least(loads, chance)]

        def pick(now: float, key: Hashable | None) -> Server:
            start = int(chance() * count)
            near = weighted[start : start + width]
            loads = [(server.in_flight + 1 + server.penalty) * share for server, share in near]
            return near[_least(loads, chance)][0]

        return pick_even if group.is_even else pick


def _least(loads: list[Any], chance: Callable[[], float]) -> int:
    """Return the place of the least of *loads*, one at random of several.

    The first one after a random start would not do: whoever stands behind busy ones would be first more often.
    """
    least = min(loads)
    place, ties = loads.index(least), loads.count(least)
    if ties > 1 and ties < len(loads):
        for _ in range(int(chance() * ties)):
            place = loads.index(least, place + 1)
    return place
