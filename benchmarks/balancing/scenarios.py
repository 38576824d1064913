"""What happens to servers: from nothing at all to everything that goes wrong in production."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import OrderedDict
from itertools import accumulate

from benchmarks.balancing.backends import Backend
from benchmarks.balancing.simulation import Setup, Simulation

__all__ = ["SCENARIOS"]

KEYS = 4000


def _pareto(rng: random.Random) -> float:
    return min(1.0, 0.05 * 0.31 * rng.paretovariate(1.4))


def _bimodal(rng: random.Random) -> float:
    return (0.5 if rng.random() < 0.05 else 0.0263) * rng.expovariate(1.0)


_ZIPF = list(accumulate(1.0 / (rank + 1) ** 0.9 for rank in range(KEYS)))


def _zipf(rng: random.Random) -> int:
    return bisect_left(_ZIPF, rng.random() * _ZIPF[-1])


def _queues(simulation: Simulation) -> None:
    for backend in simulation.backends:
        backend.is_queue = True


def _unequal(simulation: Simulation) -> None:
    for number, backend in enumerate(simulation.backends):
        backend.weight = backend.speed = (0.5, 1.0, 1.0, 2.0)[number % 4]


def _slow_one(simulation: Simulation) -> None:
    simulation.backends[3].speed = 0.2


def _antagonists(simulation: Simulation) -> None:
    """Each server is at times slowed down to 40 % by a neighbour on its machine."""

    def afflict(backend: Backend) -> None:
        def begin(now: float) -> None:
            backend.set_speed(now, 0.4)
            simulation.at(now + simulation.rng.expovariate(1 / 1.5), end)

        def end(now: float) -> None:
            backend.set_speed(now, 1.0)
            simulation.at(now + simulation.rng.expovariate(1 / 6.0), begin)

        simulation.at(simulation.rng.expovariate(1 / 6.0), begin)

    for backend in simulation.backends:
        afflict(backend)


def _brownout(simulation: Simulation) -> None:
    def later(now: float) -> None:
        for backend in simulation.backends[:3]:
            backend.set_speed(now, 0.3)

    def over(now: float) -> None:
        for backend in simulation.backends[:3]:
            backend.set_speed(now, 1.0)

    simulation.at(6.0, later)
    simulation.at(14.0, over)


def _burst(simulation: Simulation) -> None:
    def faster(_: float) -> None:
        simulation.factor = 1.1 / 0.7

    def normal(_: float) -> None:
        simulation.factor = 1.0

    for start in (5.0, 13.0):
        simulation.at(start, faster)
        simulation.at(start + 2.0, normal)


def _caches(simulation: Simulation) -> None:
    for backend in simulation.backends:
        backend.cache, backend.cache_size = OrderedDict(), 120


def _black_hole(simulation: Simulation) -> None:
    simulation.backends[5].failing = 1.0


def _half_failing(simulation: Simulation) -> None:
    simulation.backends[5].failing = 0.5


def _sudden_loss(simulation: Simulation) -> None:
    for backend in simulation.backends[2:5]:
        simulation.at(6.0, backend.crash)


def _cold_restart(simulation: Simulation) -> None:
    for backend in simulation.backends[2:4]:
        simulation.at(5.0, backend.crash)
        simulation.at(9.0, lambda now, backend=backend: backend.restart(now, cold=0.25))  # type: ignore[misc]
        simulation.at(12.0, lambda now, backend=backend: backend.set_speed(now, 1.0))  # type: ignore[misc]


def _rolling(simulation: Simulation) -> None:
    """Each server in turn is drained, goes, and comes back a second later; clients hear of it half a second late."""
    for number, backend in enumerate(simulation.backends):
        start = 1.0 + 1.0 * number

        def drain(_: float, name: str = backend.name) -> None:
            for balancer in simulation.balancers:
                balancer.drain_server(name)

        def restore(_: float, name: str = backend.name) -> None:
            for balancer in simulation.balancers:
                balancer.restore_server(name)

        # Every fifth is killed without a word.
        simulation.at(start + (0.5 if number % 5 else 1.5), drain)
        simulation.at(start + 1.2, backend.crash)
        simulation.at(start + 2.0, lambda now, backend=backend: backend.restart(now))  # type: ignore[misc]
        simulation.at(start + 2.5, restore)


SCENARIOS: dict[str, Setup] = {
    "homogeneous 70 %": Setup(),
    "homogeneous 80 %": Setup(load=0.8),
    "homogeneous 90 %": Setup(load=0.9),
    "homogeneous 95 %": Setup(load=0.95),
    "one client": Setup(clients=1, servers=5, load=0.8),
    "heavy tails, queues": Setup(size=_pareto, prepare=_queues, load=0.6),
    "two sizes": Setup(size=_bimodal, load=0.7),
    "unequal, weights known": Setup(prepare=_unequal, weights=True, load=0.8),
    "unequal, blind": Setup(prepare=_unequal, load=0.8),
    "one slow": Setup(prepare=_slow_one, load=0.72),
    "antagonists": Setup(prepare=_antagonists, load=0.6),
    "brownout": Setup(prepare=_brownout, load=0.7),
    "bursts": Setup(prepare=_burst, load=0.7),
    "key affinity": Setup(prepare=_caches, keys=_zipf, load=1.1),
    "black hole": Setup(prepare=_black_hole, checks=0.0),
    "half failing": Setup(prepare=_half_failing),
    "sudden loss": Setup(prepare=_sudden_loss),
    "cold restart": Setup(prepare=_cold_restart),
    "rolling deploy": Setup(prepare=_rolling),
}
"""By name. With 20 servers of two slots and 50 ms: 800 requests a second are all that they can do."""
