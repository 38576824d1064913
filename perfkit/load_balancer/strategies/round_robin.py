"""In turn: each server gets as many requests as any other, whatever its weight."""

from __future__ import annotations

import itertools
from collections.abc import Hashable

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server

__all__ = ["RoundRobin"]


class RoundRobin:
    """One after the other, from a random start, so that many clients are not in step."""

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        servers, count = group.servers, len(group.servers)
        # A counter in C: one step is never given to two threads.
        turn = itertools.count(int(group.rng.random() * count)).__next__

        def pick(now: float, key: Hashable | None) -> Server:
            return servers[turn() % count]

        return pick
