"""What the balancer has to say: a health check of its fleet, and findings about servers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from perfkit.core.checks import CheckResult, HealthCheck
from perfkit.core.findings import Finding, Priority
from perfkit.core.status import Status
from perfkit.load_balancer.servers import Server
from perfkit.load_balancer.snapshot import status_of

if TYPE_CHECKING:
    from perfkit.load_balancer.balancer import LoadBalancer

__all__ = ["checks_of", "findings_of"]

ENOUGH = 100
"""Answers of a server from which on something is said of it."""

FAILING = 0.05
"""Part of failures from which on a server is a finding, 0-1."""

SLOW = 3.0
"""Times the fleet's median latency from which on a server is a finding."""


def checks_of(balancer: LoadBalancer) -> list[HealthCheck]:
    """Return the check of the fleet; none before there is one."""
    if not balancer.servers:
        return []

    def run() -> CheckResult:
        servers = balancer.servers
        if not servers:
            return CheckResult(status=Status.HEALTHY, message="All servers were removed.")
        well = sum(server.is_eligible for server in servers)
        return CheckResult(
            status=status_of(servers),
            message=f"{well} of {len(servers)} servers are well.",
            value=well / len(servers),
            unit="ratio",
        )

    # What all replicas share must not take all of them out of service at once: it warns.
    return [HealthCheck(name="load_balancer", run=run, critical=False, tags=("dependency",))]


def findings_of(servers: Sequence[Server]) -> Iterator[Finding]:
    """Yield servers that fail often, and servers that are slow beside the others."""
    known = [server for server in servers if server.successes + server.failures >= ENOUGH]
    latencies = {server.name: server.seconds / (server.successes + server.failures) for server in known}
    usual = statistics.median(latencies.values()) if len(latencies) >= 3 else 0.0
    for server in known:
        answers = server.successes + server.failures
        share = server.failures / answers
        if share >= FAILING:
            yield Finding(
                code="PK501",
                kind="failing_server",
                component="load_balancer",
                priority=Priority.HIGH,
                message=f"The server {server.name} failed {100.0 * share:.0f} % of {answers} requests.",
                action="Look at that server; drain it until it is mended.",
                object=server.name,
                evidence={"failures": server.failures, "answers": answers, "state": str(server.state)},
                fingerprint=f"failing_server:{server.name}",
            )
        elif usual and latencies[server.name] >= SLOW * usual:
            yield Finding(
                code="PK502",
                kind="slow_server",
                component="load_balancer",
                priority=Priority.MEDIUM,
                message=f"The server {server.name} takes {latencies[server.name]:.3g} s, {usual:.3g} s is usual.",
                action="Compare its machine and its load with the others'.",
                object=server.name,
                evidence={"latency_seconds": latencies[server.name], "median_seconds": usual},
                fingerprint=f"slow_server:{server.name}",
            )
