"""Balancing strategies by name; each is imported when it is first used."""

from __future__ import annotations

import importlib

from perfkit.load_balancer.strategies.strategy import Strategy

__all__ = ["STRATEGIES", "Strategy", "strategy_of"]

STRATEGIES = {
    "auto": "auto:Auto",
    "round_robin": "round_robin:RoundRobin",
    "weighted_round_robin": "weighted_round_robin:WeightedRoundRobin",
    "least_connections": "least_connections:LeastConnections",
    "least_response_time": "least_response_time:LeastResponseTime",
    "resource_based": "resource_based:ResourceBased",
    "hash": "hashing.hash:ConsistentHash",
    "random": "random:Random",
    "power_of_two": "power_of_two:PowerOfTwo",
    "peak_ewma": "peak_ewma:PeakEwma",
    "prequal": "prequal:Prequal",
}
"""Name → module and class."""


def strategy_of(name: str) -> type[Strategy]:
    """Return the class of the strategy called *name*, which must be one of `STRATEGIES`."""
    module, _, attribute = STRATEGIES[name].partition(":")
    found: type[Strategy] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return found
