"""Smooth weighted round robin: in turn by weight, without bursts. {5, 1, 1} gives a a b a c a a.

Source: nginx, "Upstream: smooth weighted round-robin balancing", 2012. Its scan over all servers is done once here:
as long as the weights are small whole numbers to each other the whole sequence is written down and read in turn.
Otherwise the same order of deadlines comes from a heap (earliest deadline first, as in gRPC proposal A58): a server
of weight w is due each 1/w.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable, Sequence
from fractions import Fraction
from math import gcd

from perfkit.core.locks import OwnLock
from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.servers import Server

__all__ = ["WeightedRoundRobin", "smooth"]

MOST_STEPS = 4096
"""Length of a sequence that is written down, and most pairs of step and server that are looked at for it."""


class WeightedRoundRobin:
    """In turn, by weight."""

    heeds_slow_start = True

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        counts = _counts(group.weights)
        if counts is None:
            return _by_deadline(group)
        order = [group.servers[place] for place in smooth(counts)]
        length = len(order)
        turn = itertools.count(int(group.rng.random() * length)).__next__

        def pick(now: float, key: Hashable | None) -> Server:
            return order[turn() % length]

        return pick


def _counts(weights: Sequence[float]) -> list[int] | None:
    """Return how often each comes in one round; None if the round would be too long."""
    if min(weights) == max(weights):
        return [1] * len(weights)
    parts = [Fraction(weight).limit_denominator(1000) for weight in weights]
    if any(not part for part in parts):
        return None
    common = 1
    for part in parts:
        common = common * part.denominator // gcd(common, part.denominator)
    counts = [int(part * common) for part in parts]
    shared = gcd(*counts)
    counts = [count // shared for count in counts]
    return counts if sum(counts) <= MOST_STEPS and sum(counts) * len(counts) <= 64 * MOST_STEPS else None


def smooth(counts: Sequence[int]) -> list[int]:
    """Return the places of one round: place n comes *counts[n]* times, as evenly as can be."""
    total, current, order = sum(counts), [0] * len(counts), []
    if min(counts) == max(counts):
        return list(range(len(counts)))
    for _ in range(total):
        for place, count in enumerate(counts):
            current[place] += count
        best = max(range(len(counts)), key=current.__getitem__)
        current[best] -= total
        order.append(best)
    return order


def _by_deadline(group: Group) -> Pick:
    chance = group.rng.random
    heap = [
        (chance() / weight, place, server, 1.0 / weight)
        for place, (server, weight) in enumerate(zip(group.servers, group.weights, strict=True))
    ]
    heapq.heapify(heap)
    lock = OwnLock()

    def pick(now: float, key: Hashable | None) -> Server:
        with lock:
            at, place, server, step = heap[0]
            heapq.heapreplace(heap, (at + step, place, server, step))
        return server

    return pick
