"""The load balancer: chooses a server for each request, and learns from how it went.

    balancer = LoadBalancer()
    balancer.add_server("one", host="10.0.0.1", port=8000)
    balancer.add_server("two", host="10.0.0.2", port=8000)
    answer = balancer.execute_request(lambda server: fetch(f"{server.url}/stock"))

Nothing runs in the background unless active checks or discovery are asked for: all that ends with time is compared with
the clock when a server is picked or given back.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Container, Hashable, Iterable
from typing import Any, Self, TypeVar

import msgspec

from perfkit.core.checks import HealthCheck
from perfkit.core.clock import Clock
from perfkit.core.component import Component
from perfkit.core.context import Context
from perfkit.core.findings import Finding
from perfkit.load_balancer.advice import checks_of, findings_of
from perfkit.load_balancer.background import Background
from perfkit.load_balancer.discovery import drains
from perfkit.load_balancer.exclusion import alone_as_needed
from perfkit.load_balancer.explanation import Explanation, explain
from perfkit.load_balancer.fleet import Fleet
from perfkit.load_balancer.health.passive import Ejection, rules_of
from perfkit.load_balancer.keeper import Keeper
from perfkit.load_balancer.leases import Lease
from perfkit.load_balancer.numbers import Numbers
from perfkit.load_balancer.outbound import patches
from perfkit.load_balancer.outbound.recorder import Recorder
from perfkit.load_balancer.reports.own import OwnLoad
from perfkit.load_balancer.reports.report import LoadReport
from perfkit.load_balancer.resilience.budget import RetryBudget
from perfkit.load_balancer.resilience.execution import Execution
from perfkit.load_balancer.resilience.limits import GradientLimit
from perfkit.load_balancer.roster import Roster
from perfkit.load_balancer.servers import Server, ServerSpec
from perfkit.load_balancer.settings import LoadBalancerSettings, overridden
from perfkit.load_balancer.snapshot import LoadBalancerSnapshot, read
from perfkit.load_balancer.strategies.choice import choose_strategy, next_best

__all__ = ["LoadBalancer"]

R = TypeVar("R")


class LoadBalancer(Component):
    """Chooses servers. Thread-safe; a pick takes no lock and does no I/O.

    Attributes:
        strategy: The name of the strategy.
        retry_budget: How many retries are allowed; ask it before each.
        monotonic: The clock.
    """

    name = "load_balancer"
    settings_type = LoadBalancerSettings

    def __init__(
        self,
        strategy: Any = None,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        zone: str | None = None,
        slow_start: float | None = None,
        settings: LoadBalancerSettings | None = None,
        context: Context | None = None,
    ) -> None:
        """Make a balancer without servers; arguments go before *settings*.

        Args:
            strategy: A strategy's name, or a `Strategy` of your own; ``auto`` by default.
            clock: Time, for tests and simulations.
            rng: Chance, for tests and simulations: the same seed and clock give the same picks.
            zone: Where this client runs; servers of this zone are preferred.
            slow_start: Seconds over which a server that came back gets its share.
            settings: What the arguments leave open.
            context: The system around it; without one it stands alone, with a store of its own in memory.

        Raises:
            LoadBalancerError: There is no such strategy, or an argument cannot be.
        """
        if context is None:
            context = _alone(clock)
        self.settings = overridden(settings, zone=zone, slow_start=slow_start)
        self._context = context
        self._clock = clock or context.clock
        self.monotonic = self._monotonic = self._clock.monotonic
        self._rng = rng or random.Random()
        self.strategy, self._strategy = choose_strategy(strategy, self.settings.strategy, self._in_flight)
        ejection = Ejection(rules_of(self.settings), self._rng)
        self._roster = Roster(self.settings, self._strategy, ejection, self._rng)
        self._keeper = Keeper(
            self._strategy, ejection, self._roster, clock=self._clock, limits=self.settings.concurrency_limit
        )
        self.retry_budget = RetryBudget(
            ratio=self.settings.retry_budget,
            clock=self._clock,
            requests=lambda: self._keeper.begun,
            failures=lambda: self._keeper.failures,
        )
        self._numbers = Numbers(context.store)
        self._execution = Execution(self, retries=self.settings.retries, hedges=self.settings.hedging)
        self._recorder: Recorder | None = None
        self._pid = os.getpid()
        self._own = OwnLoad(context.store, self._clock, self.settings.report_header)
        self._background = Background(self, context, self.settings, self._rng)
        drains.listen(context.store, self._roster, self._monotonic)
        for name, server in self.settings.servers.items():
            self._add(ServerSpec(name=name, **msgspec.structs.asdict(server)))

    @classmethod
    def from_settings(cls, settings: Any, context: Context) -> Self:
        """Build the balancer of a system."""
        balancer = cls(settings=settings, context=context)
        if settings.outbound:
            balancer._recorder = Recorder(context.store, context.errors)
        return balancer

    @alone_as_needed
    def acquire(self, key: Hashable | None = None, *, exclude: Container[str] = ()) -> Lease:
        """Choose a server and return the lease on it. Costs 1-2 µs, takes no lock, does no I/O.

        Args:
            key: Requests of one key go to one server, as far as that is well and has room; with the strategies
                `hash` and `auto`.
            exclude: Names of servers that were tried already: others come first.

        Raises:
            NoServerAvailable: There is none, all are draining, or all have as many requests as their limits allow.
        """
        now = self._monotonic()
        fleet = self._roster.fleet
        if now >= fleet.due:
            fleet = self._roster.renew(now)
        server = fleet.pick(now, key)
        if server.in_flight >= server.limit or (exclude != () and server.name in exclude):
            server = next_best(fleet, server, exclude)
        server.in_flight += 1
        server.picks += 1
        keeper = self._keeper
        keeper.begun += 1
        return Lease(keeper, server, now)

    def add_server(
        self, name: str, *, host: str = "", port: int = 0, weight: float = 1, zone: str = "", priority: int = 0
    ) -> Server:
        """Add a server; called again for the same address it changes weight, zone and priority.

        One that joins others that have been there starts slowly.

        Raises:
            LoadBalancerError: A figure cannot be, or another server has this name.
        """
        return self._add(ServerSpec(name=name, host=host, port=port, weight=weight, zone=zone, priority=priority))

    def _add(self, spec: ServerSpec) -> Server:
        return self._limited(self._roster.add(spec, self._monotonic()))

    def _limited(self, server: Server) -> Server:
        if self.settings.concurrency_limit and server.limiter is None:
            server.limiter = GradientLimit()
            server.limit = server.limiter.limit
        return server

    def remove_server(self, name: str) -> None:
        """Forget the server called *name*; its requests in flight end as they do."""
        self._move()
        self._roster.remove(name)

    def reconcile(self, specs: Iterable[ServerSpec]) -> tuple[list[str], list[str]]:
        """Make the servers those of *specs*; return the names that were added and removed.

        What is known of a server that stays is kept. A name with another address is another server.

        Raises:
            LoadBalancerError: A figure of one cannot be, or there are too many; then nothing has changed.
        """
        self._move()
        added, removed = self._roster.reconcile(specs, self._monotonic())
        for name in added:
            server = self._roster.servers.get(name)
            if server is not None:
                self._limited(server)
        return added, removed

    def drain_server(self, name: str) -> None:
        """Give the server called *name* no more requests, in all workers; those in flight end as they do."""
        self._roster.drain(name)
        drains.tell(self._context.store, name, is_draining=True)

    def restore_server(self, name: str) -> None:
        """Give it requests again, slowly at first, in all workers; whatever was held against it is forgiven."""
        self._roster.restore(name, self._monotonic())
        drains.tell(self._context.store, name, is_draining=False)

    def set_health(self, name: str, healthy: bool) -> None:
        """Say what a check of your own found: who is not healthy gets nothing, who is again starts slowly."""
        self._roster.set_health(name, healthy, self._monotonic())

    def probe_targets(self, count: int) -> list[str]:
        """Return the names of up to *count* servers that should be probed now; answers go to `record_probe`."""
        fleet = self._current(self._monotonic())
        wanted = getattr(self._strategy, "probe_targets", None)
        if wanted is not None:
            names: list[str] = wanted(count, fleet.servers)
            return names
        servers = fleet.servers
        chosen = self._rng.sample(servers, max(0, min(count, len(servers))))
        return [server.name for server in chosen]

    def record_probe(self, name: str, *, in_flight: float | None = None, latency: float | None = None) -> None:
        """Take the answer of a probe: the server's requests in flight, and the seconds that one takes there.

        A server that was removed meanwhile is no error.
        """
        server = self._roster.servers.get(name)
        if server is not None:
            report = LoadReport(in_flight=in_flight, latency=latency)
            self._keeper.take_report(server, report, self._monotonic(), is_probe=True)

    def execute_request(
        self,
        fn: Callable[[Server], R],
        key: Hashable | None = None,
        *,
        idempotent: bool = False,
        timeout: float | None = None,
    ) -> R:
        """Call *fn* with a server and return its result; a failure is tried again on another one, within the budget.

        Args:
            fn: Does the request; an exception is a failure of the server, unless it is one of the caller's
                (`ValueError`, `TypeError`, `LookupError`…). An answer with a ``status_code`` of 429, 502, 503 or 504 is
                a failure too, and is returned if there is no other.
            key: See `acquire`.
            idempotent: Whether it may be done twice. Otherwise it is tried again only if it was never sent: the
                connection was refused, or there was no address.
            timeout: Seconds that all tries together may take; see `deadline`.

        Raises:
            NoServerAvailable: There is none.
            DeadlineExceeded: The time was over before a try could begin.
        """
        result: R = self._execution.run(fn, key, idempotent=idempotent, timeout=timeout)
        return result

    async def aexecute_request(
        self,
        fn: Callable[[Server], Awaitable[R] | R],
        key: Hashable | None = None,
        *,
        idempotent: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - of all tries together, as in the sync twin
    ) -> R:
        """`execute_request` for async code: *fn* is a coroutine function or a function that does not block."""
        result: R = await self._execution.arun(fn, key, idempotent=idempotent, timeout=timeout)
        return result

    def explain(self, name: str | None = None) -> Explanation:
        """Say how the fleet stands and why each server, or that called *name*, is picked or not."""
        now = self._monotonic()
        chosen = [self._roster.get(name)] if name is not None else list(self._roster.servers.values())
        return explain(self._current(now), chosen, self._strategy, self, now)

    def get_stats(self) -> LoadBalancerSnapshot:
        """Return picks, answers, latencies and states, the counts of all workers."""
        self._current(self._monotonic())
        self._move()
        return read(self._context.store, strategy=self.strategy, servers=self.servers, fleet=self._roster.fleet)

    def snapshot(self) -> LoadBalancerSnapshot:
        """Return the same as `get_stats`."""
        return self.get_stats()

    def server(self, name: str) -> Server:
        """Return the server called *name*."""
        return self._roster.get(name)

    @property
    def servers(self) -> tuple[Server, ...]:
        """All servers, in the order in which they came."""
        return tuple(self._roster.servers.values())

    @property
    def fleet(self) -> Fleet:
        """Who may be picked now."""
        return self._current(self._monotonic())

    def transport(self, **options: Any) -> Any:
        """Return a transport for `httpx.Client`: each request goes to a server of this balancer; see `transports`."""
        from perfkit.load_balancer.transports.httpx import transport

        return transport(self, **options)

    def atransport(self, **options: Any) -> Any:
        """Return a transport for `httpx.AsyncClient`."""
        from perfkit.load_balancer.transports.httpx import atransport

        return atransport(self, **options)

    def adapter(self, **options: Any) -> Any:
        """Return an adapter for ``requests``: ``session.mount("http://shop/", balancer.adapter())``."""
        from perfkit.load_balancer.transports.requests import adapter

        return adapter(self, **options)

    def own_report(self) -> LoadReport:
        """Return the load of this very service, to be sent to those who ask it; from memory, at most 0.1 s old.

        `perfkit.load_balancer.reports.orca.format_text` writes it for the header ``endpoint-load-metrics``.
        """
        return self._own.report()

    @property
    def report_header(self) -> tuple[str, str] | None:
        """Name and value of the header that tells this service's load, made once a second; None if it is not told."""
        return self._own.header

    def start(self) -> None:
        """Begin active checks and discovery, where there are any, and drain what other workers drain.

        A forked child begins its counts anew.
        """
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._numbers.after_fork(self._roster.servers.values(), self._keeper)
        with self._context.errors.guarded("load_balancer", "it cannot be told which servers drain"):
            drains.catch_up(self._context.store, self._roster, self._monotonic())
        with self._context.errors.guarded("load_balancer", "the service's own load cannot be told"):
            self._own.renew()
        self._roster.tend()
        if self._recorder is not None:
            patches.add(self._recorder)
        self._background.start()

    def stop(self) -> None:
        """End them; what was counted goes to the store."""
        if self._recorder is not None:
            patches.remove(self._recorder)
        self._background.stop()
        self._roster.tend(is_over=True)
        self._execution.end()
        self._move()

    def tick(self, now: float) -> None:
        """Move the counts into the store, and tell the load anew."""
        if self._recorder is not None:
            patches.look()
            self._recorder.tick(now)
        self._move()
        self._roster.tend()
        self._own.renew()

    def discover(self, source: Any, *, interval: float = 10.0) -> None:
        """Take the servers from *source* from now on, once at once and then every *interval* seconds while it runs.

        Args:
            source: A `Discovery`: one of `perfkit.load_balancer.discovery`, or a function that returns servers.
            interval: Seconds between two look-ups.
        """
        self._background.discover(source, interval)

    def check_servers(self, check: Any) -> None:
        """Ask each server regularly with *check*, a function of a `Server` that answers a bool or raises."""
        self._background.check_with(check)

    def checks(self) -> Iterable[HealthCheck]:
        """Return what health should watch: the part of the servers that is well."""
        return checks_of(self)

    def findings(self) -> Iterable[Finding]:
        """Return servers that fail, servers that are slow beside the others, and hosts that fail the app's calls."""
        return [*findings_of(self.servers), *(self._recorder.findings() if self._recorder is not None else ())]

    def _move(self) -> None:
        budget = self.retry_budget
        self._numbers.move(self._roster.servers.values(), self._keeper, budget.granted, budget.refused)

    def _current(self, now: float) -> Fleet:
        fleet = self._roster.fleet
        return self._roster.renew(now) if now >= fleet.due else fleet

    def _in_flight(self) -> int:
        return self._keeper.begun - self._keeper.ended


def _alone(clock: Clock | None) -> Context:
    from perfkit.core.clock import SystemClock
    from perfkit.store import Store

    return Context(store=Store(clock=clock), clock=clock or SystemClock())
