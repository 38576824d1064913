"""The better of two: two servers at random, and of these the one with fewer requests in flight for its weight.

Source: Mitzenmacher, "The power of two choices in randomized load balancing", 1996; Envoy's "weighted least
request" for the two draws. A server that failed lately counts as busier: one that fails at once never has anything
in flight, and would be the better one every time.
"""

from __future__ import annotations

from collections.abc import Hashable

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies.random import drawer

__all__ = ["PowerOfTwo"]


class PowerOfTwo:
    """Two at random, the less busy one."""

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        servers, count, chance = group.servers, len(group.servers), group.rng.random
        if count == 1:
            return drawer(group)
        less = count - 1

        def pick_even(now: float, key: Hashable | None) -> Server:
            first = int(chance() * count)
            second = int(chance() * less)
            if second >= first:
                second += 1
            one, two = servers[first], servers[second]
            return one if one.in_flight + one.penalty <= two.in_flight + two.penalty else two

        if group.is_even:
            return pick_even
        weights = dict(zip(map(id, servers), group.weights, strict=True))
        draw = drawer(group)

        def pick(now: float, key: Hashable | None) -> Server:
            one, two = draw(now, key), draw(now, key)
            busy_one = (one.in_flight + 1 + one.penalty) / weights[id(one)]
            busy_two = (two.in_flight + 1 + two.penalty) / weights[id(two)]
            return one if busy_one <= busy_two else two

        return pick
