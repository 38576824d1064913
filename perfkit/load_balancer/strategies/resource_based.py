"""Resource based: by the load that servers report, as requests in flight there times latency; full servers come last.

Sources: gRPC proposal A58 for utilization with a penalty for errors; Wydrowski et al., NSDI 2024, for why the least
busy CPU is not simply chosen: it is known late, and all clients would choose the same one. So utilization only says
who is full (above 95 %), and among the others requests in flight decide, which change at once. A report older than
three seconds counts for nothing; without reports it is least response time.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import exp

from perfkit.load_balancer.fleet import Group, Pick
from perfkit.load_balancer.reports.report import STALE, LoadReport
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.strategies.least_connections import SCAN
from perfkit.load_balancer.strategies.least_response_time import LeastResponseTime

__all__ = ["FULL", "ResourceBased"]

FULL = 0.95
"""Utilization from which on a server is full."""

FADE = 0.6
"""Seconds in which a report falls to 1/e of its distance from the average."""

OVERFULL = 10.0
"""Times as slow as a full server counts."""


class ResourceBased(LeastResponseTime):
    """The server with the most room by its own report."""

    def __init__(self) -> None:
        """Know nothing."""
        super().__init__()
        self._load = 0.0
        self._reported_at = -1e9

    def prepare(self, group: Group) -> Pick:
        """Return a picker of *group*."""
        by_latency = super().prepare(group)
        count, chance = len(group.servers), group.rng.random
        servers, width = list(group.servers), min(SCAN, count)
        group.rng.shuffle(servers)
        around = servers + servers[:width]

        def pick(now: float, key: Hashable | None) -> Server:
            if now - self._reported_at > STALE:
                return by_latency(now, key)
            start = int(chance() * count)
            near = around[start : start + width]
            costs = [self._cost(server, now) for server in near]
            return near[costs.index(min(costs))]

        return pick

    def _cost(self, server: Server, now: float) -> float:
        usual = self._fleet or 1.0
        latency = server.memory.seconds if server.memory is not None else usual
        report: LoadReport | None = server.report
        age = now - server.report_at
        if report is None or age > STALE:
            return float((self._load + 1.0 + 3.0 * server.in_flight) * latency)
        part = exp(-age / FADE)
        load = self._load + (_load_of(report, self._load) - self._load) * part
        cost = (load + 1.0 + 3.0 * server.in_flight) * latency
        utilization = report.utilization
        if utilization is None:
            return float(cost)
        if utilization > FULL:
            cost *= OVERFULL
        errors = (report.eps or 0.0) / report.rps if report.rps else 0.0
        # Between servers that are not full, utilization shifts the choice by half at most.
        return float(cost * (0.5 + 0.5 * min(1.0, utilization) + min(1.0, errors)))

    def on_report(self, server: Server, report: LoadReport, now: float, is_probe: bool) -> None:
        """Learn from a load report, which stands on the server already."""
        self._reported_at = now
        if report.in_flight is not None:
            self._load += 0.02 * (report.in_flight - self._load)


def _load_of(report: LoadReport, usual: float) -> float:
    return usual if report.in_flight is None else report.in_flight
