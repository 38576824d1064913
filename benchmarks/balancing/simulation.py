"""A discrete-event simulation: clients with a balancer each, servers, timeouts, retries, load reports, probes.

A request's latency runs from its arrival to its answer, retries included. A failure counts as the whole timeout, so
that to fail fast is never rewarded. A server goes on with a job whose client has given up.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.balancing.backends import Backend

__all__ = ["Outcome", "Setup", "Simulation"]

PROBE_DELAY = 0.002
"""Seconds from a probe to its answer."""


@dataclass(kw_only=True)
class Setup:
    """A scenario in figures.

    Attributes:
        load: Arrivals per second as a part of what all servers can do at their speed at the start.
        size: Draws the seconds of work of one request.
        prepare: Changes servers and schedules what happens to them.
        keys: Draws the key of one request, or None.
        checks: Seconds between two active checks, the fall is two of them; 0 has none.
        weights: Whether clients are told the servers' weights.
    """

    clients: int = 20
    servers: int = 20
    slots: int = 2
    load: float = 0.7
    mean: float = 0.05
    size: Callable[[random.Random], float] = lambda rng: rng.expovariate(1.0) * 0.05
    prepare: Callable[[Simulation], None] = lambda _: None
    keys: Callable[[random.Random], int] | None = None
    checks: float = 0.0
    weights: bool = False
    timeout: float = 2.0
    retries: int = 1
    capacity: float | None = None


@dataclass
class Outcome:
    """What came out."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    attempts: int = 0
    received: dict[str, int] = field(default_factory=dict)
    early: dict[str, int] = field(default_factory=dict)

    def quantile(self, part: float) -> float:
        """Return the latency below which *part* of the requests are, seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

    @property
    def error_share(self) -> float:
        """Requests that failed in the end, 0-1."""
        return self.errors / len(self.latencies)


class Simulation:
    """One run. It is also the clock of its balancers."""

    def __init__(
        self, setup: Setup, make: Callable[..., Any], *, seed: int, requests: int, reports: bool, probes: bool
    ) -> None:
        self.setup, self.requests = setup, requests
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0
        self.rng = random.Random(f"world {seed}")
        sizes = random.Random(f"sizes {seed}")
        self._sizes, self._arrivals = sizes, random.Random(f"arrivals {seed}")
        self._keys = random.Random(f"keys {seed}")
        self._reports, self._probes = reports, probes
        self.backends = [
            Backend(f"s{number}", self.at, random.Random(f"server {seed} {number}"), slots=setup.slots)
            for number in range(setup.servers)
        ]
        self.by_name = {backend.name: backend for backend in self.backends}
        setup.prepare(self)
        self.balancers = [make(clock=self, rng=random.Random(f"client {seed} {n}")) for n in range(setup.clients)]
        for balancer in self.balancers:
            for backend in self.backends:
                weight = backend.weight if setup.weights else 1
                balancer.add_server(backend.name, host="127.0.0.1", port=80, weight=weight)
        capacity = setup.capacity or sum(backend.speed * setup.slots for backend in self.backends) / setup.mean
        self.rate = setup.load * capacity
        self.length = requests / self.rate
        self.outcome = Outcome()
        self.factor = 1.0

    def monotonic(self) -> float:
        """Return the simulated seconds."""
        return self.now

    def time(self) -> float:
        """Return the simulated seconds as if since 1970."""
        return 1.7e9 + self.now

    def at(self, when: float, what: Callable[[float], None]) -> None:
        """Call *what* at *when*."""
        self._number += 1
        heapq.heappush(self._events, (when, self._number, what))

    def run(self) -> Outcome:
        """Run to the end of the last request."""
        self.at(0.0, self._arrive)
        if self.setup.checks:
            for balancer in self.balancers:
                self._check(balancer, self.rng.random() * self.setup.checks)
        events, pop = self._events, heapq.heappop
        wanted, latencies = self.requests, self.outcome.latencies
        while events and len(latencies) < wanted:
            self.now, _, what = pop(events)
            what(self.now)
        self.outcome.received = {backend.name: backend.received for backend in self.backends}
        return self.outcome

    def _arrive(self, now: float) -> None:
        self.requests_begun = getattr(self, "requests_begun", 0) + 1
        rng = self._arrivals
        balancer = self.balancers[int(rng.random() * len(self.balancers))]
        key = self.setup.keys(self._keys) if self.setup.keys else None
        self._attempt(balancer, self.setup.size(self._sizes), key, now, now, 0)
        if self.requests_begun < self.requests:
            self.at(now + rng.expovariate(self.rate * self.factor), self._arrive)

    def _attempt(self, balancer: Any, size: float, key: int | None, began: float, now: float, tried: int) -> None:
        self.outcome.attempts += 1
        try:
            lease = balancer.acquire() if key is None else balancer.acquire(key=str(key))
        except LookupError:
            self._failed(balancer, size, key, began, now, tried)
            return
        backend = self.by_name[lease.server.name]
        is_over = False

        def done(at: float, success: bool) -> None:
            nonlocal is_over
            if is_over:
                return
            is_over = True
            report = {"in_flight": backend.in_flight} if self._reports and success else None
            if report is None:
                lease.release(success=success, latency=at - now)
            else:
                lease.release(success=success, latency=at - now, report=report)
            if success:
                self.outcome.latencies.append(at - began)
            else:
                self._failed(balancer, size, key, began, at, tried)

        backend.submit(now, size, key, done)
        self.at(now + self.setup.timeout, lambda at: done(at, False))
        if self._probes:
            for name in balancer.probe_targets(3):
                self.at(now + PROBE_DELAY, lambda _, name=name: self._probe(balancer, name))  # type: ignore[misc]

    def _failed(self, balancer: Any, size: float, key: int | None, began: float, now: float, tried: int) -> None:
        is_late = now - began >= self.setup.timeout
        if not is_late and tried < self.setup.retries and balancer.retry_budget.try_acquire():
            self._attempt(balancer, size, key, began, now, tried + 1)
            return
        self.outcome.errors += 1
        self.outcome.latencies.append(self.setup.timeout)

    def _probe(self, balancer: Any, name: str) -> None:
        backend = self.by_name[name]
        if backend.is_up and backend.failing < 1.0:
            slow = max(1.0, (backend.in_flight + 1) / backend.slots) / max(backend.speed, 0.01)
            balancer.record_probe(name, in_flight=backend.in_flight, latency=self.setup.mean * slow)

    def _check(self, balancer: Any, first: float) -> None:
        bad = dict.fromkeys(self.by_name, 0)

        def check(now: float) -> None:
            for backend in self.backends:
                well = backend.is_up and self.rng.random() >= backend.failing
                bad[backend.name] = 0 if well else bad[backend.name] + 1
                if well or bad[backend.name] >= 2:
                    balancer.set_health(backend.name, well)
            self.at(now + self.setup.checks, check)

        self.at(first, check)
