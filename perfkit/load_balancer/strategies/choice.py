"""From a strategy's name to the strategy; and what to pick when its pick cannot be used."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container
from typing import Any

from perfkit.core.errors import LoadBalancerError, NoServerAvailable
from perfkit.load_balancer.fleet import Fleet
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies import STRATEGIES, strategy_of

__all__ = ["choose_strategy", "next_best"]


def choose_strategy(given: Any, usual: str, in_flight: Callable[[], int]) -> tuple[str, Any]:
    """Return the name and the strategy of *given*: a name, a strategy, or what makes one; None is the *usual* one.

    Args:
        given: What the user gave.
        in_flight: Returns the balancer's requests in flight, for strategies that bound the load.

    Raises:
        LoadBalancerError: It is none of these.
    """
    if given is None:
        given = usual
    if isinstance(given, str):
        if given not in STRATEGIES:
            near = difflib.get_close_matches(given, STRATEGIES, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else "Use one of them, or give a Strategy of your own."
            raise LoadBalancerError(f"There is no strategy {given!r}. There are: {', '.join(STRATEGIES)}. {hint}")
        strategy: Any = strategy_of(given)()
        name = given
    else:
        strategy = given() if isinstance(given, type) else given
        name = str(getattr(strategy, "name", "") or type(strategy).__name__)
    if not callable(getattr(strategy, "prepare", None)):
        raise LoadBalancerError(
            f"The strategy is {strategy!r}. A strategy has a method prepare(group) that returns what picks a server. "
            "Give a name, or an object that keeps the Strategy protocol."
        )
    if getattr(strategy, "in_flight", ...) is None:
        strategy.in_flight = in_flight
    return name, strategy


def next_best(fleet: Fleet, picked: Server, exclude: Container[str]) -> Server:
    """Return whom to take instead of *picked*: not in *exclude*, with room, with the fewest requests in flight.

    Where all have been tried, those tried are allowed again.

    Raises:
        NoServerAvailable: All have as many requests as their limits allow.
    """
    roomy = [server for server in fleet.servers if server.in_flight < server.limit]
    fresh = [server for server in roomy if server.name not in exclude]
    if not roomy:
        raise NoServerAvailable(
            f"All {len(fleet.servers)} servers have as many requests in flight as their limits allow. "
            "More would only wait. Try again later, add servers, or switch load_balancer.concurrency_limit off."
        )
    if not fresh:
        return picked if picked in roomy else roomy[0]
    first = frozenset(fleet.levels[0][1].servers)
    near = [server for server in fresh if server in first] or fresh
    least = min((server.in_flight + server.penalty + 1) / (server.weight * server.admission) for server in near)
    ties = [s for s in near if (s.in_flight + s.penalty + 1) / (s.weight * s.admission) <= least]
    return ties[int(fleet.levels[0][1].rng.random() * len(ties))]
