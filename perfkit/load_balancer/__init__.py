"""The load balancer: a server for each request, chosen by what is known of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.core.errors import DeadlineExceeded, LoadBalancerError, NoServerAvailable, ServerNotFoundError
    from perfkit.load_balancer.balancer import LoadBalancer
    from perfkit.load_balancer.discovery.sources import dns, file, srv
    from perfkit.load_balancer.explanation import Explanation, ServerExplanation
    from perfkit.load_balancer.fleet import Group
    from perfkit.load_balancer.leases import Lease
    from perfkit.load_balancer.reports.report import LoadReport
    from perfkit.load_balancer.resilience.budget import RetryBudget
    from perfkit.load_balancer.resilience.deadline import deadline, remaining
    from perfkit.load_balancer.servers import Circuit, Server, ServerSpec, ServerState
    from perfkit.load_balancer.settings import LoadBalancerSettings, ServerSettings
    from perfkit.load_balancer.snapshot import LoadBalancerSnapshot, ServerSnapshot
    from perfkit.load_balancer.strategies import STRATEGIES, Strategy

_HOMES = {
    "DeadlineExceeded": "perfkit.core.errors",
    "LoadBalancerError": "perfkit.core.errors",
    "NoServerAvailable": "perfkit.core.errors",
    "ServerNotFoundError": "perfkit.core.errors",
    "LoadBalancer": "perfkit.load_balancer.balancer",
    "dns": "perfkit.load_balancer.discovery.sources",
    "file": "perfkit.load_balancer.discovery.sources",
    "srv": "perfkit.load_balancer.discovery.sources",
    "Explanation": "perfkit.load_balancer.explanation",
    "ServerExplanation": "perfkit.load_balancer.explanation",
    "Group": "perfkit.load_balancer.fleet",
    "Lease": "perfkit.load_balancer.leases",
    "LoadReport": "perfkit.load_balancer.reports.report",
    "RetryBudget": "perfkit.load_balancer.resilience.budget",
    "deadline": "perfkit.load_balancer.resilience.deadline",
    "remaining": "perfkit.load_balancer.resilience.deadline",
    "Circuit": "perfkit.load_balancer.servers",
    "Server": "perfkit.load_balancer.servers",
    "ServerSpec": "perfkit.load_balancer.servers",
    "ServerState": "perfkit.load_balancer.servers",
    "LoadBalancerSettings": "perfkit.load_balancer.settings",
    "ServerSettings": "perfkit.load_balancer.settings",
    "LoadBalancerSnapshot": "perfkit.load_balancer.snapshot",
    "ServerSnapshot": "perfkit.load_balancer.snapshot",
    "STRATEGIES": "perfkit.load_balancer.strategies",
    "Strategy": "perfkit.load_balancer.strategies",
}

__all__ = [
    "STRATEGIES",
    "Circuit",
    "DeadlineExceeded",
    "Explanation",
    "Group",
    "Lease",
    "LoadBalancer",
    "LoadBalancerError",
    "LoadBalancerSettings",
    "LoadBalancerSnapshot",
    "LoadReport",
    "NoServerAvailable",
    "RetryBudget",
    "Server",
    "ServerExplanation",
    "ServerNotFoundError",
    "ServerSettings",
    "ServerSnapshot",
    "ServerSpec",
    "ServerState",
    "Strategy",
    "deadline",
    "dns",
    "file",
    "remaining",
    "srv",
]

__getattr__ = lazily(__name__, _HOMES)
