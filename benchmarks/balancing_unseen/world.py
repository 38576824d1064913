"""Callers, a network with delays both ways, bursts, people who think, tries with a time limit of their own.

Nothing here is shared with `benchmarks.balancing` but the references: other arrivals, other laws of service, other
servers, another network. A request that fails counts as the whole time it had.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.balancing_unseen.machines import Job, Machine

__all__ = ["Case", "Result", "World"]

PATIENCE = 2.0
"""Seconds that a request has in all."""

TRY = 1.0
"""Seconds that one try has."""

SLOWEST = 0.95
"""Quantile of the answers at which a second server is asked, where that is done."""


@dataclass(kw_only=True)
class Case:
    """What happens.

    Attributes:
        load: Requests as a part of what the machines can do; of open arrivals.
        people: Users who wait for their answer and then think; 0 for open arrivals.
        think: Average seconds of a thought.
        burst: The busy state's rate as a multiple of the average; 1 is Poisson.
        stays: Average seconds of the busy and of the quiet state together.
        work: Draws the seconds of one request; their average is about `mean`.
        upset: Changes machines at the start and plans what happens to them.
        hedges: Whether a second server is asked when the first is slow.
    """

    machines: int = 12
    callers: int = 8
    workers: int = 4
    load: float = 0.65
    mean: float = 0.04
    people: int = 0
    think: float = 0.5
    burst: float = 1.0
    stays: float = 3.0
    work: Callable[[random.Random], float] = lambda rng: rng.lognormvariate(-3.62, 0.9)
    queue_limit: int = 1_000_000
    upset: Callable[[World], None] = lambda _: None
    hedges: bool = False


@dataclass
class Result:
    """What came of it."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    tries: int = 0
    received: dict[str, int] = field(default_factory=dict)

    def quantile(self, part: float) -> float:
        """Return the seconds below which *part* of the requests lie."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class World:
    """One run; the clock of its balancers as well."""

    def __init__(
        self, case: Case, make: Callable[..., Any], *, seed: int, requests: int, reports: bool, probes: bool
    ) -> None:
        self.case, self._wanted, self._reports, self._probes = case, requests, reports, probes
        self.now, self._count = 0.0, 0
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.rng = random.Random(seed * 7919 + 1)
        self._work, self._net = random.Random(seed * 7919 + 2), random.Random(seed * 7919 + 3)
        self._come = random.Random(seed * 7919 + 4)
        self.machines = [
            Machine(f"m{n}", self.plan, workers=case.workers, queue_limit=case.queue_limit)
            for n in range(case.machines)
        ]
        self._by_name = {machine.name: machine for machine in self.machines}
        self.result = Result()
        self._latencies: list[float] = []
        self._slow: float | None = None
        self._begun = 0
        self._is_busy = False
        case.upset(self)
        self._rate = case.load * sum(m.workers for m in self.machines) / case.mean
        self.length = requests / self._rate
        self.balancers = []
        for number in range(case.callers):
            balancer = make(clock=self, rng=random.Random(seed * 7919 + 100 + number))
            for machine in self.machines:
                balancer.add_server(machine.name, host="10.0.0.1", port=80)
            self.balancers.append(balancer)

    def monotonic(self) -> float:
        """Return the seconds of this world."""
        return self.now

    def time(self) -> float:
        """Return them as if since 1970."""
        return 1.8e9 + self.now

    def plan(self, when: float, what: Callable[..., None], *arguments: Any) -> None:
        """Call *what* at *when*, with the time first."""
        self._count += 1
        heapq.heappush(self._agenda, (when, self._count, what, arguments))

    def run(self) -> Result:
        """Run until the last request has ended."""
        case = self.case
        if case.people:
            for number in range(case.people):
                self.plan(self._come.random() * case.think, self._person, self.balancers[number % case.callers])
        else:
            self.plan(0.0, self._arrive)
            self.plan(0.0, self._switch)
        while self._agenda and len(self.result.seconds) < self._wanted:
            self.now, _, what, arguments = heapq.heappop(self._agenda)
            what(self.now, *arguments)
        self.result.received = {machine.name: machine.received for machine in self.machines}
        return self.result

    def _switch(self, now: float) -> None:
        """Go from the quiet to the busy state or back: a Poisson process whose rate is a Markov chain."""
        case = self.case
        self._is_busy = not self._is_busy
        part = 0.25 if self._is_busy else 0.75
        if case.burst > 1.0:
            self.plan(now + self._come.expovariate(1.0 / (part * case.stays)), self._switch)

    def _arrive(self, now: float) -> None:
        case = self.case
        self._begun += 1
        self._begin(now, self._come.choice(self.balancers), None)
        rate = self._rate
        if case.burst > 1.0:
            rate *= case.burst if self._is_busy else (1.0 - 0.25 * case.burst) / 0.75
        if self._begun < self._wanted:
            self.plan(now + self._come.expovariate(rate), self._arrive)

    def _person(self, now: float, balancer: Any) -> None:
        self._begin(now, balancer, lambda at: self.plan(at + self._come.expovariate(1.0 / self.case.think), again))

        def again(at: float) -> None:
            self._person(at, balancer)

    def _begin(self, now: float, balancer: Any, then: Callable[[float], None] | None) -> None:
        Call(self, balancer, self.case.work(self._work), now, then).attempt(now)

    def way(self, machine: Machine) -> float:
        """Return the seconds of one way through the network."""
        return machine.far + self._net.lognormvariate(-7.6, 0.6)

    def ended(self, latency: float, well: bool) -> None:
        """Take the end of a request."""
        result = self.result
        result.seconds.append(latency if well else PATIENCE)
        result.errors += not well
        if well and self.case.hedges:
            self._latencies.append(latency)
            if len(self._latencies) >= 200:
                self._slow = sorted(self._latencies)[int(SLOWEST * len(self._latencies))]
                self._latencies.clear()

    @property
    def slow(self) -> float | None:
        """Seconds after which a second server is asked; None for never."""
        return self._slow

    def probe(self, balancer: Any) -> None:
        """Have *balancer* probe as it wishes."""
        for name in balancer.probe_targets(3):
            machine = self._by_name[name]
            self.plan(self.now + self.way(machine), self._probed, balancer, machine)

    def _probed(self, now: float, balancer: Any, machine: Machine) -> None:
        if not machine.is_up or machine.is_silent or machine.speed <= 0.0:
            return
        busy = machine.in_flight
        wait = self.case.mean * max(1.0, (busy + 1) / machine.workers) / machine.speed
        self.plan(now + self.way(machine), lambda _: balancer.record_probe(machine.name, in_flight=busy, latency=wait))

    def machine(self, name: str) -> Machine:
        """Return the machine called *name*."""
        return self._by_name[name]

    @property
    def has_reports(self) -> bool:
        """Whether answers carry load reports."""
        return self._reports

    @property
    def has_probes(self) -> bool:
        """Whether servers are probed."""
        return self._probes


class Call:
    """One request with its tries."""

    __slots__ = ("_balancer", "_began", "_is_over", "_open", "_then", "_tries", "_work", "_world")

    def __init__(
        self, world: World, balancer: Any, work: float, began: float, then: Callable[[float], None] | None
    ) -> None:
        self._world, self._balancer, self._work, self._began, self._then = world, balancer, work, began, then
        self._tries = self._open = 0
        self._is_over = False

    def attempt(self, now: float) -> None:
        """Ask one server."""
        world = self._world
        self._tries += 1
        world.result.tries += 1
        try:
            lease = self._balancer.acquire()
        except LookupError:
            self._failed(now)
            return
        self._open += 1
        machine = world.machine(lease.server.name)
        is_over = False

        def answered(at: float, well: bool) -> None:
            busy = machine.in_flight
            world.plan(at + world.way(machine), heard, well, busy)

        def heard(at: float, well: bool, busy: int | None) -> None:
            nonlocal is_over
            if is_over:
                return
            is_over = True
            self._open -= 1
            if well and world.has_reports:
                lease.release(success=True, latency=at - now, report={"in_flight": busy})
            elif self._is_over and not well:
                lease.release(success=False, latency=at - now)
            else:
                lease.release(success=well, latency=at - now)
            if self._is_over:
                return
            if well:
                self._end(at, True)
            elif not self._open:
                self._failed(at)

        world.plan(now + world.way(machine), machine.take, Job(self._work, answered))
        world.plan(now + TRY, heard, False, None)
        if world.has_probes:
            world.probe(self._balancer)
        if world.slow is not None and self._tries == 1:
            world.plan(now + world.slow, self._hedge)

    def _hedge(self, now: float) -> None:
        if not self._is_over and self._tries == 1 and self._balancer.retry_budget.try_acquire():
            self.attempt(now)

    def _failed(self, now: float) -> None:
        is_late = now - self._began >= PATIENCE
        if not is_late and self._tries < 2 and self._balancer.retry_budget.try_acquire():
            self.attempt(now)
            return
        self._end(now, False)

    def _end(self, now: float, well: bool) -> None:
        self._is_over = True
        self._world.ended(now - self._began, well)
        if self._then is not None:
            self._then(now)
