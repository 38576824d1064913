"""What the load balancer says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from perfkit.core.families import Family
from perfkit.core.status import Status
from perfkit.load_balancer.numbers import EJECTIONS, IN_FLIGHT, LEAKED, PICKS, REQUESTS, RETRIES, SECONDS
from perfkit.load_balancer.servers import Circuit, Server, ServerState
from perfkit.store import Store

if TYPE_CHECKING:
    from perfkit.load_balancer.fleet import Fleet

__all__ = ["LoadBalancerSnapshot", "ServerSnapshot", "read", "status_of"]


class ServerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One server: counts of all workers since the start of the service, state as this worker sees it.

    Attributes:
        picks: Requests it was given.
        in_flight: Requests that it is working on, of all live workers.
        latency: Average seconds of an answer; None before the first.
        error_share: Failures of all answers, 0-1; None before the first.
        circuit: The state in a circuit breaker's words.
    """

    name: str
    address: str
    weight: float
    state: ServerState
    circuit: Circuit
    picks: int = 0
    successes: int = 0
    failures: int = 0
    in_flight: int = 0
    latency: float | None = None
    error_share: float | None = None
    zone: str = ""
    priority: int = 0


class LoadBalancerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The balancer of all workers.

    Attributes:
        healthy: Servers that may be picked now.
        is_panicking: True while so few are healthy that sick ones get requests too.
        retries, refused_retries: What the budget granted and refused.
        leaked: Leases that were dropped without being given back.
    """

    status: Status
    strategy: str
    healthy: int
    is_panicking: bool
    picks: int = 0
    successes: int = 0
    failures: int = 0
    in_flight: int = 0
    ejections: int = 0
    retries: int = 0
    refused_retries: int = 0
    leaked: int = 0
    servers: dict[str, ServerSnapshot] = msgspec.field(default_factory=dict)


def status_of(servers: Sequence[Server]) -> Status:
    """Return how well the fleet is: critical without a healthy server, warning below three quarters."""
    there = [server for server in servers if not server.is_draining]
    if not there:
        return Status.UNKNOWN
    well = sum(server.is_eligible for server in there)
    if not well:
        return Status.CRITICAL
    return Status.HEALTHY if 4 * well >= 3 * len(there) else Status.WARNING


def read(store: Store, *, strategy: str, servers: Sequence[Server], fleet: Fleet) -> LoadBalancerSnapshot:
    """Return the figures of all workers."""
    names = (PICKS, REQUESTS, SECONDS, IN_FLIGHT, EJECTIONS, RETRIES, LEAKED)
    families = {family.definition.name: family for family in store.families({each.name for each in names})}
    figures = {each.name: _by_labels(families.get(each.name)) for each in names}
    retries = figures[RETRIES.name]
    each = {server.name: _server(server, figures) for server in servers}
    return LoadBalancerSnapshot(
        status=status_of(servers),
        strategy=strategy,
        healthy=sum(server.is_eligible for server in servers),
        is_panicking=fleet.is_panicking,
        picks=int(sum(figures[PICKS.name].values())),
        successes=int(sum(v for labels, v in figures[REQUESTS.name].items() if labels[1] == "success")),
        failures=int(sum(v for labels, v in figures[REQUESTS.name].items() if labels[1] == "failure")),
        in_flight=int(sum(figures[IN_FLIGHT.name].values())),
        ejections=int(figures[EJECTIONS.name].get((), 0.0)),
        retries=int(retries.get(("granted",), 0.0)),
        refused_retries=int(retries.get(("refused",), 0.0)),
        leaked=int(figures[LEAKED.name].get((), 0.0)),
        servers=each,
    )


def _server(server: Server, figures: dict[str, dict[tuple[str, ...], float]]) -> ServerSnapshot:
    name = (server.name,)
    successes, failures = (figures[REQUESTS.name].get((server.name, word), 0.0) for word in ("success", "failure"))
    answers = successes + failures
    return ServerSnapshot(
        name=server.name,
        address=server.address,
        weight=server.weight,
        state=server.state,
        circuit=server.circuit,
        picks=int(figures[PICKS.name].get(name, 0.0)),
        successes=int(successes),
        failures=int(failures),
        in_flight=int(figures[IN_FLIGHT.name].get(name, 0.0)),
        latency=figures[SECONDS.name].get(name, 0.0) / answers if answers else None,
        error_share=failures / answers if answers else None,
        zone=server.zone,
        priority=server.priority,
    )


def _by_labels(family: Family | None) -> dict[tuple[str, ...], float]:
    if family is None:
        return {}
    return {point.labels: point.value for point in family.points if isinstance(point.value, float)}
