"""At random, by weight: no memory, no herd, and the yardstick of all others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from itertools import accumulate

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server

__all__ = ["Random", "drawer"]


class Random:
    """Each server with the chance of its weight."""

    heeds_slow_start = True

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        return drawer(group)


def drawer(group: Group) -> Pick:
    """Return what draws from *group* by weight: one random number and at most one binary search."""
    servers, count, chance = group.servers, len(group.servers), group.rng.random

    def pick_even(now: float, key: Hashable | None) -> Server:
        return servers[int(chance() * count)]

    if group.is_even:
        return pick_even
    bounds = list(accumulate(group.weights))
    total, last = bounds[-1], count - 1

    def pick(now: float, key: Hashable | None) -> Server:
        # The last bound may be missed by a rounding error.
        return servers[min(last, bisect_right(bounds, chance() * total))]

    return pick
