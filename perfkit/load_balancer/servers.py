"""A server as one balancer knows it: who it is, what it does now, how well it did.

The counts are changed without a lock. ``server.in_flight += 1`` is one load, one addition and one store, between
which CPython does not change threads as long as nothing is called on the right-hand side (the rule and its
measurement stand in `perfkit.store.series.updates`). Where the interpreter runs without its lock,
`exclusion` takes a lock.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import msgspec

__all__ = ["Circuit", "Server", "ServerSpec", "ServerState"]


class ServerSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes a server the same server, as discovery and settings tell it.

    Attributes:
        name: Its identity: hashing and statistics go by it.
        weight: Its capacity beside the others'.
        zone: Where it runs; the balancer prefers its own zone. Empty where zones do not matter.
        priority: 0 is used first; others as the ones before fail.
    """

    name: str
    host: str = ""
    port: int = 0
    weight: float = 1.0
    zone: str = ""
    priority: int = 0


class ServerState(StrEnum):
    """Whether and why a server gets requests."""

    HEALTHY = "healthy"
    WARMING = "warming"
    PROBATION = "probation"
    EJECTED = "ejected"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    REMOVED = "removed"


class Circuit(StrEnum):
    """The same in a circuit breaker's words."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Server:
    """One server. Made by a balancer; read it, but do not write to it.

    Attributes:
        name, host, port, weight, zone, priority: As it was added.
        in_flight: Requests of this balancer that it is working on.
        picks: Requests it was given.
        successes, failures: How they ended; a cancelled one is neither.
        seconds: Sum of the latencies.
        streak: Failures in a row.
        penalty: Requests in flight that are added for its failures of late, by strategies that go by these.
        limit: The most requests in flight; infinite unless limits are switched on.
        is_healthy: What active checks say.
        ejected_until: Monotonic seconds until which it gets nothing; 0 if it is not ejected.
        ejections: How often it was ejected of late; decays.
        joined_at: Monotonic seconds at which its slow start began; None if that is over.
        admission: Part of its share that it gets while it starts slowly, 0-1.
        memory: What the strategy remembers of it.
    """

    __slots__ = (
        "admission",
        "clean_since",
        "ejected_until",
        "ejections",
        "failures",
        "host",
        "in_flight",
        "is_draining",
        "is_healthy",
        "is_removed",
        "joined_at",
        "limit",
        "limiter",
        "memory",
        "name",
        "penalty",
        "penalty_until",
        "picks",
        "port",
        "priority",
        "probation",
        "report",
        "report_at",
        "seconds",
        "streak",
        "successes",
        "weight",
        "window_at",
        "window_failures",
        "window_successes",
        "zone",
    )

    def __init__(self, spec: ServerSpec) -> None:
        """Begin healthy and idle."""
        self.name, self.host, self.port = spec.name, spec.host, spec.port
        self.weight, self.zone, self.priority = spec.weight, spec.zone, spec.priority
        self.in_flight = self.picks = self.successes = self.failures = self.streak = 0
        self.seconds = 0.0
        self.penalty, self.penalty_until = 0, 0.0
        self.limit = math.inf
        self.limiter: Any = None
        self.is_healthy, self.is_draining, self.is_removed = True, False, False
        self.ejected_until, self.ejections, self.probation = 0.0, 0, 0
        self.clean_since = 0.0
        self.window_at, self.window_successes, self.window_failures = -math.inf, 0, 0
        self.joined_at: float | None = None
        self.admission = 1.0
        self.memory: Any = None
        self.report: Any = None
        self.report_at = -math.inf

    def __repr__(self) -> str:
        """Return name, address and state."""
        return f"<Server {self.name} at {self.address or '?'}, {self.state}, {self.in_flight} in flight>"

    @property
    def address(self) -> str:
        """Host and port as a URL has them; empty without a host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    @property
    def url(self) -> str:
        """``http://`` and the address."""
        return f"http://{self.address}"

    @property
    def state(self) -> ServerState:
        """Whether and why it gets requests."""
        if self.is_removed:
            return ServerState.REMOVED
        if self.is_draining:
            return ServerState.DRAINING
        if not self.is_healthy:
            return ServerState.UNHEALTHY
        if self.ejected_until:
            return ServerState.EJECTED
        if self.probation:
            return ServerState.PROBATION
        return ServerState.WARMING if self.joined_at is not None else ServerState.HEALTHY

    @property
    def circuit(self) -> Circuit:
        """The same in a circuit breaker's words."""
        if self.ejected_until or not self.is_healthy:
            return Circuit.OPEN
        return Circuit.HALF_OPEN if self.probation else Circuit.CLOSED

    @property
    def is_eligible(self) -> bool:
        """Whether it is there and believed to be well."""
        return self.is_healthy and not self.ejected_until and not self.is_draining and not self.is_removed

    @property
    def spec(self) -> ServerSpec:
        """As it was added."""
        return ServerSpec(
            name=self.name, host=self.host, port=self.port, weight=self.weight, zone=self.zone, priority=self.priority
        )
