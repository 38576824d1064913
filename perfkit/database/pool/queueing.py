"""How many connections a pool needs, from when they were asked for and how long they were held.

Sources: A. K. Erlang (1917) for the probability to wait in M/M/c; A. O. Allen, "Probability, Statistics, and Queueing
Theory" (1990), section 5.3, for the correction by the variation of arrivals and holds (Allen and Cunneen). The formula
assumes that callers come independently. Bursts break that (it is several times too low then), so where the times
themselves are known they are played again through a queue of c servers, and the formula only says where to begin.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, pvariance

import msgspec

__all__ = ["Demand", "demand_of", "erlang_c", "replayed_waits", "sufficient_size", "wait_quantile"]

MOST_CONNECTIONS = 500


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of a pool.

    Attributes:
        rate: Connections taken a second.
        hold: Seconds that one was held, in the mean.
        arrival_variation, hold_variation: Squared coefficients of variation; 1 for exponential ones.
    """

    rate: float
    hold: float
    arrival_variation: float = 1.0
    hold_variation: float = 1.0

    @property
    def load(self) -> float:
        """Connections in use, in the mean (Little's law)."""
        return self.rate * self.hold


def demand_of(arrivals: Sequence[float], holds: Sequence[float]) -> Demand:
    """Return the demand of connections taken at *arrivals* (ascending seconds) and held for *holds* seconds."""
    gaps = [later - before for before, later in pairwise(arrivals)]
    span = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else 0.0
    return Demand(
        rate=len(gaps) / span if span > 0.0 else 0.0,
        hold=fmean(holds) if holds else 0.0,
        arrival_variation=_variation(gaps),
        hold_variation=_variation(holds),
    )


def erlang_c(load: float, servers: int) -> float:
    """Return the probability that a caller has to wait, with an offered *load* (Erlangs) for *servers* connections."""
    if load >= servers:
        return 1.0
    blocking = 1.0
    for number in range(1, servers + 1):
        blocking = load * blocking / (number + load * blocking)
    return blocking / (1.0 - (load / servers) * (1.0 - blocking))


def wait_quantile(demand: Demand, servers: int, q: float) -> float:
    """Return the seconds that the share *q* of callers waits at most; infinity where the queue grows for ever."""
    load = demand.load
    if load >= servers:
        return math.inf
    waiting = erlang_c(load, servers)
    if waiting <= 1.0 - q:
        return 0.0
    factor = (demand.arrival_variation + demand.hold_variation) / 2.0
    return demand.hold / (servers - load) * math.log(waiting / (1.0 - q)) * factor


def sufficient_size(
    demand: Demand, *, target: float, q: float = 0.99, trace: Sequence[tuple[float, float]] = ()
) -> int:
    """Return the fewest connections with which the share *q* of callers waits *target* seconds at most.

    Args:
        trace: (arrival, hold) of connections, in order of arrival; with it the answer comes from playing it again.
    """
    size = 1
    while size < MOST_CONNECTIONS and wait_quantile(demand, size, q) > target:
        size += 1
    if not trace:
        return size
    while size > 1 and _quantile(replayed_waits(trace, size - 1), q) <= target:
        size -= 1
    while size < MOST_CONNECTIONS and _quantile(replayed_waits(trace, size), q) > target:
        size += 1
    return size


def replayed_waits(trace: Sequence[tuple[float, float]], servers: int) -> list[float]:
    """Return how long each caller of *trace* would have waited for *servers* connections, first come first served."""
    free = [0.0] * servers
    heapq.heapify(free)
    waits = []
    for arrival, hold in trace:
        begin = max(arrival, free[0])
        heapq.heapreplace(free, begin + hold)
        waits.append(begin - arrival)
    return waits


def _variation(values: Sequence[float]) -> float:
    mean = fmean(values) if values else 0.0
    return pvariance(values, mean) / (mean * mean) if mean > 0.0 and len(values) > 1 else 1.0


def _quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(q * len(ordered)) - 1)] if ordered else 0.0
